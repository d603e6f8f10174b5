//! Reading `[files]` and `[hec]`: how records come without Kafka.
//!
//! Invariant: a token reaches the configuration as a hash, and no message at all; whoever listens where others can
//! connect has said that he means it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::problem::Place;
use super::read::{Context, address};
use super::secret::{KEPT_APART, secret};
use super::section::{Section, Wrong, boolean, text};
use super::tree::{Node, Value};

/// Tokens are guessed if they are shorter.
const TOKEN_CHARS_MIN: usize = 16;

/// `[files]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// A folder of log files that are read as they grow.
    pub watch: Option<PathBuf>,
}

/// `[hec]`: an HTTP door for senders that speak to Splunk's HTTP Event Collector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hec {
    /// `None`: there is no such door.
    pub listen: Option<SocketAddr>,
    /// Who may send, and what it is.
    pub tokens: Vec<Token>,
}

/// One of `[[hec.tokens]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Of the secret.
    pub hash: blake3::Hash,
    /// The source of what comes with it,
    pub source: String,
    /// unless its sourcetype has another.
    pub sourcetypes: BTreeMap<String, String>,
    /// Senders ask for acknowledgements.
    pub ack: bool,
}

impl Token {
    /// The source of an event.
    pub fn source_of(&self, sourcetype: Option<&str>) -> &str {
        let named = sourcetype.and_then(|sourcetype| self.sourcetypes.get(sourcetype));
        named.unwrap_or(&self.source)
    }
}

impl Hec {
    /// All sources that can come through it.
    pub fn sources(&self) -> BTreeSet<String> {
        let of = |token: &Token| {
            let others = token.sourcetypes.values().cloned();
            others.chain([token.source.clone()]).collect::<Vec<_>>()
        };
        self.tokens.iter().flat_map(of).collect()
    }
}

/// Reads `[files]`.
pub fn read_files(mut section: Section<'_>, context: &Context<'_>) -> Files {
    let watch = section.read("watch", |node| context.path(node));
    section.finish();
    Files { watch }
}

/// Reads `[hec]`.
pub fn read_hec(mut section: Section<'_>, context: &Context<'_>) -> Hec {
    let insecure = section.read("insecure", boolean).unwrap_or(false);
    let listen = section.read("listen", |node| {
        let address = address(node)?;
        if address.ip().is_loopback() || insecure {
            return Ok(address);
        }
        Err(Wrong(
            format!("`{address}` can be reached from other machines, and what is sent there is not encrypted"),
            format!(
                r#"write "127.0.0.1:{}" and put a proxy with TLS before it, or insecure = true if the network is yours alone"#,
                address.port()
            ),
        ))
    });
    let place = section.node("listen").map(|node| node.place.clone());
    let tables = section.tables("tokens");
    let tokens_place = tables.first().map(|(_, node)| node.place.clone());
    let notes = section.notes;
    section.finish();
    let had_tables = !tables.is_empty();
    let mut tokens = Vec::<Token>::new();
    for (table, node) in tables {
        let Some(token) = read_token(table, node, context) else {
            continue;
        };
        if tokens.iter().any(|known| known.hash == token.hash) {
            let what = "[[hec.tokens]] has a token that an earlier one has too";
            notes.add(
                &node.place,
                what,
                "give each source a token of its own, or use sourcetypes",
            );
            continue;
        }
        tokens.push(token);
    }
    if let (Some(place), false) = (&place, had_tables) {
        let example = r#"add [[hec.tokens]] with token = { env = "NAME" } and source = "okta""#;
        notes.add(place, "`hec.listen` lets nobody in without tokens", example);
    }
    if let (None, Some(place)) = (&place, &tokens_place) {
        let example = r#"add listen = "127.0.0.1:8088" to [hec]"#;
        notes.add(
            place,
            "`hec.tokens` are of no use without `hec.listen`",
            example,
        );
    }
    Hec { listen, tokens }
}

fn read_token(mut table: Section<'_>, node: &Node, context: &Context<'_>) -> Option<Token> {
    let example = r#"{ env = "HEC_TOKEN" }"#;
    let hash = table.require("token", &node.place, example, |node| token(node, context));
    let source = table.require("source", &node.place, r#""okta""#, source_name);
    let mut sourcetypes = BTreeMap::new();
    if let Some(node) = table.node("sourcetypes") {
        let names = Section::of(table.path_of("sourcetypes"), node, table.notes);
        for (sourcetype, node) in names.entries() {
            match source_name(node) {
                Ok(source) => {
                    sourcetypes.insert(sourcetype.clone(), source);
                }
                Err(Wrong(what, advice)) => {
                    let path = names.path_of(sourcetype);
                    table
                        .notes
                        .add(&node.place, format!("`{path}` {what}"), advice);
                }
            }
        }
    }
    let ack = table.read("ack", boolean).unwrap_or(false);
    table.finish();
    Some(Token {
        hash: hash?,
        source: source?,
        sourcetypes,
        ack,
    })
}

fn token(node: &Node, context: &Context<'_>) -> Result<blake3::Hash, Wrong> {
    let secret = match &node.value {
        Value::Table(table) => secret(table, node, context).map_err(|wrong| {
            wrong.unwrap_or_else(|| {
                Wrong("is a table that names no secret".into(), KEPT_APART.into())
            })
        })?,
        _ if matches!(node.place, Place::Line(..)) => {
            return Err(Wrong(
                "is a secret written into the file".into(),
                KEPT_APART.into(),
            ));
        }
        _ => text(node)?,
    };
    if secret.len() < TOKEN_CHARS_MIN || !secret.chars().all(|c| c.is_ascii_graphic()) {
        return Err(Wrong(
            format!(
                "is no good token: less than {TOKEN_CHARS_MIN} characters, or characters that a header cannot hold"
            ),
            "make one with `uuidgen`".into(),
        ));
    }
    Ok(blake3::hash(secret.as_bytes()))
}

/// Names like those of topics, so that they can be names of folders too.
fn source_name(node: &Node) -> Result<String, Wrong> {
    let name = text(node)?;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.len() <= 200 && !name.starts_with('.') && name.chars().all(is_legal) {
        return Ok(name);
    }
    Err(Wrong(
        format!("is `{name}`, which cannot be a source's name"),
        "choose up to 200 letters, digits and . _ -, as in \"okta\"".into(),
    ))
}
