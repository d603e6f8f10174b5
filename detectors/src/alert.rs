//! The alert as everybody outside sees it: the proto's fields in snake_case.
//!
//! Invariant: numbers are rounded to four significant digits when an alert is made, so that the
//! last bit of a logarithm can never change it.

use serde::{Deserialize, Serialize};

/// How much an alert matters by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // the words say it
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All of them, rising.
    pub const ALL: [Severity; 5] = [
        Severity::Info,
        Severity::Low,
        Severity::Medium,
        Severity::High,
        Severity::Critical,
    ];

    /// The word in JSON, in filters and on the screen.
    pub fn as_str(self) -> &'static str {
        ["info", "low", "medium", "high", "critical"][self as usize]
    }
}

/// What kind of statement the alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Something unusual was done.
    Detection,
    /// A standing weakness.
    Posture,
    /// Nightjar cannot see what it should; outside the laws.
    Health,
}

/// A principal: `kind` is user, service, ip, tool, app, session, source or tenant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Entity {
    pub kind: String,
    pub id: String,
}

/// A stretch of event time, `[start, end)`, RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Window {
    pub start: String,
    pub end: String,
}

/// What the verdict was measured against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// `own`, `peers`, `tenant`, `physics` or `policy`; `hindsight` where days were judged against all others.
    pub source: String,
    /// Days with activity that the principal's own baseline rests on.
    pub days: u32,
    /// The principal's last known daily values, oldest first, for a sparkline.
    pub history: Vec<f64>,
}

/// One event that made the verdict. Only `uid` and `time` are in the digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Evidence {
    pub time: String,
    pub uid: String,
    pub source: String,
    /// `origin@offset`: file and line, or topic/partition and offset.
    pub position: String,
}

/// Why an alert is shown lower or not counted. It is always there to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Suppressed {
    /// `muted` or `lowered`.
    pub effect: String,
    /// `phase`, `repeat`, `common_cause`, `known_egress`, …
    pub reason: String,
    /// Which rule, list or alert did it.
    pub by: String,
}

/// One alert. `revision`, `state`, `cursor` and `history` are added by the store that delivers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Alert {
    pub id: String,
    pub incident: String,
    pub tenant: String,
    #[serde(default = "one")]
    pub revision: u32,
    /// `open`, `acknowledged` or `closed`.
    #[serde(default = "open")]
    pub state: String,
    #[serde(default)]
    pub cursor: u64,
    pub class: Class,
    pub detector: String,
    pub severity: Severity,
    pub entity: Entity,
    pub also: Vec<Entity>,
    pub summary: String,
    pub window: Window,
    pub detected_at: String,
    pub first_event_time: String,
    pub last_event_time: String,
    pub event_count: u64,
    pub observed: f64,
    /// `true` when `observed` is an estimate of a set too large to keep.
    pub approximate: bool,
    pub expected: f64,
    pub p_value: Option<f64>,
    pub threshold: Option<f64>,
    pub baseline: Baseline,
    pub evidence: Vec<Evidence>,
    pub attack: Vec<String>,
    pub next_steps: Vec<String>,
    /// What would have kept it quiet, as a phrase; health alerts have none.
    #[serde(default)]
    pub quiet: String,
    pub suppressed: Option<Suppressed>,
    /// Judged by peers, not by a baseline of its own.
    pub cold: bool,
    /// Made while reading what a topic held before the first start.
    #[serde(default)]
    pub history: bool,
    /// Made from an event that came after its allowed lateness.
    #[serde(default)]
    pub late: bool,
    /// Fingerprint of the detection settings in force.
    pub config: String,
}

fn one() -> u32 {
    1
}

fn open() -> String {
    "open".to_owned()
}

impl Alert {
    /// The alert without what people and transport add: what the digest is made of.
    pub fn canonical_json(&self) -> String {
        let mut bare = self.clone();
        bare.revision = 1;
        bare.state = open();
        bare.cursor = 0;
        bare.history = false;
        for evidence in &mut bare.evidence {
            evidence.source.clear();
            evidence.position.clear();
        }
        serde_json::to_string(&bare).expect("an alert is plain data")
    }

    /// Whether it is in the digest: health and late alerts are not.
    pub fn counts_for_digest(&self) -> bool {
        self.class != Class::Health && !self.late
    }

    /// Whether the alert is to be shown and counted.
    pub fn is_muted(&self) -> bool {
        self.suppressed
            .as_ref()
            .is_some_and(|s| s.effect == "muted")
    }
}

/// BLAKE3 over the final alerts in id order, in canonical JSON: "the same alerts" in one line.
pub fn digest<'a>(alerts: impl IntoIterator<Item = &'a Alert>) -> String {
    let mut sorted: Vec<&Alert> = alerts
        .into_iter()
        .filter(|a| a.counts_for_digest())
        .collect();
    sorted.sort_by(|a, b| a.id.cmp(&b.id));
    let mut hasher = blake3::Hasher::new();
    for alert in sorted {
        hasher.update(alert.canonical_json().as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

/// `value` to four significant digits.
pub fn four_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    format!("{value:.3e}")
        .parse()
        .expect("a float prints as a float")
}
