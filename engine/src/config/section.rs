//! Reading one table key by key, collecting every problem on the way.
//!
//! Invariant: a key that nobody asked for is a problem.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::problem::{Place, Problem, nearest};
use super::schema;
use super::tree::{Node, Table, Value};
use super::units;

/// What is gathered while reading.
#[derive(Default)]
pub struct Notes {
    /// Everything wrong so far.
    pub problems: RefCell<Vec<Problem>>,
    /// Where each setting was read, by its dotted path.
    pub places: RefCell<BTreeMap<String, Place>>,
}

impl Notes {
    /// Adds a problem.
    pub fn add(&self, place: &Place, what: impl Into<String>, suggestion: impl Into<String>) {
        self.problems
            .borrow_mut()
            .push(Problem::new(place.clone(), what, suggestion));
    }
}

/// Why a value cannot be used: what it is, and what to write.
pub struct Wrong(pub String, pub String);

/// A reading of one value.
pub type Reading<T> = Result<T, Wrong>;

/// One table being read.
pub struct Section<'t> {
    path: String,
    table: Option<&'t Table>,
    known: Vec<&'static str>,
    /// Where the problems go.
    pub notes: &'t Notes,
}

impl<'t> Section<'t> {
    /// The outermost table.
    pub fn root(table: &'t Table, notes: &'t Notes) -> Self {
        Section {
            path: String::new(),
            table: Some(table),
            known: Vec::new(),
            notes,
        }
    }

    /// A node that should be a table.
    pub fn of(path: String, node: &'t Node, notes: &'t Notes) -> Self {
        let table = match &node.value {
            Value::Table(table) => Some(table),
            _ => {
                let what = format!("`{path}` is {}, not a table", node.kind());
                notes.add(
                    &node.place,
                    what,
                    format!("write [{path}] and its keys below it"),
                );
                None
            }
        };
        Section {
            path,
            table,
            known: Vec::new(),
            notes,
        }
    }

    /// The table under a key; empty when it is absent.
    pub fn section(&mut self, key: &'static str) -> Section<'t> {
        let path = self.path_of(key);
        match self.node(key) {
            Some(node) => Section::of(path, node, self.notes),
            None => Section {
                path,
                table: None,
                known: Vec::new(),
                notes: self.notes,
            },
        }
    }

    /// Dotted path of a key of this table.
    pub fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The value of a key.
    pub fn node(&mut self, key: &'static str) -> Option<&'t Node> {
        self.known.push(key);
        self.table?.get(key)
    }

    /// All entries, for tables whose keys are names that the user chooses.
    pub fn entries(&self) -> impl Iterator<Item = (&'t String, &'t Node)> + use<'t> {
        self.table.into_iter().flatten()
    }

    /// The value of a key through a reading; `None` when absent or wrong.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        reading: impl FnOnce(&'t Node) -> Reading<T>,
    ) -> Option<T> {
        let node = self.node(key)?;
        let path = self.path_of(key);
        self.notes
            .places
            .borrow_mut()
            .insert(path.clone(), node.place.clone());
        match reading(node) {
            Ok(value) => Some(value),
            Err(Wrong(what, suggestion)) => {
                self.notes
                    .add(&node.place, format!("`{path}` {what}"), suggestion);
                None
            }
        }
    }

    /// Reads every element of a list, or a single value as a list of one.
    pub fn read_list<T>(
        &mut self,
        key: &'static str,
        mut reading: impl FnMut(&'t Node) -> Reading<T>,
    ) -> Option<Vec<T>> {
        let node = self.node(key)?;
        let path = self.path_of(key);
        self.notes
            .places
            .borrow_mut()
            .insert(path.clone(), node.place.clone());
        let nodes = match &node.value {
            Value::List(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut values = Vec::new();
        for node in nodes {
            match reading(node) {
                Ok(value) => values.push(value),
                Err(Wrong(what, suggestion)) => {
                    self.notes
                        .add(&node.place, format!("`{path}` {what}"), suggestion);
                }
            }
        }
        Some(values)
    }

    /// The tables of `[[key]]`.
    pub fn tables(&mut self, key: &'static str) -> Vec<(Section<'t>, &'t Node)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let path = self.path_of(key);
        let Value::List(nodes) = &node.value else {
            let what = format!("`{path}` is {}, not a list of tables", node.kind());
            self.notes.add(
                &node.place,
                what,
                format!("write [[{path}]] with two brackets"),
            );
            return Vec::new();
        };
        nodes
            .iter()
            .map(|node| (Section::of(path.clone(), node, self.notes), node))
            .collect()
    }

    /// A required key of a table of a list.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        place: &Place,
        example: &str,
        reading: impl FnOnce(&'t Node) -> Reading<T>,
    ) -> Option<T> {
        if self.table.is_some_and(|table| !table.contains_key(key)) {
            let what = format!("[[{}]] has no `{key}`", self.path);
            self.notes
                .add(place, what, format!("add for instance {key} = {example}"));
        }
        self.read(key, reading)
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self) {
        for (key, node) in self.table.into_iter().flatten() {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let owner = match self.path.as_str() {
                "" => "the top level".to_owned(),
                path => format!("[{path}]"),
            };
            let what = format!("unknown key `{key}` in {owner}");
            // A key after the wrong [header] is the usual slip.
            let suggestion = match schema::owner_of(key) {
                Some(section) if section != owner => format!("it belongs to {section}"),
                _ => nearest(key, self.known.iter().copied()),
            };
            self.notes.add(&node.place, what, suggestion);
        }
    }
}

/// Text that is not empty.
pub fn text(node: &Node) -> Reading<String> {
    match node.text().map(str::trim) {
        Some("") => Err(Wrong(
            "is empty".into(),
            "give it a value or remove the key".into(),
        )),
        Some(text) => Ok(text.to_owned()),
        None => Err(Wrong(
            format!("is {}, not text", node.kind()),
            r#"write it in quotes, as in "text""#.into(),
        )),
    }
}

/// Truth value.
pub fn boolean(node: &Node) -> Reading<bool> {
    match node.value {
        Value::Boolean(flag) => Ok(flag),
        _ => Err(Wrong(
            format!("is {}, not true or false", node.kind()),
            "write true or false without quotes".into(),
        )),
    }
}

/// Number between two bounds, both included.
pub fn number(node: &Node, least: f64, most: f64) -> Reading<f64> {
    let Some(number) = node.number() else {
        return Err(Wrong(
            format!("is {}, not a number", node.kind()),
            "write a number without quotes".into(),
        ));
    };
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Wrong(
            format!("is {number}"),
            format!("choose a number from {least} to {most}"),
        ))
    }
}

/// Duration in milliseconds.
pub fn duration(node: &Node) -> Reading<i64> {
    node.text().and_then(units::duration_ms).ok_or_else(|| {
        Wrong(
            "is not a duration".into(),
            r#"write a number with its unit in quotes, as in "10s", "5m", "1h30m" or "3d""#.into(),
        )
    })
}

/// A day, in days since 1970-01-01.
pub fn date(node: &Node) -> Reading<i32> {
    node.date_text().and_then(units::day).ok_or_else(|| {
        Wrong(
            "is not a date".into(),
            r#"write for instance "2026-03-01""#.into(),
        )
    })
}
