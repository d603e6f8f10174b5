//! Agreement with what others have published: the tests of a public rule set, and the logs of a tool that carries
//! out attacks. Both are read where they are at hand, and nothing of them is kept here.

#![allow(missing_docs)]

mod differences;
mod rules;
mod stratus;
mod travel;
mod vendors;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;

use nightjar::backtest;
use nightjar::config::Config;
use nightjar::setup::Setup;
use nightjar_detectors::alert::Alert;
use serde_json::Value;

/// The folder of real data, where there is one.
pub fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NIGHTJAR_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: NIGHTJAR_DATA is not set");
    }
    folder
}

/// As somebody has it who has configured nothing.
pub static SETUP: LazyLock<Setup> =
    LazyLock::new(|| Setup::of(Config::defaults()).expect("the defaults are valid"));

/// What a replay of records gave.
pub struct Replay {
    pub rows: u64,
    pub alerts: Vec<Alert>,
}

impl Replay {
    /// Whether a detector has said something on a day or later, that was not muted.
    pub fn tells(&self, detector: &str, from: &str) -> bool {
        let is_told = |alert: &&Alert| {
            alert.detector == detector && !alert.is_muted() && from <= alert.window.start.as_str()
        };
        self.alerts.iter().any(|alert| is_told(&alert))
    }
}

/// Replays the records of one source.
pub fn replay(records: &[Value]) -> Replay {
    let texts: Vec<String> = records.iter().map(Value::to_string).collect();
    let all = texts.iter().map(|text| ("log", text.as_bytes()));
    let read = backtest::read_records(&SETUP, all).expect("formats are recognised");
    let rows = read.counts.values().map(|counts| counts.rows).sum();
    let stop = AtomicBool::new(false);
    let mut judged = backtest::judge(&SETUP, 1, read.days, &stop, &|_| {}).expect("a replay");
    judged.seal_all();
    Replay {
        rows,
        alerts: judged.alerts.into_values().collect(),
    }
}

/// The value at a path of keys.
pub fn at<'v>(record: &'v Value, path: &str) -> Option<&'v Value> {
    let found = path
        .split('.')
        .try_fold(record, |inner, key| inner.get(key))?;
    (!found.is_null()).then_some(found)
}

/// Puts a value at a path of keys, and makes the objects on the way.
pub fn put(record: &mut Value, path: &str, value: Value) {
    let mut inner = record;
    for key in path.split('.') {
        if !inner.is_object() {
            *inner = serde_json::json!({});
        }
        inner = inner
            .as_object_mut()
            .expect("just made")
            .entry(key)
            .or_insert(Value::Null);
    }
    *inner = value;
}
