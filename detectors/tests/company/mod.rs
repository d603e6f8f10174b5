//! A small company for the laws: twelve people in an office, and unusual things they may do.

mod oddities;

use nightjar_detectors::directory::{Directory, Person};
use nightjar_detectors::event::{
    Activity, Draft, EventsBuilder, Kind, Method, Network, Outcome, Reason,
};
use nightjar_detectors::exception::{Decision, Effect, Exception};
use nightjar_detectors::policy::{Policy, ToolStatus};
use nightjar_detectors::settings::{DetectorSettings, Settings};
use nightjar_detectors::time::Day;

use arrow::array::RecordBatch;

/// One event, owned.
#[derive(Debug, Clone)]
pub struct Happening {
    pub time: i64,
    pub uid: String,
    /// Empty: the row names nobody.
    pub user: String,
    pub target_user: Option<String>,
    pub activity: Activity,
    pub outcome: Outcome,
    pub is_admin: Option<bool>,
    pub interactive: Option<bool>,
    pub mfa: Option<bool>,
    pub device_managed: Option<bool>,
    pub ip: Option<String>,
    pub object: Option<String>,
    pub app: Option<&'static str>,
    pub tokens: Option<u64>,
    pub count: Option<u64>,
    pub bytes: Option<u64>,
    pub sensitivity: Option<&'static str>,
    pub session: Option<String>,
    pub method: Option<Method>,
    pub reason: Option<Reason>,
    pub device: String,
    pub place: Option<usize>,
    pub network: Option<Network>,
    pub kind: Option<Kind>,
    pub is_odd_user: bool,
    pub source: &'static str,
}

/// One address for each place.
const ADDRESSES: [&str; 4] = ["192.0.2.1", "192.0.2.2", "198.51.100.1", "203.0.113.1"];

/// (country, region, city, lat, lon, asn)
const PLACES: [(&str, &str, &str, f64, f64, u32); 4] = [
    ("DE", "Berlin", "Berlin", 52.52, 13.4, 3320),
    ("DE", "Hamburg", "Hamburg", 53.55, 10.0, 3320),
    ("FR", "Paris", "Paris", 48.86, 2.35, 3215),
    ("BR", "São Paulo", "São Paulo", -23.55, -46.63, 28573),
];

pub fn start_day() -> Day {
    20_514 // 2026-03-02, a Monday
}

fn policy() -> Policy {
    let ranked = |names: [(&str, u8); 2]| names.map(|(name, rank)| (name.to_owned(), rank)).into();
    Policy {
        tools: [("chatgpt".to_owned(), ToolStatus::Unsanctioned)].into(),
        label_ranks: ranked([("confidential", 2), ("secret", 3)]),
        role_tiers: ranked([("global administrator", 0), ("user administrator", 1)]),
        risky_scopes: ["mail.read".to_owned()].into(),
        allowed_countries: ["DE", "FR"].map(str::to_owned).into(),
        admin_hours: Some((6, 11)),
        require_mfa: ["crm".to_owned()].into(),
        exceptions: vec![
            expected("mass_download", Effect::Mute),
            expected("off_hours_login", Effect::Lower),
        ],
        ..Policy::default()
    }
}

/// Of some people, on days in the middle of what the laws look at.
fn expected(detector: &str, effect: Effect) -> Exception {
    Exception {
        kind: Decision::Expected,
        detectors: vec![detector.to_owned()],
        entity: Some("person*@example.com".to_owned()),
        entity_kind: None,
        scope: None,
        effect,
        at_most: None,
        owner: "it@example.com".to_owned(),
        reason: "a move".to_owned(),
        from: start_day() + 45,
        expires: start_day() + 47,
    }
}

fn directory() -> Directory {
    let left = Person {
        leaves: Some(start_day() - 10),
        ..Person::default()
    };
    let sleeps = Person {
        last_sign_in: Some(start_day() - 200),
        admin: true,
        ..Person::default()
    };
    Directory {
        people: [(LEAVER.to_owned(), left), (SLEEPER.to_owned(), sleeps)].into(),
        ..Directory::default()
    }
}

pub fn settings() -> Settings {
    let hours = |hours: i64| hours * 3_600_000;
    // A small company, and days that are few.
    let with = |name: &str, params: &[(&str, f64)]| {
        let params = params
            .iter()
            .map(|(param, value)| ((*param).to_owned(), *value));
        let own = DetectorSettings {
            params: params.collect(),
            ..DetectorSettings::default()
        };
        (name.to_owned(), own)
    };
    Settings {
        tenant: "laws".into(),
        zone: chrono_tz::Europe::Berlin,
        budget_per_day: 200.0,
        // Different lags: 3, 2, 3, 2 and 5 days.
        lateness_ms: [
            ("off_hours_login", hours(24)),
            ("mass_download", hours(1)),
            ("unusual_location", hours(24)),
            ("impossible_travel", hours(3)),
            ("ai_usage_spike", hours(72)),
        ]
        .into(),
        detectors: [
            with("volume_drop", &[("min_events", 20.0)]),
            with(
                "slow_collection",
                &[("min_objects", 1.0), ("untested_level", 3.0)],
            ),
        ]
        .into(),
        directory: directory(),
        policy: policy(),
        fingerprint: "laws".into(),
    }
}

/// Has left, and is listed so.
pub const LEAVER: &str = "leaver@example.com";

/// Is given a role now and then.
pub const GROWS: &str = "person9@example.com";

/// An administrator who has not been seen for months.
pub const SLEEPER: &str = "sleeper@example.com";

/// For emergencies.
pub const EMERGENCY: &str = "emergency@example.com";

/// How many unusual things there are.
#[allow(dead_code)] // not every test asks
pub fn oddities() -> usize {
    oddities::all().count()
}

pub struct Dice(u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = xxhash_rust::xxh3::xxh3_64(&self.0.to_le_bytes());
        self.0 % below
    }
}

/// A person's day.
pub struct Diary<'d> {
    pub events: Vec<Happening>,
    pub dice: &'d mut Dice,
    pub user: String,
    /// Midnight, ms.
    pub day_start: i64,
    pub is_odd: bool,
    /// What is wrong with the machine's source.
    pub trouble: Trouble,
}

/// What is wrong with the source that a machine fills every day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    #[default]
    None,
    /// Most of its events are lost.
    Cut,
    /// It does not say who.
    Nameless,
}

impl Diary<'_> {
    /// A successful event of this person; logins are from the office.
    pub fn add(&mut self, minute: u64, activity: Activity) -> &mut Happening {
        let second = self.dice.roll(60_000) as i64;
        let time = self.day_start + minute as i64 * 60_000 + second;
        let place = (activity == Activity::Login).then_some(0);
        self.events.push(Happening {
            time,
            uid: format!(
                "{}-{time}-{}-{}",
                self.user,
                self.events.len(),
                activity.as_str()
            ),
            user: self.user.clone(),
            target_user: None,
            activity,
            outcome: Outcome::Success,
            is_admin: None,
            interactive: Some(true),
            mfa: None,
            device_managed: None,
            ip: None,
            object: None,
            app: None,
            tokens: None,
            count: None,
            bytes: None,
            sensitivity: None,
            session: None,
            method: None,
            reason: None,
            device: format!("laptop of {}", self.user),
            place,
            network: None,
            kind: None,
            is_odd_user: self.is_odd,
            source: "laws",
        });
        self.events.last_mut().expect("just pushed")
    }

    fn ordinary(&mut self) {
        let begin = 9 * 60 + self.dice.roll(60);
        self.add(begin, Activity::Login);
        for _ in 0..2 + self.dice.roll(8) {
            let (minute, file) = (begin + self.dice.roll(480), self.dice.roll(40));
            let bytes = 100_000 + self.dice.roll(900_000);
            let event = self.add(minute, Activity::Download);
            event.object = Some(format!("file {file}"));
            event.bytes = Some(bytes);
        }
        // Some have new files now and then.
        let is_busy = self.dice.roll(3) == 0;
        for n in 0..if is_busy { self.dice.roll(16) } else { 0 } {
            let object = format!("draft {} {n} of {}", self.day_start, self.user);
            self.add(begin + 60, Activity::Download).object = Some(object);
        }
        for _ in 0..self.dice.roll(6) {
            let (minute, tool) = (begin + self.dice.roll(480), self.dice.roll(2));
            let tokens = 500 + self.dice.roll(3000);
            let event = self.add(minute, Activity::AiUse);
            event.app = Some(["claude", "chatgpt"][tool as usize]);
            event.tokens = Some(tokens);
            event.interactive = None;
        }
    }
}

impl Diary<'_> {
    /// A machine's day, in a source of its own: the same every day.
    fn machine(&mut self, day: Day) {
        let count = if self.trouble == Trouble::Cut { 4 } else { 40 };
        for n in 0..count {
            let is_nameless = self.trouble == Trouble::Nameless;
            let event = self.add(30 * n, Activity::Other);
            event.source = "hub";
            event.kind = Some(Kind::Service);
            if is_nameless {
                event.user.clear();
            }
        }
        if day % 9 == 0 {
            let event = self.add(100, Activity::RoleGrant);
            event.kind = Some(Kind::Service);
            event.target_user = Some(GROWS.into());
            event.object = Some(format!("team {day}"));
        }
    }
}

/// One day of the company. `odd`: (person, what unusual thing).
pub fn company_day(day: Day, seed: u64, odd: &[(usize, u8)]) -> Vec<Happening> {
    let mut dice = Dice(seed ^ (day as u64) << 20);
    let calendar = nightjar_detectors::time::Calendar::new(chrono_tz::Europe::Berlin);
    let weekend = nightjar_detectors::model::fixed::is_weekend(day);
    let (mut events, mut trouble) = (Vec::new(), Trouble::None);
    for person in 0..12usize {
        let what: Vec<u8> = odd
            .iter()
            .filter(|(who, _)| *who == person)
            .map(|(_, what)| *what)
            .collect();
        if weekend && person % 4 != 0 && what.is_empty() {
            continue;
        }
        let mut diary = Diary {
            events: Vec::new(),
            dice: &mut dice,
            user: format!("person{person}@example.com"),
            day_start: calendar.start(day),
            is_odd: !what.is_empty(),
            trouble: Trouble::None,
        };
        diary.ordinary();
        for what in what {
            let oddity = oddities::all().nth(usize::from(what));
            oddity.expect("it is one of them")(&mut diary);
        }
        trouble = trouble.max(diary.trouble);
        events.append(&mut diary.events);
    }
    let mut machine = Diary {
        events: Vec::new(),
        dice: &mut dice,
        user: "machine@example.com".into(),
        day_start: calendar.start(day),
        is_odd: false,
        trouble,
    };
    machine.machine(day);
    events.append(&mut machine.events);
    events
}

/// The events as one batch.
pub fn batch(events: &[Happening]) -> RecordBatch {
    let mut builder = EventsBuilder::new(&["laws"]);
    let mut scratch = Vec::new();
    for (offset, event) in events.iter().enumerate() {
        builder.begin(event.source, event.source);
        let place = event.place.map(|place| PLACES[place]);
        let mut draft = Draft {
            time: event.time,
            uid: &event.uid,
            activity: Some(event.activity),
            outcome: Some(event.outcome),
            user: Some(&*event.user).filter(|user| !user.is_empty()),
            target_user: event.target_user.as_deref(),
            is_admin: event.is_admin,
            interactive: event.interactive,
            mfa: event.mfa,
            device_managed: event.device_managed,
            sensitivity: event.sensitivity,
            session: event.session.as_deref(),
            method: event.method,
            reason: event.reason,
            object: event.object.as_deref(),
            app: event.app,
            tokens: event.tokens,
            count: event.count,
            bytes: event.bytes,
            device: Some(&event.device),
            ip: event
                .ip
                .as_deref()
                .or(event.place.map(|place| ADDRESSES[place])),
            country: place.map(|p| p.0),
            region: place.map(|p| p.1),
            city: place.map(|p| p.2),
            lat: place.map(|p| p.3),
            lon: place.map(|p| p.4),
            asn: place.map(|p| p.5),
            network: event.network,
            kind: event.kind,
            offset: offset as u64,
            ..Draft::default()
        };
        draft.key = draft.content_key(1, &mut scratch);
        builder.push(&draft);
    }
    builder.finish()
}
