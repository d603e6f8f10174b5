//! `nightjar ledger`: what came too late, what was muted or lowered, and who did what.
//!
//! Invariant: reads only, also beside a running service.

use std::process::ExitCode;

use chrono_tz::Tz;
use clap::{Args, Subcommand};
use nightjar_detectors::alert::Alert;
use nightjar_detectors::event::time_text;
use serde_json::{Value, json};

use super::folder::{FolderArgs, since};
use crate::store::alerts::AlertReader;
use crate::store::audit::{AuditFilter, Audited};
use crate::store::late::{Late, LateFilter};
use crate::table::{columns, moment, time};

/// Arguments of `ledger`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nightjar ledger late -c nightjar.toml --source m365 --since 7d
  nightjar ledger suppressed --state nightjar-state --user ana@example.com
  nightjar ledger audit -c nightjar.toml --json")]
pub struct LedgerArgs {
    #[command(subcommand)]
    ledger: Ledger,
}

#[derive(Debug, Subcommand)]
enum Ledger {
    /// Rows that came too late to be judged: where, when, how late; users as pseudonyms
    #[command(
        after_help = "Example:\n  nightjar ledger late -c nightjar.toml --source m365 --since 7d"
    )]
    Late {
        /// Only of this source
        #[arg(long, value_name = "NAME")]
        source: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Alerts that were muted or lowered, each with its reason
    #[command(
        after_help = "Example:\n  nightjar ledger suppressed -c nightjar.toml --since 2026-03-01"
    )]
    Suppressed {
        /// Only for this reason, such as repeat or common_cause
        #[arg(long, value_name = "REASON")]
        reason: Option<String>,
        #[command(flatten)]
        which: Which,
    },
    /// Who did what with what is kept
    #[command(after_help = "Example:\n  nightjar ledger audit -c nightjar.toml --since 30d --json")]
    Audit {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    folder: FolderArgs,
    /// Only of this user (for audit: by this user)
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Only what was entered since: a date, a time, or how long ago (7d)
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<i64>,
    /// One entry a line, as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the folder cannot be read.
pub fn run(args: &LedgerArgs) -> anyhow::Result<ExitCode> {
    let (Ledger::Late { which, .. } | Ledger::Suppressed { which, .. } | Ledger::Audit { which }) =
        &args.ledger;
    let reader = AlertReader::open(&which.folder.config()?.state.dir)?;
    super::print(&read(&args.ledger, which, &reader)?)?;
    Ok(ExitCode::SUCCESS)
}

fn read(ledger: &Ledger, which: &Which, reader: &AlertReader) -> anyhow::Result<String> {
    let zone = reader.zone()?;
    let (since_ms, user) = (which.since, which.user.clone());
    let (heads, entries): (&[&str], Vec<Entry>) = match ledger {
        Ledger::Late { source, .. } => {
            let source = source.clone();
            let filter = LateFilter {
                source,
                user,
                since_ms,
            };
            let found = reader.late(&filter)?;
            (
                &LATE,
                found.iter().map(|late| of_late(late, zone)).collect(),
            )
        }
        Ledger::Suppressed { reason, .. } => {
            let mut found = reader.suppressed(user.as_deref(), since_ms)?;
            found.retain(|alert| reason.is_none() || reason.as_deref() == reason_of(alert));
            let all = found.iter().map(|alert| of_suppressed(alert, zone));
            (&SUPPRESSED, all.collect())
        }
        Ledger::Audit { .. } => {
            let who = user;
            let found = reader.audit(&AuditFilter { who, since_ms })?;
            (
                &AUDIT,
                found.iter().map(|entry| of_audit(entry, zone)).collect(),
            )
        }
    };
    let count = entries.len();
    if which.json {
        return Ok(entries
            .iter()
            .map(|(_, json)| format!("{json}\n"))
            .collect());
    }
    let lines: Vec<_> = entries.into_iter().map(|(line, _)| line).collect();
    let table = match count {
        0 => String::new(),
        _ => columns(heads, &lines),
    };
    let plural = if count == 1 { "entry" } else { "entries" };
    Ok(format!("{table}{count} {plural}\n"))
}

/// A line of the table, and the entry as JSON.
type Entry = (Vec<String>, Value);

const LATE: [&str; 7] = [
    "EVENT", "LATE BY", "CLASS", "SOURCE", "POSITION", "USER", "WHY",
];
const SUPPRESSED: [&str; 7] = [
    "SEVERITY", "TIME", "DETECTOR", "ENTITY", "EFFECT", "REASON", "BY",
];
const AUDIT: [&str; 5] = ["WHEN", "WHO", "ACTION", "SUBJECT", "DETAIL"];

fn of_late(late: &Late, zone: Tz) -> Entry {
    let hours = |ms: i64| format!("{:.1} h", ms as f64 / 3.6e6);
    let line = vec![
        moment(late.time_ms, zone),
        late.lateness_ms.map_or("-".into(), hours),
        late.class.clone(),
        late.source.clone(),
        late.position.clone(),
        late.user.clone().unwrap_or_else(|| "-".into()),
        late.why.clone(),
    ];
    let json = json!({
        "recorded": time_text(late.recorded_ms), "source": late.source, "position": late.position,
        "user": late.user, "time": time_text(late.time_ms), "lateness_ms": late.lateness_ms,
        "class": late.class, "why": late.why,
    });
    (line, json)
}

fn reason_of(alert: &Alert) -> Option<&str> {
    alert.suppressed.as_ref().map(|by| by.reason.as_str())
}

fn of_suppressed(alert: &Alert, zone: Tz) -> Entry {
    let by = alert.suppressed.as_ref();
    let word = |of: fn(&nightjar_detectors::alert::Suppressed) -> &String| {
        by.map(of).cloned().unwrap_or_default()
    };
    let line = vec![
        alert.severity.as_str().to_owned(),
        time(&alert.first_event_time, zone).into_owned(),
        alert.detector.clone(),
        alert.entity.id.clone(),
        word(|by| &by.effect),
        word(|by| &by.reason),
        word(|by| &by.by),
    ];
    let json = json!({
        "id": alert.id, "severity": alert.severity, "time": alert.first_event_time,
        "detector": alert.detector, "entity": alert.entity, "suppressed": alert.suppressed,
        "cursor": alert.cursor,
    });
    (line, json)
}

fn of_audit(entry: &Audited, zone: Tz) -> Entry {
    let line = vec![
        moment(entry.at_ms, zone),
        entry.who.clone(),
        entry.action.clone(),
        entry.subject.clone(),
        entry.detail.clone(),
    ];
    let json = json!({
        "at": time_text(entry.at_ms), "who": entry.who, "action": entry.action,
        "subject": entry.subject, "detail": entry.detail,
    });
    (line, json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, muted, store};
    use clap::FromArgMatches;

    fn printed(folder: &std::path::Path, line: &[&str]) -> String {
        let command = LedgerArgs::augment_args(clap::Command::new("ledger"));
        let state = folder.to_string_lossy();
        let words = ["ledger"].iter().chain(line).copied();
        let matches = command.get_matches_from(words.chain(["--state", &state]));
        let args = LedgerArgs::from_arg_matches(&matches).unwrap();
        let (Ledger::Late { which, .. }
        | Ledger::Suppressed { which, .. }
        | Ledger::Audit { which }) = &args.ledger;
        read(&args.ledger, which, &AlertReader::open(folder).unwrap()).unwrap()
    }

    /// What was muted is found with its reason, and only that.
    #[test]
    fn nothing_is_muted_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store
            .publish(&[alert("a", 1), muted(alert("b", 2))], None)
            .unwrap();
        let table = printed(folder.path(), &["suppressed"]);
        assert!(
            table.contains("muted   repeat") && table.ends_with("\n1 entry\n"),
            "{table}"
        );
        assert_eq!(
            printed(folder.path(), &["suppressed", "--reason", "phase"]),
            "0 entries\n"
        );
        assert_eq!(
            printed(folder.path(), &["suppressed", "--user", "x"]),
            "0 entries\n"
        );
        let json = printed(
            folder.path(),
            &["suppressed", "--json", "--user", "ana@example.com"],
        );
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (&read["id"], &read["suppressed"]["reason"]),
            (&json!("b"), &json!("repeat"))
        );
        assert_eq!(
            printed(folder.path(), &["late", "--source", "x"]),
            "0 entries\n"
        );
        assert_eq!(
            printed(folder.path(), &["audit", "--since", "7d"]),
            "0 entries\n"
        );
    }
}
