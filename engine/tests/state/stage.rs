//! A company of which a state knows the past, and whose present comes over Kafka.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nightjar::clock::Partition;
use nightjar::generate::Company;
use nightjar::source::embedded::EmbeddedBroker;

use crate::common::{Done, Folder, company, done, nightjar, run, write_setup};

/// What the company logs here: few sources keep the fixture small.
pub const SOURCES: [&str; 3] = ["okta", "m365", "litellm"];
/// The days that the state knows.
const PAST_DAYS: u32 = 22;

/// A record of the present: source, arrival, JSON.
type Arriving = (String, i64, String);

pub struct Stage {
    folder: Folder,
    present: Vec<Arriving>,
    broker: OnceCell<EmbeddedBroker>,
}

impl Stage {
    /// From the generator; the state is made by [`Stage::train`].
    pub fn generated() -> Self {
        let (company, folder) = (company(), Folder::new());
        write_setup(&company, &folder);
        for source in SOURCES {
            let log = lines(&company, 0..PAST_DAYS, source);
            folder.write(&format!("past/{source}/log.ndjson"), log.concat());
            let log = lines(&company, PAST_DAYS..company.plan().days, source);
            folder.write(&format!("present/{source}/log.ndjson"), log.concat());
        }
        let mut present: Vec<Arriving> = (PAST_DAYS..company.plan().days)
            .flat_map(|day| company.day(day))
            .filter(|record| SOURCES.contains(&record.source))
            .map(|record| (record.source.to_owned(), record.arrival_ms, record.json))
            .collect();
        present.sort_by(|a, b| (a.1, &a.2).cmp(&(b.1, &b.2)));
        Stage {
            folder,
            present,
            broker: OnceCell::new(),
        }
    }

    /// From the files that [`Stage::bless`] wrote.
    pub fn stored(fixture: &Path) -> Self {
        let folder = Folder::new();
        for name in ["nightjar.toml", "directory.csv"] {
            folder.write(name, std::fs::read(fixture.join(name)).unwrap());
        }
        let unpacked = |name: &str| {
            let packed = std::fs::File::open(fixture.join(format!("{name}.zst"))).unwrap();
            zstd::decode_all(packed).unwrap()
        };
        for name in ["state.db", "alerts.db"] {
            folder.write(&format!("state/{name}"), unpacked(name));
        }
        let present = String::from_utf8(unpacked("present.tsv")).unwrap();
        let arriving = |line: &str| {
            let mut parts = line.splitn(3, '\t').map(str::to_owned);
            let mut next = || parts.next().unwrap();
            (next(), next().parse().unwrap(), next())
        };
        Stage {
            folder,
            present: present.lines().map(arriving).collect(),
            broker: OnceCell::new(),
        }
    }

    /// Writes the fixture: the state, what comes after it, and the digest of all in one backtest.
    pub fn bless(&self, fixture: &Path) {
        self.train();
        let (state, compact) = (self.state(), self.at("compact"));
        run(["state", "backup", &state, &compact]).ended(0);
        std::fs::create_dir_all(fixture).unwrap();
        let pack = |name: &str, bytes: &[u8]| {
            let packed = zstd::encode_all(bytes, 19).unwrap();
            std::fs::write(fixture.join(format!("{name}.zst")), packed).unwrap();
        };
        for name in ["state.db", "alerts.db"] {
            pack(
                name,
                &std::fs::read(Path::new(&compact).join(name)).unwrap(),
            );
        }
        let mut present = String::new();
        for (source, arrival_ms, json) in &self.present {
            writeln!(present, "{source}\t{arrival_ms}\t{json}").unwrap();
        }
        pack("present.tsv", present.as_bytes());
        for name in ["nightjar.toml", "directory.csv"] {
            std::fs::copy(self.at(name), fixture.join(name)).unwrap();
        }
        let digest = self.backtest_all() + "\n";
        std::fs::write(fixture.join("digest"), digest).unwrap();
    }

    /// A path below the stage's folder.
    pub fn at(&self, below: &str) -> String {
        self.folder.at(below)
    }

    /// The state folder.
    pub fn state(&self) -> String {
        self.at("state")
    }

    /// Makes the state that knows the past.
    pub fn train(&self) {
        self.backtest(&["past", "--save-state", "state", "--quiet"]);
    }

    /// The digest of past and present in one backtest.
    pub fn backtest_all(&self) -> String {
        self.backtest(&["past", "present", "--quiet"]).digest()
    }

    fn backtest(&self, args: &[&str]) -> Done {
        let mut command = nightjar([&["backtest", "-c", "nightjar.toml"], args].concat());
        // Relative, so that no path of this machine is in the evidence.
        command.current_dir(self.folder.path());
        done(command).ended(0)
    }

    /// A broker without records.
    pub fn start_broker(&self) -> &EmbeddedBroker {
        let topics = SOURCES.map(|source| (source, 1));
        self.broker
            .get_or_init(|| EmbeddedBroker::start(&topics).unwrap())
    }

    /// What comes after the state.
    pub fn produce(&self) {
        let broker = self.start_broker();
        for (source, arrival_ms, json) in &self.present {
            let partition = Partition {
                topic: source.clone(),
                number: 0,
            };
            broker
                .produce(&partition, *arrival_ms, Some(json.as_bytes()))
                .unwrap();
        }
        broker.flush(Duration::from_secs(20)).unwrap();
    }

    /// `run` on a state folder, with checkpoints in quick succession.
    pub fn run_command(&self, state: &str) -> Command {
        let broker = self.start_broker().bootstrap_servers();
        let mut command = nightjar(["run", "-c", &self.at("nightjar.toml")]);
        command
            .env("NIGHTJAR__KAFKA__BROKERS", format!("[{broker:?}]"))
            .env("NIGHTJAR__KAFKA__TOPICS", format!("{SOURCES:?}"))
            .env("NIGHTJAR__STATE__DIR", state)
            .env("NIGHTJAR__STATE__CHECKPOINT_EVERY", "50ms")
            .env("NIGHTJAR__ADMISSION__IDLE_AFTER", "never")
            .env("NIGHTJAR__GRPC__LISTEN", "127.0.0.1:0");
        command
    }

    /// `run --once` on a state folder, over all that comes after the state.
    pub fn run_once(&self, state: &str) -> Done {
        if self.broker.get().is_none() {
            self.produce();
        }
        let mut command = self.run_command(state);
        command.arg("--once");
        done(command).ended(0)
    }
}

fn lines(company: &Company, days: std::ops::Range<u32>, source: &str) -> Vec<String> {
    days.flat_map(|day| company.day(day))
        .filter(|record| record.source == source)
        .map(|record| record.json + "\n")
        .collect()
}

/// The command with mounts of its own, which are gone with it; `None` where the machine forbids them.
pub fn alone(set_up: &str, command: &Command) -> Option<Command> {
    let can_mount = Command::new("unshare")
        .args(["-m", "sh", "-c", "mount -t tmpfs none /tmp"])
        .output()
        .is_ok_and(|tried| tried.status.success());
    if !can_mount {
        eprintln!("skipped: this machine allows no mounts of one's own");
        return None;
    }
    let mut alone = Command::new("unshare");
    alone
        .args(["-m", "sh", "-c", &format!("{set_up} && exec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    Some(alone)
}
