//! Which AI tools are used: people, calls, tokens, bytes, since when. Metadata only.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_detectors::event::{Activity, Kind, Outcome, Row, time_text};
use serde::Serialize;

use crate::enrich::AiTools;

/// What is known of one tool.
#[derive(Debug, Default)]
struct Use {
    people: BTreeSet<Box<str>>,
    services: BTreeSet<Box<str>>,
    calls: u64,
    refused: u64,
    tokens: u64,
    bytes: u64,
    first_ms: Option<i64>,
    last_ms: i64,
}

/// Collects rows; their order does not matter.
#[derive(Debug, Default)]
pub struct Inventory {
    tools: BTreeMap<Box<str>, Use>,
}

/// One tool of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// As alerts call it.
    pub tool: String,
    /// Who makes it; empty where the catalog does not know the tool.
    pub vendor: String,
    /// chat, coding, api, …; empty where the catalog does not know the tool.
    pub category: String,
    /// sanctioned, tolerated, unsanctioned, unknown.
    pub status: &'static str,
    /// Different persons; accounts of unknown kind count as persons.
    pub people: u64,
    /// Different services and agents.
    pub services: u64,
    /// Uses; an aggregate counts as many as it stands for.
    pub calls: u64,
    /// Of these, refused by a proxy or by the tool.
    pub refused: u64,
    /// Tokens without cache reads, where known.
    pub tokens: u64,
    /// Bytes, where known.
    pub bytes: u64,
    /// First use in these logs.
    pub first: String,
    /// Last use in these logs.
    pub last: String,
}

impl Inventory {
    /// Takes a row; all but uses of AI tools are passed over.
    pub fn take(&mut self, row: Row<'_>) {
        if row.activity() != Activity::AiUse {
            return;
        }
        let name = row.app().unwrap_or("unnamed");
        if !self.tools.contains_key(name) {
            self.tools.insert(name.into(), Use::default());
        }
        let Some(tool) = self.tools.get_mut(name) else {
            return;
        };
        if let Some(user) = row.user() {
            let set = match row.kind() {
                Some(Kind::Service | Kind::Agent) => &mut tool.services,
                _ => &mut tool.people,
            };
            if !set.contains(user) {
                set.insert(user.into());
            }
        }
        tool.calls += row.count();
        if row.outcome() == Outcome::Failure {
            tool.refused += row.count();
        }
        tool.tokens += row.tokens().unwrap_or(0);
        tool.bytes += row.bytes().unwrap_or(0);
        tool.first_ms = Some(tool.first_ms.map_or(row.time(), |ms| ms.min(row.time())));
        tool.last_ms = tool.last_ms.max(row.time());
    }

    /// The tools, those with most people first.
    pub fn lines(&self, catalog: &AiTools) -> Vec<Line> {
        let line = |(name, seen): (&str, &Use)| {
            let known = catalog.all().iter().find(|tool| *tool.name == *name);
            Line {
                tool: name.to_string(),
                vendor: known.map(|tool| tool.vendor.clone()).unwrap_or_default(),
                category: known.map(|tool| tool.category.clone()).unwrap_or_default(),
                status: known.map_or("unknown", |tool| tool.status.as_str()),
                people: seen.people.len() as u64,
                services: seen.services.len() as u64,
                calls: seen.calls,
                refused: seen.refused,
                tokens: seen.tokens,
                bytes: seen.bytes,
                first: time_text(seen.first_ms.unwrap_or_default()),
                last: time_text(seen.last_ms),
            }
        };
        let mut lines: Vec<Line> = self
            .tools
            .iter()
            .map(|(name, seen)| line((name, seen)))
            .collect();
        lines.sort_by(|a, b| (b.people, b.calls, &a.tool).cmp(&(a.people, a.calls, &b.tool)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use nightjar_detectors::event::Events;

    use super::*;
    use crate::intake::tests::{rows, setup};

    const RECORDS: &str = r#"
{"time":"2026-03-05T10:00:00Z","uid":"1","activity":"ai_use","user":"ana@example.com","app":"claude.ai","bytes":10}
{"time":"2026-03-04T10:00:00Z","uid":"2","activity":"ai_use","user":"ben@example.com","app":"claude.ai","outcome":"failure"}
{"time":"2026-03-06T10:00:00Z","uid":"3","activity":"ai_use","user":"bot","kind":"service","app":"claude.ai","tokens":7,"count":5}
{"time":"2026-03-06T10:00:00Z","uid":"4","activity":"ai_use","user":"ana@example.com","app":"homemade"}
{"time":"2026-03-06T10:00:00Z","uid":"5","activity":"login","user":"ana@example.com","app":"claude.ai"}
"#;

    #[test]
    fn who_uses_what_since_when() {
        let batch = rows("s", RECORDS);
        let mut inventory = Inventory::default();
        for row in Events::new(&batch).unwrap().rows() {
            inventory.take(row);
        }
        let lines = inventory.lines(setup().tools());
        assert_eq!(lines.len(), 2);
        let claude = &lines[0];
        assert_eq!(
            (claude.tool.as_str(), claude.vendor.as_str()),
            ("claude.ai", "Anthropic")
        );
        assert_eq!(
            (claude.people, claude.services, claude.calls, claude.refused),
            (2, 1, 7, 1)
        );
        assert_eq!((claude.tokens, claude.bytes), (7, 10));
        assert_eq!(claude.first, "2026-03-04T10:00:00Z");
        assert_eq!((lines[1].vendor.as_str(), lines[1].status), ("", "unknown"));
    }
}
