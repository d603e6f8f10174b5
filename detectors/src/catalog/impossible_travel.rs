//! Flags: two logins of one person that no aeroplane can connect. Why: two people use the account.
//! Method: physics, distance less both accuracy radii over the time between. Blind to: thieves who wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::phrase::{self, OWN_NETWORKS};
use super::{Entry, Page, Param, Step};
use crate::alert::{Class, Severity};
use crate::company::Parts;
use crate::detector::{Answer, Detector, Event, Judged, Kind, Latest, On, Runner, Size};
use crate::event::{Activity, Network, Outcome, Row};
use crate::evidence::EventRef;
use crate::time::{Day, PANE_MS};
use crate::verdict::{Stream, Verdict};
use crate::world::World;

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "impossible_travel",
    activities: &[Activity::Login],
    attack: &["T1078.004"],
    family: "place",
    needs: &[&["user"], &["lat"]],
    params: &[
        Param {
            name: "min_distance",
            default: 500.0,
            unit: "km",
            help: "shorter distances, after both accuracy radii, never alert",
        },
        Param {
            name: "max_speed",
            default: 900.0,
            unit: "km/h",
            help: "travel up to this speed is possible",
        },
    ],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "two successful interactive logins of one person within 24 hours, at least 500 km apart after both accuracy radii, that would need more than 900 km/h",
        why: "one account, two people: a stolen password or session in use beside its owner",
        method: "physics: great-circle distance (haversine, Sinnott 1984) less both radii over the time between, all pairs of places within 24 hours; per place and five minutes the first and the last login are kept, which loses no pair. Low with one device, medium with another device, address and network, high when the first device returns. VPN, relay, SASE, hosting, mobile and satellite networks keep it low, unless one of the two is Tor. Eager",
        blind_to: "thieves near the owner or patient enough; country-only geography, which is not judged; the company's own networks",
        fields: "time, user, lat, lon, radius_km, region or city, ip, asn, network, device, outcome, interactive",
        example: "eva@example.com logged in from Berlin, DE and 40 min later from São Paulo, BR: 10,240 km, 15,360 km/h, with another device",
    },
    make: |world, lag| -> Box<dyn Detector> {
        Box::new(Runner::new(Arc::new(ImpossibleTravel::new(world)), lag))
    },
};

const DAY_MS: i64 = 24 * 3_600_000;
const EARTH_RADIUS_KM: f64 = 6371.0;
/// Nearer than this is the same place when somebody comes back.
const RETURN_KM: f64 = 100.0;
/// Trips that are planted: kilometres and minutes.
const PLANTED: [(u32, u32); 4] = [(9000, 60), (1000, 60), (1000, 90), (400, 10)];
/// Stays of one principal and day; beyond, the latest are left out, in any order the same.
const STAYS_MAX: usize = 512;

/// The detector with its parameters.
pub struct ImpossibleTravel {
    min_distance_km: f64,
    max_speed_kmh: f64,
}

impl ImpossibleTravel {
    fn new(world: &World) -> Self {
        ImpossibleTravel {
            min_distance_km: world.param(&ENTRY, "min_distance"),
            max_speed_kmh: world.param(&ENTRY, "max_speed"),
        }
    }
}

/// What the network says about the place. Stored as a number, of which 0 and 1 were once false and true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Egress {
    Plain,
    /// See [`Network::blurs_place`].
    Blurred,
    Tor,
}

impl Egress {
    fn of(network: Option<Network>) -> Self {
        match network {
            Some(Network::Tor) => Egress::Tor,
            Some(network) if network.blurs_place() => Egress::Blurred,
            _ => Egress::Plain,
        }
    }
}

/// One located login.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Login {
    at: EventRef,
    lat: f64,
    lon: f64,
    radius_km: f64,
    town: Option<Box<str>>,
    country: Option<Box<str>>,
    ip: Box<str>,
    asn: Option<u32>,
    egress: Egress,
    corporate: bool,
    device: Option<Box<str>>,
}

impl Login {
    fn rank(&self) -> (i64, &str) {
        (self.at.time, &self.at.uid)
    }

    fn address(&self) -> &str {
        if self.ip.is_empty() {
            return "an unknown address";
        }
        &self.ip
    }

    fn place(&self) -> String {
        let town = self.town.as_deref().unwrap_or("unknown town");
        let country = self.country.as_deref().unwrap_or("unknown country");
        format!("{town}, {country}")
    }
}

/// First and last login of one place and pane.
#[derive(Debug, Serialize, Deserialize)]
struct Stay {
    first: Login,
    /// `None` while there is but one.
    last: Option<Login>,
}

/// Pane, place (hundredths of a degree) and device.
type StayKey = (u16, i32, i32, Option<Box<str>>);

/// Logins of one day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    stays: BTreeMap<StayKey, Stay>,
}

impl Open {
    fn logins(&self) -> impl Iterator<Item = &Login> {
        self.stays
            .values()
            .flat_map(|stay| [Some(&stay.first), stay.last.as_ref()])
            .flatten()
    }

    /// Whether all logins are from one spot, so that there is no trip.
    fn is_at(&self, spot: Option<(i32, i32)>) -> bool {
        let mut spots = self.stays.keys().map(|(_, lat, lon, _)| (*lat, *lon));
        spots.all(|known| Some(known) == spot)
    }
}

impl Kind for ImpossibleTravel {
    type Base = u32;
    type Summary = ();
    type Open = Open;
    type Amount = ();
    type Bars = ();

    const STATISTICAL: bool = false;
    const LOOKBACK: bool = true;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.outcome() == Outcome::Success
            && row.interactive() != Some(false)
            && row.coordinates().is_some()
            && (row.city().is_some() || row.region().is_some() || row.radius_km().is_some())
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let row = event.row;
        let Some((lat, lon)) = row.coordinates() else {
            return;
        };
        let hundredths = |degrees: f64| (degrees * 100.0).round() as i32;
        let device: Option<Box<str>> = row.device().map(Box::from);
        let key = (event.pane, hundredths(lat), hundredths(lon), device);
        let mine = (row.time(), row.uid());
        match open.stays.get_mut(&key) {
            None => {
                let first = login(event, lat, lon);
                open.stays.insert(key, Stay { first, last: None });
                if STAYS_MAX < open.stays.len() {
                    open.stays.pop_last();
                }
            }
            Some(stay) => {
                if mine < stay.first.rank() {
                    let later = std::mem::replace(&mut stay.first, login(event, lat, lon));
                    stay.last.get_or_insert(later);
                } else if stay.last.as_ref().unwrap_or(&stay.first).rank() < mine {
                    stay.last = Some(login(event, lat, lon));
                }
            }
        }
    }

    fn fold(&self, base: &mut u32, _day: Day, (): &()) {
        *base += 1;
    }

    fn amount(&self, _: &Judged<'_, Self>) {}

    fn score(&self, (): &()) -> u32 {
        0
    }

    fn verdicts(&self, judged: &Judged<'_, Self>, (): &()) -> Vec<Verdict> {
        let Judged {
            base,
            open,
            before,
            on,
            ..
        } = *judged;
        // Within a spot are less than two kilometres.
        let spot = open
            .stays
            .keys()
            .next()
            .map(|(_, lat, lon, _)| (*lat, *lon));
        let is_far = 2.0 <= self.min_distance_km;
        if is_far && open.is_at(spot) && before.is_none_or(|before| before.is_at(spot)) {
            return Vec::new();
        }
        let mut logins: Vec<&Login> = before
            .into_iter()
            .flat_map(Open::logins)
            .chain(open.logins())
            .collect();
        logins.sort_by(|a, b| a.rank().cmp(&b.rank()));
        let today = on.world.calendar.start(on.frozen.day);
        let mut best: Option<Trip<'_>> = None;
        let mut first_due = i64::MAX;
        for (index, to) in logins
            .iter()
            .enumerate()
            .filter(|(_, to)| today <= to.at.time)
        {
            let recent = logins[..index].iter().rev();
            for from in recent.take_while(|from| to.at.time - from.at.time <= DAY_MS) {
                let Some(trip) = self.trip(from, to, &logins[index + 1..]) else {
                    continue;
                };
                first_due = first_due.min(to.at.time);
                if best.as_ref().is_none_or(|best| best.rank() < trip.rank()) {
                    best = Some(trip);
                }
            }
        }
        best.map(|trip| trip.verdict(*base, first_due, self, on))
            .into_iter()
            .collect()
    }

    fn bars(&self, _: &Judged<'_, Self>, (): &()) {}

    fn reaches(&self, _: &Open, (): &()) -> bool {
        true
    }

    /// A login so far from another one, so soon, with places known to the point.
    fn plant(&self, days: &u32, on: On<'_>) -> Option<Answer> {
        let size = |(km, minutes): (u32, u32)| {
            let speed_kmh = (f64::from(km) / (f64::from(minutes) / 60.0)).round();
            let is_far = self.min_distance_km <= f64::from(km);
            Size {
                name: format!("two logins {km} km apart within {minutes} minutes"),
                detail: format!("{speed_kmh} km/h"),
                amount: 0,
                crosses: 0 < *days && is_far && self.max_speed_kmh < speed_kmh,
                surprise: None,
                repeats_as: "planted".to_owned(),
            }
        };
        (on.who.stream == Stream::Person).then(|| Answer {
            days: *days,
            least: None,
            floor: 0,
            sizes: PLANTED.map(size).into(),
        })
    }

    fn close(&self, _: &Judged<'_, Self>, _: Latest<'_, Self>, (): (), _: &mut Parts) {}
}

fn login(event: &Event<'_>, lat: f64, lon: f64) -> Login {
    let row = event.row;
    Login {
        at: EventRef {
            time: row.time(),
            uid: row.uid().into(),
            origin: event.origin,
            offset: row.offset(),
        },
        lat,
        lon,
        radius_km: row.radius_km().unwrap_or(0.0),
        town: row.city().or(row.region()).map(Box::from),
        country: row.country().map(Box::from),
        ip: row.ip().unwrap_or_default().into(),
        asn: row.asn(),
        egress: Egress::of(row.network()),
        corporate: row.network() == Some(Network::Corporate),
        device: row.device().map(Box::from),
    }
}

/// Two logins that cannot be one person's.
struct Trip<'l> {
    from: &'l Login,
    to: &'l Login,
    distance_km: f64,
    speed_kmh: u64,
    severity: Severity,
}

impl ImpossibleTravel {
    fn trip<'l>(&self, from: &'l Login, to: &'l Login, later: &[&Login]) -> Option<Trip<'l>> {
        let distance_km = distance_km(from, to) - from.radius_km - to.radius_km;
        if distance_km < self.min_distance_km {
            return None;
        }
        // Clocks of two services differ by seconds: nothing is faster than a minute.
        let hours = (to.at.time - from.at.time).max(60_000) as f64 / 3_600_000.0;
        let speed_kmh = (distance_km / hours).round();
        if speed_kmh <= self.max_speed_kmh {
            return None;
        }
        let severity = severity(from, to, later);
        Some(Trip {
            from,
            to,
            distance_km,
            speed_kmh: speed_kmh as u64,
            severity,
        })
    }
}

fn severity(from: &Login, to: &Login, later: &[&Login]) -> Severity {
    let same_device = from.device.is_some() && from.device == to.device;
    let other_device = from.device.is_some() && to.device.is_some() && !same_device;
    let other_network = from.asn.is_none() || to.asn.is_none() || from.asn != to.asn;
    if same_device || is_blurred(from, to) || from.ip == to.ip || !other_network {
        return Severity::Low;
    }
    let returns = |back: &&Login| {
        back.at.time - from.at.time <= DAY_MS
            && back.device == from.device
            && distance_km(from, back) < RETURN_KM
    };
    if other_device && later.iter().any(returns) {
        return Severity::High;
    }
    Severity::Medium
}

/// Whether the trip may be one of networks and not of people. Whoever comes over Tor hides; that lowers nothing.
fn is_blurred(from: &Login, to: &Login) -> bool {
    let both = [from.egress, to.egress];
    both.contains(&Egress::Blurred) && !both.contains(&Egress::Tor)
}

/// Great-circle distance by the haversine formula (Sinnott, Sky and Telescope 1984).
fn distance_km(a: &Login, b: &Login) -> f64 {
    let (lat_a, lat_b) = (a.lat.to_radians(), b.lat.to_radians());
    let d_lat = (lat_b - lat_a) / 2.0;
    let d_lon = (b.lon - a.lon).to_radians() / 2.0;
    let h = d_lat.sin().powi(2) + lat_a.cos() * lat_b.cos() * d_lon.sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

impl Trip<'_> {
    /// The worst trip is told: most severe, then fastest, then earliest.
    fn rank(&self) -> (bool, Severity, u64, std::cmp::Reverse<(i64, &str)>) {
        let told = !(self.from.corporate || self.to.corporate);
        let at = std::cmp::Reverse((self.to.at.time, &*self.to.at.uid));
        (told, self.severity, self.speed_kmh, at)
    }

    /// How much slower it would have had to be. Above a day apart nothing is judged.
    fn quiet(&self, limits: &ImpossibleTravel) -> String {
        let needed = (60.0 * self.distance_km / limits.max_speed_kmh).ceil();
        let apart = phrase::duration(needed.clamp(1.0, 24.0 * 60.0 + 1.0) as u64);
        format!(
            "{apart} or more between the two logins ({} km/h or slower), less than {} km, or a login {OWN_NETWORKS}",
            limits.max_speed_kmh, limits.min_distance_km,
        )
    }

    fn verdict(&self, days: u32, first_due: i64, limits: &ImpossibleTravel, on: On<'_>) -> Verdict {
        let (from, to) = (self.from, self.to);
        let (from_place, to_place) = (from.place(), to.place());
        let pair = format!("{from_place} to {to_place}");
        let minutes = (to.at.time - from.at.time) / 60_000;
        let device = match (&from.device, &to.device) {
            (Some(a), Some(b)) if a == b => "with the same device",
            (Some(_), Some(_)) => "with another device",
            _ => "device unknown",
        };
        let overlay = if from.corporate || to.corporate {
            Some(("muted", "known_egress", "configured networks".to_owned()))
        } else if is_blurred(from, to) {
            Some((
                "lowered",
                "shared_network",
                "class of the network".to_owned(),
            ))
        } else {
            None
        };
        Verdict {
            value: String::new(),
            same_as: pair.clone(),
            causes: vec![format!("travel from {pair}")],
            surprise: None,
            class: Class::Detection,
            severity: self.severity,
            overlay,
            about: None,
            also: Vec::new(),
            summary: format!(
                "{} logged in from {from_place} and {} later from {to_place}: {} km, {} km/h, {device}",
                on.who.name,
                phrase::duration(minutes as u64),
                phrase::grouped(self.distance_km.round() as u64),
                phrase::grouped(self.speed_kmh),
            ),
            window: (from.at.time, to.at.time + 1),
            detected_at: first_due / PANE_MS * PANE_MS + PANE_MS,
            span: (from.at.time, to.at.time),
            event_count: 2,
            observed: self.speed_kmh as f64,
            approximate: false,
            expected: limits.max_speed_kmh,
            baseline: "physics",
            days,
            history: Vec::new(),
            evidence: vec![from.at.clone(), to.at.clone()],
            next_steps: vec![
                format!(
                    "ask {} which of the two logins was theirs, the one from {} or the one from {}",
                    on.who.name,
                    from.address(),
                    to.address()
                )
                .into(),
                Step::LockOut(on.who.name.to_string()),
                "look at what was done in the session that was not theirs".into(),
            ],
            quiet: self.quiet(limits),
        }
    }
}
