//! `[[exceptions]]`: what the company expects for a while, with an owner, a reason and an end.
//!
//! Invariant: an exception that is kept is bounded: it names a detector or one principal, and ends within a year.

use std::path::Path;

use nightjar_detectors::catalog::CATALOG;
use nightjar_detectors::exception::{Decision, Effect, Exception, Scope, is_glob};
use nightjar_detectors::time::{Day, day_text};

use super::policy::country;
use super::problem::{ConfigErrors, Place, Problem, nearest};
use super::read::{amount, read_file, word};
use super::section::{Notes, Reading, Section, Wrong, date, text};
use super::tree::{self, Node};
use super::{Cidr, Config, NetworkRule};

/// A year, with its leap day.
const DAYS_MAX: Day = 366;
/// An exception that ended longer ago is worth a word.
const OLD_DAYS: Day = 30;
/// Characters of an owner or a reason.
const CHARS_MAX: usize = 200;
const ENTITY_KINDS: [&str; 8] = [
    "user", "service", "ip", "tool", "app", "session", "source", "tenant",
];

/// One of `[[exceptions]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExceptionRule {
    /// What is decided.
    pub rule: Exception,
    /// Where it stands.
    pub place: Place,
}

/// The exceptions of a file that holds nothing else, read beside a configuration whose networks they may name.
///
/// # Errors
/// With everything that is wrong, each with its place.
pub fn exceptions_of(file: &Path, config: &Config) -> Result<Vec<ExceptionRule>, ConfigErrors> {
    let mut problems = Vec::new();
    let written = read_file(file, "name the file that holds the proposed [[exceptions]]")?;
    let tree = tree::parse(file, &written, &mut problems);
    let notes = Notes::default();
    let mut root = Section::root(&tree, &notes);
    let rules = read(root.tables("exceptions"), &config.networks);
    root.finish();
    problems.extend(notes.problems.into_inner());
    if problems.is_empty() && rules.is_empty() {
        let at = Place::File(file.to_owned());
        let advice = "write at least one [[exceptions]] into it";
        problems.push(Problem::new(at, "there is no exception in it", advice));
    }
    match problems.is_empty() {
        true => Ok(rules),
        false => Err(ConfigErrors(problems)),
    }
}

/// What is no mistake and yet worth a word: exceptions that ended long before a day.
pub fn warnings(config: &Config, today: Day) -> Vec<Problem> {
    let all = config.exceptions.iter();
    let old = all.filter(|known| known.rule.expires + OLD_DAYS < today);
    old.map(|known| {
        let ended = day_text(known.rule.expires);
        let what = format!("this exception ended on {ended}");
        let advice = "remove it; alerts of its days keep their reason";
        Problem::new(known.place.clone(), what, advice)
    })
    .collect()
}

/// Reads the tables; what is wrong with one keeps it out.
pub(super) fn read(
    tables: Vec<(Section<'_>, &Node)>,
    networks: &[NetworkRule],
) -> Vec<ExceptionRule> {
    let mut rules = Vec::new();
    for (table, node) in tables {
        let notes = table.notes;
        let before = notes.problems.borrow().len();
        let rule = one(table, &node.place, networks);
        // What was left out of a wrong exception would widen it.
        let is_sound = notes.problems.borrow().len() == before;
        let place = node.place.clone();
        let rule = rule.filter(|_| is_sound);
        rules.extend(rule.map(|rule| ExceptionRule { rule, place }));
    }
    rules
}

fn one(mut table: Section<'_>, place: &Place, networks: &[NetworkRule]) -> Option<Exception> {
    let kinds = Decision::ALL.iter().map(|kind| (kind.as_str(), *kind));
    let kind = table.read("kind", |node| word(node, kinds));
    let mut detectors = table.read_list("detector", detector).unwrap_or_default();
    if detectors.iter().any(|name| name == "*") {
        detectors.clear();
    }
    let entity = table.read("entity", |node| text(node).map(|name| name.to_lowercase()));
    let entity_kinds = ENTITY_KINDS.iter().map(|kind| (*kind, (*kind).to_owned()));
    let entity_kind = table.read("entity_kind", |node| word(node, entity_kinds));
    let scopes = [
        table.read("country", |node| country(node).map(Scope::Country)),
        table.read("network", |node| network(node, networks)),
        table.read("app", |node| {
            text(node).map(|name| Scope::App(name.to_lowercase()))
        }),
    ];
    let mut scopes: Vec<Scope> = scopes.into_iter().flatten().collect();
    let effects = Effect::ALL.iter().map(|effect| (effect.as_str(), *effect));
    let effect = table.read("effect", |node| word(node, effects));
    let at_most = table.read("at_most", |node| amount(node, 1e15));
    let owner = table.require("owner", place, r#""it@example.com""#, line);
    let reason = table.require("reason", place, r#""the laptops are set up anew""#, line);
    let from = table.require("from", place, r#""2026-03-02""#, date);
    let expires = table.require("expires", place, r#""2026-03-16""#, date);
    let notes = table.notes;
    table.finish();
    if 1 < scopes.len() {
        let advice = "keep one of country, network and app; no alert is about two of them";
        notes.add(place, "this exception has two scopes", advice);
    }
    if let Some((what, advice)) = boundless(&detectors, entity.as_deref()) {
        notes.add(place, what, advice);
    }
    let (from, expires) = (from?, expires?);
    if let Some((what, advice)) = misdated(from, expires) {
        notes.add(place, what, advice);
    }
    Some(Exception {
        kind: kind.unwrap_or_default(),
        detectors,
        entity,
        entity_kind,
        scope: scopes.pop(),
        effect: effect.unwrap_or_default(),
        at_most,
        owner: owner?,
        reason: reason?,
        from,
        expires,
    })
}

/// Why an exception covers too much.
fn boundless(detectors: &[String], entity: Option<&str>) -> Option<(&'static str, &'static str)> {
    if !detectors.is_empty() {
        return None;
    }
    match entity {
        Some(name) if !is_glob(name) => None,
        Some(name) if name.chars().any(|c| c != '*') => Some((
            "this exception would mute everything about many at once",
            "name the detector that it is about, or one entity without `*`",
        )),
        _ => Some((
            "this exception would mute everything",
            "name the detector that it is about, or the entity",
        )),
    }
}

fn misdated(from: Day, expires: Day) -> Option<(String, String)> {
    if expires < from {
        let (from, expires) = (day_text(from), day_text(expires));
        let what = format!("this exception expires on {expires}, before it starts on {from}");
        return Some((what, "exchange the two".to_owned()));
    }
    let days = expires - from + 1;
    (DAYS_MAX < days).then(|| {
        let last = day_text(from + DAYS_MAX - 1);
        let what = format!("this exception lasts {days} days, longer than a year");
        let advice = format!("let it expire on {last} at the latest, and look at it again then");
        (what, advice)
    })
}

fn detector(node: &Node) -> Reading<String> {
    let name = text(node)?;
    if name == "*" || CATALOG.iter().any(|entry| entry.name == name) {
        return Ok(name);
    }
    let advice = nearest(&name, CATALOG.iter().map(|entry| entry.name));
    Err(Wrong(
        format!("names `{name}`, which is no detector"),
        advice,
    ))
}

/// Text on one line, since it stands in alerts.
fn line(node: &Node) -> Reading<String> {
    let written = text(node)?;
    if CHARS_MAX < written.chars().count() || written.chars().any(char::is_control) {
        return Err(Wrong(
            "is too long, or of several lines".into(),
            format!("write up to {CHARS_MAX} characters on one line"),
        ));
    }
    Ok(written)
}

/// A network by its number, its addresses, or the name that `[[networks]]` gives it.
fn network(node: &Node, networks: &[NetworkRule]) -> Reading<Scope> {
    let written = text(node)?;
    let upper = written.to_uppercase();
    let number = upper.strip_prefix("AS").map(str::parse::<u32>);
    if let Some(Ok(number)) = number {
        return Ok(Scope::System(format!("AS{number}")));
    }
    let own = networks.iter().filter(|rule| rule.name == written);
    let named: Vec<Cidr> = own.map(|rule| rule.cidr).collect();
    let found = match Cidr::parse(&written) {
        Some(cidr) => vec![cidr],
        None => named,
    };
    if found.is_empty() {
        let known = networks.iter().map(|rule| rule.name.as_str());
        let known: Vec<&str> = known.filter(|name| !name.is_empty()).collect();
        let advice = match nearest(&written, known) {
            advice if advice.starts_with("did") => advice,
            _ => r#"write "203.0.113.0/24", "AS3320", or the name of one of [[networks]]"#.into(),
        };
        return Err(Wrong(format!("`{written}` is not a network"), advice));
    }
    let range = |cidr: Cidr| (cidr.first(), cidr.last());
    Ok(Scope::Addresses(found.into_iter().map(range).collect()))
}

/// Everything of them, in their order: part of the fingerprint.
pub(super) fn fields(rules: &[ExceptionRule]) -> Vec<String> {
    let of = |known: &ExceptionRule| format!("exception {:?}", known.rule);
    rules.iter().map(of).collect()
}
