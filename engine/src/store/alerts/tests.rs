use super::*;
use nightjar_detectors::alert::{
    Baseline, Class, Entity, Evidence, Severity, Suppressed, Window, digest,
};
use proptest::prelude::*;

/// An alert with every field set; `count` varies its content.
pub(crate) fn alert(id: &str, count: u64) -> Alert {
    let time = |minute| format!("2026-03-02T14:{minute:02}:00Z");
    Alert {
        id: id.into(),
        incident: "i".into(),
        tenant: "t".into(),
        revision: 1,
        state: "open".into(),
        cursor: 0,
        class: Class::Detection,
        detector: "mass_download".into(),
        severity: Severity::High,
        entity: Entity {
            kind: "user".into(),
            id: "ana@example.com".into(),
        },
        also: vec![Entity {
            kind: "tool".into(),
            id: "claude.ai".into(),
        }],
        summary: format!("ana@example.com downloaded {count} files"),
        window: Window {
            start: time(10),
            end: time(20),
        },
        detected_at: time(12),
        first_event_time: time(11),
        last_event_time: time(19),
        event_count: count,
        observed: count as f64,
        approximate: true,
        expected: 6.1,
        p_value: Some(3.1e-9),
        threshold: Some(1.2e-5),
        baseline: Baseline {
            source: "own".into(),
            days: 41,
            history: vec![1.0, 14.0],
        },
        evidence: vec![Evidence {
            time: time(11),
            uid: "u".into(),
            source: "m365".into(),
            position: "m365/0@7".into(),
        }],
        attack: vec!["T1530".into()],
        next_steps: vec!["ask her".into()],
        quiet: "24 files or fewer in one day".into(),
        suppressed: None,
        cold: true,
        history: false,
        late: false,
        config: "c".into(),
    }
}

pub(crate) fn muted(alert: Alert) -> Alert {
    let suppressed = Suppressed {
        effect: "muted".into(),
        reason: "repeat".into(),
        by: "book".into(),
    };
    Alert {
        suppressed: Some(suppressed),
        ..alert
    }
}

pub(crate) fn store(folder: &Path) -> AlertStore {
    AlertStore::open(folder, "t", Tz::Europe__Berlin).unwrap()
}

impl AlertStore {
    /// As retention will do it: alerts up to the cursor are gone.
    pub(crate) fn expire_for_test(&self, cursor: u64) {
        let writer = self.writer();
        let connection = &writer.connection;
        connection
            .execute("DELETE FROM alerts WHERE cursor <= ?1", [cursor])
            .unwrap();
        let sql = "UPDATE meta SET value = ?1 WHERE name = 'expired_cursor'";
        connection.execute(sql, [cursor]).unwrap();
    }
}

fn read(store: &AlertStore, cursor: u64, limit: usize) -> Page {
    store
        .reader()
        .unwrap()
        .read_from(cursor, limit, &Filter::default())
        .unwrap()
}

fn ids(page: &Page) -> Vec<(&str, u64, u32)> {
    page.alerts
        .iter()
        .map(|a| (a.id.as_str(), a.cursor, a.revision))
        .collect()
}

/// Only what changed moves; positions are those of the commit.
#[test]
fn unchanged_alerts_stay_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    assert_eq!(store.positions().unwrap(), None);
    let first = store
        .publish(&[alert("a", 1), alert("b", 1)], Some(b"one"))
        .unwrap();
    assert_eq!(
        first
            .iter()
            .map(|p| (p.cursor, p.revision))
            .collect::<Vec<_>>(),
        [(1, 1), (2, 1)]
    );

    let mut elsewhere = alert("a", 1);
    elsewhere.evidence[0].position = "m365/0@9".into();
    assert_eq!(
        store
            .publish(&[elsewhere, alert("b", 1)], Some(b"two"))
            .unwrap(),
        []
    );
    assert_eq!(store.positions().unwrap().as_deref(), Some(&b"two"[..]));
    assert_eq!(store.last_cursor(), 2);

    store
        .publish(&[alert("a", 2), alert("b", 1)], None)
        .unwrap();
    assert_eq!(store.positions().unwrap().as_deref(), Some(&b"two"[..]));
    // That it was made of history is told once, with its content.
    let marked = Alert {
        history: true,
        ..alert("b", 1)
    };
    store.publish(&[marked], Some(b"four")).unwrap();
    assert_eq!(ids(&read(&store, 0, 10)), [("b", 2, 1), ("a", 3, 2)]);
    assert_eq!(
        read(&store, 3, 10),
        Page {
            alerts: vec![],
            cursor: 3,
            complete: true
        }
    );
}

/// Small pages end to end are the whole log, and the last one says so.
#[test]
fn pages_join_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let alerts: Vec<_> = (0..7).map(|n| alert(&format!("{n}"), n)).collect();
    store.publish(&alerts, None).unwrap();
    let mut seen = Vec::new();
    let mut cursor = 0;
    loop {
        let page = read(&store, cursor, 3);
        cursor = page.cursor;
        seen.extend(page.alerts.into_iter().map(|alert| alert.id));
        if page.complete {
            break;
        }
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
    assert_eq!(cursor, 7);
}

#[test]
fn filters() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let low = Alert {
        severity: Severity::Low,
        detector: "x".into(),
        ..alert("low", 1)
    };
    store
        .publish(&[alert("a", 1), low, muted(alert("quiet", 1))], None)
        .unwrap();
    // Both were shown once; one was muted since, the other lowered.
    store
        .publish(&[alert("back", 1), alert("down", 1)], None)
        .unwrap();
    let lowered = Alert {
        severity: Severity::Low,
        ..alert("down", 2)
    };
    store
        .publish(&[muted(alert("back", 1)), lowered], None)
        .unwrap();
    let reader = store.reader().unwrap();
    let found = |filter: &Filter| {
        let page = reader.read_from(0, 10, filter).unwrap();
        assert_eq!(page.cursor, 7, "a filter does not hold up the cursor");
        page.alerts.into_iter().map(|a| a.id).collect::<Vec<_>>()
    };
    let all = Filter::default();
    assert_eq!(found(&all), ["a", "low", "quiet", "back", "down"]);
    let loud = Filter {
        muted: false,
        severity_min: Severity::Medium,
        ..all.clone()
    };
    assert_eq!(found(&loud), ["a"]);
    assert_eq!(
        found(&Filter {
            withdrawn: true,
            ..loud
        }),
        ["a", "back", "down"]
    );
    assert_eq!(
        found(&Filter {
            detectors: vec!["x".into(), "y".into()],
            ..all.clone()
        }),
        ["low"]
    );
    let tool = Filter {
        entity: Some("claude.ai".into()),
        ..all.clone()
    };
    assert_eq!(found(&tool).len(), 5);
    assert_eq!(
        found(&Filter {
            entity: Some("claude".into()),
            ..all
        })
        .len(),
        0
    );
    let counts = store.counts().unwrap();
    assert_eq!((counts["mass_download"], counts["x"]), (4, 1));
}

/// What is read back is what was written, with what the store adds.
#[test]
fn an_alert_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let written = Alert {
        late: true,
        ..alert("a", 1)
    };
    store.publish(std::slice::from_ref(&written), None).unwrap();
    let reader = store.reader().unwrap();
    assert_eq!(
        reader.get("a").unwrap(),
        Some(Alert {
            cursor: 1,
            ..written
        })
    );
    assert_eq!(reader.get("b").unwrap(), None);
    assert_eq!(reader.zone().unwrap(), Tz::Europe__Berlin);
}

/// The log of a process that was killed: what was committed is there, alerts and positions together.
#[test]
fn a_kill_keeps_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let after = tempfile::tempdir().unwrap();
    let before = store(folder.path());
    before.publish(&[alert("a", 1)], Some(b"one")).unwrap();
    let writer = before.writer();
    writer
        .connection
        .execute_batch("BEGIN; UPDATE meta SET value = 9")
        .unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), after.path().join(file.file_name())).unwrap();
    }
    let reader = AlertReader::open(after.path()).unwrap();
    assert_eq!(reader.positions().unwrap().as_deref(), Some(&b"one"[..]));
    let store = store(after.path());
    assert_eq!(store.last_cursor(), 1);
    assert_eq!(store.publish(&[alert("a", 1)], Some(b"two")).unwrap(), []);
    assert_eq!(
        store.publish(&[alert("b", 1)], Some(b"two")).unwrap()[0].cursor,
        2
    );
}

/// Readers see whole commits while the writer goes on: never one alert of a pair.
#[test]
fn reading_while_writing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store
        .publish(&[alert("a", 0), alert("b", 0)], None)
        .unwrap();
    let writer = store.clone();
    let writing = std::thread::spawn(move || {
        for count in 1..40 {
            writer
                .publish(&[alert("a", count), alert("b", count)], None)
                .unwrap();
        }
    });
    let reader = AlertReader::open(folder.path()).unwrap();
    let mut last = 0;
    while last < 80 {
        let page = reader.read_from(0, 10, &Filter::default()).unwrap();
        assert_eq!(page.alerts[0].event_count, page.alerts[1].event_count);
        assert_eq!(page.alerts[1].cursor, page.cursor);
        assert!(last <= page.cursor);
        last = page.cursor;
    }
    writing.join().unwrap();
}

#[test]
fn a_missing_log_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let refused = AlertReader::open(folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Missing { .. }));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The digest over the store is the digest over what was published: no number changes on the
    /// way, however far out it lies.
    #[test]
    fn storing_changes_no_digest(numbers in prop::collection::vec(proptest::num::f64::NORMAL, 4)) {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let round = nightjar_detectors::alert::four_digits;
        let mut one = alert("a", 1);
        one.p_value = Some(round(numbers[0]));
        one.threshold = Some(numbers[1]);
        one.observed = round(numbers[2]);
        one.baseline.history = vec![numbers[3], round(numbers[3])];
        store.publish(std::slice::from_ref(&one), None).unwrap();
        let stored = store.reader().unwrap().all().unwrap();
        prop_assert_eq!(digest(&stored), digest([&one]));
    }
}

/// A store of an earlier build gets the columns it lacks, and what it holds counts as written today.
#[test]
fn an_earlier_store_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store.publish(&[alert("a", 1)], None).unwrap();
    let writer = store.writer();
    for (table, column, _) in super::ADDED {
        let drop = format!("ALTER TABLE {table} DROP COLUMN {column}");
        writer.connection.execute(&drop, ()).unwrap();
    }
    drop(writer);
    drop(store);
    let store = self::store(folder.path());
    store.publish(&[alert("b", 1)], None).unwrap();
    let day_ms = Some(86_400_000);
    let retention = crate::config::Retention {
        alerts_ms: day_ms,
        audit_ms: day_ms,
        ledgers_ms: day_ms,
        quarantine_ms: day_ms,
    };
    let now_ms = chrono::Utc::now().timestamp_millis();
    assert_eq!(store.prune(&retention, now_ms).unwrap(), Default::default());
    assert_eq!(store.reader().unwrap().all().unwrap().len(), 2);
}
