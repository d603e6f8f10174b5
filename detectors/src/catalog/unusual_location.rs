//! Flags: a successful login from a country, else a region, else a network that is improbable for
//! this person and the company. Why: stolen credentials are used from elsewhere. Method: habit of
//! places. Blind to: thieves next door, and behind an egress the company uses.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::phrase::{self, OWN_NETWORKS};
use super::{Entry, Page, Step};
use crate::alert::{Class, Severity};
use crate::company::{Level, Parts};
use crate::detector::{Answer, Detector, Event, Judged, Kind, Latest, On, Runner, Size};
use crate::event::{Activity, Network, Outcome, Row};
use crate::evidence::{Refs, Sample, gather};
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
    needs: &[&["user"], &["country", "asn"]],
    params: &[],
    statistical: true,
    share: 1.0,
    page: Page {
        flags: "a successful interactive login from a country, region or network that is improbable for this person and for the company",
        why: "credentials that were stolen are mostly used from somewhere else",
        method: "habit over country, then region, then autonomous system: user-days per value, backing off from the person to the company with half a pseudo-day (Dirichlet for country and region, Pitman-Yor for networks, Teh 2006), half-life 112 days; corrected for the places a day expected of this person; calibrated by rank. Eager, one alert a new value",
        blind_to: "thieves in the same region and network; places that geo databases get wrong; logins without a place. VPN, relay, SASE, hosting, mobile and satellite networks lower the severity, Tor never",
        fields: "time, user, ip, country, region, asn, network, outcome, interactive",
        example: "dan@example.com logged in from the country KP, where neither this person nor anybody else of the company has been (44 days known, 2 countries used in them)",
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
/// Countries nobody lives in: one of them is new to the company.
const NOBODYS: [&str; 3] = ["BV", "HM", "TF"];
/// Places of one principal and day; beyond, the largest by name are left out, in any order the same.
const PLACES_MAX: usize = 256;

/// The detector; it has no parameters.
pub struct UnusualLocation;

/// Where somebody logged in from.
#[derive(Debug, Serialize, Deserialize)]
struct Place {
    country: Option<Box<str>>,
    /// Only with a country.
    region: Option<Box<str>>,
    asn: Option<u32>,
}

impl Place {
    fn key(&self) -> (Option<&str>, Option<&str>, Option<u32>) {
        (self.country.as_deref(), self.region.as_deref(), self.asn)
    }

    /// The values by attribute.
    fn values(&self) -> [Option<String>; 3] {
        let country = self.country.as_deref();
        let region = country.zip(self.region.as_deref());
        [
            country.map(str::to_owned),
            region.map(|(country, region)| format!("{country}, {region}")),
            self.asn.map(|asn| format!("AS{asn}")),
        ]
    }
}

/// Logins of one day by place, ascending.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    places: Vec<(Place, Seen)>,
}

/// Value and surprise by attribute, where known.
type Surprises = [Option<(String, u32)>; 3];

#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// Some login came over a network that says where it is, or over Tor.
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
    type Amount = Vec<Surprises>;
    /// How many places were judged.
    type Bars = usize;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream != Stream::Shared
            && row.outcome() == Outcome::Success
            && row.interactive() != Some(false)
            && (row.country().is_some() || row.asn().is_some())
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let row = event.row;
        let country = row.country().filter(|country| !country.is_empty());
        let key = (country, country.and_then(|_| row.region()), row.asn());
        let found = open
            .places
            .binary_search_by(|(known, _)| known.key().cmp(&key));
        let place = found.unwrap_or_else(|place| {
            let new = Place {
                country: key.0.map(Box::from),
                region: key.1.map(Box::from),
                asn: key.2,
            };
            open.places.insert(place, (new, Seen::default()));
            place
        });
        let seen = &mut open.places[place].1;
        seen.plain |= !row.network().is_some_and(Network::blurs_place);
        seen.outside |= row.network() != Some(Network::Corporate);
        seen.sample.add(&mut open.refs, event);
        if PLACES_MAX < open.places.len() {
            open.places.pop();
        }
    }

    fn fold(&self, base: &mut Learned, day: Day, summary: &Taught) {
        for (attribute, values) in summary.iter().enumerate() {
            let of = |odd: bool| {
                let of = values.iter().filter(move |(_, is)| *is == odd);
                of.map(|(value, _)| value)
            };
            base.values[attribute].fold_distinct(day, of(false), Learn::Fully);
            base.values[attribute].fold_distinct(day, of(true), Learn::Alerted);
            base.distinct[attribute] += values.len() as u64;
        }
        base.days += 1;
    }

    /// Surprises of each place, in the order of the places.
    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Surprises> {
        let habit = Habit::new(judged.base, judged.on);
        let places = judged.open.places.iter();
        places.map(|(place, _)| habit.surprises(place)).collect()
    }

    fn score(&self, amount: &Vec<Surprises>) -> u32 {
        let all = amount.iter().flatten().flatten();
        all.map(|(_, surprise)| *surprise).max().unwrap_or(0)
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, amount: &Vec<Surprises>) -> Vec<Verdict> {
        let Judged { base, open, on, .. } = *judged;
        let Some(judge) = on.judge() else {
            return Vec::new();
        };
        let mut by_value = BTreeMap::<(usize, &String), (u32, Vec<&Seen>)>::new();
        for ((_, seen), surprises) in open.places.iter().zip(amount) {
            // The widest attribute that is surprising names the finding.
            let mut known = surprises.iter().enumerate();
            let first = known.find_map(|(attribute, known)| {
                let (value, surprise) = known.as_ref()?;
                (judge.needed <= *surprise).then_some((attribute, value, *surprise))
            });
            let Some((attribute, value, surprise)) = first else {
                continue;
            };
            let entry = by_value.entry((attribute, value)).or_default();
            entry.0 = entry.0.max(surprise);
            entry.1.push(seen);
        }
        by_value
            .into_iter()
            .map(|((attribute, value), (surprise, seen))| {
                let is_known = on.frozen.masses(ATTRIBUTES[attribute].0).knows(value);
                let places = (&seen[..], &open.refs);
                Verdict {
                    quiet: quiet(base, attribute, judge.needed, on),
                    ..verdict(base, attribute, value, surprise, places, is_known, on)
                }
            })
            .collect()
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Vec<Surprises>) -> usize {
        judged.open.places.len()
    }

    fn reaches(&self, open: &Open, bars: &usize) -> bool {
        // A full list may have got a new place for an old one.
        open.places.len() != *bars || open.places.len() == PLACES_MAX
    }

    /// A login from a country that the company knows and the person does not, and from one nobody knows.
    fn plant(&self, base: &Learned, on: On<'_>) -> Option<Answer> {
        if on.who.stream == Stream::Shared {
            return None;
        }
        let habit = Habit::new(base, on);
        let masses = on.frozen.masses(Attribute::Country);
        let colleagues = masses.likeliest_unknown(&habit.own[0]);
        let mut nobodys = NOBODYS.into_iter();
        let nobodys = nobodys.find(|country| !masses.knows(&(*country).to_owned()));
        let needed = on.judge().map(|judge| judge.needed);
        let size = |name: &str, country: &str| {
            let place = Place {
                country: Some(country.into()),
                region: None,
                asn: None,
            };
            let surprise = habit.surprises(&place)[0].as_ref().map(|known| known.1);
            Size {
                name: name.to_owned(),
                detail: country.to_owned(),
                amount: 0,
                crosses: needed.zip(surprise).is_some_and(|(needed, s)| needed <= s),
                surprise,
                repeats_as: format!("country {country}"),
            }
        };
        let colleagues = colleagues.map(|c| size("a login from a country only others know", c));
        let nobodys = nobodys.map(|c| size("a login from a country new to the company", c));
        Some(Answer {
            days: base.days,
            least: None,
            floor: 0,
            sizes: colleagues.into_iter().chain(nobodys).collect(),
        })
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _latest: Latest<'_, Self>,
        amount: Vec<Surprises>,
        parts: &mut Parts,
    ) -> Taught {
        let is_judged = judged.on.judge().is_some();
        let mut taught = Taught::default();
        for surprises in amount {
            for (taught, known) in taught.iter_mut().zip(surprises) {
                if let Some((value, surprise)) = known {
                    taught.push((value, is_judged && LEARN_CAP <= surprise));
                }
            }
        }
        for ((attribute, level, _), taught) in ATTRIBUTES.into_iter().zip(&mut taught) {
            // A value has one surprise, in whatever places it stands.
            taught.sort_unstable();
            taught.dedup();
            parts.outcomes(level, taught.len() as u64);
            let known = parts.values.entry(attribute).or_default();
            for (value, odd) in taught {
                match known.get_mut(value) {
                    Some(users) => users[usize::from(*odd)] += 1,
                    None => {
                        let mut users = [0; 2];
                        users[usize::from(*odd)] = 1;
                        known.insert(value.clone(), users);
                    }
                }
            }
        }
        taught
    }
}

/// One person's masses for a day.
struct Habit<'a> {
    on: On<'a>,
    own: [OwnMasses<'a, String>; 3],
    tests: [f64; 3],
}

impl<'a> Habit<'a> {
    fn new(base: &'a Learned, on: On<'a>) -> Self {
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
    fn surprises(&self, place: &Place) -> Surprises {
        let mut index = 0;
        place.values().map(|value| {
            index += 1;
            let value = value?;
            let surprise = self.surprise(index - 1, &value);
            Some((value, surprise))
        })
    }

    fn surprise(&self, attribute: usize, value: &String) -> u32 {
        let masses = self.on.frozen.masses(ATTRIBUTES[attribute].0);
        let p = masses.p(&self.own[attribute], value);
        surprise(per_day(p, self.tests[attribute]))
    }
}

/// `2 countries`.
fn places(base: &Learned, attribute: usize, on: On<'_>) -> String {
    let known = base.values[attribute].iter_at(on.frozen.day).count();
    let nouns = [
        ("country", "countries"),
        ("region", "regions"),
        ("network", "networks"),
    ][attribute];
    format!("{known} {}", if known == 1 { nouns.0 } else { nouns.1 })
}

/// Places that a sentence names.
const NAMED_MAX: usize = 4;

/// The places that would not have alerted: the person's own first, then the company's.
fn quiet(base: &Learned, attribute: usize, needed: u32, on: On<'_>) -> String {
    let habit = Habit::new(base, on);
    let masses = on.frozen.masses(ATTRIBUTES[attribute].0);
    let own: Vec<&String> = base.values[attribute]
        .iter_at(on.frozen.day)
        .map(|(value, _)| value)
        .collect();
    let others = masses.known().filter(|value| !own.contains(value));
    let quiet: Vec<&String> = own
        .iter()
        .copied()
        .chain(others)
        .filter(|value| habit.surprise(attribute, value) < needed)
        .collect();
    let within = [
        ", in a usual region and network",
        ", over a usual network",
        "",
    ][attribute];
    if quiet.is_empty() {
        return format!("a login {OWN_NETWORKS}");
    }
    format!(
        "a login from {}{within}, or {OWN_NETWORKS}",
        phrase::any_of(&quiet, NAMED_MAX)
    )
}

fn verdict(
    base: &Learned,
    attribute: usize,
    value: &String,
    surprise: u32,
    (seen, refs): (&[&Seen], &Refs),
    is_known: bool,
    on: On<'_>,
) -> Verdict {
    let name = ATTRIBUTES[attribute].2;
    let samples = || seen.iter().map(|seen| &seen.sample);
    let first = samples().map(|s| s.first(refs)).min().unwrap_or_default();
    let last = samples().map(|s| s.last(refs)).max().unwrap_or_default();
    let own_days = base.values[attribute].count_at(on.frozen.day, value);
    let plain = seen.iter().any(|seen| seen.plain);
    let outside = seen.iter().any(|seen| seen.outside);
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
        class: Class::Detection,
        severity,
        overlay: egress.or(shared),
        about: None,
        also: Vec::new(),
        summary: format!(
            "{} logged in from {} {value}, {who_was_there} ({}, {} used in them)",
            on.who.name,
            ["the country", "the region", "the network"][attribute],
            phrase::days_known(base.days),
            places(base, attribute, on),
        ),
        window: (first / PANE_MS * PANE_MS, last / PANE_MS * PANE_MS + PANE_MS),
        detected_at: first / PANE_MS * PANE_MS + PANE_MS,
        span: (first, last),
        event_count: samples().map(|s| u64::from(s.count)).sum(),
        observed: 1.0,
        approximate: false,
        expected: 0.0,
        baseline: if 0 < base.days { "own" } else { "peers" },
        days: base.days,
        history: Vec::new(),
        evidence: gather(refs, samples().map(std::iter::once), EVIDENCE_MAX),
        next_steps: vec![
            format!("ask {} whether they are there", on.who.name).into(),
            Step::LockOut(on.who.name.to_string()),
            "look at device and second factor of the login: without a known device treat it as a takeover".into(),
        ],
        quiet: String::new(),
    }
}
