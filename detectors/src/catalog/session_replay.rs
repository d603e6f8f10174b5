//! Flags: a session that goes on in another network and on another device. Why: its token was stolen; no
//! password and no factor is asked for again. Method: places of one session id. Blind to: thieves in the same network.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rule::{Spots, spot};
use super::{Entry, Page, Step, phrase};
use crate::alert::Severity;
use crate::company::Parts;
use crate::detector::{Detector, Event, Judged, Kind, Latest, Runner};
use crate::event::{Activity, Outcome, Row};
use crate::evidence::{EventRef, First};
use crate::model::familiar::{Familiar, mark_of};
use crate::time::Day;
use crate::verdict::{Stream, Verdict};

/// The catalog's line.
pub const ENTRY: Entry = Entry {
    name: "session_replay",
    activities: Activity::ALL,
    attack: &["T1550.004", "T1539"],
    family: "device",
    needs: &[
        &["user"],
        &["session"],
        &["device"],
        &["asn", "country", "ip"],
    ],
    params: &[],
    statistical: false,
    share: 0.0,
    page: Page {
        flags: "one session id that is used in a network and on a device that are both new to the person, beside another network and device, without a login there",
        why: "a stolen cookie or token is a session without a login: the password was never needed and the second factor was given by the owner",
        method: "structure: for each session of a person and day the pairs of network and device (16 pairs of 64 sessions at most); strange is a pair of which the person used neither part in 120 days, seven days with activity known. The session must have been seen with both parts different on the same day, or on an earlier closed day. High; muted as login_between while somebody logged in as the person from that network or device on that day. A row without session, device or network tells nothing, and an administrator's or robot's agent is not a person. Eager",
        blind_to: "thieves in a network or on a device that the person uses; sessions whose rows do not name a device; sessions that are replayed in the first days after they began, unless the owner uses them on the same day",
        fields: "time, user, session, device, asn or country or ip, activity, outcome",
        example: "a session of ana@example.com went on in another network and on another device, from 203.0.113.7 (BR), 12 min after it was used from 198.51.100.4 (DE), without a login there; ana@example.com has used neither in 41 days",
    },
    make: |_, lag| -> Box<dyn Detector> { Box::new(Runner::new(Arc::new(SessionReplay), lag)) },
};

/// Days with activity before networks and devices can be called new.
const USED_TO_DAYS: u32 = 7;
/// Sessions of one person and day.
const SESSIONS_MAX: usize = 64;
/// Pairs of network and device of one session and day.
const PAIRS_MAX: usize = 16;

/// The detector; it has no parameters.
pub struct SessionReplay;

/// What somebody is used to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learned {
    days: u32,
    networks: Familiar,
    devices: Familiar,
    sessions: Familiar,
}

/// What a closed day teaches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Taught {
    networks: Vec<u32>,
    devices: Vec<u32>,
    sessions: Vec<u32>,
}

type Pair = (u32, u32);

/// One person's day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Open {
    /// Sessions by mark, and where each was used.
    sessions: BTreeMap<u32, BTreeMap<Pair, Use>>,
    logins: Spots,
    #[serde(skip)]
    changes: u32,
}

/// A session in one place.
#[derive(Debug, Serialize, Deserialize)]
struct Use {
    first: First,
    place: Box<str>,
}

fn is_login(row: &Row<'_>) -> bool {
    row.activity() == Activity::Login && row.outcome() == Outcome::Success
}

fn place_of(row: &Row<'_>) -> Box<str> {
    match (row.ip(), row.country()) {
        (Some(ip), Some(country)) => format!("{ip} ({country})").into(),
        (ip, country) => ip.or(country).unwrap_or("an unknown address").into(),
    }
}

/// Whether both parts differ.
fn is_apart(a: Pair, b: Pair) -> bool {
    a.0 != b.0 && a.1 != b.1
}

impl SessionReplay {
    /// The first strange use of a session, one without a login before one with.
    fn verdict(
        session: u32,
        uses: &BTreeMap<Pair, Use>,
        judged: &Judged<'_, Self>,
    ) -> Option<Verdict> {
        let Judged { base, open, on, .. } = *judged;
        let day = on.frozen.day;
        let is_old = base.sessions.knows(session, day);
        let others = |pair: Pair| {
            uses.iter()
                .filter(move |(other, _)| is_apart(pair, **other))
        };
        let is_strange = |pair: &Pair| {
            !base.networks.knows(pair.0, day)
                && !base.devices.knows(pair.1, day)
                && (is_old || others(*pair).next().is_some())
        };
        let has_login = |pair: &Pair| {
            let mut logins = open.logins.iter();
            logins.any(|(network, device)| network == pair.0 || device == pair.1)
        };
        let strange = uses.iter().filter(|(pair, _)| is_strange(pair));
        let (pair, theft) =
            strange.min_by_key(|(pair, theft)| (has_login(pair), theft.first.rank()))?;
        let before = others(*pair).filter(|(_, other)| other.first.rank() < theft.first.rank());
        let before = before.max_by_key(|(_, other)| other.first.rank());
        let beside = before.or_else(|| others(*pair).min_by_key(|(_, other)| other.first.rank()));
        let beside = beside.map(|(_, other)| other);
        Some(theft.verdict(session, uses.len(), beside, has_login(pair), judged))
    }
}

impl Use {
    /// How it went on from another place, as part of a sentence.
    fn history(&self, beside: Option<&Use>) -> String {
        let Some(other) = beside else {
            return "days after it began elsewhere".to_owned();
        };
        let minutes = (self.first.event.time - other.first.event.time).abs() / 60_000;
        let order = if other.first.rank() < self.first.rank() {
            "after"
        } else {
            "before"
        };
        format!(
            "{} {order} it was used from {}",
            phrase::duration(minutes as u64),
            other.place
        )
    }

    fn verdict(
        &self,
        session: u32,
        places: usize,
        beside: Option<&Use>,
        has_login: bool,
        judged: &Judged<'_, SessionReplay>,
    ) -> Verdict {
        let (name, theft) = (&judged.on.who.name, self);
        let history = self.history(beside);
        let way = if has_login {
            "with a login from there on the same day"
        } else {
            "without a login there"
        };
        let mut evidence: Vec<EventRef> = beside
            .iter()
            .map(|other| other.first.event.clone())
            .collect();
        evidence.push(theft.first.event.clone());
        evidence.sort_by(|a, b| (a.time, &a.uid).cmp(&(b.time, &b.uid)));
        let span = (evidence[0].time, evidence[evidence.len() - 1].time);
        Verdict {
            value: format!("session {session:08x}"),
            overlay: has_login.then(|| {
                (
                    "muted",
                    "login_between",
                    "a login there on the same day".to_owned(),
                )
            }),
            summary: format!(
                "a session of {name} went on in another network and on another device, from {}, {history}, {way}; {name} has used neither in {}",
                theft.place,
                phrase::count(judged.base.days.into(), "day"),
            ),
            observed: places as f64,
            expected: 1.0,
            days: judged.base.days,
            evidence,
            next_steps: vec![
                "a new password alone does not end a stolen session: do the next step now".into(),
                Step::Revoke(name.to_string()),
                format!(
                    "look at what was done from {}: rules, forwarding, consents, downloads",
                    theft.place
                )
                .into(),
                format!("look for malware or a phishing page on the device of {name}").into(),
            ],
            quiet: format!(
                "the session in a network or on a device that {name} has used in the 120 days before, or a login from there on the same day"
            ),
            ..Verdict::of(Severity::High, "own", span, theft.first.count)
        }
    }
}

impl Kind for SessionReplay {
    type Base = Learned;
    type Summary = Taught;
    type Open = Open;
    type Amount = Vec<Verdict>;
    type Bars = u32;

    const STATISTICAL: bool = false;

    fn wants(&self, row: &Row<'_>, stream: Stream) -> bool {
        // Logins without a session id tell too where somebody is at home.
        stream == Stream::Person
            && (row.session().is_some() || is_login(row))
            && row.device().is_some()
            && row.outcome() != Outcome::Failure
    }

    fn observe(&self, open: &mut Open, event: &Event<'_>) {
        let pair = spot(event);
        if pair.0 == 0 || pair.1 == 0 {
            return;
        }
        if is_login(&event.row)
            && event.row.interactive() != Some(false)
            && open.logins.insert(pair)
        {
            open.changes += 1;
        }
        let Some(session) = event.row.session() else {
            return;
        };
        let uses = open
            .sessions
            .entry(mark_of(event.world.seed, session))
            .or_default();
        // A session that stays where it is has not to be judged again.
        match uses.get_mut(&pair) {
            Some(known) => {
                if !known.first.add(event) {
                    return;
                }
                known.place = place_of(&event.row);
            }
            None => {
                let (first, place) = (First::of(event), place_of(&event.row));
                uses.insert(pair, Use { first, place });
            }
        }
        open.changes += 1;
        if PAIRS_MAX < uses.len() {
            uses.pop_last();
        }
        if SESSIONS_MAX < open.sessions.len() {
            open.sessions.pop_last();
        }
    }

    fn evidence(&self, open: &Open) -> Vec<EventRef> {
        let uses = open.sessions.values().flat_map(BTreeMap::values);
        uses.map(|of| of.first.event.clone()).collect()
    }

    fn fold(&self, base: &mut Learned, day: Day, taught: &Taught) {
        base.days += 1;
        base.networks.fold(day, taught.networks.iter().copied());
        base.devices.fold(day, taught.devices.iter().copied());
        base.sessions.fold(day, taught.sessions.iter().copied());
    }

    fn amount(&self, judged: &Judged<'_, Self>) -> Vec<Verdict> {
        if judged.base.days < USED_TO_DAYS {
            return Vec::new();
        }
        let sessions = judged.open.sessions.iter();
        sessions
            .filter_map(|(session, uses)| Self::verdict(*session, uses, judged))
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
        said: Vec<Verdict>,
        _: &mut Parts,
    ) -> Taught {
        let (open, base, day) = (judged.open, judged.base, judged.on.frozen.day);
        // What alerted must not teach that it is usual; a login with a second factor may have.
        let is_told = said.iter().any(|verdict| verdict.overlay.is_none());
        let used = open.sessions.values().flat_map(BTreeMap::keys).copied();
        let mut taught = Taught {
            sessions: open.sessions.keys().copied().collect(),
            ..Taught::default()
        };
        for (network, device) in used.chain(open.logins.iter()) {
            if !is_told || base.networks.knows(network, day) {
                taught.networks.push(network);
            }
            if !is_told || base.devices.knows(device, day) {
                taught.devices.push(device);
            }
        }
        for marks in [&mut taught.networks, &mut taught.devices] {
            marks.sort_unstable();
            marks.dedup();
        }
        taught
    }
}

#[cfg(test)]
mod tests {
    use super::super::rehearsal::{alerts, at, event, login, said, settings, strange};
    use super::*;
    use crate::event::Draft;

    fn used<'a>(session: &'a str, row: Draft<'a>) -> Draft<'a> {
        Draft {
            activity: Some(Activity::Download),
            session: Some(session),
            ..row
        }
    }

    /// Ten ordinary days, and a session in the office on the twelfth.
    fn owner() -> Vec<Draft<'static>> {
        let mut rows: Vec<_> = (0..10).map(|day| login("ana", at(day, 540))).collect();
        rows.push(login("ana", at(12, 540)));
        rows.push(used("s", login("ana", at(12, 600))));
        rows
    }

    #[test]
    fn a_session_cannot_be_in_two_places() {
        let mut rows = owner();
        rows.push(used("s", strange("ana", at(12, 612))));
        let got = alerts(settings(ENTRY.name), &rows);
        assert_eq!(
            got[0].summary,
            "a session of ana went on in another network and on another device, from 203.0.113.7 (BR), 12 min after it was used from 198.51.100.1 (DE), without a login there; ana has used neither in 10 days"
        );
        assert_eq!((got.len(), got[0].severity), (1, Severity::High));
    }

    /// Days later, when the owner is away.
    #[test]
    fn an_old_session_is_known_by_its_id() {
        let mut rows = owner();
        rows.push(used("s", strange("ana", at(15, 612))));
        assert_eq!(said(settings(ENTRY.name), &rows), [(Severity::High, None)]);
    }

    /// One part may change: a laptop is carried about, an office has many devices.
    #[test]
    fn one_new_part_is_no_theft() {
        let mut rows = owner();
        rows.push(used(
            "s",
            Draft {
                device: Some("laptop"),
                ..strange("ana", at(12, 612))
            },
        ));
        rows.push(used(
            "s",
            Draft {
                device: Some("new laptop"),
                ..login("ana", at(12, 620))
            },
        ));
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }

    /// Some providers keep the id through a login, or change it in the middle of one.
    #[test]
    fn a_login_there_explains_it() {
        let mut rows = owner();
        rows.push(strange("ana", at(12, 611)));
        rows.push(used("s", strange("ana", at(12, 612))));
        rows.push(used("t", strange("ana", at(12, 613))));
        let muted = Some("login_between".to_owned());
        assert_eq!(said(settings(ENTRY.name), &rows), [(Severity::High, muted)]);
    }

    /// The provider's own machines name no device, and a joiner has no habits.
    #[test]
    fn what_tells_nothing_is_left_alone() {
        let mut rows = owner();
        rows.push(used(
            "s",
            Draft {
                device: None,
                ..strange("ana", at(12, 612))
            },
        ));
        rows.push(used("u", login("bo", at(12, 600))));
        rows.push(used("u", strange("bo", at(12, 612))));
        rows.push(Draft {
            session: Some("s"),
            ..event("ana", Activity::AiUse, at(12, 630))
        });
        assert_eq!(said(settings(ENTRY.name), &rows), []);
    }
}
