//! A small company for the laws: twelve people in an office, and unusual things they may do.

use nightjar_detectors::directory::Directory;
use nightjar_detectors::event::{Activity, Draft, EventsBuilder, Kind, Network, Outcome};
use nightjar_detectors::settings::Settings;
use nightjar_detectors::time::Day;

use arrow::array::RecordBatch;

/// One event, owned.
#[derive(Debug, Clone)]
pub struct Happening {
    pub time: i64,
    pub uid: String,
    pub user: String,
    pub activity: Activity,
    pub interactive: Option<bool>,
    pub object: Option<String>,
    pub app: Option<&'static str>,
    pub tokens: Option<u64>,
    pub bytes: Option<u64>,
    pub device: String,
    pub place: Option<usize>,
    pub network: Option<Network>,
    pub kind: Option<Kind>,
    pub is_odd_user: bool,
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

pub fn settings() -> Settings {
    let hours = |hours: i64| hours * 3_600_000;
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
        detectors: Default::default(),
        directory: Directory::default(),
        refused_tools: ["chatgpt".to_owned()].into(),
        fingerprint: "laws".into(),
    }
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = xxhash_rust::xxh3::xxh3_64(&self.0.to_le_bytes());
        self.0 % below
    }
}

struct Diary<'d> {
    events: Vec<Happening>,
    dice: &'d mut Dice,
    user: String,
    day_start: i64,
    is_odd: bool,
}

impl Diary<'_> {
    fn add(&mut self, minute: u64, activity: Activity) -> &mut Happening {
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
            activity,
            interactive: Some(true),
            object: None,
            app: None,
            tokens: None,
            bytes: None,
            device: format!("laptop of {}", self.user),
            place,
            network: None,
            kind: None,
            is_odd_user: self.is_odd,
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
        for _ in 0..self.dice.roll(6) {
            let (minute, tool) = (begin + self.dice.roll(480), self.dice.roll(2));
            let tokens = 500 + self.dice.roll(3000);
            let event = self.add(minute, Activity::AiUse);
            event.app = Some(["claude", "chatgpt"][tool as usize]);
            event.tokens = Some(tokens);
            event.interactive = None;
        }
    }

    fn odd(&mut self, what: u8) {
        let minute = 600 + self.dice.roll(200);
        match what {
            0 => {
                let at = 180 + self.dice.roll(50);
                self.add(at, Activity::Login);
            }
            1 => {
                for n in 0..60 + self.dice.roll(60) {
                    let at = minute + self.dice.roll(10);
                    self.add(at, Activity::Download).object = Some(format!("secret {n}"));
                }
            }
            2 => self.add(minute, Activity::Login).place = Some(2),
            3 => {
                let other = self.dice.roll(2) == 0;
                let event = self.add(minute, Activity::Login);
                event.place = Some(3);
                if other {
                    event.device = "somebody's phone".into();
                }
            }
            4 => {
                for _ in 0..30 + self.dice.roll(40) {
                    let at = minute + self.dice.roll(30);
                    let event = self.add(at, Activity::AiUse);
                    event.app = Some("claude");
                    event.tokens = Some(90_000);
                    event.interactive = None;
                }
            }
            _ => {
                for n in 0..700 {
                    let at = 5 + minute + n / 20;
                    let event = self.add(at, Activity::Download);
                    event.object = Some(format!("synced {n}"));
                    event.interactive = Some(false);
                }
            }
        }
    }
}

/// One day of the company. `odd`: (person, what unusual thing).
pub fn company_day(day: Day, seed: u64, odd: &[(usize, u8)]) -> Vec<Happening> {
    let mut dice = Dice(seed ^ (day as u64) << 20);
    let calendar = nightjar_detectors::time::Calendar::new(chrono_tz::Europe::Berlin);
    let weekend = nightjar_detectors::model::fixed::is_weekend(day);
    let mut events = Vec::new();
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
        };
        diary.ordinary();
        for what in what {
            diary.odd(what);
        }
        events.append(&mut diary.events);
    }
    events
}

/// The events as one batch.
pub fn batch(events: &[Happening]) -> RecordBatch {
    let mut builder = EventsBuilder::new(&["laws"]);
    builder.begin("laws", "laws.ndjson");
    let mut scratch = Vec::new();
    for (offset, event) in events.iter().enumerate() {
        let place = event.place.map(|place| PLACES[place]);
        let mut draft = Draft {
            time: event.time,
            uid: &event.uid,
            activity: Some(event.activity),
            outcome: Some(Outcome::Success),
            user: Some(&event.user),
            interactive: event.interactive,
            object: event.object.as_deref(),
            app: event.app,
            tokens: event.tokens,
            bytes: event.bytes,
            device: Some(&event.device),
            ip: event.place.map(|place| ADDRESSES[place]),
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
