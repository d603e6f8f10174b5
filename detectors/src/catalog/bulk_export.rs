//! Flags: one event that takes everything out: an archive, a mailbox, a repository. Why: no count shows
//! it. Method: policy. Blind to: exports that a log calls a plain download.

use std::sync::Arc;

use super::rule::{Case, Rule, Ruled, Sign};
use super::{Entry, Page, Step};
use crate::alert::Severity;
use crate::detector::{Detector, Event, Runner};
use crate::event::{Activity, Method, Outcome, Row};
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "bulk_export",
    activities: &[Activity::Download],
    attack: &["T1530", "T1213", "T1567"],
    family: "volume",
    needs: &[&["user"], &["method"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "one event that exports everything: a personal archive (Takeout), a Vault or e-discovery result, a workspace, a mailbox, a repository as an archive, secrets by the batch",
        why: "one click takes what a thousand downloads would, and no count of files shows it",
        method: "policy: a download whose method is export. High the first time in 120 days that this person exports from this application; what somebody did before is muted as evidence. One alert a person, application and day. Eager",
        blind_to: "exports that a log does not tell from a download; service accounts, whose exports are backups; what an export held",
        fields: "time, user, activity, method (export), app",
        example: "ana@example.com exported everything at once from google takeout (1 event, from 203.0.113.7 (NL)); nothing like it in the 120 days before",
    },
    make: |_, lag| -> Box<dyn Detector> { Box::new(Runner::new(Arc::new(Ruled(BulkExport)), lag)) },
};

/// The rule; it has no parameters.
struct BulkExport;

impl Rule for BulkExport {
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        row.method() == Some(Method::Export)
            && matches!(stream, Stream::Person | Stream::Shared)
            && row.outcome() != Outcome::Failure
    }

    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>> {
        Some(Sign {
            value: event.row.app().unwrap_or_default().into(),
            marks: 0,
        })
    }

    fn judge(&self, case: &Case<'_>) -> Option<Verdict> {
        let name = &case.on.who.name;
        let app = if case.value.is_empty() {
            "an application"
        } else {
            case.value
        };
        let is_known = case.is_known_value();
        let verdict = Verdict {
            summary: format!(
                "{name} exported everything at once from {app} ({}); {}",
                case.how(),
                if is_known {
                    "as in the 120 days before"
                } else {
                    "nothing like it in the 120 days before"
                },
            ),
            also: case.also(),
            next_steps: vec![
                format!("ask {name} or the manager whether the export was meant").into(),
                Step::LockOut(name.to_string()),
                "look at what it holds and where the archive went; stop it while it is being made"
                    .into(),
            ],
            quiet: format!("an export from {app} in the 120 days before, or the files one by one"),
            ..case.verdict(Severity::High)
        };
        Some(if is_known {
            case.evidence_only(verdict)
        } else {
            verdict
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::trial;
    use super::*;
    use crate::event::{Draft, Kind};

    fn export(method: Option<Method>) -> Draft<'static> {
        Draft {
            activity: Some(Activity::Download),
            outcome: Some(Outcome::Success),
            user: Some("ana@example.com"),
            app: Some("google takeout"),
            object: Some("archive"),
            method,
            ..Draft::default()
        }
    }

    /// The first is high; what somebody does every week is not told again.
    #[test]
    fn the_first_export_is_high() {
        let mut trial = trial("bulk_export");
        for week in 0..4 {
            trial.add(7 * week, 600, export(Some(Method::Export)));
        }
        let want = [Some(Severity::High), None, None, None];
        assert_eq!(trial.severities(), want);
    }

    #[test]
    fn plain_downloads_failures_and_backups_are_not_exports() {
        let mut trial = trial("bulk_export");
        trial.add(0, 600, export(None));
        let refused = Draft {
            outcome: Some(Outcome::Failure),
            ..export(Some(Method::Export))
        };
        let backup = Draft {
            kind: Some(Kind::Service),
            ..export(Some(Method::Export))
        };
        trial.add(0, 601, refused).add(0, 602, backup);
        assert_eq!(trial.severities(), []);
    }
}
