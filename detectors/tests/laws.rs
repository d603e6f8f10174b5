//! The laws: the same events give the same final alerts in any order, in any batches, on any number
//! of threads, with repeats, and through a restart at any moment. And no eager verdict ever falls.
//!
//! Everything starts from a trained state (44 closed days, made once: slow models wait five weeks) with phases off and a generous
//! budget, so that detectors fire; a detector that never fired fails the test.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod company;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use arrow::array::RecordBatch;
use nightjar_detectors::alert::{Alert, Severity, digest};
use nightjar_detectors::catalog::{self, CATALOG};
use nightjar_detectors::core::{Core, SealedDay, StateRow};
use nightjar_detectors::time::Day;
use nightjar_detectors::world::World;
use proptest::prelude::*;

use company::{Happening, batch, company_day, oddities, settings, start_day};

const TRAINED: i32 = 44;

static WORLD: LazyLock<Arc<World>> = LazyLock::new(|| Arc::new(World::new(settings())));

/// The rows of a state after the closed days.
static TRAINED_STATE: LazyLock<Vec<StateRow>> = LazyLock::new(|| {
    let mut core = Core::new(WORLD.clone(), 2).without_phases();
    for day in 0..TRAINED {
        let events = company_day(start_day() + day, u64::from(day.unsigned_abs()), &[]);
        core.require(start_day() + day);
        core.observe(&[batch(&events)]).expect("canonical events");
    }
    core.seal_all();
    core.snapshot().rows
});

fn trained(threads: usize) -> Core {
    let mut core = Core::new(WORLD.clone(), threads).without_phases();
    core.restore(TRAINED_STATE.iter().cloned())
        .expect("own state");
    core
}

/// Four random days after the trained ones, with a few unusual things done by a few people.
fn days() -> impl Strategy<Value = Vec<Vec<Happening>>> {
    let odd = prop::collection::vec((0usize..8, 0..oddities() as u8), 1..9);
    (any::<u64>(), prop::collection::vec(odd, 4)).prop_map(|(seed, odd)| {
        odd.iter()
            .enumerate()
            .map(|(n, odd)| {
                let n = n as i32;
                company_day(start_day() + TRAINED + n, seed.wrapping_add(n as u64), odd)
            })
            .collect()
    })
}

/// Everything unusual, each done by somebody.
fn every_oddity() -> Vec<(usize, u8)> {
    let all = 0..oddities();
    all.map(|what| (what % 12, what as u8)).collect()
}

fn collect(into: &mut BTreeMap<String, Alert>, sealed: Vec<SealedDay>) {
    for day in sealed {
        into.extend(
            day.alerts
                .into_iter()
                .map(|alert| (alert.id.clone(), alert)),
        );
    }
}

/// The plain way: day by day, in order, one batch a day, one thread.
fn plain(days: &[Vec<Happening>]) -> BTreeMap<String, Alert> {
    let (mut core, mut alerts) = (trained(1), BTreeMap::new());
    for (n, events) in days.iter().enumerate() {
        collect(&mut alerts, core.require(start_day() + TRAINED + n as Day));
        core.observe(&[batch(events)]).expect("canonical events");
    }
    collect(&mut alerts, core.seal_all());
    alerts
}

fn cut(events: &[Happening], sizes: &[usize]) -> Vec<RecordBatch> {
    let (mut rest, mut batches) = (events, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (head, tail) = rest.split_at((*size).min(rest.len()));
        batches.push(batch(head));
        rest = tail;
    }
    batches
}

fn shuffled(mut events: Vec<Happening>, seed: u64) -> Vec<Happening> {
    events.sort_by_key(|e| xxhash_rust::xxh3::xxh3_64_with_seed(e.uid.as_bytes(), seed));
    events
}

/// Byte for byte, but for where the evidence lay.
fn same(
    want: &BTreeMap<String, Alert>,
    got: &BTreeMap<String, Alert>,
) -> Result<(), TestCaseError> {
    let text = |alerts: &BTreeMap<String, Alert>| -> Vec<String> {
        alerts.values().map(Alert::canonical_json).collect()
    };
    prop_assert_eq!(text(want), text(got));
    Ok(())
}

static FIRED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn note_fired(alerts: &BTreeMap<String, Alert>) {
    let mut fired = FIRED.lock().expect("no test panics while holding it");
    fired.extend(alerts.values().map(|alert| alert.detector.clone()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Order, batching, sharding, repeats: two neighbouring days mixed, shuffled, cut, partly
    /// repeated, on several threads.
    #[test]
    fn arrival_changes_nothing(
        days in days(),
        seed in any::<u64>(),
        threads in 1usize..5,
        sizes in prop::collection::vec(1usize..400, 1..5),
    ) {
        let want = plain(&days);
        note_fired(&want);
        let (mut core, mut got) = (trained(threads), BTreeMap::new());
        for (n, pair) in days.chunks(2).enumerate() {
            let last = start_day() + TRAINED + 2 * n as Day + pair.len() as Day - 1;
            collect(&mut got, core.require(last));
            let mut events = shuffled(pair.concat(), seed);
            let repeats: Vec<_> = events.iter().step_by(3).cloned().collect();
            events.extend(repeats);
            for batch in cut(&shuffled(events, seed ^ 7), &sizes) {
                core.observe(&[batch]).expect("canonical events");
                core.changes();
            }
        }
        collect(&mut got, core.seal_all());
        same(&want, &got)?;
        prop_assert_eq!(digest(want.values()), digest(got.values()));
    }

    /// However early a day is closed, as long as nothing of it comes later.
    #[test]
    fn the_pace_of_closing_changes_nothing(days in days()) {
        let want = plain(&days);
        let (mut core, mut got) = (trained(2), BTreeMap::new());
        for (n, events) in days.iter().enumerate() {
            let day = start_day() + TRAINED + n as Day;
            core.observe(&[batch(events)]).expect("canonical events");
            // Past the end and the smallest allowed lateness: closed as early as can be.
            let all_late = WORLD.calendar.end(day) + 3_600_001;
            collect(&mut got, core.advance(all_late));
        }
        // However long the silence behind them.
        collect(&mut got, core.advance(WORLD.calendar.end(start_day() + TRAINED + 90)));
        collect(&mut got, core.seal_all());
        same(&want, &got)?;
    }

    /// Restart: state is stored and read back between any two batches.
    #[test]
    fn a_restart_changes_nothing(
        days in days(),
        size in 20usize..200,
        restart_every in 1usize..6,
    ) {
        let want = plain(&days);
        let mut rows: BTreeMap<(u16, String, Vec<u8>), StateRow> = TRAINED_STATE
            .iter()
            .map(|row| ((row.shard, row.detector.to_string(), row.key.clone()), row.clone()))
            .collect();
        let (mut core, mut got, mut since) = (trained(2), BTreeMap::new(), 0);
        for (n, events) in days.iter().enumerate() {
            collect(&mut got, core.require(start_day() + TRAINED + n as Day));
            for piece in cut(events, &[size]) {
                core.observe(&[piece]).expect("canonical events");
                since += 1;
                if since % restart_every != 0 {
                    continue;
                }
                for row in core.snapshot().rows {
                    let key = (row.shard, row.detector.to_string(), row.key.clone());
                    match row.bytes {
                        Some(_) => rows.insert(key, row),
                        None => rows.remove(&key),
                    };
                }
                core = Core::new(WORLD.clone(), 2).without_phases();
                core.restore(rows.values().cloned()).expect("own state");
            }
        }
        collect(&mut got, core.seal_all());
        same(&want, &got)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    /// Eager: after each single event, no verdict is withdrawn and none loses surprise or severity.
    #[test]
    fn eager_verdicts_never_fall(days in days(), seed in any::<u64>()) {
        let mut core = trained(1);
        let mut last = BTreeMap::<String, (Severity, f64)>::new();
        let mut final_alerts = BTreeMap::new();
        // Only those who do something unusual, or the test would take minutes.
        let odd: Vec<Happening> = days[..2].concat().into_iter().filter(|e| e.is_odd_user).collect();
        collect(&mut final_alerts, core.require(start_day() + TRAINED + 1));
        for event in shuffled(odd, seed) {
            core.observe(&[batch(&[event])]).expect("canonical events");
            for (_, _, alerts) in core.changes() {
                for alert in alerts {
                    let now = (alert.severity, -alert.p_value.unwrap_or(0.0));
                    if let Some(before) = last.get(&alert.id) {
                        prop_assert!(before.0 <= now.0, "severity fell: {}", alert.summary);
                        prop_assert!(before.1 <= now.1, "surprise fell: {}", alert.summary);
                    }
                    last.insert(alert.id, now);
                }
            }
        }
        collect(&mut final_alerts, core.seal_all());
        for id in last.keys() {
            prop_assert!(final_alerts.contains_key(id), "an eager alert was withdrawn");
        }
        // What was published last is what is final; what is sealed is published for the first time.
        for (id, alert) in &final_alerts {
            if !last.contains_key(id) && !catalog::entry(&alert.detector).unwrap().is_eager() {
                continue;
            }
            let now = (alert.severity, -alert.p_value.unwrap_or(0.0));
            prop_assert_eq!(last.get(id), Some(&now), "final differs: {}", alert.summary);
        }
    }
}

/// Restart: what was published of open days and what is published after one add up to the same.
#[test]
fn open_alerts_survive_a_restart() {
    let odd = every_oddity();
    let day = start_day() + TRAINED;
    let events = company_day(day, 77, &odd);
    let (first, last) = events.split_at(events.len() / 2);
    let note = |published: &mut BTreeMap<_, Vec<Alert>>, core: &mut Core| {
        for (detector, day, alerts) in core.changes() {
            published.insert((detector, day), alerts);
        }
    };
    let (mut core, mut want) = (trained(1), BTreeMap::new());
    core.require(day);
    core.observe(&[batch(first)]).expect("canonical events");
    note(&mut want, &mut core);
    let key = |row: &StateRow| (row.shard, row.detector.clone(), row.key.clone());
    let changed = core.snapshot().rows;
    let rows: BTreeMap<_, _> = TRAINED_STATE
        .iter()
        .chain(changed.iter().filter(|row| row.bytes.is_some()))
        .map(|row| (key(row), row.clone()))
        .collect();
    let mut again = Core::new(WORLD.clone(), 1).without_phases();
    let mut got = BTreeMap::new();
    again.restore(rows.into_values()).expect("own state");
    note(&mut got, &mut again);
    assert!(!want.is_empty());
    assert_eq!(want, got);
    for (core, published) in [(&mut core, &mut want), (&mut again, &mut got)] {
        core.observe(&[batch(last)]).expect("canonical events");
        note(published, core);
    }
    assert_eq!(want, got);
}

/// A law that nothing fires under proves nothing. Each alert explains itself: with a number, what would have kept
/// it quiet, and what to do.
#[test]
fn every_detector_fires_in_these_worlds() {
    let odd = every_oddity();
    let days: Vec<Vec<Happening>> = (0..4)
        .map(|n| company_day(start_day() + TRAINED + n, 77 + n as u64, &odd))
        .collect();
    let alerts = plain(&days);
    for alert in alerts.values() {
        let has_number = alert.summary.contains(|c: char| c.is_ascii_digit());
        let is_explained = !alert.quiet.is_empty() && !alert.next_steps.is_empty();
        assert!(has_number && is_explained, "{alert:#?}");
    }
    note_fired(&alerts);
    let fired = FIRED.lock().expect("no test panics while holding it");
    for entry in CATALOG {
        assert!(fired.contains(entry.name), "{} never fired", entry.name);
    }
}
