//! Flags: logins from a device that somebody has not used before. Why: a thief brings his own. Method: what
//! the person was used to. Blind to: devices that say nothing of themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rule::{network_of, spot};
use super::{Entry, Page, Step, is_admin, phrase};
use crate::alert::Severity;
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, On, Runner};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{EventRef, First};
use crate::model::device::{device_of, is_make};
use crate::model::familiar::{Familiar, mark_of};
use crate::model::habit::Attribute;
use crate::time::Day;
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "new_device",
    activities: &[Activity::Login],
    attack: &["T1078.004"],
    family: "device",
    needs: &[&["user"], &["device"]],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "a successful interactive login from a device that the person has not used in 120 days",
        why: "whoever steals a password logs in from a machine of his own",
        method: "habit: the 24 latest devices and networks of each person, after seven days with logins; a network that anybody in the company logs in from is not new, so that a phone with the usual carrier is no alert; of a user agent only the browser's family and the system's major version count, so that an update is no new device. Low, and muted as evidence for other findings unless the network is new too or the person is an administrator; medium for an administrator in a new network with a device that the company does not manage. Twenty devices a day at most; each is told once and learned. A browser that more than five people, and a tenth of the active, begin to use on one day is one alert. Eager",
        blind_to: "vendors that name no device; thieves who copy the device's id",
        fields: "time, user, outcome, interactive, device, asn or country or ip, device_managed, is_admin",
        example: "ana@example.com logged in from a device not used before, Chrome on Windows 10, in a network that is new too (AS28573, BR); 3 devices known in 41 days",
    },
    make: |_, lag| -> Box<dyn Detector> { Box::new(Runner::new(Arc::new(NewDevice), lag)) },
};

/// Days with logins before a device can be called new.
const USED_TO_DAYS: u32 = 7;
/// Devices of one person and day; beyond, the largest names are left out.
const DEVICES_MAX: usize = 20;
/// Networks of one device and day.
const NETWORKS_MAX: usize = 8;

/// The detector; it has no parameters.
pub struct NewDevice;

/// What somebody is used to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    days: u32,
    devices: Familiar,
    networks: Familiar,
}

/// What a closed day teaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Taught {
    devices: Vec<u32>,
    networks: Vec<u32>,
}

/// One person's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    devices: BTreeMap<Box<str>, Used>,
    #[serde(skip)]
    changes: u32,
}

/// One device.
#[derive(Debug, Serialize, Deserialize)]
struct Used {
    first: First,
    /// Networks by mark with name and country, the smallest.
    networks: BTreeMap<u32, (Box<str>, Box<str>)>,
    marks: u8,
}

const ADMIN: u8 = 1;
const UNMANAGED: u8 = 2;

impl Open {
    fn add(&mut self, event: &Event<'_>) {
        let row = event.row;
        let Some(device) = row.device().map(device_of) else {
            return;
        };
        // A person comes back all day: only what tells something has to be judged again.
        let mut is_more = true;
        match self.devices.get_mut(&*device) {
            Some(used) => is_more = used.first.add(event),
            None => {
                let used = Used {
                    first: First::of(event),
                    networks: BTreeMap::new(),
                    marks: 0,
                };
                self.devices.insert((&*device).into(), used);
                if DEVICES_MAX < self.devices.len() {
                    self.devices.pop_last();
                }
            }
        }
        if let Some(used) = self.devices.get_mut(&*device) {
            is_more |= used.note(event);
        }
        self.changes += u32::from(is_more);
    }
}

impl Used {
    /// Where it was used and by whom; whether that tells more than before.
    fn note(&mut self, event: &Event<'_>) -> bool {
        let row = event.row;
        let is_unmanaged = row.device_managed() == Some(false);
        let marks =
            if is_admin(event) { ADMIN } else { 0 } | if is_unmanaged { UNMANAGED } else { 0 };
        let (network, _) = spot(event);
        let is_new = network != 0 && !self.networks.contains_key(&network);
        let is_more = is_new || self.marks | marks != self.marks;
        self.marks |= marks;
        if is_new {
            let name = network_of(&row).unwrap_or_default();
            let country = row.country().unwrap_or_default();
            self.networks
                .insert(network, ((&*name).into(), country.into()));
            if NETWORKS_MAX < self.networks.len() {
                self.networks.pop_last();
            }
        }
        is_more
    }
}

impl NewDevice {
    fn verdict(name: &str, used: &Used, judged: &Judged<'_, Self>) -> Option<Verdict> {
        let Judged { base, on, .. } = *judged;
        let On { world, frozen, who } = on;
        let is_known = base.devices.knows(mark_of(world.seed, name), frozen.day);
        if is_known || base.days < USED_TO_DAYS {
            return None;
        }
        let is_new = |(mark, (name, _)): &(&u32, &(Box<str>, Box<str>))| {
            !base.networks.knows(**mark, frozen.day) && !frozen.knows(Attribute::Network, name)
        };
        let strange = used.networks.iter().find(is_new);
        let is_admin = used.marks & ADMIN != 0;
        let is_unmanaged = used.marks & UNMANAGED != 0;
        let severity = if is_admin && is_unmanaged && strange.is_some() {
            Severity::Medium
        } else {
            Severity::Low
        };
        let is_evidence = !is_admin && strange.is_none();
        let place = match strange {
            Some((_, (name, country))) if country.is_empty() || name == country => {
                format!(", in a network that is new too ({name})")
            }
            Some((_, (name, country))) => {
                format!(", in a network that is new too ({name}, {country})")
            }
            None => String::new(),
        };
        let managed = if is_unmanaged {
            ", which the company does not manage"
        } else {
            ""
        };
        let time = used.first.event.time;
        let cause = is_make(name).then(|| format!("logins with {name}"));
        Some(Verdict {
            value: name.to_owned(),
            causes: cause.into_iter().collect(),
            overlay: is_evidence.then(|| ("muted", "evidence", "for other findings".to_owned())),
            summary: format!(
                "{} logged in from a device not used before, {name}{managed}{place}; {} known in {}",
                who.name,
                phrase::count(base.devices.len() as u64, "device"),
                phrase::count(base.days.into(), "day"),
            ),
            observed: 1.0,
            days: base.days,
            evidence: vec![used.first.event.clone()],
            next_steps: vec![
                format!("ask {} whether the device is theirs", who.name).into(),
                Step::LockOut(who.name.to_string()),
            ],
            quiet: format!(
                "{} that {} has used in the 120 days before{}",
                match base.devices.len() {
                    0 | 1 => "the one device".to_owned(),
                    devices => format!("one of the {devices} devices"),
                },
                who.name,
                if strange.is_some() && !is_admin {
                    ", or a network that somebody in the company has logged in from"
                } else {
                    ""
                },
            ),
            ..Verdict::of(severity, "own", (time, time), used.first.count)
        })
    }
}

impl Kind for NewDevice {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<Verdict>;
    type Bars = u32;

    const STATISTICAL: bool = false;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        stream == Stream::Person
            && row.outcome() == Outcome::Success
            && row.interactive() != Some(false)
            && row.device().is_some_and(|device| !device.is_empty())
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        open.add(event);
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let devices = open.devices.values();
        devices.map(|used| used.first.event.clone()).collect()
    }

    fn fold(&self, base: &mut Learned, day: Day, taught: &Taught) {
        base.days += 1;
        base.devices.fold(day, taught.devices.iter().copied());
        base.networks.fold(day, taught.networks.iter().copied());
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        let devices = judged.open.devices.iter();
        devices
            .filter_map(|(name, used)| Self::verdict(name, used, judged))
            .collect()
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
        _: Vec<Verdict>,
        parts: &mut Parts,
    ) -> Taught {
        // What was told is learned all the same: a phone that is only used on the way would else be told
        // for ever.
        let mut taught = Taught::default();
        let seed = judged.on.world.seed;
        let mut names = BTreeSet::new();
        for (name, used) in &judged.open.devices {
            taught.devices.push(mark_of(seed, name));
            taught.networks.extend(used.networks.keys());
            names.extend(used.networks.values().map(|(name, _)| &**name));
        }
        taught.networks.sort_unstable();
        taught.networks.dedup();
        let users = parts.values.entry(Attribute::Network).or_default();
        for name in names {
            users.entry(name.to_owned()).or_default()[0] += 1;
        }
        taught
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{at, login, said, settings, strange};
    use super::*;
    use crate::event::{Draft, Kind};

    /// Ten ordinary days.
    fn used_to(user: &str) -> Vec<Draft<'_>> {
        (0..10).map(|day| login(user, at(day, 540))).collect()
    }

    fn evidence() -> Option<String> {
        Some("evidence".to_owned())
    }

    #[test]
    fn a_new_phone_at_home_is_only_evidence_and_known_from_then_on() {
        let phone = |day| Draft {
            device: Some("new phone"),
            ..login("ana", at(day, 600))
        };
        let mut rows = used_to("ana");
        rows.extend([phone(12), phone(20)]);
        assert_eq!(
            said(settings(ENTRY.name), &rows),
            [(Severity::Low, evidence())]
        );
    }

    #[test]
    fn a_new_network_and_an_administrator_make_it_an_alert() {
        let mut rows = used_to("ana");
        rows.extend(used_to("root"));
        rows.push(strange("ana", at(12, 600)));
        rows.push(Draft {
            is_admin: Some(true),
            device_managed: Some(false),
            ..strange("root", at(12, 700))
        });
        let want = [(Severity::Low, None), (Severity::Medium, None)];
        assert_eq!(said(settings(ENTRY.name), &rows), want);
    }

    /// Colleagues have the carrier, too; and whatever was told is told once.
    #[test]
    fn a_phone_on_the_way_is_no_alert() {
        let carrier = |row| Draft {
            asn: Some(6805),
            ..row
        };
        let mut rows = used_to("ana");
        rows.extend(used_to("bo").into_iter().map(carrier));
        let phone = |day| Draft {
            device: Some("new phone"),
            ..carrier(login("ana", at(day, 600)))
        };
        rows.push(phone(12));
        assert_eq!(
            said(settings(ENTRY.name), &rows),
            [(Severity::Low, evidence())]
        );
        let told = |day| strange("bo", at(day, 600));
        rows.extend([told(13), told(20), told(40)]);
        let unmuted = said(settings(ENTRY.name), &rows).into_iter();
        assert_eq!(unmuted.filter(|(_, reason)| reason.is_none()).count(), 1);
    }

    /// Joiners, empty ids, background work, robots.
    #[test]
    fn what_tells_nothing_is_left_alone() {
        let mut rows = used_to("ana");
        rows.extend([
            login("joiner", at(12, 500)),
            strange("joiner", at(12, 510)),
            Draft {
                device: None,
                ..strange("ana", at(12, 600))
            },
            Draft {
                interactive: Some(false),
                ..strange("ana", at(12, 600))
            },
            Draft {
                kind: Some(Kind::Service),
                ..strange("ana", at(12, 600))
            },
        ]);
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }
}
