//! Reading `[kafka]`: brokers, topics, and librdkafka's settings with their secrets.
//!
//! Invariant: the value of an option reaches the configuration and nothing else, no message least of all.

use std::collections::BTreeMap;

use super::problem::Place;
use super::read::Context;
use super::secret::{KEPT_APART, secret};
use super::section::{Reading, Section, Wrong, text};
use super::tree::{Node, Value};
use super::{Kafka, Topics};

/// Parts of the names of settings that hold secrets.
const SECRET: [&str; 3] = ["password", "secret", "key.pem"];

/// Kafka's own limit.
const TOPIC_CHARS_MAX: usize = 249;

/// Reads the section over its defaults.
pub fn read(mut section: Section<'_>, context: &Context<'_>, kafka: &mut Kafka) {
    if let Some(brokers) = section.read_list("brokers", brokers) {
        kafka.brokers = brokers.into_iter().flatten().collect();
    }
    if let Some(topics) = topics(&mut section) {
        kafka.topics = topics;
    }
    if let Some(preset) = section.read("preset", preset) {
        let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        kafka.options = preset.iter().map(of).collect();
    }
    let path = section.path_of("options");
    if let Some(node) = section.node("options") {
        let options = Section::of(path, node, section.notes);
        kafka.options.extend(read_options(&options, context));
    }
    section.finish();
}

type Preset = &'static [(&'static str, &'static str)];

/// What a provider's door needs; single options win over it.
const PRESETS: &[(&str, Preset)] = &[(
    "eventhubs",
    &[
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "$ConnectionString"),
        // Azure's load balancers cut connections that are silent for four minutes.
        ("socket.keepalive.enable", "true"),
        ("connections.max.idle.ms", "180000"),
        ("metadata.max.age.ms", "180000"),
        ("topic.metadata.refresh.interval.ms", "180000"),
    ],
)];

fn preset(node: &Node) -> Reading<Preset> {
    let name = text(node)?;
    let found = PRESETS.iter().find(|(known, _)| *known == name);
    found.map(|(_, preset)| *preset).ok_or_else(|| {
        let known: Vec<&str> = PRESETS.iter().map(|(known, _)| *known).collect();
        let what = format!("is `{name}`, which is no preset");
        Wrong(what, format!("write {}", known.join(", ")))
    })
}

/// One element may hold several, separated by commas, as librdkafka has it.
fn brokers(node: &Node) -> Reading<Vec<String>> {
    let list = text(node)?;
    let mut brokers = Vec::new();
    for broker in list.split(',').map(str::trim) {
        let host = broker.rsplit_once("://").map_or(broker, |(_, host)| host);
        // An IPv6 address without a port ends in a bracket.
        let port = host
            .rsplit_once(':')
            .filter(|_| !host.ends_with(']'))
            .map(|(_, port)| port);
        let is_port_valid = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| 0 < port));
        let is_host_valid = !host.is_empty() && !host.starts_with(':');
        if !is_port_valid || !is_host_valid || broker.contains(char::is_whitespace) {
            return Err(Wrong(
                format!("has `{broker}`, which is not host:port"),
                r#"write for instance ["127.0.0.1:9092"]"#.into(),
            ));
        }
        brokers.push(broker.to_owned());
    }
    Ok(brokers)
}

fn topics(section: &mut Section<'_>) -> Option<Topics> {
    if let Some(Node {
        value: Value::List(_),
        ..
    }) = section.node("topics")
    {
        return section.read_list("topics", topic).map(Topics::List);
    }
    section.read("topics", |node| {
        let pattern = text(node)?;
        if !pattern.starts_with('^') {
            return topic(node).map(|topic| Topics::List(vec![topic]));
        }
        match regex::Regex::new(&pattern) {
            Ok(_) => Ok(Topics::Pattern(pattern)),
            Err(_) => Err(Wrong(
                format!("`{pattern}` is not a regular expression"),
                r#"write for instance "^logs-.*", or a list of names"#.into(),
            )),
        }
    })
}

fn topic(node: &Node) -> Reading<String> {
    let name = text(node)?;
    if name.starts_with('^') {
        return Err(Wrong(
            format!("has the regular expression `{name}` in a list"),
            format!(r#"write topics = "{name}" for one expression, or names only"#),
        ));
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if TOPIC_CHARS_MAX < name.len() || !name.chars().all(is_legal) {
        return Err(Wrong(
            format!("has `{name}`, which cannot be a topic's name"),
            r#"write a list of names, as in ["okta", "m365"], or one expression, as in "^logs-.*""#
                .into(),
        ));
    }
    Ok(name)
}

fn read_options(options: &Section<'_>, context: &Context<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (key, node) in options.entries() {
        match option(key, node, context) {
            Ok(value) => {
                values.insert(key.clone(), value);
            }
            Err(Wrong(what, suggestion)) => {
                options.notes.add(
                    &node.place,
                    format!("`kafka.options.{key}` {what}"),
                    suggestion,
                );
            }
        }
    }
    values
}

fn option(key: &str, node: &Node, context: &Context<'_>) -> Reading<String> {
    if let Value::Table(table) = &node.value {
        return secret(table, node, context).map_err(|wrong| {
            wrong.unwrap_or_else(|| {
                Wrong("is a table that names no secret".into(), KEPT_APART.into())
            })
        });
    }
    let is_secret = SECRET
        .iter()
        .any(|part| key.to_ascii_lowercase().contains(part));
    if is_secret && matches!(node.place, Place::Line(..)) {
        return Err(Wrong(
            "is a secret written into the file".into(),
            KEPT_APART.into(),
        ));
    }
    node.scalar().ok_or_else(|| {
        Wrong(
            format!("is {}", node.kind()),
            "write text, a number, true or false".into(),
        )
    })
}
