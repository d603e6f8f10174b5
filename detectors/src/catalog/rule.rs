//! What rules have in common: the day's findings by value, and what the principal is used to.
//!
//! A [`Rule`] says which events are signs and what a finding amounts to; [`Ruled`] makes a detector of it.
//! Invariant: a finding is made of counts, flags that are only ever set, and bounded sets that are taken
//! smallest first, so that it merges in any order; sets that overflowed say so and are then read as
//! holding anything, so that no verdict ever falls.

mod beside;
mod finding;

pub use beside::{Beside, Counted};
pub use finding::{Finding, Spots, Words};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::phrase;
use crate::alert::{Entity, Severity};
use crate::company::Parts;
use crate::detector::{Event, Judged, Kind, Latest, On};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{EventRef, Refs, gather};
use crate::model::device::device_of;
use crate::model::familiar::{Familiar, mark_of};
use crate::model::habit::Attribute;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};

/// Findings of one principal and day; beyond, the largest values are left out, in any order the same.
const FINDINGS_MAX: usize = 256;
/// Active days before networks and devices can be called new.
const USED_TO_DAYS: u32 = 3;

/// What an event is to a rule.
#[derive(Debug, Default)]
pub struct Sign<'a> {
    /// Events with the same value make one finding and one alert; part of the alert's identity.
    pub value: Cow<'a, str>,
    /// Flags of the rule's own; a finding has those of all its events.
    pub marks: u16,
}

/// A detector that judges single events by what they are.
pub trait Rule: Send + Sync + 'static {
    /// Whether successful logins teach it which networks and devices somebody uses.
    const FAMILIAR: bool = false;
    /// Whether the company remembers which networks its people log in from.
    const COMPANY_NETWORKS: bool = false;
    /// The attribute under which the company remembers the values of findings.
    const LISTS: Option<Attribute> = None;

    /// Whether the company remembers the value of this one.
    fn lists(&self, _: &Finding) -> bool {
        true
    }
    /// Whether an event may be a sign, or teaches that the principal is active.
    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool;
    /// What it is a sign of, if of anything.
    fn sign<'a>(&self, event: &Event<'a>) -> Option<Sign<'a>>;
    /// What a finding amounts to. Must not fall as the finding grows.
    fn judge(&self, case: &Case<'_>) -> Option<Verdict>;
}

/// What is known of a principal from closed days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Known {
    /// Days with events that the rule wants.
    pub days: u32,
    /// The last of them.
    pub last: Option<Day>,
    /// Networks of successful logins.
    pub networks: Familiar,
    /// Devices of successful logins.
    pub devices: Familiar,
    /// Values of findings, by [`mark_of`].
    pub values: Familiar,
    /// Most activities of one finding on one of these days.
    pub most: u64,
}

impl Known {
    fn fold(&mut self, day: Day, taught: &Taught) {
        self.days += 1;
        self.last = Some(day);
        self.networks.fold(day, taught.networks.iter().copied());
        self.devices.fold(day, taught.devices.iter().copied());
        self.values.fold(day, taught.values.iter().copied());
        self.most = self.most.max(taught.most);
    }
}

/// What a closed day teaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Taught {
    networks: Vec<u32>,
    devices: Vec<u32>,
    values: Vec<u32>,
    most: u64,
}

/// One day of one principal.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    refs: Refs,
    findings: BTreeMap<Box<str>, Finding>,
    /// Where and on what the principal logged in.
    trail: Spots,
    /// Changes since the day was read back.
    #[serde(skip)]
    changes: u32,
}

/// One finding as it is judged.
pub struct Case<'a> {
    /// What it is about.
    pub value: &'a str,
    /// Its events.
    pub finding: &'a Finding,
    /// The principal's past.
    pub known: &'a Known,
    /// Day, principal, company.
    pub on: On<'a>,
    refs: &'a Refs,
    trail: &'a Spots,
}

impl Case<'_> {
    /// Whether the principal has had a finding with this value in the days that are known.
    pub fn is_known_value(&self) -> bool {
        let mark = mark_of(self.on.world.seed, self.value);
        self.known.values.knows(mark, self.on.frozen.day)
    }

    fn is_used_to(&self) -> bool {
        USED_TO_DAYS <= self.known.days
    }

    /// Whether an event of the finding came from a network that the principal has not used.
    pub fn is_new_network(&self) -> bool {
        self.is_from(|_| true)
    }

    /// The same, and nobody else of the company has logged in from there in closed days either: for a rule
    /// with [`Rule::COMPANY_NETWORKS`].
    pub fn is_new_to_company(&self) -> bool {
        let frozen = self.on.frozen;
        self.is_from(|network| !frozen.knows(Attribute::Network, &name_of(network)))
    }

    /// Whether an event came from such a network that the principal has not used.
    fn is_from(&self, is_such: impl Fn(u32) -> bool) -> bool {
        let (networks, day) = (&self.known.networks, self.on.frozen.day);
        let is_it = |network, _| network != 0 && !networks.knows(network, day) && is_such(network);
        self.is_used_to() && self.finding.spots.any(is_it)
    }

    /// Whether somebody logged in as the principal on this day from a network and a device that are both new.
    pub fn is_beside_strange_login(&self) -> bool {
        let day = self.on.frozen.day;
        let is_new = |network, device| {
            network != 0
                && device != 0
                && !self.known.networks.knows(network, day)
                && !self.known.devices.knows(device, day)
        };
        self.is_used_to() && self.trail.any(is_new)
    }

    /// Whether it was done from a network that the principal has not used, or beside a strange login. A new
    /// device alone says little here: what a log calls a device differs from source to source.
    pub fn is_strange(&self) -> bool {
        self.is_new_network() || self.is_beside_strange_login()
    }

    /// How often and from where, as part of a sentence.
    pub fn how(&self) -> String {
        format!("{}{}", self.count("event"), self.from(", "))
    }

    /// How many events there are of what a noun says.
    pub fn count(&self, noun: &str) -> String {
        phrase::count(self.finding.sample.count.into(), noun)
    }

    /// From where, behind a mark, where the events say.
    pub fn from(&self, mark: &str) -> String {
        match self.finding.places.text("") {
            none if none.is_empty() => none,
            places => format!("{mark}from {places}"),
        }
    }

    /// What makes it strange, as the end of a sentence.
    pub fn strangeness(&self) -> String {
        let days = phrase::days_known(self.known.days);
        match (self.is_beside_strange_login(), self.is_new_network()) {
            (true, _) => format!(
                "; somebody had logged in as this user from a new network on a new device that day ({days})"
            ),
            (false, true) => {
                format!("; this user has not worked from that network before ({days})")
            }
            (false, false) => String::new(),
        }
    }

    /// The finding's value where the alert is about something else than the principal: two of them must
    /// not be one.
    pub fn value_of_actor(&self) -> String {
        let who = self.on.who;
        format!("{:?} {} {}", who.stream, who.name, self.value)
    }

    /// Muted: kept as evidence for what else is found.
    pub fn evidence_only(&self, verdict: Verdict) -> Verdict {
        Verdict {
            severity: Severity::Low,
            overlay: Some(("muted", "evidence", "ordinary by itself".into())),
            quiet: "as it is: ordinary by itself, kept as evidence beside other findings".into(),
            ..verdict
        }
    }

    /// A statement about the finding, without sentence and next steps. Observed are its activities.
    pub fn verdict(&self, severity: Severity) -> Verdict {
        let sample = &self.finding.sample;
        let span = (sample.first(self.refs), sample.last(self.refs));
        Verdict {
            value: self.value.to_owned(),
            observed: self.finding.amount as f64,
            days: self.known.days,
            evidence: gather(self.refs, [[sample]], 12),
            ..Verdict::of(severity, "policy", span, u64::from(sample.count))
        }
    }

    /// The other principals that the finding names: users it was done to, addresses and applications.
    pub fn also(&self) -> Vec<Entity> {
        let of = |kind: &str, words: &Words| {
            let entity = |id: &str| Entity {
                kind: kind.into(),
                id: id.into(),
            };
            words.iter().map(entity).collect::<Vec<_>>()
        };
        let finding = self.finding;
        let targets = of("user", &finding.targets).into_iter();
        let targets = targets.filter(|target| target.id != *self.on.who.name);
        targets.chain(of("app", &finding.apps)).collect()
    }
}

/// A rule as a detector.
pub struct Ruled<R>(pub R);

impl<R: Rule> Ruled<R> {
    /// What a day amounts to.
    pub fn say(&self, known: &Known, open: &Open, on: On<'_>) -> Vec<Verdict> {
        let findings = open.findings.iter();
        let cases = findings.map(|(value, finding)| Case {
            value,
            finding,
            known,
            on,
            refs: &open.refs,
            trail: &open.trail,
        });
        cases.filter_map(|case| self.0.judge(&case)).collect()
    }

    /// What a closed day teaches, and what it tells the company.
    pub fn teach(
        &self,
        known: &Known,
        open: &Open,
        on: On<'_>,
        said: &[Verdict],
        parts: &mut Parts,
    ) -> Taught {
        let (day, seed) = (on.frozen.day, on.world.seed);
        let mut taught = Taught::default();
        // What alerted must not teach that it is usual.
        let learns = |familiar: &Familiar, mark: u32| said.is_empty() || familiar.knows(mark, day);
        for (network, device) in open.trail.iter() {
            if network != 0 && learns(&known.networks, network) {
                taught.networks.push(network);
            }
            if device != 0 && learns(&known.devices, device) {
                taught.devices.push(device);
            }
        }
        for marks in [&mut taught.networks, &mut taught.devices] {
            marks.sort_unstable();
            marks.dedup();
        }
        if R::COMPANY_NETWORKS {
            let users = parts.values.entry(Attribute::Network).or_default();
            for network in &taught.networks {
                users.entry(name_of(*network)).or_default()[0] += 1;
            }
        }
        for (value, finding) in &open.findings {
            taught.values.push(mark_of(seed, value));
            taught.most = taught.most.max(finding.amount);
            if let Some(attribute) = R::LISTS
                && self.0.lists(finding)
            {
                let users = parts.values.entry(attribute).or_default();
                users.entry(value.to_string()).or_default()[0] += 1;
            }
        }
        taught
    }
}

impl Open {
    /// Changes since the day was read back: a day that did not change says what it said before.
    pub fn changes(&self) -> u32 {
        self.changes
    }
}

/// A network's name among what the company remembers.
fn name_of(network: u32) -> String {
    format!("{network:08x}")
}

/// Whether a row shows where and on what somebody works.
fn teaches(row: &Row<'_>, stream: Stream) -> bool {
    stream == Stream::Person
        && row.activity() == Activity::Login
        && row.outcome() == Outcome::Success
        && row.interactive() != Some(false)
}

/// Marks of the network and the device of a row; 0 where they are not said.
pub fn spot(event: &Event<'_>) -> (u32, u32) {
    let (row, seed) = (event.row, event.world.seed);
    let network = network_mark(&row, seed);
    let device = row.device().map(device_of);
    let device = device.filter(|device| !device.is_empty());
    (network, device.map_or(0, |device| mark_of(seed, &device)))
}

/// Mark of [`network_of`]; 0 where it is not said.
pub fn network_mark(row: &Row<'_>, seed: u64) -> u32 {
    let Some(asn) = row.asn() else {
        return network_of(row).map_or(0, |network| mark_of(seed, &network));
    };
    // The same text without an allocation: asked for every event of everybody.
    let mut text = [0; 12];
    let mut rest = &mut text[..];
    let _ = write!(rest, "AS{asn}");
    let length = 12 - rest.len();
    let text = std::str::from_utf8(&text[..length]);
    mark_of(seed, text.unwrap_or_default())
}

/// The network of a row: the autonomous system, else the country, else the address without its end.
pub fn network_of<'a>(row: &Row<'a>) -> Option<Cow<'a, str>> {
    if let Some(asn) = row.asn() {
        return Some(format!("AS{asn}").into());
    }
    row.country()
        .or_else(|| row.ip().map(subnet))
        .map(Cow::Borrowed)
}

/// The /24 of an IPv4 address, the first three groups of an IPv6 one.
fn subnet(ip: &str) -> &str {
    let (mark, parts) = if ip.contains(':') { (':', 3) } else { ('.', 3) };
    ip.match_indices(mark)
        .nth(parts - 1)
        .map_or(ip, |(end, _)| &ip[..end])
}

impl<R: Rule> Kind for Ruled<R> {
    type Base = Known;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<Verdict>;
    type Bars = u32;

    const STATISTICAL: bool = false;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        R::FAMILIAR && teaches(row, stream) || self.0.wants(row, stream)
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        if R::FAMILIAR && teaches(&event.row, event.stream) && open.trail.insert(spot(event)) {
            open.changes += 1;
        }
        if !self.0.wants(&event.row, event.stream) {
            return;
        }
        let Some(sign) = self.0.sign(event) else {
            return;
        };
        open.changes += 1;
        if !open.findings.contains_key(&*sign.value) {
            open.findings
                .insert((&*sign.value).into(), Finding::default());
            if FINDINGS_MAX < open.findings.len()
                && let Some((value, _)) = open.findings.pop_last()
                && *value == *sign.value
            {
                return;
            }
        }
        let finding = open.findings.get_mut(&*sign.value);
        let finding = finding.expect("it is there or was just made");
        finding.add(
            &mut open.refs,
            event,
            sign.marks,
            R::FAMILIAR.then(|| spot(event)),
        );
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let samples = open.findings.values().map(|finding| [&finding.sample]);
        gather(&open.refs, samples, usize::MAX)
    }

    fn fold(&self, base: &mut Known, day: Day, taught: &Taught) {
        base.fold(day, taught);
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        self.say(judged.base, judged.open, judged.on)
    }

    fn score(&self, _: &Vec<Verdict>) -> u32 {
        0
    }

    fn verdicts(&self, _: &Judged<'_, Self>, said: &Vec<Verdict>) -> Vec<Verdict> {
        said.clone()
    }

    fn bars(&self, judged: &Judged<'_, Self>, _: &Vec<Verdict>) -> u32 {
        judged.open.changes
    }

    fn reaches(&self, open: &Open, bars: &u32) -> bool {
        open.changes != *bars
    }

    fn close(
        &self,
        judged: &Judged<'_, Self>,
        _: Latest<'_, Self>,
        said: Vec<Verdict>,
        parts: &mut Parts,
    ) -> Taught {
        self.teach(judged.base, judged.open, judged.on, &said, parts)
    }
}
