//! Flags: far more AI use (calls, tokens, bytes sent) in 10 minutes, an hour or a day than usual for
//! a user, a user with one tool, or the company. Why: bulk disclosure to a tool, a stolen key, a
//! runaway agent. Method: magnitude model. Blind to: what was said; slow growth.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::volume::{self, Appraised, Bars, Crossing, Deed, Key, Learned, Reading, Taught};
use super::{Entry, Page, Param, Step, phrase};
use crate::alert::{Class, Entity, Severity};
use crate::company::Parts;
use crate::detector::{
    Answer, Detector, Event, Judged, Kind, Latest, On, Runner, Subjects, Theirs,
};
use crate::event::{Activity, Method, Outcome, Row};
use crate::evidence::{EventRef, Refs, Sample, gather};
use crate::panes::{Panes, Span};
use crate::policy::ToolStatus;
use crate::time::{Day, PANE_MS};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "ai_usage_spike",
    activities: &[Activity::AiUse],
    attack: &["T1567", "AML.T0034"],
    family: "volume",
    needs: &[&["user"], &["app"]],
    params: &[
        Param {
            name: "min_calls",
            default: 20.0,
            unit: "count",
            help: "fewer calls in a window never alert",
        },
        Param {
            name: "min_tokens",
            default: 50_000.0,
            unit: "count",
            help: "fewer tokens in a window never alert",
        },
        Param {
            name: "min_bytes",
            default: 5e6,
            unit: "bytes",
            help: "fewer bytes sent to AI tools in a window never alert",
        },
        Param {
            name: "min_panes",
            default: 12.0,
            unit: "count",
            help: "fewer active five-minute panes never alert; for proxies, where a hit is not a call",
        },
    ],
    statistical: true,
    share: 1.0,
    page: Page {
        flags: "far more calls, tokens or bytes to AI tools in 10 minutes, one hour or one day than usual for a user, a user with one tool, a service, or the company",
        why: "bulk disclosure of company data, a stolen API key, an agent that runs away",
        method: "magnitude model as in mass_download (moderated t, Smyth 2004) over calls, tokens (without cache reads), bytes sent and, for proxies, active panes; in all and per tool; people, services and agents apart; the company as a whole and per tool from sums over everybody. Eager",
        blind_to: "what was typed (never seen); growth that is slow enough to be learned; tools no source reports",
        fields: "time, user, kind, app, count, tokens, bytes; configuration: tools that are unsanctioned raise the severity",
        example: "ben@example.com used claude for 41,000,000 tokens in one hour; usual for this account are about 300,000 tokens, for its peers 240,000 tokens (28 days known); 2,100,000 tokens or more alert",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(AiUsageSpike::new(world)), lag))
    },
};

const MEASURES: [&str; 4] = ["calls", "tokens", "bytes", "active five-minute spans"];
const NOUNS: [&str; 4] = ["call", "token", "byte", "active five-minute span"];
const EVIDENCE_MAX: usize = 12;
/// Bursts that are planted: times the largest day of late, over so many panes.
const PLANTED: [u64; 4] = [2, 3, 5, 10];
const PLANTED_PANES: u64 = 8 * 12;
/// Tools of one principal that are counted apart; the rest only in all.
const TOOLS_MAX: usize = 256;

/// The detector with its parameters.
pub struct AiUsageSpike {
    /// By measure.
    floors: [u64; 4],
}

impl AiUsageSpike {
    fn new(world: &World) -> Self {
        let floor = |name| world.param(&ENTRY, name) as u64;
        AiUsageSpike {
            floors: [
                floor("min_calls"),
                floor("min_tokens"),
                floor("min_bytes"),
                floor("min_panes"),
            ],
        }
    }
}

/// One day's use by tool; the sum of all is made when somebody looks. Tools beyond the bound are the
/// largest by name, so that any order keeps the same.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    /// Use of tools that are not counted apart.
    rest: Panes<Pane>,
    /// Ascending by name.
    tools: Vec<(Box<str>, Panes<Pane>)>,
}

/// Amounts of a pane, by measure.
type Counts = [u64; MEASURES.len()];

#[derive(Debug, Default, Serialize, Deserialize)]
struct Pane {
    calls: u64,
    tokens: u64,
    bytes: u64,
    is_hit: bool,
    sample: Sample,
}

impl Pane {
    fn add(&mut self, refs: &mut Refs, event: &Event<'_>) {
        let row = event.row;
        // A proxy sees requests of a page, not calls: what it says is when and how many bytes.
        if row.bytes().is_some() && row.tokens().is_none() && row.model().is_none() {
            self.is_hit = true;
        } else {
            self.calls = self.calls.saturating_add(row.count());
        }
        self.tokens = self.tokens.saturating_add(row.tokens().unwrap_or(0));
        self.bytes = self.bytes.saturating_add(row.bytes().unwrap_or(0));
        self.sample.add(refs, event);
    }

    /// Adds another part of the pane, all but its sample.
    fn merge_counts(&mut self, other: &Pane) {
        self.calls = self.calls.saturating_add(other.calls);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.is_hit |= other.is_hit;
    }

    fn counts(&self) -> Counts {
        [self.calls, self.tokens, self.bytes, u64::from(self.is_hit)]
    }
}

impl Open {
    /// The panes that an event belongs to, and where events lie; a new tool pushes out the largest name
    /// when there are too many.
    fn panes(&mut self, tool: Option<&str>) -> (&mut Panes<Pane>, &mut Refs) {
        let Open { refs, rest, tools } = self;
        let Some(tool) = tool else {
            return (rest, refs);
        };
        let found = tools.binary_search_by(|(known, _)| (**known).cmp(tool));
        match found {
            Ok(place) => (&mut tools[place].1, refs),
            Err(TOOLS_MAX) => (rest, refs),
            Err(place) => {
                tools.insert(place, (tool.into(), Panes::default()));
                if TOOLS_MAX < tools.len()
                    && let Some((_, panes)) = tools.pop()
                {
                    for (pane, part) in panes.iter() {
                        let whole = rest.at(pane);
                        whole.merge_counts(part);
                        whole.sample.join(refs, &part.sample);
                    }
                }
                (&mut tools[place].1, refs)
            }
        }
    }

    /// All panes of a tool, or of everything.
    fn parts(&self, part: Option<&str>) -> impl Iterator<Item = &Panes<Pane>> {
        let known = |part: &str| self.tools.iter().find(|(known, _)| &**known == part);
        let only = part.and_then(known);
        let all = self.tools.iter().filter(move |_| only.is_none());
        let rest = std::iter::once(&self.rest).filter(move |_| only.is_none());
        only.into_iter()
            .chain(all)
            .map(|(_, panes)| panes)
            .chain(rest)
    }

    /// Amounts of a tool, or of everything.
    fn counts(&self, part: Option<&str>) -> Panes<Counts> {
        let mut sums = Panes::<Counts>::default();
        for (pane, part) in self.parts(part).flat_map(Panes::iter) {
            let sums = sums.at(pane);
            for (sum, count) in sums.iter_mut().zip(part.counts()) {
                *sum = sum.saturating_add(count);
            }
            // A pane is active or not, whatever the number of tools.
            sums[3] = sums[3].min(1);
        }
        sums
    }

    /// Samples of a window of a tool, or of everything, with their panes.
    fn samples(&self, part: Option<&str>, start: u16, span: Span) -> Vec<(u16, &Sample)> {
        let panes = self.parts(part).flat_map(|panes| panes.within(start, span));
        let mut samples: Vec<_> = panes.map(|(pane, part)| (pane, &part.sample)).collect();
        samples.sort_by_key(|(pane, _)| *pane);
        samples
    }

    fn evidence(&self, samples: &[(u16, &Sample)]) -> Vec<EventRef> {
        let bins = samples.chunk_by(|(a, _), (b, _)| a == b);
        let bins = bins.map(|bin| bin.iter().map(|(_, sample)| *sample));
        gather(&self.refs, bins, EVIDENCE_MAX)
    }
}

impl Kind for AiUsageSpike {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<Appraised>;
    type Bars = Bars;

    const SUBJECTS: Subjects = Subjects::USERS_AND_COMPANY;

    fn wants(&self, row: &Row<'_>, _stream: Stream) -> bool {
        // What a tool does for a question is no use of its own.
        let by_itself = matches!(
            row.method(),
            Some(Method::Tool | Method::Mcp | Method::Bypass)
        );
        row.outcome() != Outcome::Failure && !by_itself
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let (panes, refs) = open.panes(event.row.app());
        panes.at(event.pane).add(refs, event);
    }

    fn merge(&self, open: &mut Open, other: Open) {
        let tools = other
            .tools
            .iter()
            .map(|(tool, panes)| (Some(&**tool), panes));
        for (tool, panes) in tools.chain([(None, &other.rest)]) {
            for (pane, theirs) in panes.iter() {
                let (mine, refs) = open.panes(tool);
                let mine = mine.at(pane);
                mine.merge_counts(theirs);
                mine.sample.merge(refs, &theirs.sample, &other.refs);
            }
        }
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let parts = open.parts(None).flat_map(Panes::iter);
        let samples = parts.map(|(_, pane)| [&pane.sample]);
        gather(&open.refs, samples, usize::MAX)
    }

    fn erase(&self, open: &mut Open, theirs: &Theirs<'_>) -> usize {
        let Open { refs, rest, tools } = open;
        let tools = tools.iter_mut().map(|(_, panes)| panes);
        let panes = tools.chain([rest]).flat_map(Panes::values_mut);
        panes.map(|pane| pane.sample.erase(refs, theirs)).sum()
    }

    fn fold(&self, base: &mut Learned, day: Day, summary: &Taught) {
        base.fold(day, summary);
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Appraised> {
        judged.base.appraise(self.readings(judged.open), judged.on)
    }

    fn score(&self, amount: &Vec<Appraised>) -> u32 {
        volume::score(amount)
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Vec<Appraised>) -> Vec<Verdict> {
        let Judged { base, open, on, .. } = *judged;
        let crossings = base.crossings(amount, on);
        if on.who.stream != Stream::Company {
            let said = crossings
                .first()
                .map(|best| self.verdict(base, open, best, &crossings, on));
            return said.into_iter().collect();
        }
        // Of the company each tool is a principal of its own.
        let mut by_part = BTreeMap::<Option<&str>, Vec<Crossing<'_>>>::new();
        for crossing in crossings {
            by_part
                .entry(crossing.reading.key.part.as_deref())
                .or_default()
                .push(crossing);
        }
        let verdict =
            |crossings: &Vec<Crossing<'_>>| self.verdict(base, open, &crossings[0], crossings, on);
        by_part.values().map(verdict).collect()
    }

    fn bars(&self, judged: &Judged<'_, Self>, amount: &Vec<Appraised>) -> Bars {
        Bars::new(amount, judged.on)
    }

    fn reaches(&self, open: &Open, bars: &Bars) -> bool {
        bars.are_reached(&self.readings(open))
    }

    /// So many times the calls of the largest day of late, over eight hours, by one tool.
    fn plant(&self, base: &Learned, on: On<'_>) -> Option<Answer> {
        let largest = base.largest();
        if largest == 0 || !base.knows(0) {
            return None;
        }
        // What is left after equal shares falls into the first panes.
        let windows = |calls: u64| {
            Span::ALL.map(|span| {
                let panes = u64::from(span.panes()).min(PLANTED_PANES);
                calls / PLANTED_PANES * panes + (calls % PLANTED_PANES).min(panes)
            })
        };
        let deed = Deed {
            measure: 0,
            floor: self.floors[0],
            windows: &windows,
            repeats_as: "calls ",
        };
        let burst = |times: u64| {
            let name = format!("{times} times the calls of the largest day, over 8 hours");
            (largest.saturating_mul(times), name)
        };
        Some(base.plant(&deed, PLANTED.map(burst), on))
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        latest: Latest<'_, Self>,
        amount: Vec<Appraised>,
        parts: &mut Parts,
    ) -> Taught {
        let of_day = |measure: u8| {
            let is_it = |key: &Key| {
                (key.part.is_none(), key.measure, key.span) == (true, measure, Span::Day)
            };
            let found = amount.iter().find(|a| is_it(&a.reading.key));
            found.map(|a| a.reading.count)
        };
        let shown = of_day(0).or(of_day(3)).unwrap_or(0);
        let base = judged.base;
        base.close(latest, amount, shown, judged.on, parts)
    }
}

impl AiUsageSpike {
    fn readings(&self, open: &Open) -> Vec<Reading> {
        let mut readings = Vec::with_capacity(2 * Span::ALL.len());
        self.read(None, &open.counts(None), &mut readings);
        // With one tool, the part is the whole.
        if 1 < open.tools.len() {
            for (tool, _) in &open.tools {
                self.read(Some(tool), &open.counts(Some(tool)), &mut readings);
            }
        }
        readings
    }

    fn read(&self, part: Option<&str>, panes: &Panes<Counts>, readings: &mut Vec<Reading>) {
        let largest = Span::ALL.map(|span| panes.largest(span, |counts| *counts));
        for measure in 0..MEASURES.len() {
            for (span, largest) in Span::ALL.into_iter().zip(&largest) {
                let Some((start, count)) = largest[measure] else {
                    continue;
                };
                readings.push(Reading {
                    key: Key {
                        part: part.map(Box::from),
                        measure: measure as u8,
                        span,
                    },
                    start,
                    count,
                    floor: self.floors[measure],
                });
            }
        }
    }

    fn verdict(
        &self,
        base: &Learned,
        open: &Open,
        best: &Crossing<'_>,
        crossings: &[Crossing<'_>],
        on: On<'_>,
    ) -> Verdict {
        let Reading {
            key, start, count, ..
        } = best.reading;
        let in_window = open.samples(key.part.as_deref(), *start, key.span);
        let samples = || in_window.iter().map(|(_, sample)| sample);
        let (day, calendar) = (on.frozen.day, &on.world.calendar);
        let window = calendar.window(day, *start, key.span.panes());
        let due = |c: &Crossing<'_>| {
            let Reading { key, start, .. } = c.reading;
            let panes = open.counts(key.part.as_deref());
            let measure = usize::from(key.measure);
            panes.pane_reaching(*start, key.span, c.threshold, |counts| counts[measure])
        };
        let due = crossings.iter().filter_map(due).min();
        let tool = match (&key.part, open.tools.first()) {
            (None, Some((only, _))) if open.tools.len() == 1 => Some(only.to_string()),
            (part, _) => part.as_deref().map(str::to_owned),
        };
        let tool_entity = tool.clone().map(|id| Entity {
            kind: "tool".into(),
            id,
        });
        let is_company = on.who.stream == Stream::Company;
        let own = 1.0 <= best.own_days;
        let expected = best.prediction.expected();
        let ask = if is_company {
            "see who used it most on this day, and ask what it was for".to_owned()
        } else {
            format!("ask {} what the use was for", on.who.name)
        };
        let refused = refused_tool(open, crossings, on.world);
        let severity = match best
            .surprise
            .saturating_sub(on.judge().map_or(0, |j| j.needed))
        {
            _ if refused.is_some() => Severity::High,
            1500.. => Severity::High,
            _ => Severity::Medium,
        };
        Verdict {
            value: String::new(),
            same_as: format!(
                "{} {}",
                MEASURES[usize::from(key.measure)],
                key.part.as_deref().unwrap_or_default()
            ),
            causes: crossings
                .iter()
                .filter_map(|c| c.reading.key.part.as_deref().filter(|_| !is_company))
                .map(|part| format!("much more use of {part}"))
                .collect(),
            surprise: Some(best.surprise),
            class: Class::Detection,
            severity,
            overlay: None,
            about: tool_entity
                .clone()
                .filter(|_| is_company && key.part.is_some()),
            also: tool_entity.into_iter().filter(|_| !is_company).collect(),
            summary: format!(
                "{} used {} for {} {}; usual {} ({}); {} or more alert{}",
                if is_company {
                    "the company"
                } else {
                    &on.who.name
                },
                tool.as_deref().unwrap_or("AI tools"),
                amount(key.measure, *count),
                key.span.text(),
                if is_company {
                    format!("are about {}", amount(key.measure, expected.round() as u64))
                } else {
                    best.usual(|usual| amount(key.measure, usual))
                },
                phrase::days_known(base.days),
                amount(key.measure, best.threshold),
                refused.map_or(String::new(), |tool| format!("; {tool} is not sanctioned")),
            ),
            window,
            detected_at: due.map_or(window.1, |pane| calendar.pane_start(day, pane) + PANE_MS),
            span: (
                samples()
                    .map(|s| s.first(&open.refs))
                    .min()
                    .unwrap_or(window.0),
                samples()
                    .map(|s| s.last(&open.refs))
                    .max()
                    .unwrap_or(window.1),
            ),
            event_count: samples().map(|s| u64::from(s.count)).sum(),
            observed: *count as f64,
            approximate: false,
            expected,
            baseline: if own { "own" } else { "peers" },
            days: base.days,
            history: base.history(),
            evidence: open.evidence(&in_window),
            next_steps: vec![
                ask.into(),
                "look at which key, device and address it came from".into(),
                Step::RevokeKey,
            ],
            quiet: volume::quiet(crossings, at_most),
        }
    }
}

/// The first tool of a finding, by name, that the company has said no to. More events only add tools.
fn refused_tool<'o>(open: &'o Open, crossings: &[Crossing<'_>], world: &World) -> Option<&'o str> {
    let is_part = |tool: &str| {
        let part = |c: &Crossing<'_>| c.reading.key.part.as_deref().is_none_or(|p| p == tool);
        crossings.iter().any(part)
    };
    let mut tools = open.tools.iter().map(|(tool, _)| &**tool);
    let is_refused = |tool: &str| world.settings.policy.tool(tool) == ToolStatus::Unsanctioned;
    tools.find(|tool| is_part(tool) && is_refused(tool))
}

fn amount(measure: u8, count: u64) -> String {
    match measure {
        2 => phrase::bytes(count),
        _ => phrase::count(count, NOUNS[usize::from(measure)]),
    }
}

/// An amount that is still quiet, with its tool.
fn at_most(key: &Key, count: u64) -> String {
    let amount = match key.measure {
        2 => format!("{} or less", phrase::bytes_at_most(count)),
        measure => format!("{} or fewer", amount(measure, count)),
    };
    match &key.part {
        Some(tool) => format!("{amount} with {tool}"),
        None => amount,
    }
}
