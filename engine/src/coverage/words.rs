//! Words in logs that the configuration does not know: roles without a tier, labels without a rank, AI tools
//! that the catalog does not have.
//!
//! Invariant: they are counted and never guessed. At most ten of a kind are named, and only such as are words of
//! a vendor's configuration: nothing with an address in it, no hash, no name of a document.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_detectors::event::{Activity, Events, Method, Row};
use nightjar_detectors::policy::Policy;
use serde::Serialize;

use crate::enrich::AiTools;
use crate::setup::Setup;

/// Names of one kind and source that are listed.
const LISTED_MAX: usize = 10;
/// Names of one kind and source that are told apart; the rest is counted together.
const NAMES_MAX: usize = 10_000;
/// Longer names are no words.
const NAME_LENGTH_MAX: usize = 80;

/// What a word names, and what would make it known.
struct WordKind {
    name: &'static str,
    what: &'static str,
    advice: &'static str,
}

const ROLE: usize = 0;
const LABEL: usize = 1;
const TOOL: usize = 2;
const KINDS: [WordKind; 3] = [
    WordKind {
        name: "role",
        what: "roles without a tier",
        advice: "give those that matter a tier under [policy.roles]",
    },
    WordKind {
        name: "label",
        what: "labels without a rank",
        advice: "give them a rank under [policy.labels]",
    },
    WordKind {
        name: "tool",
        what: "AI tools that the catalog does not have",
        advice: "give them a name and a status under [[tools]]",
    },
];

/// Rows with a word of one kind in one source.
#[derive(Debug, Clone, Default)]
struct Tally {
    rows: u64,
    unknown: u64,
    names: BTreeMap<Box<str>, u64>,
    hidden: BTreeSet<Box<str>>,
}

/// Words that nobody has decided about, of one kind in one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnknownWords {
    /// Topic or folder.
    pub source: String,
    /// role, label or tool.
    pub kind: &'static str,
    /// Rows that name one of this kind.
    pub rows: u64,
    /// Those of them whose word is not known.
    pub unknown_rows: u64,
    /// Different words.
    pub names: u64,
    /// The most frequent of them, as far as they may be shown.
    pub most: Vec<UnknownWord>,
    /// What to do.
    pub advice: &'static str,
}

/// A word and how often it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnknownWord {
    /// As the source writes it.
    pub name: String,
    /// In how many rows.
    pub rows: u64,
}

/// Collects rows; their order does not matter.
pub struct Words<'a> {
    policy: &'a Policy,
    tools: &'a AiTools,
    tallies: BTreeMap<(String, usize), Tally>,
}

impl<'a> Words<'a> {
    /// What is known is what the setup says.
    pub fn new(setup: &'a Setup) -> Self {
        Words {
            policy: &setup.world.settings.policy,
            tools: setup.tools(),
            tallies: BTreeMap::new(),
        }
    }

    /// Takes a batch of one source.
    pub fn take(&mut self, source: &str, events: &Events<'_>) {
        for row in events.rows() {
            for kind in 0..KINDS.len() {
                let Some(word) = word(&row, kind) else {
                    continue;
                };
                let tally = self.tallies.entry((source.to_owned(), kind)).or_default();
                tally.rows += 1;
                if !is_known(self.policy, self.tools, kind, word) {
                    tally.add(word);
                }
            }
        }
    }

    /// What is not known, by source and kind.
    pub fn report(&self) -> Vec<UnknownWords> {
        let unknown = self.tallies.iter().filter(|(_, tally)| 0 < tally.unknown);
        let of = |((source, kind), tally): (&(String, usize), &Tally)| UnknownWords {
            source: source.clone(),
            kind: KINDS[*kind].name,
            rows: tally.rows,
            unknown_rows: tally.unknown,
            names: (tally.names.len() + tally.hidden.len()) as u64,
            most: tally.most(),
            advice: KINDS[*kind].advice,
        };
        unknown.map(of).collect()
    }
}

impl Tally {
    fn add(&mut self, word: &str) {
        self.unknown += 1;
        let is_full = NAMES_MAX <= self.names.len() + self.hidden.len();
        if !may_be_shown(word) {
            if !is_full {
                self.hidden.insert(word.into());
            }
        } else if let Some(rows) = self.names.get_mut(word) {
            *rows += 1;
        } else if !is_full {
            self.names.insert(word.into(), 1);
        }
    }

    fn most(&self) -> Vec<UnknownWord> {
        let names = self.names.iter();
        let mut all: Vec<(&str, u64)> = names.map(|(name, rows)| (&**name, *rows)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let word = |(name, rows): (&str, u64)| UnknownWord {
            name: name.to_owned(),
            rows,
        };
        all.into_iter().take(LISTED_MAX).map(word).collect()
    }
}

impl UnknownWords {
    /// As one line.
    pub fn sentence(&self) -> String {
        let kind = KINDS.iter().find(|kind| kind.name == self.kind);
        let what = kind.map_or(self.kind, |kind| kind.what);
        let named: Vec<String> = self
            .most
            .iter()
            .map(|word| format!("{} ({})", word.name, word.rows))
            .collect();
        let named = match (named.is_empty(), self.names - self.most.len() as u64) {
            (true, _) => "none that may be shown".to_owned(),
            (false, 0) => named.join(", "),
            (false, more) => format!("{} and {more} more", named.join(", ")),
        };
        format!(
            "{}: {what} in {} of {} rows: {named}; {}",
            self.source, self.unknown_rows, self.rows, self.advice
        )
    }
}

/// The word of a kind that a row has.
fn word<'a>(row: &Row<'a>, kind: usize) -> Option<&'a str> {
    let is_given = row.method() != Some(Method::Removed);
    match kind {
        ROLE if row.activity() == Activity::RoleGrant && is_given => row.object(),
        LABEL => row.sensitivity(),
        TOOL if row.activity() == Activity::AiUse => row.app(),
        _ => None,
    }
    .filter(|word| !word.is_empty())
}

fn is_known(policy: &Policy, tools: &AiTools, kind: usize, word: &str) -> bool {
    match kind {
        ROLE => policy.role_tier(word).is_some(),
        LABEL => policy.label_rank(word).is_some(),
        _ => tools.named(word).is_some(),
    }
}

/// Whether a word can only be one of a configuration.
fn may_be_shown(word: &str) -> bool {
    let is_hash = word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_printable = !word.chars().any(char::is_control);
    word.len() <= NAME_LENGTH_MAX && !word.contains('@') && !is_hash && is_printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::intake::tests::rows;

    const RECORDS: &str = r#"
{"time":"2026-03-05T10:00:00Z","uid":"1","activity":"role_grant","user":"ana@example.com","object":"Global Administrator"}
{"time":"2026-03-05T10:00:01Z","uid":"2","activity":"role_grant","user":"ana@example.com","object":"Payroll Admin"}
{"time":"2026-03-05T10:00:02Z","uid":"3","activity":"role_grant","user":"ana@example.com","object":"Payroll Admin"}
{"time":"2026-03-05T10:00:03Z","uid":"4","activity":"role_grant","user":"ana@example.com","object":"ben@example.com"}
{"time":"2026-03-05T10:00:04Z","uid":"5","activity":"download","user":"ana@example.com","object":"plan.pdf","sensitivity":"Board only"}
{"time":"2026-03-05T10:00:05Z","uid":"6","activity":"ai_use","user":"ana@example.com","app":"Acme Oracle"}
"#;

    fn report() -> Vec<UnknownWords> {
        let setup = Setup::of(Config::defaults()).unwrap();
        let batch = rows("s", RECORDS);
        let mut words = Words::new(&setup);
        words.take("s", &Events::new(&batch).unwrap());
        words.report()
    }

    #[test]
    fn what_nobody_decided_about_is_counted_and_not_guessed() {
        let report = report();
        let brief: Vec<_> = report
            .iter()
            .map(|words| (words.kind, words.rows, words.unknown_rows, words.names))
            .collect();
        assert_eq!(
            brief,
            [("role", 4, 3, 2), ("label", 1, 1, 1), ("tool", 1, 1, 1)]
        );
        let want = "s: roles without a tier in 3 of 4 rows: Payroll Admin (2) and 1 more; give those that matter a tier under [policy.roles]";
        assert_eq!(report[0].sentence(), want);
    }

    /// Neither people nor documents.
    #[test]
    fn names_that_are_no_words_of_a_configuration_are_not_shown() {
        let text = format!("{:?}", report());
        assert!(
            !text.contains("ben@example.com") && !text.contains("plan.pdf"),
            "{text}"
        );
        assert!(!may_be_shown("00112233445566ff") && may_be_shown("Application Administrator"));
    }
}
