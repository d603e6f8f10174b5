//! Flags: a successful login from a country, else a region, else a network that is improbable for
//! this person and the company. Why: stolen credentials are used from elsewhere. Method: habit of
//! places. Blind to: thieves next door, and behind an egress the company uses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, Page};
use crate::alert::Severity;
use crate::company::{Level, Parts};
use crate::detector::{Detector, Event, Kind, On, Runner};
use crate::event::{Activity, Network, Outcome, Row};
use crate::evidence::{Sample, gather};
use crate::model::fixed::surprise;
use crate::model::habit::{Attribute, Learn, OwnMasses, Values, expected_tests, per_day};
use crate::model::magnitude::LEARN_CAP;
use crate::time::{Day, PANE_MS};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "unusual_location",
    activities: &[Activity::Login],
    attack: &["T1078.004"],
    family: "place",
    params: &[],
    statistical: true,
    share: 1.0,
    page: Page {
        flags: "a successful interactive login from a country, region or network that is improbable for this person and for the company",
        why: "credentials that were stolen are mostly used from somewhere else",
        method: "habit over country, then region, then autonomous system: user-days per value, backing off from the person to the company with half a pseudo-day (Dirichlet for country and region, Pitman-Yor for networks), half-life 112 days; corrected for the places a day expected of this person; calibrated by rank. Eager, one alert a new value",
        blind_to: "thieves in the same region and network; places that geo databases get wrong; logins without a place. VPN, hosting and mobile networks lower the severity",
        fields: "time, user, ip, country, region, asn, network, outcome, interactive",
        example: "dan@example.com logged in from KP, where neither this person nor anybody else of the company has been (44 days known)",
    },
    make: |_: &World, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(std::sync::Arc::new(UnusualLocation), lag))
    },
};

const ATTRIBUTES: [(Attribute, Level, &str); 3] = [
    (Attribute::Country, Level::Country, "country"),
    (Attribute::Region, Level::Region, "region"),
    (Attribute::Asn, Level::Asn, "network"),
];
const EVIDENCE_MAX: usize = 12;
/// Places of one principal and day; beyond, the largest by name are left out, in any order the same.
const PLACES_MAX: usize = 256;

/// The detector; it has no parameters.
pub struct UnusualLocation;

/// Where somebody logged in from: country, region, network; empty where unknown.
type Place = [Box<str>; 3];

/// Logins of one day by place.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    places: BTreeMap<Place, Seen>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// Some login came over an ordinary network.
    plain: bool,
    /// Some login came from outside the configured networks.
    outside: bool,
    sample: Sample,
}

/// Places learned from closed days, by attribute.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    values: [Values<String>; 3],
    /// Distinct values over all days, by attribute.
    distinct: [u64; 3],
    days: u32,
}

/// A closed day: its values by attribute, and whether each was so improbable that it teaches little.
pub type Taught = [Vec<(String, bool)>; 3];

impl Kind for UnusualLocation {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream != Stream::Shared
            && row.outcome() == Outcome::Success
            && row.interactive() != Some(false)
            && (row.country().is_some() || row.asn().is_some())
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let row = event.row;
        let country = row.country().unwrap_or_default();
        let region = match row.region() {
            Some(region) if !country.is_empty() => format!("{country}, {region}"),
            _ => String::new(),
        };
        let network = row.asn().map(|asn| format!("AS{asn}")).unwrap_or_default();
        let place: Place = [country.into(), region.into(), network.into()];
        let seen = open.places.entry(place).or_default();
        seen.plain |= !matches!(
            row.network(),
            Some(Network::Vpn | Network::Hosting | Network::Mobile)
        );
        seen.outside |= row.network() != Some(Network::Corporate);
        seen.sample.add(row.time(), row.uid(), || event.to_ref());
        if PLACES_MAX < open.places.len() {
            open.places.pop_last();
        }
    }

    fn fold(&self, base: &mut Learned, day: Day, summary: &Taught) {
        for (attribute, values) in summary.iter().enumerate() {
            let of = |odd: bool| {
                values
                    .iter()
                    .filter(move |(_, is)| *is == odd)
                    .map(|(value, _)| value.clone())
            };
            base.values[attribute].fold(day, of(false), Learn::Fully);
            base.values[attribute].fold(day, of(true), Learn::Alerted);
            base.distinct[attribute] += values.len() as u64;
        }
        base.days += 1;
    }

    fn score(&self, base: &Learned, open: &Open, on: On<'_>) -> u32 {
        let habit = Habit::new(base, on);
        let surprises = open.places.keys().flat_map(|place| habit.surprises(place));
        surprises.map(|(_, surprise)| surprise).max().unwrap_or(0)
    }

    fn verdicts(
        &self,
        base: &Learned,
        open: &Open,
        _before: Option<&Open>,
        on: On<'_>,
    ) -> Vec<Verdict> {
        let Some(judge) = on.judge() else {
            return Vec::new();
        };
        let habit = Habit::new(base, on);
        let mut by_value = BTreeMap::<(usize, &str), (u32, Vec<(&Place, &Seen)>)>::new();
        for (place, seen) in &open.places {
            // The widest attribute that is surprising names the finding.
            let first = habit
                .surprises(place)
                .find(|(_, surprise)| judge.needed <= *surprise);
            let Some((attribute, surprise)) = first else {
                continue;
            };
            let entry = by_value.entry((attribute, &place[attribute])).or_default();
            entry.0 = entry.0.max(surprise);
            entry.1.push((place, seen));
        }
        by_value
            .into_iter()
            .map(|((attribute, value), (surprise, seen))| {
                let is_known = on
                    .frozen
                    .masses(ATTRIBUTES[attribute].0)
                    .knows(&value.to_owned());
                verdict(base, attribute, value, surprise, &seen, is_known, on)
            })
            .collect()
    }

    fn close(
        &self,
        base: &Learned,
        _latest: &Learned,
        open: &Open,
        on: On<'_>,
        parts: &mut Parts,
    ) -> Taught {
        let habit = Habit::new(base, on);
        let judged = on.judge().is_some();
        let mut values: [BTreeMap<&str, u32>; 3] = Default::default();
        for place in open.places.keys() {
            for (attribute, surprise) in habit.surprises(place) {
                values[attribute].insert(&place[attribute], surprise);
            }
        }
        std::array::from_fn(|index| {
            let (attribute, level, _) = ATTRIBUTES[index];
            parts.outcomes(level, values[index].len() as u64);
            let known = parts.values.entry(attribute).or_default();
            let mut taught = Vec::new();
            for (value, surprise) in &values[index] {
                let odd = judged && LEARN_CAP <= *surprise;
                known.entry((*value).to_owned()).or_default()[usize::from(odd)] += 1;
                taught.push(((*value).to_owned(), odd));
            }
            taught
        })
    }
}

/// One person's masses for a day.
struct Habit<'a> {
    on: On<'a>,
    own: [OwnMasses<String>; 3],
    tests: [f64; 3],
}

impl<'a> Habit<'a> {
    fn new(base: &Learned, on: On<'a>) -> Self {
        let masses = |index: usize| {
            on.frozen
                .masses(ATTRIBUTES[index].0)
                .own(&base.values[index])
        };
        let tests = |index: usize| {
            let mean = on.frozen.distinct_mean(ATTRIBUTES[index].1);
            expected_tests(base.distinct[index] as f64, f64::from(base.days), mean)
        };
        Habit {
            on,
            own: std::array::from_fn(masses),
            tests: std::array::from_fn(tests),
        }
    }

    /// Surprise of each known attribute of a place, widest first. 0 while nobody is known.
    fn surprises(&self, place: &Place) -> impl Iterator<Item = (usize, u32)> {
        let of = |index: usize| {
            let masses = self.on.frozen.masses(ATTRIBUTES[index].0);
            let p = masses.p(&self.own[index], &place[index].to_string());
            (index, surprise(per_day(p, self.tests[index])))
        };
        let known = |index: &usize| !place[*index].is_empty();
        (0..3).filter(known).map(of).collect::<Vec<_>>().into_iter()
    }
}

fn verdict(
    base: &Learned,
    attribute: usize,
    value: &str,
    surprise: u32,
    seen: &[(&Place, &Seen)],
    is_known: bool,
    on: On<'_>,
) -> Verdict {
    let name = ATTRIBUTES[attribute].2;
    let samples = || seen.iter().map(|(_, seen)| &seen.sample);
    let first = samples().map(|s| s.first).min().unwrap_or_default();
    let last = samples().map(|s| s.last).max().unwrap_or_default();
    let own_days = base.values[attribute].count_at(on.frozen.day, &value.to_owned());
    let plain = seen.iter().any(|(_, seen)| seen.plain);
    let outside = seen.iter().any(|(_, seen)| seen.outside);
    let severity = match (attribute, plain) {
        (0, true) => Severity::Medium,
        (0, false) | (_, true) => Severity::Low,
        _ => Severity::Info,
    };
    let who_was_there = match (own_days, is_known) {
        (0, false) => "where neither this person nor anybody else of the company has been",
        (0, true) => "where others of the company have been, but not this person",
        _ => "where this person has hardly ever been",
    };
    let shared = (!plain).then(|| {
        (
            "lowered",
            "shared_network",
            "class of the network".to_owned(),
        )
    });
    let egress = (!outside).then(|| ("muted", "known_egress", "configured networks".to_owned()));
    Verdict {
        value: format!("{name} {value}"),
        same_as: String::new(),
        causes: vec![format!("logins from {name} {value}")],
        surprise: Some(surprise),
        severity,
        overlay: egress.or(shared),
        about: None,
        also: Vec::new(),
        summary: format!(
            "{} logged in from {name} {value}, {who_was_there} ({} days known)",
            on.who.name, base.days
        ),
        window: (first / PANE_MS * PANE_MS, last / PANE_MS * PANE_MS + PANE_MS),
        detected_at: first / PANE_MS * PANE_MS + PANE_MS,
        span: (first, last),
        event_count: samples().map(|s| s.count).sum(),
        observed: 1.0,
        approximate: false,
        expected: 0.0,
        baseline: if 0 < base.days { "own" } else { "peers" },
        days: base.days,
        history: Vec::new(),
        evidence: gather(samples(), EVIDENCE_MAX),
        next_steps: vec![
            format!("ask {} whether they are there", on.who.name),
            "look at device and second factor of the login; without a known device revoke the session".into(),
        ],
    }
}
