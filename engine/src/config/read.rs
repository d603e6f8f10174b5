//! The tree into the configuration, section by section.
//!
//! Invariant: a wrong value leaves the default in place and a problem behind, so that the rest is
//! still checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::{TZ_VARIANTS, Tz};
use nightjar_detectors::catalog::{CATALOG, Entry, Param};
use nightjar_detectors::event::Network;
use nightjar_detectors::settings::DetectorSettings;

use super::policy;
use super::problem::{Place, Problem, nearest};
use super::section::{Notes, Reading, Section, Wrong, boolean, date, duration, number, text};
use super::tree::{self, Node, Table, Value};
use super::{
    Cidr, Config, NetworkRule, Patience, Source, ToolRule, ToolStatus, doors, exceptions, kafka,
    units,
};
use crate::logins::PROVIDERS;

const TENANT_CHARS_MAX: usize = 100;
const BUDGET_MAX: f64 = 10_000.0;
const CHECKPOINT_LEAST_MS: i64 = 10;
const CHECKPOINT_MOST_MS: i64 = 3_600_000;
const RETENTION_LEAST_MS: i64 = 86_400_000;

/// What reading needs besides the tree.
pub struct Context<'c> {
    /// The file's folder.
    folder: PathBuf,
    /// The environment, by name.
    pub environment: &'c BTreeMap<String, String>,
}

impl Context<'_> {
    /// A path as the file means it: relative to its folder. A variable's is relative to where the
    /// process runs, as everything else that a shell says.
    pub fn resolve(&self, path: &Path, place: &Place) -> PathBuf {
        match place {
            Place::Variable(_) => path.to_owned(),
            _ => self.folder.join(path),
        }
    }

    /// A path in a value.
    pub fn path(&self, node: &Node) -> Reading<PathBuf> {
        Ok(self.resolve(Path::new(&text(node)?), &node.place))
    }
}

/// Reads the file and the environment.
pub fn examine(
    file: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> (Config, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut tree = match file.map(|file| (file, read_file(file, NO_FILE))) {
        Some((file, Ok(text))) => tree::parse(file, &text, &mut problems),
        Some((_, Err(problem))) => return (Config::defaults(), vec![problem]),
        None => Table::new(),
    };
    tree::override_with(&mut tree, environment, &mut problems);
    let folder = file
        .and_then(Path::parent)
        .unwrap_or(Path::new(""))
        .to_owned();
    let context = Context {
        folder,
        environment,
    };
    let notes = Notes::default();
    let mut config = Config::defaults();
    config.state.dir = context.folder.join(&config.state.dir);
    read(&tree, &context, &notes, &mut config);
    config.places = notes.places.into_inner();
    // A line that is no TOML was read as far as it went; what follows from that helps nobody.
    let broken: Vec<Place> = problems
        .iter()
        .map(|problem| problem.place.clone())
        .collect();
    let found = notes.problems.into_inner();
    problems.extend(
        found
            .into_iter()
            .filter(|problem| !broken.contains(&problem.place)),
    );
    problems.sort_by_key(|problem| match &problem.place {
        Place::Line(_, line) => *line,
        _ => usize::MAX,
    });
    (config, problems)
}

const NO_FILE: &str = "name an existing file with -c, or leave -c out for the defaults";

/// The text of a configuration file; `advice` for when there is none.
pub(super) fn read_file(file: &Path, advice: &str) -> Result<String, Problem> {
    let at = Place::File(file.to_owned());
    match std::fs::read(file).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => Err(Problem::new(at, "not UTF-8 text", "save it as UTF-8")),
        Err(error) => {
            let what = format!("cannot be read: {error}");
            Err(Problem::new(at, what, advice))
        }
    }
}

fn read(tree: &Table, context: &Context<'_>, notes: &Notes, config: &mut Config) {
    let mut root = Section::root(tree, notes);
    set(&mut config.tenant, root.read("tenant", tenant));
    set(&mut config.zone, root.read("zone", zone));
    set(
        &mut config.formats,
        root.read_list("formats", |node| context.path(node)),
    );
    kafka::read(root.section("kafka"), context, &mut config.kafka);
    config.files = doors::read_files(root.section("files"), context);
    config.hec = doors::read_hec(root.section("hec"), context);
    config.sources = sources(&root.section("sources"));
    read_state(root.section("state"), context, config);
    read_retention(root.section("retention"), config);
    let mut grpc = root.section("grpc");
    set(&mut config.grpc.listen, grpc.read("listen", loopback));
    grpc.finish();
    let mut http = root.section("http");
    config.http.listen = http.read("listen", loopback);
    http.finish();
    let mut directory = root.section("directory");
    config.directory = directory.read("file", |node| context.path(node));
    directory.finish();
    let mut geo = root.section("geo");
    config.geo.city = geo.read("city", |node| context.path(node));
    config.geo.asn = geo.read("asn", |node| context.path(node));
    config.geo.anonymous = geo.read("anonymous", |node| context.path(node));
    geo.finish();
    read_logins(root.section("logins"), config);
    read_admission(root.section("admission"), config);
    let mut detection = root.section("detection");
    let budget = |node| number(node, 0.01, BUDGET_MAX);
    set(
        &mut config.detection.budget_per_day,
        detection.read("budget_per_day", budget),
    );
    set(
        &mut config.detection.show_objects,
        detection.read("show_objects", boolean),
    );
    detection.finish();
    config.detectors = detectors(&root.section("detectors"));
    config.networks = networks(root.tables("networks"));
    config.tools = tools(root.tables("tools"));
    config.exceptions = exceptions::read(root.tables("exceptions"), &config.networks);
    policy::read(root.section("policy"), &mut config.policy);
    root.finish();
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}

fn tenant(node: &Node) -> Reading<String> {
    let name = text(node)?;
    if TENANT_CHARS_MAX < name.chars().count() || name.chars().any(char::is_control) {
        return Err(Wrong(
            "is not a name".into(),
            format!("choose up to {TENANT_CHARS_MAX} characters on one line"),
        ));
    }
    Ok(name)
}

fn zone(node: &Node) -> Reading<Tz> {
    let name = text(node)?;
    find_zone(&name)
        .ok_or_else(|| Wrong(format!("`{name}` is not a time zone"), zone_advice(&name)))
}

/// A zone by its name, in any case.
pub fn find_zone(name: &str) -> Option<Tz> {
    let any_case = || {
        TZ_VARIANTS
            .iter()
            .find(|zone| zone.name().eq_ignore_ascii_case(name))
    };
    name.parse().ok().or_else(|| any_case().copied())
}

/// The nearest zone; with nothing near, an example, since there are 600.
pub fn zone_advice(name: &str) -> String {
    let advice = nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
    if advice.starts_with("did") {
        advice
    } else {
        r#"write for instance "Europe/Berlin""#.into()
    }
}

/// An address with a port.
pub fn address(node: &Node) -> Reading<SocketAddr> {
    let written = text(node)?;
    let numeric = match written.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => written.clone(),
    };
    numeric.parse().map_err(|_| {
        Wrong(
            format!("`{written}` is not an address with a port"),
            r#"write for instance "127.0.0.1:7461""#.into(),
        )
    })
}

fn loopback(node: &Node) -> Reading<SocketAddr> {
    let address = address(node)?;
    if !address.ip().is_loopback() {
        return Err(Wrong(
            format!(
                "`{address}` can be reached from other machines, and is served without encryption and \
                 without tokens"
            ),
            format!(
                r#"write "127.0.0.1:{}" and forward the port, for instance with ssh -L"#,
                address.port()
            ),
        ));
    }
    Ok(address)
}

fn read_state(mut section: Section<'_>, context: &Context<'_>, config: &mut Config) {
    set(
        &mut config.state.dir,
        section.read("dir", |node| context.path(node)),
    );
    let every = section.read("checkpoint_every", |node| {
        let millis = duration(node)?;
        if (CHECKPOINT_LEAST_MS..=CHECKPOINT_MOST_MS).contains(&millis) {
            Ok(Duration::from_millis(millis.unsigned_abs()))
        } else {
            Err(Wrong(
                "is out of range".into(),
                r#"choose from "10ms" to "1h""#.into(),
            ))
        }
    });
    config.state.checkpoint_every = every;
    section.finish();
}

fn read_logins(mut section: Section<'_>, config: &mut Config) {
    for provider in PROVIDERS {
        if let Some(class) = section.read(provider.name, text) {
            config.logins.insert(provider.name, class);
        }
    }
    section.finish();
}

fn read_retention(mut section: Section<'_>, config: &mut Config) {
    let limits = &mut config.retention;
    for (key, limit) in [
        ("alerts", &mut limits.alerts_ms),
        ("audit", &mut limits.audit_ms),
        ("ledgers", &mut limits.ledgers_ms),
        ("quarantine", &mut limits.quarantine_ms),
    ] {
        let kept = section.read(key, |node| match or_never(node)? {
            Some(millis) if millis < RETENTION_LEAST_MS => Err(Wrong(
                "is too short to be read in".into(),
                r#"choose "1d" or more, or "never""#.into(),
            )),
            kept => Ok(kept),
        });
        set(limit, kept);
    }
    section.finish();
}

/// A duration, or `never`.
fn or_never(node: &Node) -> Reading<Option<i64>> {
    match node.text() {
        Some("never") => Ok(None),
        _ => duration(node)
            .map(Some)
            .map_err(|Wrong(what, suggestion)| Wrong(what, format!(r#"{suggestion}, or "never""#))),
    }
}

fn read_admission(mut section: Section<'_>, config: &mut Config) {
    let idle = section.read("idle_after", or_never);
    set(&mut config.admission.idle_after_ms, idle);
    set(
        &mut config.admission.future_limit_ms,
        section.read("future_limit", duration),
    );
    section.finish();
}

fn sources(section: &Section<'_>) -> BTreeMap<String, Source> {
    let mut sources = BTreeMap::new();
    for (name, node) in section.entries() {
        let mut table = Section::of(section.path_of(name), node, section.notes);
        let format = table.read("format", text).filter(|format| format != "auto");
        let allowed_lateness = lateness(&mut table);
        let silent_after = table.read("silent_after", |node| {
            or_never(node).map(|millis| millis.map_or(Patience::Endless, Patience::Millis))
        });
        table.finish();
        sources.insert(
            name.clone(),
            Source {
                format,
                allowed_lateness,
                silent_after: silent_after.unwrap_or_default(),
            },
        );
    }
    sources
}

/// `"24h"` for the main class, or a table by class.
fn lateness(source: &mut Section<'_>) -> BTreeMap<String, i64> {
    let key = "allowed_lateness";
    let path = source.path_of(key);
    match source.node(key) {
        Some(node) if matches!(node.value, Value::Table(_)) => {
            let table = Section::of(path, node, source.notes);
            let mut classes = BTreeMap::new();
            for (class, node) in table.entries() {
                let path = table.path_of(class);
                match duration(node) {
                    Ok(millis) => {
                        classes.insert(class.clone(), millis);
                    }
                    Err(Wrong(what, advice)) => {
                        table
                            .notes
                            .add(&node.place, format!("`{path}` {what}"), advice);
                    }
                }
                table
                    .notes
                    .places
                    .borrow_mut()
                    .insert(path, node.place.clone());
            }
            classes
        }
        _ => {
            let main = source.read(key, duration);
            main.map(|millis| ("default".to_owned(), millis))
                .into_iter()
                .collect()
        }
    }
}

fn detectors(section: &Section<'_>) -> BTreeMap<String, DetectorSettings> {
    let mut detectors = BTreeMap::new();
    for (name, node) in section.entries() {
        let Some(entry) = CATALOG.iter().find(|entry| entry.name == name) else {
            let advice = nearest(name, CATALOG.iter().map(|entry| entry.name));
            section
                .notes
                .add(&node.place, format!("unknown detector `{name}`"), advice);
            continue;
        };
        let table = Section::of(section.path_of(name), node, section.notes);
        detectors.insert(name.clone(), detector(entry, table));
    }
    detectors
}

fn detector(entry: &'static Entry, mut table: Section<'_>) -> DetectorSettings {
    let enabled = table.read("enabled", boolean);
    let mut params = BTreeMap::new();
    for param in entry.params {
        if let Some(value) = table.read(param.name, |node| parameter(param, node)) {
            params.insert(param.name.to_owned(), value);
        }
    }
    table.finish();
    DetectorSettings { enabled, params }
}

fn parameter(param: &Param, node: &Node) -> Reading<f64> {
    let read = match param.unit {
        "bytes" => amount(node, 1e15),
        _ => number(node, 0.0, 1e15),
    };
    read.map_err(|Wrong(what, advice)| {
        Wrong(
            what,
            format!("{advice}; {} by default, {}", param.default, param.unit),
        )
    })
}

/// A number, or a size with its unit.
pub(super) fn amount(node: &Node, most: f64) -> Reading<f64> {
    if node.number().is_some() {
        return number(node, 0.0, most);
    }
    node.text().and_then(units::size_bytes).ok_or_else(|| {
        Wrong(
            "is not a size".into(),
            r#"write for instance "64MiB", or a number of bytes"#.into(),
        )
    })
}

fn networks(tables: Vec<(Section<'_>, &Node)>) -> Vec<NetworkRule> {
    let mut rules = Vec::new();
    for (mut table, node) in tables {
        let cidr = table.require("cidr", &node.place, r#""203.0.113.0/24""#, |node| {
            let written = text(node)?;
            Cidr::parse(&written).ok_or_else(|| {
                Wrong(
                    format!("`{written}` is not a network"),
                    r#"write for instance "203.0.113.0/24" or "2001:db8::/32""#.into(),
                )
            })
        });
        let name = table.read("name", text).unwrap_or_default();
        let class = table.read("class", |node| {
            word(
                node,
                Network::ALL.iter().map(|class| (class.as_str(), *class)),
            )
        });
        let table_notes = table.notes;
        table.finish();
        let Some(cidr) = cidr else { continue };
        let class = class.unwrap_or(Network::Corporate);
        // Twice the same network would make its class a matter of order.
        if rules.iter().any(|rule: &NetworkRule| rule.cidr == cidr) {
            let what = format!("the network {cidr} is listed twice");
            table_notes.add(&node.place, what, "keep one of the two");
            continue;
        }
        rules.push(NetworkRule { cidr, name, class });
    }
    rules
}

fn tools(tables: Vec<(Section<'_>, &Node)>) -> Vec<ToolRule> {
    let mut rules = Vec::new();
    for (mut table, node) in tables {
        let name = table.require("name", &node.place, r#""assistant""#, text);
        let domains = table.read_list("domains", domain).unwrap_or_default();
        let status = table.read("status", |node| {
            word(
                node,
                ToolStatus::ALL
                    .iter()
                    .map(|status| (status.as_str(), *status)),
            )
        });
        let since = table.read("since", date);
        table.finish();
        if let Some(name) = name {
            rules.push(ToolRule {
                name,
                domains,
                status: status.unwrap_or_default(),
                since,
            });
        }
    }
    rules
}

fn domain(node: &Node) -> Reading<String> {
    let written = text(node)?;
    let domain = written
        .trim_start_matches("*.")
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_domain = !domain.is_empty() && domain.chars().all(is_legal) && !domain.contains("..");
    if is_domain && !domain.starts_with('.') {
        return Ok(domain);
    }
    Err(Wrong(
        format!("has `{written}`, which is not a domain"),
        r#"write the host alone, as in "assistant.example.com""#.into(),
    ))
}

/// One of a few words.
pub(super) fn word<T>(
    node: &Node,
    words: impl Iterator<Item = (&'static str, T)> + Clone,
) -> Reading<T> {
    let written = text(node)?;
    let found = words
        .clone()
        .find(|(word, _)| *word == written)
        .map(|(_, value)| value);
    found.ok_or_else(|| {
        let known: Vec<_> = words.map(|(word, _)| word).collect();
        Wrong(
            format!("`{written}` is not one of them"),
            format!("choose {}", known.join(", ")),
        )
    })
}
