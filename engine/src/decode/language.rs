//! The language of format files, as TOML reads it. `formats/README.md` explains it with an example.
//!
//! Invariant: a key that is not part of the language is an error that names it.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use toml::Value;

use super::column::Column;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FormatFile {
    pub(crate) title: String,
    pub(crate) lateness: String,
    /// A record is of this format if all tests of one of these tables hold.
    pub(crate) recognise: Vec<When>,
    /// Recognised only where no other format is, and no envelope holds one.
    #[serde(default)]
    pub(crate) last: bool,
    /// Zone of times that name none, as `+01:00`.
    #[serde(default)]
    pub(crate) zone: Option<String>,
    /// A list whose elements are rows.
    #[serde(default)]
    pub(crate) rows: Option<String>,
    /// Texts that may hold JSON, which is read as if it stood there.
    #[serde(default)]
    pub(crate) json: Vec<String>,
    /// Rows in which one of these columns is missing are no activity.
    #[serde(default)]
    pub(crate) require: Vec<Column>,
    #[serde(default)]
    pub(crate) pairs: BTreeMap<String, PairsFile>,
    #[serde(default)]
    pub(crate) classes: BTreeMap<String, ClassFile>,
    #[serde(default)]
    pub(crate) rule: Vec<RuleFile>,
    #[serde(default)]
    pub(crate) switch: Vec<SwitchFile>,
    pub(crate) columns: BTreeMap<Column, OneOrMore<SourceFile>>,
}

/// A list of names and values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PairsFile {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// A lateness class beside the main one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassFile {
    pub(crate) lateness: String,
    pub(crate) when: When,
    pub(crate) activities: Vec<String>,
    /// The main class has these activities too.
    #[serde(default)]
    pub(crate) shared: bool,
}

/// What holds for records that pass some tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleFile {
    pub(crate) when: When,
    #[serde(default)]
    pub(crate) ignore: bool,
    #[serde(default)]
    pub(crate) set: BTreeMap<Column, Literal>,
    #[serde(default)]
    pub(crate) columns: BTreeMap<Column, OneOrMore<SourceFile>>,
}

/// What follows from the value of one place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchFile {
    pub(crate) path: OneOrMore<String>,
    #[serde(default)]
    pub(crate) when: When,
    pub(crate) case: Vec<CaseFile>,
}

/// Some values of a switch; `user.mfa.*` stands for a beginning.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    pub(crate) is: OneOrMore<String>,
    /// No activity.
    #[serde(default)]
    pub(crate) ignore: bool,
    #[serde(default)]
    pub(crate) set: BTreeMap<Column, Literal>,
    #[serde(default)]
    pub(crate) columns: BTreeMap<Column, OneOrMore<SourceFile>>,
}

/// Tests on places; all must hold.
pub(crate) type When = BTreeMap<String, TestFile>;

/// A value, one of several values, or a table of tests.
#[derive(Debug)]
pub(crate) enum TestFile {
    Is(Literal),
    In(Vec<Literal>),
    Table(TestTable),
}

/// Tests with a name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestTable {
    pub(crate) exists: Option<bool>,
    pub(crate) not: Option<OneOrMore<Literal>>,
    pub(crate) prefix: Option<OneOrMore<String>>,
    pub(crate) suffix: Option<OneOrMore<String>>,
    pub(crate) contains: Option<OneOrMore<String>>,
}

/// A way to fill a column.
#[derive(Debug)]
pub(crate) enum SourceFile {
    Path(String),
    Table(Box<SourceTable>),
}

/// A way to fill a column, with conditions and translations.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceTable {
    pub(crate) path: Option<OneOrMore<String>>,
    pub(crate) constant: Option<Literal>,
    /// Sum of the numbers at these places.
    pub(crate) sum: Option<Vec<String>>,
    /// Numbers that are taken off the sum.
    #[serde(default)]
    pub(crate) minus: Vec<String>,
    #[serde(default)]
    pub(crate) when: When,
    #[serde(default)]
    pub(crate) values: BTreeMap<String, Literal>,
    /// What values that are not in `values` mean; without it they mean nothing.
    #[serde(rename = "else")]
    pub(crate) otherwise: Option<Literal>,
    /// Only what follows the last of these.
    pub(crate) after: Option<String>,
    /// Only what stands before the first of these.
    pub(crate) before: Option<OneOrMore<String>>,
    /// Without the quotes around it.
    #[serde(default)]
    pub(crate) unquote: bool,
    /// What is no e-mail address: null (`only`), or a keyed hash (`or_hash`).
    pub(crate) address: Option<AddressRule>,
    /// The place holds a host or URL: the name of the AI tool behind it.
    #[serde(default)]
    pub(crate) tool: bool,
    /// The place may hold a hash made by this program already.
    #[serde(default)]
    pub(crate) hashed: bool,
}

/// What to do with a user that is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AddressRule {
    Only,
    OrHash,
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Literal {
    Flag(bool),
    Whole(i64),
    Text(String),
}

impl Literal {
    /// The constant as a record would spell it.
    pub(crate) fn text(&self) -> String {
        match self {
            Literal::Flag(flag) => flag.to_string(),
            Literal::Whole(number) => number.to_string(),
            Literal::Text(text) => text.clone(),
        }
    }
}

/// One value or a list of values.
#[derive(Debug)]
pub(crate) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one).iter(),
            OneOrMore::More(more) => more.iter(),
        }
    }
}

// Written by hand and not as untagged enums, whose errors do not name the key that is wrong.

fn read<T: DeserializeOwned, E: Error>(value: Value) -> Result<T, E> {
    T::deserialize(value).map_err(E::custom)
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Value::deserialize(input)? {
            Value::Array(more) => more
                .into_iter()
                .map(read)
                .collect::<Result<_, _>>()
                .map(OneOrMore::More),
            one => read(one).map(OneOrMore::One),
        }
    }
}

impl<'de> Deserialize<'de> for SourceFile {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Value::deserialize(input)? {
            Value::String(path) => Ok(SourceFile::Path(path)),
            table => read(table).map(SourceFile::Table),
        }
    }
}

impl<'de> Deserialize<'de> for TestFile {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Value::deserialize(input)? {
            Value::Array(values) => values
                .into_iter()
                .map(read)
                .collect::<Result<_, _>>()
                .map(TestFile::In),
            table @ Value::Table(_) => read(table).map(TestFile::Table),
            one => read(one).map(TestFile::Is),
        }
    }
}
