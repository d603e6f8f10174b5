//! The configuration: one TOML file, overridden by the environment, with a default for every key.
//!
//! Invariant: a [`Config`] is valid as far as it can be told without opening anything but itself and
//! the files of its secrets; all that is wrong is reported at once, each with its place and what to do.

mod cidr;
mod doors;
mod exceptions;
mod kafka;
mod policy;
mod problem;
mod read;
mod schema;
mod secret;
mod section;
mod settings;
mod tree;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;
use nightjar_detectors::event::Network;
use nightjar_detectors::policy::Policy;
pub use nightjar_detectors::policy::ToolStatus;
use nightjar_detectors::settings::DetectorSettings;

pub use cidr::{Cidr, number_of};
pub use doors::{Files, Hec, Token};
pub use exceptions::{ExceptionRule, exceptions_of, warnings};
pub use problem::{ConfigErrors, Place, Problem, nearest};
pub use read::{find_zone, zone_advice};
pub use schema::schema;
pub use settings::{Hashes, Lateness, settings};
pub use units::{day, duration_ms, size_bytes};

const DAY_MS: i64 = 86_400_000;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// The company; part of every id.
    pub tenant: String,
    /// The zone whose midnights bound the days.
    pub zone: Tz,
    /// Files of the user's own formats.
    pub formats: Vec<PathBuf>,
    /// Where events come from.
    pub kafka: Kafka,
    /// Files that grow.
    pub files: Files,
    /// The HTTP door.
    pub hec: Hec,
    /// By topic, or by the folder that a file lies in.
    pub sources: BTreeMap<String, Source>,
    /// What is kept.
    pub state: State,
    /// For how long.
    pub retention: Retention,
    /// The alert service.
    pub grpc: Grpc,
    /// Metrics and health for monitoring.
    pub http: Http,
    /// The directory file.
    pub directory: Option<PathBuf>,
    /// The geo databases.
    pub geo: Geo,
    /// Which class of records counts for an identity provider's logins, or `all`, by provider.
    pub logins: BTreeMap<&'static str, String>,
    /// Which events come in time.
    pub admission: Admission,
    /// What all detectors share.
    pub detection: Detection,
    /// By detector name.
    pub detectors: BTreeMap<String, DetectorSettings>,
    /// Networks of known class.
    pub networks: Vec<NetworkRule>,
    /// The company's own AI tools, and what it decided about known ones.
    pub tools: Vec<ToolRule>,
    /// What is expected for a while.
    pub exceptions: Vec<ExceptionRule>,
    /// `[policy]` over what is shipped, without tools and exceptions.
    pub policy: Policy,
    /// Where each setting was read, by its dotted path.
    pub(crate) places: BTreeMap<String, Place>,
}

/// `[kafka]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Kafka {
    /// Bootstrap brokers, `host:port`.
    pub brokers: Vec<String>,
    /// What to read.
    pub topics: Topics,
    /// librdkafka settings, secrets resolved.
    pub options: BTreeMap<String, String>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any option may be a secret: names only.
        out.debug_struct("Kafka")
            .field("brokers", &self.brokers)
            .field("topics", &self.topics)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// The topics to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topics {
    /// By name.
    List(Vec<String>),
    /// All that match a regular expression, which begins with `^`.
    Pattern(String),
}

/// `[sources.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `None`: recognised record by record.
    pub format: Option<String>,
    /// Milliseconds by class; `default` is the format's main class.
    pub allowed_lateness: BTreeMap<String, i64>,
    /// Silence after which it is missed.
    pub silent_after: Patience,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Patience {
    /// As long as usual.
    #[default]
    Default,
    /// So long.
    Millis(i64),
    /// For ever.
    Endless,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its folder.
    pub dir: PathBuf,
    /// `None`: 10 s live, 60 s while catching up.
    pub checkpoint_every: Option<Duration>,
}

/// `[retention]`: how long things are kept, ms; `None` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Alerts.
    pub alerts_ms: Option<i64>,
    /// The audit trail.
    pub audit_ms: Option<i64>,
    /// The late ledger, and alerts that no one was ever shown.
    pub ledgers_ms: Option<i64>,
    /// Entries of the quarantine; their counts stay.
    pub quarantine_ms: Option<i64>,
}

/// `[grpc]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grpc {
    /// A loopback address.
    pub listen: SocketAddr,
}

/// `[http]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Http {
    /// A loopback address; `None`: there is no such service.
    pub listen: Option<SocketAddr>,
}

/// `[geo]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Geo {
    /// City database.
    pub city: Option<PathBuf>,
    /// Database of autonomous systems.
    pub asn: Option<PathBuf>,
    /// Database of anonymous addresses: VPNs, proxies, hosting, Tor.
    pub anonymous: Option<PathBuf>,
}

/// `[admission]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Silence after which a partition holds up nobody; `None` is never.
    pub idle_after_ms: Option<i64>,
    /// How far ahead of its arrival an event may be.
    pub future_limit_ms: i64,
}

/// `[detection]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Incidents a day that the team will read.
    pub budget_per_day: f64,
    /// Names of files and documents are shown instead of keyed hashes.
    pub show_objects: bool,
}

/// One of `[[networks]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRule {
    /// Canonical: the address is the first of the network.
    pub cidr: Cidr,
    /// For people.
    pub name: String,
    /// What it is.
    pub class: Network,
}

/// One of `[[tools]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRule {
    /// As it is called in alerts.
    pub name: String,
    /// Lower case; subdomains count too.
    pub domains: Vec<String>,
    /// What the company decided.
    pub status: ToolStatus,
    /// First day of that status, days since 1970-01-01.
    pub since: Option<i32>,
}

impl Config {
    /// Reads a file, if one is given, and lays the environment over it.
    ///
    /// # Errors
    /// With everything that is wrong, each with its place.
    pub fn load(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let (config, problems) = Config::examine(file, env);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigErrors(problems))
        }
    }

    /// Like [`Config::load`], but gives what could be understood beside what is wrong, for those who
    /// want to check the rest too.
    pub fn examine(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
    ) -> (Config, Vec<Problem>) {
        read::examine(file, &env.collect())
    }

    /// What holds without a file.
    pub fn defaults() -> Config {
        Config {
            tenant: "default".to_owned(),
            zone: Tz::UTC,
            formats: Vec::new(),
            kafka: Kafka {
                brokers: vec!["127.0.0.1:9092".to_owned()],
                topics: Topics::List(Vec::new()),
                options: BTreeMap::new(),
            },
            files: Files::default(),
            hec: Hec::default(),
            sources: BTreeMap::new(),
            state: State {
                dir: PathBuf::from("nightjar-state"),
                checkpoint_every: None,
            },
            retention: Retention {
                alerts_ms: Some(400 * DAY_MS),
                audit_ms: Some(400 * DAY_MS),
                ledgers_ms: Some(90 * DAY_MS),
                quarantine_ms: Some(30 * DAY_MS),
            },
            grpc: Grpc {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7461)),
            },
            http: Http::default(),
            directory: None,
            geo: Geo::default(),
            logins: BTreeMap::new(),
            admission: Admission {
                idle_after_ms: Some(300_000),
                future_limit_ms: 300_000,
            },
            detection: Detection {
                budget_per_day: 5.0,
                show_objects: false,
            },
            detectors: BTreeMap::new(),
            networks: Vec::new(),
            tools: Vec::new(),
            exceptions: Vec::new(),
            policy: policy::shipped(),
            places: BTreeMap::new(),
        }
    }

    /// Where a setting was read, by its dotted path.
    pub fn place(&self, path: &str) -> Place {
        self.places
            .get(path)
            .cloned()
            .unwrap_or(Place::Configuration)
    }
}

/// The environment of this process; names and values that are not UTF-8 cannot be settings.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

#[cfg(test)]
mod tests;
