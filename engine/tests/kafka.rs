//! The laws over Kafka: whatever the partitions, the pace, the delays and the crashes, the alerts are
//! those of a backtest of the same records. The broker is librdkafka's mock cluster; real brokers are
//! for .ci/kill.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

#[path = "kafka/stage.rs"]
mod stage;

use nightjar::generate::Record;
use stage::{HELD_ROWS_MAX, Layout, Stage, delayed, wait};

/// Partitions that are ahead wait, empty ones hold up nobody, and the days are judged as in a backtest.
#[test]
fn skew_and_empty_partitions_change_nothing() {
    for (seed, partitions, layout) in [
        (1, 4, Layout::Random),
        (2, 2, Layout::Random),
        // Each partition holds a stretch of time: whoever reads the last one first is far ahead.
        (3, 3, Layout::Stretches),
        (4, 4, Layout::OneEmpty),
        (9, 3, Layout::OneAhead),
    ] {
        let stage = Stage::new(seed, partitions);
        let (past, present) = stage.split();
        let want = stage.backtest(&stage.all());
        assert!(want.alerts > 0, "nothing fired, so nothing is proven");
        stage.train(&past);
        stage.produce(&delayed(present, seed), layout);
        let got = stage.run_once();
        assert_eq!(got.digest, want.digest, "seed {seed}");
        assert_eq!(got.late, 0, "a day was closed before its time: seed {seed}");
    }
}

/// Partitions that are drained one after the other do not fill the memory: whoever is ahead waits.
#[test]
fn who_is_ahead_waits() {
    let stage = Stage::samples(3);
    let (past, present) = stage.split();
    let want = stage.backtest(&stage.all());
    stage.train(&past);
    stage.produce(&delayed(present, 12), Layout::Stretches);
    let got = stage.run_once();
    assert_eq!(got.digest, want.digest);
    assert_eq!(got.late, 0);
    // What each partition may hold, and what one poll may bring beyond that. Unbounded it is more.
    let most = 2 * HELD_ROWS_MAX as usize * stage.partitions_in_all();
    assert!(
        got.held_rows_max <= most,
        "{} rows waited",
        got.held_rows_max
    );
}

/// Copilot's records come up to three days after the fact, the others in time.
#[test]
fn what_comes_three_days_late_is_waited_for() {
    let stage = Stage::new(10, 3);
    let (past, present) = stage.split();
    let want = stage.backtest(&stage.all());
    stage.train(&past);
    let mut live = delayed(present, 10);
    let mut copilot = 0;
    for record in &mut live {
        if record.json.contains("CopilotInteraction") {
            // From an hour to 71.
            record.arrival_ms = record.time_ms + 3_600_000 * (1 + copilot % 71);
            copilot += 7;
        }
    }
    assert!(0 < copilot, "nothing is late, so nothing is proven");
    live.sort_by(|a, b| (a.arrival_ms, &a.json).cmp(&(b.arrival_ms, &b.json)));
    stage.produce(&live, Layout::Random);
    let got = stage.run_once();
    assert_eq!(got.digest, want.digest);
    assert_eq!(got.late, 0);
}

/// A source that rests over a weekend holds the days of the others up, and is not overtaken by them.
#[test]
fn a_silent_weekend_closes_nothing_early() {
    let stage = Stage::new(11, 2);
    let (past, present) = stage.split();
    let is_weekend = |record: &Record| (record.arrival_ms / 86_400_000 + 3).rem_euclid(7) >= 5;
    let mut live = delayed(present, 11);
    let before = live.len();
    live.retain(|record| record.source != "okta" || !is_weekend(record));
    assert!(live.len() < before);
    let want = stage.backtest(&[past.clone(), live.clone()].concat());
    stage.train(&past);
    // What came before the weekend is read by one life, the rest by the next.
    let half = live.len() / 2;
    stage.produce(&live[..half], Layout::Random);
    stage.run_until_read();
    stage.produce(&live[half..], Layout::Random);
    let got = stage.run_once();
    assert_eq!(got.digest, want.digest);
    assert_eq!(got.late, 0);
}

/// What the topics hold at the first start is read like files, however it is shuffled.
#[test]
fn history_is_read_like_files() {
    let stage = Stage::new(5, 4);
    let all = stage.all();
    let want = stage.backtest(&all);
    let mut shuffled = delayed(all, 5);
    shuffled.sort_by_key(|record| blake3::hash(record.json.as_bytes()).as_bytes().to_owned());
    stage.produce(&shuffled, Layout::Random);
    let got = stage.run_once();
    assert_eq!(got.digest, want.digest);
    assert_eq!(got.unmarked, 0, "alerts of the history are marked");
    // And once more over what is there: nothing is left to do.
    assert_eq!(stage.run_once().digest, want.digest);
}

/// What comes after its allowed lateness, or from the future, changes no alert; it is counted.
#[test]
fn late_and_early_records_are_not_learned() {
    let stage = Stage::new(6, 2);
    let (past, present) = stage.split();
    let mut good = delayed(present, 6);
    let victims: Vec<Record> = good
        .iter()
        .step_by(97)
        .filter(|r| r.source == "okta")
        .cloned()
        .collect();
    good.retain(|record| !victims.contains(record));
    let want = stage.backtest(&[past.clone(), good.clone()].concat());
    let day_ms = 86_400_000;
    let last = good.iter().map(|record| record.arrival_ms).max().unwrap();
    let late = victims.iter().filter(|r| r.time_ms + 2 * day_ms < last);
    let late: Vec<Record> = late
        .map(|r| Record {
            arrival_ms: r.time_ms + 2 * day_ms,
            ..r.clone()
        })
        .collect();
    let early: Vec<Record> = victims
        .iter()
        .filter(|r| !late.iter().any(|l| l.json == r.json))
        .map(|r| Record {
            arrival_ms: r.time_ms - 3_600_000,
            ..r.clone()
        })
        .collect();
    assert!(!late.is_empty() && !early.is_empty());
    stage.train(&past);
    let mut produced = [good, late.clone(), early.clone()].concat();
    produced.sort_by_key(|record| record.arrival_ms);
    // One partition each, so that arrival is the timestamp and not that of a record before it.
    stage.produce(&produced, Layout::Random);
    let got = stage.run_once();
    assert_eq!(got.digest, want.digest);
    assert!(
        late.len() as u64 <= got.late,
        "{} late of {}",
        got.late,
        late.len()
    );
    assert!(0 < got.quarantined);
}

/// Stopped and started again at any moment, the state of one life is taken up by the next.
#[test]
fn a_stop_in_mid_stream_changes_nothing() {
    let stage = Stage::new(7, 3);
    let (past, present) = stage.split();
    let want = stage.backtest(&stage.all());
    stage.train(&past);
    let present = delayed(present, 7);
    for (n, part) in present.chunks(present.len().div_ceil(4)).enumerate() {
        stage.produce(part, Layout::Random);
        if n < 3 {
            stage.run_until_read();
        }
    }
    assert_eq!(stage.run_once().digest, want.digest);
}

/// The last ten days of samples/ on a state of the days before, with SIGKILL in mid-stream, again and
/// again; then to the end.
#[test]
fn a_kill_in_mid_stream_changes_nothing() {
    let stage = Stage::samples(4);
    let (past, present) = stage.split();
    let want = stage.backtest(&stage.all());
    stage.train(&past);
    let before = stage.stored_alerts();
    let present = delayed(present, 8);
    let mut life = stage.spawn();
    for part in present.chunks(present.len().div_ceil(4)) {
        stage.produce(part, Layout::Random);
        // Each life must have done some work, or equality proves nothing.
        wait("a checkpoint", || stage.has_new_checkpoint());
        life.kill();
        life = stage.spawn();
    }
    wait("alerts before the last run", || {
        before < stage.stored_alerts()
    });
    life.terminate();
    let got = stage.run_once();
    assert_eq!(got.digest, want.digest);
    assert_eq!(got.alerts, want.alerts);
}
