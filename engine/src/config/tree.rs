//! The configuration as a tree whose every node knows where it stands: the file's tables, overridden by
//! the environment.
//!
//! Invariant: a node's place is the line or variable that its value came from.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};

/// What variables start with.
const PREFIX: &str = "NIGHTJAR__";

/// Tables by key.
pub type Table = BTreeMap<String, Node>;

/// A value and its place. No `Debug`: it may be a secret.
pub struct Node {
    /// The value.
    pub value: Value,
    /// Line of its key, or the variable.
    pub place: Place,
    /// The text of the variable, where the value came from one.
    raw: Option<String>,
}

/// A TOML value.
pub enum Value {
    /// Text.
    Text(String),
    /// Whole number.
    Integer(i64),
    /// Number.
    Float(f64),
    /// Truth value.
    Boolean(bool),
    /// Date or time, or a number too large to be one.
    Other(String),
    /// List.
    List(Vec<Node>),
    /// Table.
    Table(Table),
}

impl Node {
    /// The text. A variable's value counts as text whatever TOML it looks like.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::List(_) | Value::Table(_) => None,
            _ => self.raw.as_deref(),
        }
    }

    /// The text of any single value, as librdkafka wants its options.
    pub fn scalar(&self) -> Option<String> {
        if let Some(text) = self.text() {
            return Some(text.to_owned());
        }
        match &self.value {
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Boolean(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// The text of a date, which TOML also knows without quotes.
    pub fn date_text(&self) -> Option<&str> {
        match &self.value {
            Value::Other(date) => Some(date),
            _ => self.text(),
        }
    }

    /// The number.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Value::Integer(number) => Some(number as f64),
            Value::Float(number) => Some(number),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "text",
            Value::Integer(_) | Value::Float(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::Other(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads the tables of a file. Syntax errors are reported, and what can be understood is read anyway.
pub fn parse(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Table {
    let lines = Lines::new(text);
    let place = |offset: usize| Place::Line(file.to_owned(), lines.line(offset));
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut seen = HashSet::new();
    for error in errors {
        // One slip gives several errors on its line; the first says what it is.
        let line = lines.line(error.span().map_or(0, |span| span.start));
        if seen.insert(line) {
            let what = format!("not valid TOML: {}", error.message());
            let suggestion = r#"write `key = value`, text in "quotes", tables as [name]"#;
            problems.push(Problem::new(
                Place::Line(file.to_owned(), line),
                what,
                suggestion,
            ));
        }
    }
    table(document.into_inner(), &place)
}

fn table(table: DeTable<'_>, place: &dyn Fn(usize) -> Place) -> Table {
    let entry = |(key, value): (Spanned<Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let at = place(key.span().start);
        let key = key.into_inner().into_owned();
        (key, node(value.into_inner(), at, place))
    };
    table.into_iter().map(entry).collect()
}

fn node(value: DeValue<'_>, at: Place, place: &dyn Fn(usize) -> Place) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Other(number.to_string()),
        },
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => {
            let item = |item: Spanned<DeValue<'_>>| {
                let at = place(item.span().start);
                node(item.into_inner(), at, place)
            };
            Value::List(items.into_iter().map(item).collect())
        }
        DeValue::Table(inner) => Value::Table(table(inner, place)),
    };
    Node {
        value,
        place: at,
        raw: None,
    }
}

/// Lays the environment over the tables of the file. Names are taken in order, so that
/// `NIGHTJAR__KAFKA` comes before `NIGHTJAR__KAFKA__BROKERS`.
pub fn override_with(
    tree: &mut Table,
    environment: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) {
    for (name, text) in environment {
        let Some(path) = strip_prefix(name) else {
            continue;
        };
        let keys: Vec<&str> = path.split("__").collect();
        let place = Place::Variable(name.clone());
        if keys.iter().any(|key| key.is_empty()) {
            let suggestion = "write NIGHTJAR__SECTION__KEY, for instance NIGHTJAR__KAFKA__BROKERS";
            problems.push(Problem::new(
                place,
                "a level of its name is empty",
                suggestion,
            ));
            continue;
        }
        let value = from_variable(text, &place);
        if let Err(problem) = insert(tree, &keys, value, &place) {
            problems.push(problem);
        }
    }
}

fn strip_prefix(name: &str) -> Option<&str> {
    let head = name.get(..PREFIX.len())?;
    head.eq_ignore_ascii_case(PREFIX)
        .then(|| &name[PREFIX.len()..])
}

/// TOML if the text is one TOML value, else the text itself.
fn from_variable(text: &str, place: &Place) -> Node {
    let at = |_: usize| place.clone();
    let parsed = DeValue::parse(text)
        .ok()
        .map(|value| node(value.into_inner(), place.clone(), &at));
    let value = parsed.map_or_else(|| Value::Text(text.to_owned()), |node| node.value);
    Node {
        value,
        place: place.clone(),
        raw: Some(text.to_owned()),
    }
}

fn insert(tree: &mut Table, keys: &[&str], value: Node, place: &Place) -> Result<(), Problem> {
    let is_option = matches!(keys, [a, b, _, ..]
        if a.eq_ignore_ascii_case("kafka") && b.eq_ignore_ascii_case("options"));
    let mut table = tree;
    for (depth, key) in keys.iter().enumerate() {
        let known = table
            .keys()
            .find(|known| known.eq_ignore_ascii_case(key))
            .cloned();
        let key = known.unwrap_or_else(|| {
            let lower = key.to_ascii_lowercase();
            // Shells allow no dots in names, and librdkafka's settings are full of them.
            if is_option && depth == 2 {
                lower.replace('_', ".")
            } else {
                lower
            }
        });
        if depth + 1 == keys.len() {
            table.insert(key, value);
            return Ok(());
        }
        let below = table.entry(key).or_insert_with(|| Node {
            value: Value::Table(Table::new()),
            place: place.clone(),
            raw: None,
        });
        let kind = below.kind();
        let Value::Table(inner) = &mut below.value else {
            let what = format!("`{}` is {kind}, not a table", keys[..=depth].join("."));
            let suggestion = format!("set {PREFIX}{} as a whole", keys[..=depth].join("__"));
            return Err(Problem::new(place.clone(), what, suggestion));
        };
        table = inner;
    }
    Ok(())
}

/// Offsets of line starts.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Lines(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect(),
        )
    }

    /// Line of an offset, counted from 1.
    fn line(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|newline| *newline < offset)
    }
}
