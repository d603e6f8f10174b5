//! The people and accounts of the company: who they are, where they live, what they use.
//!
//! Invariant: a person is a function of the plan's seed and the person's number, whatever the size
//! of the company, so that a larger company is the smaller one and newcomers.

use super::chance::{Chance, uuid};
use super::places::{BERLIN, City, HAMBURG, LISBON, MUNICH, NEW_YORK};

/// A peer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Department {
    Engineering,
    Sales,
    Support,
    Finance,
    Marketing,
    People,
    Infrastructure,
}

impl Department {
    /// As it stands in the directory and in the paths of files.
    pub fn name(self) -> &'static str {
        match self {
            Department::Engineering => "engineering",
            Department::Sales => "sales",
            Department::Support => "support",
            Department::Finance => "finance",
            Department::Marketing => "marketing",
            Department::People => "people",
            Department::Infrastructure => "infrastructure",
        }
    }
}

/// What makes somebody's days unlike those of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Monday to Friday.
    Office,
    /// Not on all weekdays; a bit per day, Monday first.
    PartTime(u8),
    /// From ten in the evening to six, five nights of seven.
    Night,
    /// Monday to Friday, and every other Saturday.
    Rota,
    /// Monday to Friday, and on call every third week.
    OnCall,
    /// Begins in the middle of the period.
    Joiner,
    /// Leaves within it.
    Leaver,
    /// Has no shifts: an account that nobody works with.
    Never,
    /// Visits another office.
    Traveller(&'static City),
}

/// Which of the two identity providers somebody signs in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Okta,
    Entra,
}

/// A computer or telephone.
#[derive(Debug)]
pub struct Device {
    /// Stable id.
    pub id: String,
    /// Host name.
    pub name: String,
    /// As Okta writes it.
    pub os: &'static str,
    /// As Entra writes it.
    pub os_version: &'static str,
    /// As Okta writes it.
    pub browser: &'static str,
    /// Whole user agent.
    pub user_agent: &'static str,
    /// Known to device management.
    pub is_managed: bool,
}

/// A human being.
#[derive(Debug)]
pub struct Person {
    /// Number from 0.
    pub index: u32,
    /// Given and family name.
    pub name: String,
    /// The account everywhere, lower case.
    pub email: String,
    /// Stable numbers for the vendors' ids.
    pub keys: [u64; 2],
    pub department: Department,
    pub home: &'static City,
    pub life: Life,
    pub provider: Provider,
    pub laptop: Device,
    pub phone: Device,
    pub habits: Habits,
    pub uses: Uses,
    /// First and last day of a holiday, days of the plan.
    pub holiday: Option<(u32, u32)>,
}

/// When somebody works.
#[derive(Debug)]
pub struct Habits {
    /// Usual start, minutes after local midnight.
    pub start_minute: f64,
    /// Standard deviation of the start.
    pub spread_minutes: f64,
    /// Usual length of the day with its break.
    pub length_minutes: f64,
    /// In the office on these weekdays; a bit per day, Monday first.
    pub office_days: u8,
    /// Probability of a second login after the break.
    pub login_again: f64,
    /// Probability of a look at the telephone before work.
    pub phone_first: f64,
}

/// Usual amounts of a working day.
#[derive(Debug, Default)]
pub struct Uses {
    /// Files taken from Microsoft 365.
    pub m365_files: f64,
    /// Files that a sync client takes.
    pub synced_files: f64,
    /// Copilot interactions.
    pub copilot: f64,
    /// Files taken from Google Drive.
    pub google_files: f64,
    /// Objects read from buckets by hand.
    pub aws_objects: f64,
    /// Calls through the company's gateway to language models.
    pub model_calls: f64,
    /// Tokens of one of them.
    pub tokens_per_call: f64,
    /// Visits to chat tools.
    pub chat_visits: f64,
    /// The chat tool visited most, and another.
    pub chat_tools: [usize; 2],
    /// Documents taken from the in-house application.
    pub casebook_files: f64,
}

impl Person {
    /// The person of a number.
    pub fn new(seed: u64, index: u32, days: u32) -> Person {
        let chance = &mut Chance::of(seed, "person", &[u64::from(index)]);
        let (name, email) = name(index, seed);
        let (department, home, provider) = post(index);
        let life = life(index, department, chance);
        let keys = [chance.number(), chance.number()];
        let laptop = laptop(&email, department, chance);
        let phone = phone(&email, chance);
        Person {
            index,
            name,
            email,
            keys,
            department,
            home,
            life,
            provider,
            laptop,
            phone,
            habits: habits(life, department, chance),
            uses: uses(index, department, life, chance),
            holiday: holiday(index, life, days, chance),
        }
    }

    /// The part of the address before the at sign.
    pub fn login(&self) -> &str {
        self.email.split('@').next().unwrap_or_default()
    }

    /// Id at Microsoft.
    pub fn uuid(&self) -> String {
        uuid(self.keys[0], self.keys[1])
    }

    /// Numeric id at Google.
    pub fn profile_id(&self) -> String {
        format!("1{:020}", self.keys[0])
    }
}

const FIRST: [&str; 47] = [
    "Ana", "Ben", "Carla", "David", "Elif", "Felix", "Greta", "Hannes", "Ines", "Jonas", "Karin",
    "Luca", "Mira", "Nils", "Olga", "Paul", "Qing", "Rosa", "Stefan", "Tara", "Umut", "Vera",
    "Willi", "Xenia", "Yusuf", "Zoe", "Anton", "Birgit", "Clara", "Deniz", "Emil", "Frida",
    "Gustav", "Helena", "Igor", "Julia", "Konrad", "Lena", "Marta", "Noah", "Oskar", "Pia",
    "Rafael", "Sofia", "Theo", "Ursula", "Viktor",
];
const LAST: [&str; 53] = [
    "Keller", "Becker", "Costa", "Dietrich", "Engel", "Fischer", "Gomes", "Hoffmann", "Iversen",
    "Jansen", "Krause", "Lorenz", "Marques", "Neumann", "Otto", "Pereira", "Quast", "Richter",
    "Sommer", "Thomas", "Ulrich", "Vogel", "Winter", "Yilmaz", "Zimmer", "Albrecht", "Brandt",
    "Christ", "Duarte", "Ebert", "Frank", "Graf", "Haas", "Ihle", "Jung", "Kaiser", "Lang",
    "Meyer", "Nowak", "Oliveira", "Pohl", "Reis", "Schulz", "Teixeira", "Unger", "Voss", "Weber",
    "Young", "Ziegler", "Arnold", "Busch", "Conrad", "Demir",
];

/// Both lists have prime lengths, so that the first 2,491 names differ.
fn name(index: u32, seed: u64) -> (String, String) {
    let number = (u64::from(index) + seed % 1_000) as usize;
    let (first, last) = (FIRST[number % FIRST.len()], LAST[number * 5 % LAST.len()]);
    let round = index as usize / (FIRST.len() * LAST.len());
    let suffix = if 0 < round {
        (round + 1).to_string()
    } else {
        String::new()
    };
    let email = format!(
        "{}.{}{suffix}@example.com",
        first.to_lowercase(),
        last.to_lowercase()
    );
    (format!("{first} {last}"), email)
}

/// Department, town and identity provider follow a pattern of twenty, so that every company of
/// twenty people has some of everything.
fn post(index: u32) -> (Department, &'static City, Provider) {
    use Department::*;
    use Provider::*;
    const POSTS: [(Department, &City, Provider); 20] = [
        (Engineering, &BERLIN, Okta),
        (Sales, &BERLIN, Okta),
        (Support, &BERLIN, Okta),
        (Engineering, &LISBON, Okta),
        (Finance, &BERLIN, Entra),
        (Infrastructure, &BERLIN, Okta),
        (Support, &BERLIN, Okta),
        (Sales, &BERLIN, Okta),
        (Engineering, &HAMBURG, Okta),
        (Marketing, &BERLIN, Entra),
        (People, &BERLIN, Okta),
        (Support, &BERLIN, Okta),
        (Sales, &BERLIN, Okta),
        (Engineering, &NEW_YORK, Okta),
        (Finance, &BERLIN, Okta),
        (Support, &MUNICH, Entra),
        (Engineering, &BERLIN, Okta),
        (Sales, &LISBON, Okta),
        (Marketing, &BERLIN, Okta),
        (Infrastructure, &HAMBURG, Okta),
    ];
    POSTS[index as usize % POSTS.len()]
}

fn life(index: u32, department: Department, chance: &mut Chance) -> Life {
    match index {
        1 => Life::Traveller(&LISBON),
        2 | 46 => Life::Night,
        5 => Life::OnCall,
        7 => Life::Traveller(&NEW_YORK),
        10 => Life::PartTime(0b0_1111),
        12 | 32 | 52 => Life::Leaver,
        18 => Life::Joiner,
        24 => Life::PartTime(0b0_0111),
        _ if department == Department::Support && index % 20 == 11 => Life::Rota,
        _ if chance.happens(0.04) => Life::PartTime(0b1_1011),
        _ => Life::Office,
    }
}

fn habits(life: Life, department: Department, chance: &mut Chance) -> Habits {
    let usual = match department {
        Department::Engineering => 555.0,
        Department::Support => 475.0,
        Department::Finance => 490.0,
        _ => 515.0,
    };
    let (start, length) = match life {
        Life::Night => (1_322.0, 480.0),
        Life::PartTime(_) => (usual + 15.0, 390.0),
        _ => (
            usual + 25.0 * chance.normal().clamp(-2.0, 2.0),
            510.0 + 15.0 * chance.normal(),
        ),
    };
    let mut office_days = 0;
    for day in 0..5 {
        office_days |= u8::from(chance.happens(0.55)) << day;
    }
    Habits {
        start_minute: start,
        spread_minutes: 5.0 + 9.0 * chance.unit(),
        length_minutes: length,
        office_days,
        login_again: 0.2 + 0.5 * chance.unit(),
        // A habit, or none at all.
        phone_first: if life == Life::Night || chance.happens(0.5) {
            0.0
        } else {
            0.25 + 0.25 * chance.unit()
        },
    }
}

fn uses(index: u32, department: Department, life: Life, chance: &mut Chance) -> Uses {
    use Department::*;
    // Nights are quiet.
    let calm = if life == Life::Night { 0.35 } else { 1.0 };
    let mut own = |usual: f64| {
        if usual == 0.0 {
            0.0
        } else {
            chance.log_normal(usual * calm, 0.3)
        }
    };
    let by_google = matches!(department, Engineering | Marketing);
    let m365 = match department {
        Finance => 15.0,
        Sales => 8.0,
        People => 7.0,
        Support | Infrastructure => 5.0,
        Engineering | Marketing => 0.0,
    };
    let casebook = match department {
        Support => 13.0,
        Sales => 7.0,
        _ => 0.0,
    };
    let by_gateway = department == Engineering || (department == Infrastructure && index % 2 == 1);
    let has_copilot = matches!(department, Finance | Sales | People) && index % 3 != 1;
    let mut uses = Uses {
        m365_files: own(m365),
        synced_files: own(if by_google || index.is_multiple_of(2) {
            0.0
        } else {
            6.0
        }),
        copilot: own(if has_copilot { 4.0 } else { 0.0 }),
        google_files: own(if by_google { 10.0 } else { 0.0 }),
        aws_objects: own(if department == Engineering && index.is_multiple_of(4) {
            7.0
        } else {
            0.0
        }),
        model_calls: own(if by_gateway { 22.0 } else { 0.0 }),
        tokens_per_call: own(3_500.0),
        chat_visits: own(if by_gateway { 3.0 } else { 8.0 }),
        chat_tools: [0; 2],
        casebook_files: own(casebook),
    };
    // The company has a favourite, most people share it.
    let favourite = [0, 0, 1, 1, 2, 3][chance.below(6) as usize];
    uses.chat_tools = [favourite, (favourite + 1 + chance.below(3) as usize) % 4];
    uses
}

fn holiday(index: u32, life: Life, days: u32, chance: &mut Chance) -> Option<(u32, u32)> {
    let can = matches!(life, Life::Office | Life::PartTime(_)) && 12 <= days;
    let goes = can && index % 9 == 4 && chance.happens(0.8);
    let from = chance.below(u64::from(days.max(9)) - 8) as u32;
    goes.then_some((from, from + 6))
}

fn laptop(email: &str, department: Department, chance: &mut Chance) -> Device {
    let by_mac = match department {
        Department::Engineering | Department::Marketing => chance.happens(0.8),
        _ => chance.happens(0.15),
    };
    let name = email
        .split('@')
        .next()
        .unwrap_or_default()
        .replace('.', "-");
    let (os, os_version, browser, user_agent) = if by_mac {
        (
            "Mac OS 15.3 (Sequoia)",
            "MacOs",
            "CHROME",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
        )
    } else {
        (
            "Windows 11",
            "Windows11",
            "EDGE",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36 Edg/145.0.0.0",
        )
    };
    Device {
        id: chance.uuid(),
        name: format!("{}-{name}", if by_mac { "mac" } else { "nb" }),
        os,
        os_version,
        browser,
        user_agent,
        is_managed: true,
    }
}

fn phone(email: &str, chance: &mut Chance) -> Device {
    let name = email
        .split('@')
        .next()
        .unwrap_or_default()
        .replace('.', "-");
    Device {
        id: chance.uuid(),
        name: format!("phone-{name}"),
        os: "iOS (iPhone)",
        os_version: "Ios 19.3",
        browser: "SAFARI",
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.3 Mobile/15E148 Safari/604.1",
        is_managed: true,
    }
}

/// A thief's computer.
pub fn strange_device(chance: &mut Chance) -> Device {
    Device {
        id: chance.uuid(),
        name: format!("desktop-{}", chance.hex(7)),
        os: "Linux",
        os_version: "Linux",
        browser: "FIREFOX",
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        is_managed: false,
    }
}
