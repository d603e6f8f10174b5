//! From the configuration to what detection depends on: allowed lateness and the fingerprint.
//!
//! Invariant: nothing here depends on where events come from, where state lies, or who listens. So one
//! configuration judges the same live and in a backtest.

use std::collections::{BTreeMap, BTreeSet};

use nightjar_detectors::catalog::{CATALOG, Entry};
use nightjar_detectors::directory::Directory;
use nightjar_detectors::policy::Policy;
use nightjar_detectors::settings::Settings;

use super::problem::{ConfigErrors, Problem, nearest};
use super::{Config, ExceptionRule, Source, ToolRule};
use crate::decode::ClassInfo;
use crate::logins;

/// Version of the detectors; a release may change what they say.
const CATALOG_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Contents of the files that detection depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hashes {
    /// The directory file.
    pub directory: Option<blake3::Hash>,
    /// The city database.
    pub city: Option<blake3::Hash>,
    /// The database of autonomous systems.
    pub asn: Option<blake3::Hash>,
    /// The database of anonymous addresses.
    pub anonymous: Option<blake3::Hash>,
    /// The shipped catalog of AI tools.
    pub tools: Option<blake3::Hash>,
}

/// Allowed lateness of every class, by source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lateness {
    sources: BTreeMap<String, Vec<i64>>,
    unlisted: Vec<i64>,
}

impl Lateness {
    /// Milliseconds by class, in the order of the classes that the settings were made with.
    pub fn for_source(&self, source: &str) -> &[i64] {
        self.sources.get(source).unwrap_or(&self.unlisted)
    }
}

/// What detection depends on, and the allowed lateness that admission goes by.
///
/// A detector's lateness is the largest of the classes that configured sources can give it; with no
/// sources configured, of all classes. A source that is not configured, beside others that are, may be
/// as late as its class and the detectors that read it allow: what is admitted must never belong to a day
/// that was sealed without it.
///
/// # Errors
/// When a source names a format or class that does not exist.
pub fn settings(
    config: &Config,
    classes: &[ClassInfo],
    directory: Directory,
    hashes: &Hashes,
) -> Result<(Settings, Lateness), ConfigErrors> {
    let mut problems = unknown_names(config, classes);
    problems.extend(logins::problems(config, classes));
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    let row = |source: &Source| {
        classes
            .iter()
            .map(|class| allowed_ms(source, class))
            .collect()
    };
    let sources: BTreeMap<String, Vec<i64>> = config
        .sources
        .iter()
        .map(|(name, source)| (name.clone(), row(source)))
        .collect();
    let by_detector: BTreeMap<&'static str, i64> = CATALOG
        .iter()
        .map(|entry| (entry.name, detector_ms(entry, config, classes, &sources)))
        .collect();
    let unlisted = classes
        .iter()
        .map(|class| unlisted_ms(class, &by_detector))
        .collect();
    let lateness = Lateness { sources, unlisted };
    let fingerprint = fingerprint(config, classes, &lateness, hashes);
    let settings = Settings {
        tenant: config.tenant.clone(),
        zone: config.zone,
        budget_per_day: config.detection.budget_per_day,
        lateness_ms: by_detector,
        detectors: config.detectors.clone(),
        policy: policy(config, &directory),
        directory,
        fingerprint,
    };
    Ok((settings, lateness))
}

/// What the company has decided, by the names that detection uses.
fn policy(config: &Config, directory: &Directory) -> Policy {
    let status = |rule: &ToolRule| (rule.name.to_lowercase(), rule.status);
    let by_canonical_name = |known: &ExceptionRule| {
        let mut rule = known.rule.clone();
        let canonical = |name: String| directory.canonical(&name).to_owned();
        rule.entity = rule.entity.map(canonical);
        rule
    };
    Policy {
        tools: config.tools.iter().map(status).collect(),
        exceptions: config.exceptions.iter().map(by_canonical_name).collect(),
        ..config.policy.clone()
    }
}

/// Whether a source can give records of a class.
fn gives(source: &Source, class: &ClassInfo) -> bool {
    source
        .format
        .as_deref()
        .is_none_or(|format| format == class.format)
}

/// Whether `name`, a key of `allowed_lateness`, means this class.
fn names(name: &str, class: &ClassInfo) -> bool {
    name == class.name || class.class.as_deref().unwrap_or("default") == name
}

fn allowed_ms(source: &Source, class: &ClassInfo) -> i64 {
    let short = class.class.as_deref().unwrap_or("default");
    let set = source.allowed_lateness.get(&class.name);
    set.or_else(|| source.allowed_lateness.get(short))
        .copied()
        .unwrap_or(class.default_lateness_ms)
}

fn reads(entry: &Entry, class: &ClassInfo) -> bool {
    class
        .activities
        .iter()
        .any(|activity| entry.activities.contains(activity))
}

fn detector_ms(
    entry: &Entry,
    config: &Config,
    classes: &[ClassInfo],
    sources: &BTreeMap<String, Vec<i64>>,
) -> i64 {
    let read = |(_, class): &(usize, &ClassInfo)| reads(entry, class);
    let mut configured = Vec::new();
    for (name, source) in &config.sources {
        let given = classes.iter().enumerate().filter(read);
        let given = given.filter(|(_, class)| gives(source, class));
        configured.extend(given.map(|(index, _)| sources[name][index]));
    }
    // Whatever reaches a detector that no configured source feeds comes from sources unlisted.
    let all = || {
        classes
            .iter()
            .filter(|class| reads(entry, class))
            .map(|class| class.default_lateness_ms)
            .max()
    };
    configured.into_iter().max().or_else(all).unwrap_or(0)
}

fn unlisted_ms(class: &ClassInfo, by_detector: &BTreeMap<&'static str, i64>) -> i64 {
    let readers = CATALOG.iter().filter(|entry| reads(entry, class));
    readers
        .map(|entry| by_detector[entry.name])
        .fold(class.default_lateness_ms, i64::min)
}

fn unknown_names(config: &Config, classes: &[ClassInfo]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, source) in &config.sources {
        let path = format!("sources.{name}");
        let given: Vec<_> = classes
            .iter()
            .filter(|class| gives(source, class))
            .collect();
        if let (Some(format), true) = (&source.format, given.is_empty()) {
            let formats: BTreeSet<&str> =
                classes.iter().map(|class| class.format.as_str()).collect();
            let what = format!("unknown format `{format}`");
            let advice = nearest(format, formats.into_iter().chain(["auto"]));
            problems.push(Problem::new(
                config.place(&format!("{path}.format")),
                what,
                advice,
            ));
            continue;
        }
        for written in source.allowed_lateness.keys() {
            if given.iter().any(|class| names(written, class)) {
                continue;
            }
            let known: BTreeSet<&str> = given
                .iter()
                .map(|class| class.class.as_deref().unwrap_or("default"))
                .collect();
            let place = config.place(&format!("{path}.allowed_lateness.{written}"));
            let what = format!("unknown class `{written}` in `{path}.allowed_lateness`");
            problems.push(Problem::new(place, what, nearest(written, known)));
        }
    }
    problems
}

/// Hashes fields so that no two lists of fields run together the same way.
struct Fields(blake3::Hasher);

impl Fields {
    fn add(&mut self, field: impl AsRef<[u8]>) {
        let bytes = field.as_ref();
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }
}

fn fingerprint(
    config: &Config,
    classes: &[ClassInfo],
    lateness: &Lateness,
    hashes: &Hashes,
) -> String {
    let mut fields = Fields(blake3::Hasher::new());
    fields.add(CATALOG_VERSION);
    fields.add(&config.tenant);
    fields.add(config.zone.name());
    fields.add(config.detection.budget_per_day.to_bits().to_le_bytes());
    fields.add([u8::from(config.detection.show_objects)]);
    add_detectors(&mut fields, config);
    add_rules(&mut fields, config);
    for field in super::policy::fields(&config.policy) {
        fields.add(field);
    }
    for field in super::exceptions::fields(&config.exceptions) {
        fields.add(field);
    }
    add_lateness(&mut fields, config, classes, lateness);
    for hash in [hashes.directory, hashes.city, hashes.asn, hashes.tools] {
        fields.add(
            hash.map(|hash| *hash.as_bytes())
                .as_ref()
                .map_or(&[][..], |bytes| bytes),
        );
    }
    for (provider, authority) in logins::departures(config) {
        fields.add("logins");
        fields.add(provider);
        fields.add(authority);
    }
    // Whoever has none is as before there could be one.
    if let Some(hash) = hashes.anonymous {
        fields.add("anonymous");
        fields.add(hash.as_bytes());
    }
    fields.0.finalize().to_hex()[..16].to_owned()
}

/// Parameters as they are in force, so that writing a default down changes nothing.
fn add_detectors(fields: &mut Fields, config: &Config) {
    for entry in CATALOG {
        let own = config.detectors.get(entry.name);
        if own.and_then(|own| own.enabled) == Some(false) {
            continue;
        }
        fields.add(entry.name);
        for param in entry.params {
            let value = own
                .and_then(|own| own.params.get(param.name))
                .unwrap_or(&param.default);
            fields.add(param.name);
            fields.add(value.to_bits().to_le_bytes());
        }
    }
}

fn add_rules(fields: &mut Fields, config: &Config) {
    let networks: BTreeSet<_> = config
        .networks
        .iter()
        .map(|rule| {
            (
                rule.cidr.to_string(),
                rule.class.as_str(),
                rule.name.as_str(),
            )
        })
        .collect();
    for (cidr, class, name) in networks {
        fields.add("network");
        fields.add(cidr);
        fields.add(class);
        fields.add(name);
    }
    // In their order, which decides between two tools with one domain.
    for tool in &config.tools {
        fields.add("tool");
        fields.add(&tool.name);
        fields.add(tool.status.as_str());
        fields.add(tool.since.map_or(String::new(), |day| day.to_string()));
        fields.add((tool.domains.len() as u64).to_le_bytes());
        for domain in &tool.domains {
            fields.add(domain);
        }
    }
}

fn add_lateness(fields: &mut Fields, config: &Config, classes: &[ClassInfo], lateness: &Lateness) {
    let main = |class: &ClassInfo, row: &[i64]| {
        let index = classes.iter().position(|main| main.name == class.format);
        index.map(|index| row[index])
    };
    let mut add = |source: &str, class: &ClassInfo, millis: i64, row: &[i64]| {
        // As late as the main class of its format: it says nothing of its own.
        if class.class.is_some() && main(class, row) == Some(millis) {
            return;
        }
        fields.add("lateness");
        fields.add(source);
        fields.add(&class.name);
        fields.add(millis.to_le_bytes());
    };
    for (class, millis) in classes.iter().zip(&lateness.unlisted) {
        add("", class, *millis, &lateness.unlisted);
    }
    for (name, source) in &config.sources {
        for (class, millis) in classes.iter().zip(lateness.for_source(name)) {
            if gives(source, class) {
                add(name, class, *millis, lateness.for_source(name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nightjar_detectors::event::Activity;

    use super::*;

    fn classes() -> Vec<ClassInfo> {
        let login: &[Activity] = &[Activity::Login, Activity::RoleGrant];
        let office: &[Activity] = &[Activity::Login, Activity::Download];
        let table = [
            ("okta", None, 1, login),
            ("m365_audit", None, 24, office),
            ("m365_audit", Some("copilot"), 72, &[Activity::AiUse]),
            ("litellm", None, 2, &[Activity::AiUse]),
        ];
        let class =
            |(format, class, default_lateness_ms, activities): (&str, Option<&str>, _, &[_])| {
                ClassInfo {
                    name: class.map_or(format.to_owned(), |class| format!("{format}.{class}")),
                    format: format.to_owned(),
                    class: class.map(str::to_owned),
                    default_lateness_ms,
                    activities: activities.to_vec(),
                }
            };
        table.into_iter().map(class).collect()
    }

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nightjar.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), std::iter::empty()).unwrap()
    }

    fn made(text: &str) -> (Settings, Lateness) {
        settings(
            &config(text),
            &classes(),
            Directory::default(),
            &Hashes::default(),
        )
        .unwrap()
    }

    fn errors(text: &str) -> String {
        let config = config(text);
        let result = settings(
            &config,
            &classes(),
            Directory::default(),
            &Hashes::default(),
        );
        result.unwrap_err().to_string()
    }

    #[test]
    fn without_sources_every_class_counts() {
        let (settings, lateness) = made("");
        assert_eq!(settings.lateness_ms["mass_download"], 24);
        assert_eq!(settings.lateness_ms["ai_usage_spike"], 72);
        assert_eq!(settings.lateness_ms["off_hours_login"], 72);
        assert_eq!(lateness.for_source("anything"), [1, 24, 72, 2]);
    }

    /// Only what is configured for a detector holds it up, and nothing unlisted is admitted later.
    #[test]
    fn a_detector_waits_for_its_configured_classes() {
        let (settings, lateness) = made("[sources.logins]\nformat = \"okta\"");
        assert_eq!(settings.lateness_ms["impossible_travel"], 1);
        assert_eq!(settings.lateness_ms["off_hours_login"], 1);
        assert_eq!(settings.lateness_ms["mass_download"], 24);
        assert_eq!(lateness.for_source("logins")[0], 1);
        assert_eq!(lateness.for_source("other"), [1, 1, 1, 1]);
    }

    #[test]
    fn a_source_sets_the_lateness_of_its_classes() {
        let (settings, lateness) = made(
            "[sources.m365]\nformat = \"m365_audit\"\nallowed_lateness = { default = \"10ms\", copilot = \"90ms\" }
             [sources.mixed]\nallowed_lateness = \"7ms\"
             [sources.named.allowed_lateness]\n\"m365_audit.copilot\" = \"5ms\"\nlitellm = \"6ms\"",
        );
        assert_eq!(lateness.for_source("m365")[1..3], [10, 90]);
        assert_eq!(lateness.for_source("mixed"), [7, 7, 72, 7]);
        assert_eq!(lateness.for_source("named"), [1, 24, 5, 6]);
        assert_eq!(settings.lateness_ms["ai_usage_spike"], 90);
        assert_eq!(settings.lateness_ms["mass_download"], 24);
    }

    #[test]
    fn unknown_formats_and_classes_are_refused() {
        let text = errors("[sources.a]\nformat = \"okat\"");
        assert!(
            text.ends_with("nightjar.toml:2: unknown format `okat`; did you mean `okta`?"),
            "{text}"
        );
        let text = errors(
            "[sources.a]\nformat = \"m365_audit\"\n[sources.a.allowed_lateness]\ncoplot = \"3d\"",
        );
        assert!(
            text.contains("nightjar.toml:4: unknown class `coplot`"),
            "{text}"
        );
        assert!(text.ends_with("did you mean `copilot`?"), "{text}");
    }

    /// The same judgement has the same fingerprint, wherever and however it is delivered.
    #[test]
    fn the_fingerprint_names_the_judgement() {
        let print = |text: &str| made(text).0.fingerprint;
        let plain = print("");
        assert_eq!(plain.len(), 16);
        for same in [
            "[kafka]\nbrokers = [\"b:1\"]\ntopics = [\"x\"]",
            "[state]\ndir = \"/elsewhere\"\ncheckpoint_every = \"1s\"",
            "[grpc]\nlisten = \"127.0.0.1:1\"",
            "[admission]\nidle_after = \"never\"\nfuture_limit = \"1h\"",
            "[detectors.mass_download]\nenabled = true\nmin_objects = 20",
            "[logins]\nokta = \"all\"",
            "zone = \"utc\"\ntenant = \"default\"",
        ] {
            assert_eq!(print(same), plain, "{same}");
        }
        let mut others = BTreeSet::from([plain]);
        for other in [
            "tenant = \"acme\"",
            "zone = \"Europe/Berlin\"",
            "[detection]\nbudget_per_day = 6",
            "[detection]\nshow_objects = true",
            "[detectors.mass_download]\nenabled = false",
            "[detectors.mass_download]\nmin_objects = 26",
            "[[networks]]\ncidr = \"203.0.113.0/24\"",
            "[[networks]]\ncidr = \"203.0.113.0/24\"\nclass = \"vpn\"",
            "[[tools]]\nname = \"x\"",
            "[sources.okta]\nallowed_lateness = \"2h\"",
            "[logins]\nentra = \"okta\"",
        ] {
            assert!(others.insert(print(other)), "{other}");
        }
        let hashes = Hashes {
            directory: Some(blake3::hash(b"x")),
            ..Hashes::default()
        };
        let (settings, _) =
            settings(&config(""), &classes(), Directory::default(), &hashes).unwrap();
        assert!(others.insert(settings.fingerprint));
    }
}
