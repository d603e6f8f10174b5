//! `nightjar exceptions try`: one reading of the logs, judged with and without the exceptions of a file.
//!
//! Invariant: what is told is the difference between the final alerts of two replays, which differ in the proposal
//! and in nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use arrow::array::RecordBatch;
use clap::Args;
use nightjar_detectors::alert::Alert;
use nightjar_detectors::core::{Core, SealedDay};
use nightjar_detectors::exception::Decision;
use nightjar_detectors::time::{Calendar, Day, day_text};
use serde::Serialize;

use crate::backtest::Judged;
use crate::cmd::backtest::{judge_by, read};
use crate::config::{self, Config, ExceptionRule};
use crate::days::DayStore;
use crate::evaluate::labels::Labels;
use crate::evaluate::score::{Fate, Shown, score};
use crate::evaluate::seen::Seen;
use crate::setup::{Setup, SetupError};
use crate::source::file;
use crate::table::Columns;

/// Alerts of one detector and principal that are shown as examples.
const EXAMPLES_MAX: usize = 3;

/// Examples that are printed; JSON has the others.
const PRINTED_MAX: usize = 10;

/// Arguments of `exceptions try`.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// File with the [[exceptions]] to be tried, beside those of the configuration
    #[arg(value_name = "FILE")]
    proposal: PathBuf,
    /// Log files, folders of them, or patterns, as for `backtest`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Configuration file
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Format of all files; `auto` recognises it record by record
    #[arg(long, value_name = "NAME")]
    format: Option<String>,
    /// What really happened, as for `backtest`: whether every attack that is found stays found
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// As if they held on every day of the logs, whatever their own days
    #[arg(long)]
    always: bool,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Tries, and says what would change.
///
/// # Errors
/// When the configuration, the proposal or the labels cannot be used, or the logs cannot be read.
pub fn run(args: &TryArgs) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let config = Config::load(args.config.as_deref(), config::environment()).map_err(SetupError)?;
    let proposed = config::exceptions_of(&args.proposal, &config).map_err(SetupError)?;
    let labels = args.labels.as_deref().map(Labels::read).transpose()?;
    let files = file::list(&args.paths)?;
    let setup = Setup::of(config).map_err(SetupError)?;
    let setup = setup.with_format(args.format.as_deref())?;
    let threads = super::super::default_threads();
    let mut read = read(&setup, None, &files, threads, args.json, &stop)?;
    let days = std::mem::replace(&mut read.days, DayStore::new(0, PathBuf::new()));
    crate::cmd::tell_unrecognised(&read.unrecognised);
    crate::cmd::ensure_readable(crate::cmd::rows::sum(&read.counts))?;
    let tried = Tried {
        proposed: dated(proposed, args.always, &days),
        labels,
        is_silent: args.json,
    };
    let found = tried.replay(&setup, days, threads, &stop)?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&found)? + "\n",
        false => found.text(),
    };
    crate::cmd::print(&text)?;
    Ok(match found.hidden().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The proposal, with the days of the logs where it is to hold on all of them.
fn dated(mut proposed: Vec<ExceptionRule>, always: bool, days: &DayStore) -> Vec<ExceptionRule> {
    let all = days.days();
    if let (true, Some(first), Some(last)) = (always, all.first(), all.last()) {
        for known in &mut proposed {
            (known.rule.from, known.rule.expires) = (*first, *last);
        }
    }
    proposed
}

struct Tried {
    proposed: Vec<ExceptionRule>,
    labels: Option<Labels>,
    is_silent: bool,
}

impl Tried {
    fn replay(
        mut self,
        setup: &Setup,
        days: DayStore,
        threads: usize,
        stop: &AtomicBool,
    ) -> anyhow::Result<Found> {
        let mut config = setup.config.clone();
        config.exceptions.extend(self.proposed.iter().cloned());
        let world = Setup::of(config).map_err(SetupError)?.world;
        let mut other = Core::new(world, threads);
        let mut with = BTreeMap::new();
        let labels = self.labels.as_ref();
        let entities = labels.map(Labels::entities).unwrap_or_default();
        let mut seen = Seen::new(entities, &setup.world.settings.tenant);
        let core = Core::new(setup.world.clone(), threads);
        let mut look = |day: Day, batches: &[RecordBatch]| {
            seen.look(day, batches);
            take(&mut with, other.require(day));
            other
                .observe(batches)
                .expect("the intake makes canonical batches");
        };
        let mut judged = judge_by(core, days, self.is_silent, stop, &mut look)?;
        take(&mut with, other.seal_all());
        judged.seal_all();
        let calendar = &setup.world.calendar;
        if let Some((labels, span)) = self.labels.as_mut().zip(judged.span) {
            labels.keep_met(&seen, span, calendar, &|_| true, false)?;
        }
        Ok(self.compare(&judged, &with, calendar))
    }

    fn compare(
        &self,
        judged: &Judged,
        with: &BTreeMap<String, Alert>,
        calendar: &Calendar,
    ) -> Found {
        let mut found = Found {
            first: judged.span.map(|(first, _)| day_text(first)),
            last: judged.span.map(|(_, last)| day_text(last)),
            exceptions: self
                .proposed
                .iter()
                .map(|known| told(known, judged))
                .collect(),
            mutes: Vec::new(),
            lowers: Vec::new(),
            moved: 0,
            labels: None,
        };
        for (id, before) in &judged.alerts {
            let after = with.get(id);
            let decided = after.and_then(|after| after.suppressed.as_ref());
            let decided = decided.filter(|by| Decision::is_reason(&by.reason));
            let is_new = decided.is_some_and(|by| before.suppressed.as_ref() != Some(by));
            match after {
                Some(after) if is_new && !before.is_muted() => {
                    let groups = match after.is_muted() {
                        true => &mut found.mutes,
                        false => &mut found.lowers,
                    };
                    add(groups, before, after);
                }
                Some(after) if after.is_muted() == before.is_muted() => {}
                _ => found.moved += 1,
            }
        }
        for groups in [&mut found.mutes, &mut found.lowers] {
            groups.sort_by(|a, b| (&a.detector, &a.entity).cmp(&(&b.detector, &b.entity)));
        }
        let new = with.keys().filter(|id| !judged.alerts.contains_key(*id));
        found.moved += new.count();
        let labels = self.labels.as_ref();
        found.labels = labels.map(|labels| Known::new(labels, judged, with, calendar));
        found
    }
}

fn take(alerts: &mut BTreeMap<String, Alert>, sealed: Vec<SealedDay>) {
    let all = sealed.into_iter().flat_map(|day| day.alerts);
    alerts.extend(all.map(|alert| (alert.id.clone(), alert)));
}

fn told(known: &ExceptionRule, judged: &Judged) -> Proposed {
    let rule = &known.rule;
    let days = judged.days.iter().filter(|day| rule.holds_on(**day));
    Proposed {
        effect: rule.effect.as_str(),
        what: super::what(rule),
        from: day_text(rule.from),
        expires: day_text(rule.expires),
        days: days.count(),
        place: known.place.to_string(),
    }
}

fn add(groups: &mut Vec<Group>, before: &Alert, after: &Alert) {
    let is_it =
        |group: &Group| group.detector == before.detector && group.entity == before.entity.id;
    let place = groups.iter().position(is_it).unwrap_or_else(|| {
        groups.push(Group {
            detector: before.detector.clone(),
            entity: before.entity.id.clone(),
            alerts: 0,
            examples: Vec::new(),
        });
        groups.len() - 1
    });
    let group = &mut groups[place];
    group.alerts += 1;
    if group.examples.len() < EXAMPLES_MAX {
        let by = after.suppressed.as_ref();
        group.examples.push(Example {
            id: before.id.clone(),
            time: before.first_event_time.clone(),
            severity: before.severity.as_str(),
            lowered_to: after.severity.as_str(),
            summary: before.summary.clone(),
            by: by.map(|by| by.by.clone()).unwrap_or_default(),
        });
    }
}

/// What a trial found.
#[derive(Debug, Serialize)]
struct Found {
    first: Option<String>,
    last: Option<String>,
    exceptions: Vec<Proposed>,
    mutes: Vec<Group>,
    lowers: Vec<Group>,
    /// Alerts that are shown or muted otherwise for another reason, such as being a repeat.
    moved: usize,
    labels: Option<Known>,
}

#[derive(Debug, Serialize)]
struct Proposed {
    effect: &'static str,
    what: String,
    from: String,
    expires: String,
    /// Days of the logs on which it holds.
    days: usize,
    place: String,
}

#[derive(Debug, Serialize)]
struct Group {
    detector: String,
    entity: String,
    alerts: usize,
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    id: String,
    time: String,
    severity: &'static str,
    lowered_to: &'static str,
    summary: String,
    by: String,
}

/// How the labelled attacks fare.
#[derive(Debug, Serialize)]
struct Known {
    attacks: usize,
    found_without: usize,
    found_with: usize,
    hidden: Vec<Hidden>,
    /// Still found, by fewer detectors.
    quieter: Vec<Hidden>,
}

#[derive(Debug, Serialize)]
struct Hidden {
    id: String,
    scenario: String,
    difficulty: String,
    entity: String,
    start: String,
    /// Who said it, and no longer does.
    detectors: Vec<String>,
}

impl Known {
    fn new(
        labels: &Labels,
        judged: &Judged,
        with: &BTreeMap<String, Alert>,
        calendar: &Calendar,
    ) -> Known {
        let shown = |alerts: &BTreeMap<String, Alert>| -> Vec<Shown> {
            let all = alerts.values();
            all.filter_map(|alert| Shown::of(alert, calendar)).collect()
        };
        let (before, after) = (shown(&judged.alerts), shown(with));
        let (before, after): (Vec<&Shown>, Vec<&Shown>) =
            (before.iter().collect(), after.iter().collect());
        let without = score(&labels.all, &before, calendar).attacks;
        let with = score(&labels.all, &after, calendar).attacks;
        let mut known = Known {
            attacks: without.len(),
            found_without: without.iter().filter(|fate| fate.is_met()).count(),
            found_with: with.iter().filter(|fate| fate.is_met()).count(),
            hidden: Vec::new(),
            quieter: Vec::new(),
        };
        for (without, with) in without.iter().zip(&with) {
            let Some(lost) = lost(without, with) else {
                continue;
            };
            match with.is_met() {
                true => known.quieter.push(lost),
                false => known.hidden.push(lost),
            }
        }
        known
    }
}

/// What no longer meets a label that was met.
fn lost(without: &Fate<'_>, with: &Fate<'_>) -> Option<Hidden> {
    let kept: BTreeSet<&String> = with.met_by.keys().collect();
    let all = without.met_by.keys();
    let detectors: Vec<String> = all.filter(|name| !kept.contains(name)).cloned().collect();
    let label = &without.known.label;
    (!detectors.is_empty()).then(|| Hidden {
        id: label.id.clone(),
        scenario: label.scenario.clone(),
        difficulty: label.difficulty.clone(),
        entity: label.entity.clone(),
        start: label.start.clone(),
        detectors,
    })
}

impl Found {
    fn hidden(&self) -> &[Hidden] {
        self.labels.as_ref().map_or(&[], |known| &known.hidden)
    }

    fn text(&self) -> String {
        let (Some(first), Some(last)) = (&self.first, &self.last) else {
            return "the logs hold no event; nothing was tried\n".to_owned();
        };
        let mut text = format!("tried on the logs of {first} to {last}\n");
        for known in &self.exceptions {
            let (place, what) = (&known.place, &known.what);
            let (effect, from, expires) = (known.effect, &known.from, &known.expires);
            text += &format!("  {place}: {effect} {what}, {from} to {expires}");
            text += &match known.days {
                0 => ": holds on none of these days; --always tries it on all of them\n".to_owned(),
                1 => ": 1 day of the logs\n".to_owned(),
                days => format!(": {days} days of the logs\n"),
            };
        }
        text += &groups("would mute", &self.mutes);
        text += &groups("would only lower", &self.lowers);
        if 0 < self.moved {
            let moved = self.moved;
            text += &format!(
                "\n{moved} more alerts are shown or muted otherwise, as repeats or by thresholds that follow from it\n"
            );
        }
        text + &self.labels.as_ref().map_or_else(String::new, Known::text)
    }
}

fn groups(title: &str, groups: &[Group]) -> String {
    let count: usize = groups.iter().map(|group| group.alerts).sum();
    let plural = if count == 1 { "alert" } else { "alerts" };
    let mut text = format!("\n{title} {count} {plural}\n");
    if groups.is_empty() {
        return text;
    }
    let mut table = Columns::new(&["DETECTOR", "ENTITY", "ALERTS"]);
    for group in groups {
        let (detector, entity) = (group.detector.clone(), group.entity.clone());
        table.row([detector, entity, group.alerts.to_string()]);
    }
    text += &table.text();
    let examples = || groups.iter().flat_map(|group| &group.examples);
    for example in examples().take(PRINTED_MAX) {
        let (time, severity) = (&example.time, example.severity);
        let summary = crate::table::printable(&example.summary);
        text += &format!("  {time} {severity}: {summary}\n    by {}\n", example.by);
    }
    if PRINTED_MAX < examples().count() {
        let more = examples().count() - PRINTED_MAX;
        text += &format!("  and {more} more; --json gives them\n");
    }
    text
}

impl Known {
    fn text(&self) -> String {
        let (attacks, without, with) = (self.attacks, self.found_without, self.found_with);
        let mut text = format!(
            "\nof {attacks} labelled attacks {without} are found without it, {with} with it\n"
        );
        for lost in &self.quieter {
            text += &format!("  still found, not by {}\n", lost.phrase());
        }
        for lost in &self.hidden {
            text += &format!("  HIDDEN: no longer found by {}\n", lost.phrase());
        }
        text += match self.hidden.is_empty() {
            true => "every attack that is found without it is found with it\n",
            false => "it hides attacks: narrow it by detector, entity, days or at_most\n",
        };
        text
    }
}

impl Hidden {
    fn phrase(&self) -> String {
        let (id, scenario, difficulty) = (&self.id, &self.scenario, &self.difficulty);
        let (entity, start, detectors) = (&self.entity, &self.start, self.detectors.join(", "));
        format!("{detectors}: {scenario} ({id}, {difficulty}) of {entity} at {start}")
    }
}
