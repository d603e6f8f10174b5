//! Deeds that are planted in thought: what would be said of them, were they done on a day with nothing else.
//!
//! Invariant: an answer comes from a baseline and the thresholds in force, by the functions that judge.

/// What one detector would say of graded deeds of one principal.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Active days that the principal's own baseline rests on.
    pub days: u32,
    /// The smallest amount that alerts, of deeds that have an amount; `None` where none does.
    pub least: Option<u64>,
    /// Smaller amounts never alert.
    pub floor: u64,
    /// The deeds, rising in what they are worth to a thief.
    pub sizes: Vec<Size>,
}

/// One deed.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// For people: `300 files in 10 minutes`.
    pub name: String,
    /// What exactly, of this principal: the hour, the country, the number.
    pub detail: String,
    /// How much, of deeds that have an amount; else 0.
    pub amount: u64,
    /// Whether it reaches the threshold in force.
    pub crosses: bool,
    /// The model's surprise; `None` of physics.
    pub surprise: Option<u32>,
    /// See [`crate::verdict::Verdict::repeats_as`].
    pub repeats_as: String,
}
