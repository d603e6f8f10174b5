//! A person is taken out of `alerts.db`.
//!
//! Invariant: afterwards no row names the person, and no page of the file or its log does; alerts about
//! others keep their ids and cursors.

use std::collections::BTreeSet;

use nightjar_detectors::alert::Alert;
use nightjar_detectors::event::time_text;
use rusqlite::{Transaction, TransactionBehavior, params};

use super::alerts::{AlertStore, content};
use super::audit::{self, Deed};
use super::pseudonym::{Mention, Pseudonyms};
use super::{Database, StoreError};

/// What was found of a person, and removed unless it was only looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erased {
    /// Alerts about the person.
    pub alerts: usize,
    /// Alerts about others in which the person's name or events stood.
    pub mentions: usize,
    /// Entries of the late ledger.
    pub late: usize,
    /// Entries of the quarantine whose position or source names the person.
    pub quarantined: usize,
    /// Entries of the audit trail that have a pseudonym now.
    pub audited: usize,
}

/// An event by its time, ms, and the vendor's id.
pub type EventKey = (i64, Box<str>);

/// Whose traces are looked for, and what stands in their place.
struct Traces {
    mentions: Vec<Mention>,
    pseudonyms: Vec<String>,
    /// The person's events: (time, uid) as evidence has them.
    events: BTreeSet<(String, String)>,
}

impl Traces {
    fn names(&self, text: &str) -> bool {
        self.mentions.iter().any(|mention| mention.is_in(text))
    }

    /// The text with pseudonyms; `None` where it names nobody.
    fn replace(&self, text: &str) -> Option<String> {
        let mut replaced = None;
        for mention in &self.mentions {
            let now = replaced.as_deref().unwrap_or(text);
            replaced = mention.replace(now, &self.pseudonyms[0]).or(replaced);
        }
        replaced
    }

    fn is_about(&self, alert: &Alert) -> bool {
        let mut entities = std::iter::once(&alert.entity).chain(&alert.also);
        entities.any(|entity| self.names(&entity.id))
    }

    /// The alert without the person's events and name; `None` where there was nothing of either.
    fn clean(&self, alert: &Alert) -> Option<Alert> {
        let mut cleaned = alert.clone();
        cleaned.evidence.retain(|event| {
            let key = (event.time.clone(), event.uid.clone());
            !self.events.contains(&key) && !self.names(&event.uid) && !self.names(&event.position)
        });
        let steps = cleaned.next_steps.iter_mut();
        for text in steps.chain([&mut cleaned.summary, &mut cleaned.quiet]) {
            if let Some(replaced) = self.replace(text) {
                *text = replaced;
            }
        }
        if let Some(suppressed) = &mut cleaned.suppressed
            && let Some(replaced) = self.replace(&suppressed.by)
        {
            suppressed.by = replaced;
        }
        (cleaned != *alert).then_some(cleaned)
    }
}

impl AlertStore {
    /// Removes a person, all of whose names are given, the canonical one first; `events` are events of
    /// the person that others' alerts may show. With `dry_run` all stays as it is. Who did it is audited
    /// under a pseudonym. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read or written; nothing was removed then.
    pub fn erase(
        &self,
        names: &[String],
        events: &BTreeSet<EventKey>,
        who: &str,
        dry_run: bool,
    ) -> Result<Erased, StoreError> {
        let mut writer = self.writer();
        let pseudonyms = Pseudonyms::of_store(&writer)?;
        let mut traces = Traces {
            mentions: names.iter().map(|name| Mention::new(name)).collect(),
            pseudonyms: names.iter().map(|name| pseudonyms.of(name)).collect(),
            events: BTreeSet::new(),
        };
        let text = |(time, uid): &EventKey| (time_text(*time), uid.to_string());
        traces.events.extend(events.iter().map(text));
        let written = erase(&mut writer, &mut traces, who, dry_run);
        written.map_err(|source| writer.error(source))
    }

    /// Writes the file anew, so that nothing of what was erased is left in it or in its log.
    ///
    /// # Errors
    /// When it cannot be written, or somebody reads the file.
    pub fn purge(&self) -> Result<(), StoreError> {
        self.writer().purge()
    }
}

fn erase(
    database: &mut Database,
    traces: &mut Traces,
    who: &str,
    dry_run: bool,
) -> rusqlite::Result<Erased> {
    let transaction = database
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut erased = Erased::default();
    erase_alerts(&transaction, traces, &mut erased)?;
    for pseudonym in &traces.pseudonyms {
        erased.late += transaction.execute("DELETE FROM late WHERE user = ?1", [pseudonym])?;
    }
    erase_positions(&transaction, traces, &mut erased)?;
    rename_audit(&transaction, traces, &mut erased)?;
    if dry_run {
        transaction.rollback()?;
        return Ok(erased);
    }
    let deed = Deed {
        who: traces.replace(who).unwrap_or_else(|| who.to_owned()),
        action: "forget",
        subject: traces.pseudonyms[0].clone(),
        detail: format!("alerts removed: {}", erased.alerts),
    };
    audit::add(&transaction, &deed)?;
    transaction.commit()?;
    Ok(erased)
}

fn erase_alerts(
    transaction: &Transaction<'_>,
    traces: &mut Traces,
    erased: &mut Erased,
) -> rusqlite::Result<()> {
    // Twice: the events of the alerts about the person are what to look for in the others.
    let mut others = Vec::new();
    let mut all = transaction.prepare("SELECT id, json FROM alerts")?;
    let mut rows = all.query(())?;
    while let Some(row) = rows.next()? {
        let (id, json): (String, String) = (row.get(0)?, row.get(1)?);
        let parsed = serde_json::from_str::<Alert>(&json);
        let alert =
            parsed.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        if traces.is_about(&alert) {
            let events = alert
                .evidence
                .into_iter()
                .map(|event| (event.time, event.uid));
            traces.events.extend(events);
            transaction.execute("DELETE FROM alerts WHERE id = ?1", [&id])?;
            erased.alerts += 1;
        } else {
            others.push(alert);
        }
    }
    for alert in &others {
        let Some(cleaned) = traces.clean(alert) else {
            continue;
        };
        let json = serde_json::to_string(&cleaned)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        transaction.execute(
            "UPDATE alerts SET json = ?2, content = ?3 WHERE id = ?1",
            params![alert.id, json, content(&cleaned)],
        )?;
        erased.mentions += 1;
    }
    Ok(())
}

/// A file or a topic may be called after a person.
fn erase_positions(
    transaction: &Transaction<'_>,
    traces: &Traces,
    erased: &mut Erased,
) -> rusqlite::Result<()> {
    for (table, count) in [
        ("quarantine", &mut erased.quarantined),
        ("late", &mut erased.late),
    ] {
        let mut all =
            transaction.prepare(&format!("SELECT DISTINCT origin, source FROM {table}"))?;
        let found = all.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found: Vec<(String, String)> = found.collect::<Result<_, _>>()?;
        for (origin, source) in &found {
            if traces.names(origin) || traces.names(source) {
                let delete = format!("DELETE FROM {table} WHERE origin = ?1 AND source = ?2");
                *count += transaction.execute(&delete, [origin, source])?;
            }
        }
    }
    let mut all = transaction.prepare("SELECT DISTINCT source FROM quarantine_counts")?;
    let found: Vec<String> = all
        .query_map((), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for source in found.iter().filter(|source| traces.names(source)) {
        transaction.execute("DELETE FROM quarantine_counts WHERE source = ?1", [source])?;
    }
    Ok(())
}

fn rename_audit(
    transaction: &Transaction<'_>,
    traces: &Traces,
    erased: &mut Erased,
) -> rusqlite::Result<()> {
    let mut all = transaction.prepare("SELECT number, who, subject, detail FROM audit")?;
    let mut rows = all.query(())?;
    let mut renamed: Vec<(i64, [String; 3])> = Vec::new();
    while let Some(row) = rows.next()? {
        let texts: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        let now = texts
            .clone()
            .map(|text| traces.replace(&text).unwrap_or(text));
        if now != texts {
            renamed.push((row.get(0)?, now));
        }
    }
    erased.audited = renamed.len();
    for (number, [who, subject, detail]) in renamed {
        transaction.execute(
            "UPDATE audit SET who = ?2, subject = ?3, detail = ?4 WHERE number = ?1",
            params![number, who, subject, detail],
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::AlertReader;
    use crate::store::alerts::tests::{alert, store};
    use crate::store::audit::AuditFilter;
    use nightjar_detectors::alert::{Entity, Evidence};

    /// The person's alerts go, what others' alerts say of him goes, and they stay where they were.
    #[test]
    fn a_person_is_gone_and_the_others_are_where_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let company = Alert {
            entity: Entity {
                kind: "tenant".into(),
                id: "t".into(),
            },
            summary: "6 people, Ana@Example.com first, did the same".into(),
            ..alert("b", 2)
        };
        let mut ben = alert("c", 3);
        ben.entity.id = "ben@example.com".into();
        ben.summary = "ben@example.com downloaded 3 files".into();
        ben.evidence = vec![Evidence {
            uid: "v".into(),
            ..ben.evidence[0].clone()
        }];
        store.publish(&[alert("a", 1), company, ben], None).unwrap();
        let deed = Deed {
            who: "root".into(),
            action: "triage",
            subject: "ana@example.com".into(),
            detail: String::new(),
        };
        store.audit(&deed).unwrap();
        let ana = ["ana@example.com".to_owned()];
        let erase = |dry_run| {
            store
                .erase(&ana, &BTreeSet::new(), "root", dry_run)
                .unwrap()
        };
        let want = Erased {
            alerts: 1,
            mentions: 1,
            audited: 1,
            ..Erased::default()
        };
        assert_eq!((erase(true), erase(false)), (want.clone(), want));
        assert_eq!(erase(true), Erased::default());
        store.purge().unwrap();
        let reader = AlertReader::open(folder.path()).unwrap();
        let left = reader.all().unwrap();
        let cursors: Vec<_> = left
            .iter()
            .map(|alert| (alert.id.as_str(), alert.cursor))
            .collect();
        assert_eq!(cursors, [("b", 2), ("c", 3)]);
        assert!(left[0].evidence.is_empty() && left[1].evidence.len() == 1);
        let trail = reader.audit(&AuditFilter::default()).unwrap();
        assert_eq!(trail[0].subject, trail[1].subject);
        for file in ["alerts.db", "alerts.db-wal"] {
            let bytes = std::fs::read(folder.path().join(file)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).to_lowercase();
            assert!(!text.contains("ana@example.com"), "{file}");
        }
    }
}
