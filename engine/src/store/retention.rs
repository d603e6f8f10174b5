//! Time limits: what `alerts.db` has kept long enough is deleted.
//!
//! Invariant: age is counted from when a thing was last written, so that old events read today are
//! kept as long as new ones; subscribers are told up to which cursor alerts may be gone.

use rusqlite::{TransactionBehavior, params};

use super::StoreError;
use super::alerts::AlertStore;
use crate::config::Retention;

/// How many things were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Alerts.
    pub alerts: usize,
    /// Entries of the audit trail, the late ledger and the quarantine.
    pub entries: usize,
}

impl AlertStore {
    /// Deletes what is older than its time limit. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be written; nothing was deleted then.
    pub fn prune(&self, retention: &Retention, now_ms: i64) -> Result<Pruned, StoreError> {
        let mut writer = self.writer();
        let pruned = prune(&mut writer.connection, retention, now_ms);
        pruned.map_err(|source| writer.error(source))
    }
}

fn prune(
    connection: &mut rusqlite::Connection,
    retention: &Retention,
    now_ms: i64,
) -> rusqlite::Result<Pruned> {
    let before = |kept_ms: Option<i64>| kept_ms.map_or(i64::MIN, |kept| now_ms - kept);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut pruned = Pruned::default();
    let limits = params![before(retention.alerts_ms), before(retention.ledgers_ms)];
    let old = "FROM alerts WHERE recorded_ms < iif(shown, ?1, max(?1, ?2))";
    let select = format!("SELECT max(cursor) {old}");
    let last: Option<u64> = transaction.query_row(&select, limits, |row| row.get(0))?;
    if let Some(last) = last {
        pruned.alerts = transaction.execute(&format!("DELETE {old}"), limits)?;
        transaction.execute(
            "UPDATE meta SET value = max(value, ?1) WHERE name = 'expired_cursor'",
            [last],
        )?;
    }
    for (table, at, kept_ms) in [
        ("audit", "at_ms", retention.audit_ms),
        ("late", "recorded_ms", retention.ledgers_ms),
        ("quarantine", "recorded_ms", retention.quarantine_ms),
    ] {
        let delete = format!("DELETE FROM {table} WHERE {at} < ?1");
        pruned.entries += transaction.execute(&delete, [before(kept_ms)])?;
    }
    transaction.commit()?;
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, muted, store};
    use crate::store::audit::{AuditFilter, Deed};

    const DAY_MS: i64 = 86_400_000;

    /// What is young stays; what is old goes, and a subscriber that was away is told.
    #[test]
    fn each_thing_goes_in_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let all = [alert("a", 1), muted(alert("b", 1)), alert("c", 1)];
        store.publish(&all, None).unwrap();
        let deed = Deed {
            who: "ana".into(),
            action: "forget",
            subject: String::new(),
            detail: String::new(),
        };
        store.audit(&deed).unwrap();
        let retention = Retention {
            alerts_ms: Some(20 * DAY_MS),
            audit_ms: None,
            ledgers_ms: Some(10 * DAY_MS),
            quarantine_ms: Some(DAY_MS),
        };
        let now_ms = chrono::Utc::now().timestamp_millis();
        let prune = |days| {
            store
                .prune(&retention, now_ms + days * DAY_MS)
                .unwrap()
                .alerts
        };
        assert_eq!((prune(9), prune(11), prune(21), prune(21)), (0, 1, 2, 0));
        let reader = store.reader().unwrap();
        assert_eq!(reader.log().unwrap().expired, 3);
        assert_eq!(reader.audit(&AuditFilter::default()).unwrap().len(), 1);
        let again = store.publish(&[alert("d", 1)], None).unwrap();
        assert_eq!(again[0].cursor, 4, "cursors are not given twice");
    }
}
