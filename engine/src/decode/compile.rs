//! Format files into programs and one path tree.
//!
//! Invariant: everything a file can get wrong is found here, with the format's name and the place; what
//! comes out runs without failing.

use std::collections::BTreeMap;

use super::capture::{Piece, Place};
use super::column::{Column, Type};
use super::cut::Cut;
use super::keys::Keys;
use super::language::{
    FormatFile, Literal, OneOrMore, SourceFile, SourceTable, SwitchFile, TestFile, TestTable, When,
};
use super::pairs::Pairs;
use super::program::{Action, Change, Check, Fill, From, Program, Source, Switch, Test, Values};
use super::recognition::Recognition;
use super::row::Constant;
use super::tree::{Node, PathError, SlotId, TreeBuilder};

/// Keys that collectors wrap records in, in the order in which they are tried.
pub(crate) const ENVELOPES: [&str; 17] = [
    "records",
    "resourcelogs",
    "resourcespans",
    "resource_logs",
    "resource_spans",
    "message",
    "log",
    "_raw",
    "event",
    "detail",
    "payload",
    "body",
    "attributes",
    "auditdata",
    "original",
    "raw",
    "value",
];

/// Those of them that are OpenTelemetry's nests of resources, scopes and records.
pub(crate) const TELEMETRY: [&str; 4] = [
    "resourcelogs",
    "resourcespans",
    "resource_logs",
    "resource_spans",
];

/// What a decoder runs.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) tree: Vec<Node>,
    pub(crate) programs: Vec<Program>,
    pub(crate) recognition: Recognition,
    pub(crate) constants: String,
    pub(crate) slots: usize,
}

/// A mistake in a format file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum Mistake {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{column} cannot be {value:?}; give it a value of its type")]
    Constant { column: Column, value: String },
    #[error("a source of {column} needs exactly one of path, constant and sum")]
    Source { column: Column },
    #[error("{text:?} is no {what}; write it as {example}")]
    Text {
        text: String,
        what: &'static str,
        example: &'static str,
    },
    #[error("there is no activity {name:?}; see `nightjar formats` for the activities")]
    Activity { name: String },
    #[error("a table of tests is empty; give it one of exists, not, prefix, suffix and contains")]
    EmptyTest,
    #[error(
        "no way to tell the format's records from others; give `recognise` at least one table of tests"
    )]
    Unrecognisable,
    #[error(
        "the pairs {path:?} are read by another format, with their values in another order; give them in one order"
    )]
    Pairs { path: String },
    #[error("no column `time`; an event without a time cannot be judged")]
    NoTime,
}

/// One format to compile: its file, its place among all, and the class indices of its classes.
pub(crate) struct Input<'a> {
    pub(crate) format: usize,
    pub(crate) file: &'a FormatFile,
    pub(crate) class: u8,
    pub(crate) classes: BTreeMap<&'a str, u8>,
}

/// Compiles formats into one tree.
pub(crate) fn compile(inputs: &[Input<'_>]) -> Result<Compiled, (usize, Mistake)> {
    let mut compiler = Compiler {
        tree: TreeBuilder::new(),
        constants: String::new(),
        rows: None,
    };
    let mut programs = Vec::new();
    for input in inputs {
        programs.push(
            compiler
                .program(input)
                .map_err(|mistake| (input.format, mistake))?,
        );
    }
    for (position, key) in ENVELOPES.iter().enumerate() {
        compiler.tree.envelope(key, position as u8);
    }
    Ok(Compiled {
        slots: compiler.tree.slots(),
        recognition: Recognition::new(&programs, compiler.tree.slots()),
        tree: compiler.tree.finish(),
        programs,
        constants: compiler.constants,
    })
}

struct Compiler {
    tree: TreeBuilder,
    constants: String,
    rows: Option<String>,
}

impl Compiler {
    fn program(&mut self, input: &Input<'_>) -> Result<Program, Mistake> {
        let file = input.file;
        // What decides on the format is looked for in the record, not in its rows.
        self.rows = None;
        let recognise: Vec<_> = file
            .recognise
            .iter()
            .map(|when| self.tests(when))
            .collect::<Result<_, _>>()?;
        if recognise.is_empty() || recognise.iter().any(Vec::is_empty) {
            return Err(Mistake::Unrecognisable);
        }
        if !file.columns.contains_key(&Column::Time) {
            return Err(Mistake::NoTime);
        }
        self.rows = file.rows.clone();
        for (path, pairs) in &file.pairs {
            let pairs = Pairs::new(&pairs.name, &pairs.values)?;
            if !self.tree.pairs(path, file.rows.as_deref(), &pairs)? {
                return Err(Mistake::Pairs { path: path.clone() });
            }
        }
        for path in &file.json {
            self.tree.json(path, file.rows.as_deref())?;
        }
        let mut classes = Vec::new();
        for (name, class) in &file.classes {
            if let Some(index) = input.classes.get(name.as_str()) {
                classes.push((*index, self.tests(&class.when)?));
            }
        }
        let mut rules = Vec::new();
        for rule in &file.rule {
            let action = self.action(rule.ignore, &rule.set, &rule.columns)?;
            rules.push((self.tests(&rule.when)?, action));
        }
        let mut program = Program {
            last: file.last,
            rows: file
                .rows
                .as_deref()
                .map(|rows| self.tree.rows(rows))
                .transpose()?,
            zone_minutes: zone_minutes(file.zone.as_deref().unwrap_or("UTC"))?,
            recognise,
            require: file
                .require
                .iter()
                .fold(0, |set, column| set | column.bit()),
            classes,
            class: input.class,
            rules,
            switches: file
                .switch
                .iter()
                .map(|switch| self.switch(switch))
                .collect::<Result<_, _>>()?,
            columns: self.columns(&file.columns)?,
            always: 0,
            by_slot: Vec::new(),
        };
        program.index_columns();
        Ok(program)
    }

    fn slot(&mut self, path: &str) -> Result<SlotId, Mistake> {
        Ok(self.tree.slot(path, self.rows.as_deref())?)
    }

    fn switch(&mut self, file: &SwitchFile) -> Result<Switch, Mistake> {
        let mut words = Vec::new();
        let mut prefixes = Vec::new();
        let mut actions = Vec::new();
        for case in &file.case {
            let index = actions.len() as u16;
            for word in case.is.iter() {
                match word.strip_suffix('*') {
                    Some(prefix) => prefixes.push((prefix.to_owned(), index)),
                    None => words.push((word.as_str(), index)),
                }
            }
            actions.push(self.action(case.ignore, &case.set, &case.columns)?);
        }
        Ok(Switch {
            paths: file
                .path
                .iter()
                .map(|path| self.slot(path))
                .collect::<Result<_, _>>()?,
            when: self.tests(&file.when)?,
            words: Keys::new(words),
            prefixes,
            actions,
        })
    }

    fn action(
        &mut self,
        ignore: bool,
        set: &BTreeMap<Column, Literal>,
        columns: &BTreeMap<Column, OneOrMore<SourceFile>>,
    ) -> Result<Action, Mistake> {
        let constants = set
            .iter()
            .map(|(column, literal)| Ok((*column, self.constant(*column, literal)?)));
        Ok(Action {
            ignore,
            set: constants.collect::<Result<_, Mistake>>()?,
            columns: self.columns(columns)?,
        })
    }

    fn columns(
        &mut self,
        file: &BTreeMap<Column, OneOrMore<SourceFile>>,
    ) -> Result<Vec<Fill>, Mistake> {
        let mut columns = Vec::new();
        for (column, sources) in file {
            let mut compiled = Vec::new();
            for source in sources.iter() {
                match source {
                    SourceFile::Path(path) => {
                        compiled.push(Source {
                            when: Vec::new(),
                            from: From::Slot(self.slot(path)?),
                            change: None,
                        });
                    }
                    SourceFile::Table(table) => self.source(*column, table, &mut compiled)?,
                }
            }
            let plain = match &compiled[..] {
                [
                    Source {
                        when,
                        from: From::Slot(slot),
                        change: None,
                    },
                ] if when.is_empty() => Some(*slot),
                _ => None,
            };
            columns.push(Fill {
                column: *column,
                plain,
                sources: compiled,
            });
        }
        Ok(columns)
    }

    fn source(
        &mut self,
        column: Column,
        file: &SourceTable,
        out: &mut Vec<Source>,
    ) -> Result<(), Mistake> {
        match (&file.path, &file.constant, &file.sum) {
            (Some(paths), None, None) => {
                for path in paths.iter() {
                    let from = From::Slot(self.slot(path)?);
                    out.push(Source {
                        when: self.tests(&file.when)?,
                        from,
                        change: self.change(column, file)?,
                    });
                }
            }
            (None, Some(literal), None) => {
                let from = From::Constant(self.constant(column, literal)?);
                out.push(Source {
                    when: self.tests(&file.when)?,
                    from,
                    change: None,
                });
            }
            (None, None, Some(plus)) if matches!(column.kind(), Type::Number) => {
                let plus = plus
                    .iter()
                    .map(|path| self.slot(path))
                    .collect::<Result<_, _>>()?;
                let minus = file
                    .minus
                    .iter()
                    .map(|path| self.slot(path))
                    .collect::<Result<_, _>>()?;
                out.push(Source {
                    when: self.tests(&file.when)?,
                    from: From::Sum { plus, minus },
                    change: None,
                });
            }
            _ => return Err(Mistake::Source { column }),
        }
        Ok(())
    }

    fn change(
        &mut self,
        column: Column,
        file: &SourceTable,
    ) -> Result<Option<Box<Change>>, Mistake> {
        let mut values = None;
        if !file.values.is_empty() || file.otherwise.is_some() {
            let constants = file
                .values
                .values()
                .map(|literal| self.constant(column, literal));
            let constants = constants.collect::<Result<_, _>>()?;
            let words = Keys::new(
                file.values
                    .keys()
                    .enumerate()
                    .map(|(at, word)| (word.as_str(), at as u16)),
            );
            let otherwise = file
                .otherwise
                .as_ref()
                .map(|literal| self.constant(column, literal))
                .transpose()?;
            values = Some(Values {
                words,
                constants,
                otherwise,
            });
        }
        let change = Change {
            cut: Cut {
                unquote: file.unquote,
                after: file.after.clone(),
                before: file
                    .before
                    .iter()
                    .flat_map(OneOrMore::iter)
                    .cloned()
                    .collect(),
            },
            address: file.address,
            tool: file.tool,
            hashed: file.hashed,
            values,
        };
        let plain = change.cut.is_none()
            && change.address.is_none()
            && change.values.is_none()
            && !change.tool
            && !change.hashed;
        Ok((!plain).then(|| Box::new(change)))
    }

    fn constant(&mut self, column: Column, literal: &Literal) -> Result<Constant, Mistake> {
        let wrong = || Mistake::Constant {
            column,
            value: literal.text(),
        };
        match (column.kind(), literal) {
            (Type::Text, Literal::Text(text)) => {
                let start = self.constants.len() as u32;
                self.constants.push_str(text);
                let end = self.constants.len() as u32;
                Ok(Constant::Text(Piece {
                    place: Place::Constant,
                    start,
                    end,
                }))
            }
            (Type::Flag, Literal::Flag(flag)) => Ok(Constant::Flag(*flag)),
            (Type::Number, Literal::Whole(number)) => u64::try_from(*number)
                .map(Constant::Number)
                .map_err(|_| wrong()),
            (Type::Word, Literal::Text(text)) => Constant::word(column, text).ok_or_else(wrong),
            (Type::System, Literal::Whole(number)) => u32::try_from(*number)
                .map(Constant::System)
                .map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    fn tests(&mut self, when: &When) -> Result<Vec<Test>, Mistake> {
        let mut tests = Vec::new();
        for (path, test) in when {
            let paths = path.split('|').map(|path| self.slot(path));
            let slots: Vec<SlotId> = paths.collect::<Result<_, _>>()?;
            let mut push = |check| {
                tests.push(Test {
                    slots: slots.clone(),
                    check,
                })
            };
            match test {
                TestFile::Is(literal) => push(Check::In(words([literal]))),
                TestFile::In(literals) => push(Check::In(words(literals))),
                TestFile::Table(table) => named_tests(table, push)?,
            }
        }
        Ok(tests)
    }
}

fn named_tests(table: &TestTable, mut push: impl FnMut(Check)) -> Result<(), Mistake> {
    let TestTable {
        exists,
        not,
        prefix,
        suffix,
        contains,
    } = table;
    let owned = |parts: &OneOrMore<String>| parts.iter().cloned().collect();
    if let Some(exists) = exists {
        push(Check::Exists(*exists));
    }
    if let Some(not) = not {
        push(Check::NotIn(words(not.iter())));
    }
    if let Some(parts) = prefix {
        push(Check::Prefix(owned(parts)));
    }
    if let Some(parts) = suffix {
        push(Check::Suffix(owned(parts)));
    }
    if let Some(parts) = contains {
        push(Check::Contains(owned(parts)));
    }
    let none = exists.is_none()
        && not.is_none()
        && prefix.is_none()
        && suffix.is_none()
        && contains.is_none();
    if none {
        Err(Mistake::EmptyTest)
    } else {
        Ok(())
    }
}

fn words<'a>(literals: impl IntoIterator<Item = &'a Literal>) -> Keys {
    let texts: Vec<String> = literals.into_iter().map(Literal::text).collect();
    Keys::new(texts.iter().map(|text| (text.as_str(), 0)))
}

/// Minutes east of UTC of `UTC`, `+02:00` or `-05:30`.
fn zone_minutes(text: &str) -> Result<i32, Mistake> {
    if text == "UTC" {
        return Ok(0);
    }
    let wrong = || Mistake::Text {
        text: text.to_owned(),
        what: "zone",
        example: "UTC or +02:00",
    };
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text
        .get(1..)
        .and_then(|rest| rest.split_once(':'))
        .ok_or_else(wrong)?;
    let hours: i32 = hours.parse().map_err(|_| wrong())?;
    let minutes: i32 = minutes.parse().map_err(|_| wrong())?;
    let fits =
        text.starts_with(['+', '-']) && (0..=14).contains(&hours) && (0..60).contains(&minutes);
    if fits {
        Ok(sign * (hours * 60 + minutes))
    } else {
        Err(wrong())
    }
}

/// Milliseconds of `30m`, `1h` or `3d`.
pub(crate) fn duration_ms(text: &str) -> Result<i64, Mistake> {
    let wrong = || Mistake::Text {
        text: text.to_owned(),
        what: "duration",
        example: "30m, 1h or 3d",
    };
    let unit = text.chars().last().ok_or_else(wrong)?;
    let unit_ms = match unit {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return Err(wrong()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(i64::from(count) * unit_ms)
}
