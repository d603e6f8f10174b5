//! Deeds of graded size planted into each principal's own history: which would go unnoticed, for whom, why.
//!
//! Each is judged alone, on a day after the last on which nothing else happens. Nothing is run again: the
//! thresholds of that day are inverted. Left out is what needs the others of that day: a common cause.
//!
//! Invariant: whoever is counted unnoticed has one reason, the first that holds in the order of [`Reason`].

use std::collections::BTreeMap;

use nightjar_detectors::company::Phase;
use nightjar_detectors::core::Planted;
use nightjar_detectors::detector::Size;
use nightjar_detectors::time::{Day, day_text};
use nightjar_detectors::verdict::Stream;
use serde::Serialize;

use super::misses::COLD_DAYS;

/// Why a deed goes unnoticed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It repeats an alert that was shown.
    Repeat,
    /// The stream is in its first week.
    Ledger,
    /// A decision of the company mutes it.
    Excused,
    /// Too few of the kind are known to judge any.
    Unknown,
    /// No threshold can be reached by so little.
    Floor(u64),
    /// No own days at all.
    Never,
    /// Few own days.
    Cold,
    /// Not a person.
    Kind(&'static str),
    /// Physics allow it.
    Possible,
    /// Within what is usual of them.
    Usual,
}

impl Reason {
    /// After a number of accounts.
    fn text(&self, detector: &str) -> String {
        match self {
            Reason::Repeat => "muted as a repeat of an alert of the last 14 days".into(),
            Reason::Ledger => "in the first week of judging".into(),
            Reason::Excused => "muted by one of the [[exceptions]]".into(),
            Reason::Unknown => "of a kind of whom too few are known".into(),
            Reason::Floor(floor) => format!("below {floor}, the least that alerts"),
            Reason::Never if detector == "impossible_travel" => {
                "without a login that has a place on the map".into()
            }
            Reason::Never => format!("without a day that {detector} knows"),
            Reason::Cold => format!("colder than {COLD_DAYS} days"),
            Reason::Kind(kind) => format!("{kind} accounts, judged by what is usual of them"),
            Reason::Possible => "possible for any traveller".into(),
            Reason::Usual => "too near to what is usual of them".into(),
        }
    }
}

/// What became of one deed of one principal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deed {
    /// What: `300 files in 10 minutes`.
    pub name: String,
    /// The hour, the country, the number.
    pub detail: String,
    /// Whether it would be shown.
    pub noticed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One principal and detector.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// The detector.
    pub detector: &'static str,
    /// The principal.
    pub principal: String,
    /// Kind of principal.
    pub kind: &'static str,
    /// Own days known.
    pub days: u32,
    /// The smallest amount that alerts, of deeds that have an amount.
    pub least: Option<u64>,
    /// The threshold in force; null for physics, and where nobody is judged.
    pub threshold: Option<f64>,
    /// The deeds.
    pub deeds: Vec<Deed>,
}

/// One deed of all principals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The detector.
    pub detector: &'static str,
    /// What.
    pub name: String,
    /// Whom it was planted into.
    pub of: usize,
    /// For how many it goes unnoticed.
    pub unnoticed: usize,
    /// How many, and why.
    pub reasons: Vec<(usize, String)>,
}

/// All that was planted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Injected {
    /// The day into which it was planted.
    pub day: String,
    /// By detector and size.
    pub groups: Vec<Group>,
    /// By detector and principal.
    pub principals: Vec<Person>,
}

impl Injected {
    /// Counts what would be said.
    pub fn new(day: Day, planted: &[Planted]) -> Self {
        // Whoever no detector knows was seen by none of them: a name that somebody tried.
        let known: std::collections::BTreeSet<_> = planted
            .iter()
            .filter(|of| 0 < of.answer.days)
            .map(|of| &of.who)
            .collect();
        let mut groups = Vec::<(Group, BTreeMap<Reason, usize>)>::new();
        let mut principals = Vec::new();
        for of in planted.iter().filter(|of| known.contains(&of.who)) {
            let mut deeds = Vec::new();
            for (index, size) in of.answer.sizes.iter().enumerate() {
                let reason = unnoticed(of, size, index);
                let is_it = |known: &(Group, _)| {
                    known.0.detector == of.detector && known.0.name == size.name
                };
                let place = groups.iter().position(is_it).unwrap_or_else(|| {
                    let group = Group {
                        detector: of.detector,
                        name: size.name.clone(),
                        of: 0,
                        unnoticed: 0,
                        reasons: Vec::new(),
                    };
                    groups.push((group, BTreeMap::new()));
                    groups.len() - 1
                });
                let (group, reasons) = &mut groups[place];
                group.of += 1;
                if let Some(reason) = &reason {
                    group.unnoticed += 1;
                    *reasons.entry(reason.clone()).or_default() += 1;
                }
                deeds.push(Deed {
                    name: size.name.clone(),
                    detail: size.detail.clone(),
                    noticed: reason.is_none(),
                    reason: reason.map(|reason| reason.text(of.detector)),
                });
            }
            principals.push(Person {
                detector: of.detector,
                principal: of.who.name.to_string(),
                kind: of.who.stream.as_str(),
                days: of.answer.days,
                least: of.answer.least,
                threshold: of.judge.map(|(alpha, _)| alpha),
                deeds,
            });
        }
        let with_reasons = |(group, reasons): (Group, BTreeMap<Reason, usize>)| {
            let all = reasons.into_iter();
            let mut reasons: Vec<(usize, String)> = all
                .map(|(reason, count)| (count, reason.text(group.detector)))
                .collect();
            reasons.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
            Group { reasons, ..group }
        };
        Injected {
            day: day_text(day),
            groups: groups.into_iter().map(with_reasons).collect(),
            principals,
        }
    }

    /// For people: a line a size.
    pub fn text(&self) -> String {
        let mut text = format!(
            "inject: planted into the history of every account, one by one, on {}\n",
            self.day
        );
        let mut last = "";
        for group in &self.groups {
            if last != group.detector {
                text += &format!("\n{}{}\n", group.detector, self.bars(group.detector));
                last = group.detector;
            }
            text += &format!("  {}: {}\n", group.name, group.fate());
        }
        text + "\n"
    }

    /// Where the amounts lie that alert, of detectors whose deeds have an amount.
    fn bars(&self, detector: &str) -> String {
        let of = self.principals.iter().filter(|of| of.detector == detector);
        let mut bars: Vec<u64> = of.filter_map(|of| of.least).collect();
        bars.sort_unstable();
        let Some(last) = bars.len().checked_sub(1) else {
            return String::new();
        };
        let [tenth, half, most] = [1, 5, 9].map(|tenths| bars[last * tenths / 10]);
        format!(": a tenth alert from {tenth} on, half from {half}, nine tenths from {most}")
    }
}

impl Group {
    fn fate(&self) -> String {
        let Group { of, unnoticed, .. } = self;
        if *unnoticed == 0 {
            return format!("noticed for all {of}");
        }
        let reasons = self.reasons.iter();
        let reasons: Vec<String> = reasons.map(|(n, why)| format!("{n} {why}")).collect();
        let reasons = reasons.join(", ");
        format!("goes unnoticed for {unnoticed} of {of}: {reasons}")
    }
}

/// Why a deed goes unnoticed; `None` where it is shown.
fn unnoticed(of: &Planted, size: &Size, index: usize) -> Option<Reason> {
    let (is_physics, phase) = (size.surprise.is_none(), of.judge.map(|(_, phase)| phase));
    if size.crosses {
        return match phase {
            Some(Phase::Ledger) if !is_physics => Some(Reason::Ledger),
            _ if of.repeats[index].is_some() => Some(Reason::Repeat),
            _ => of.excused[index].then_some(Reason::Excused),
        };
    }
    Some(match of.who.stream {
        _ if phase.is_none() && !is_physics => Reason::Unknown,
        _ if size.amount < of.answer.floor => Reason::Floor(of.answer.floor),
        _ if of.answer.days == 0 => Reason::Never,
        _ if is_physics => Reason::Possible,
        _ if of.answer.days < COLD_DAYS as u32 => Reason::Cold,
        Stream::Person => Reason::Usual,
        other => Reason::Kind(other.as_str()),
    })
}
