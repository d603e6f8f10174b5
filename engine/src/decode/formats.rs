//! The formats there are: those shipped with the program and those a user brings.
//!
//! Invariant: every format in here compiles, alone and together with the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nightjar_detectors::event::Activity;

use super::column::Column;
use super::compile::{Compiled, Input, Mistake, compile, duration_ms};
use super::language::{FormatFile, Literal, OneOrMore, SourceFile};

/// Number of classes that a batch can tell apart.
const CLASSES_MAX: usize = 127;

/// The shipped formats, name and text, by name: every file of `formats/`, listed by the build script.
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/formats.rs"));

/// Why formats cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FormatError {
    #[error("format file {} cannot be read; check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("format {name} is not written in the language of formats; correct the file")]
    Language {
        name: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("format {name} has a mistake; correct the file")]
    Mistake {
        name: String,
        #[source]
        source: Mistake,
    },
    #[error("{}:{line}: {what}; {suggestion}", path.display())]
    At {
        path: PathBuf,
        line: usize,
        what: String,
        suggestion: String,
    },
    #[error("there are two formats {name:?}; rename one of the files")]
    Twice { name: String },
    #[error("the formats have more than {CLASSES_MAX} classes; leave some files out")]
    TooManyClasses,
    #[error("there is no format {name:?}; use one of {known}, or auto")]
    Unknown { name: String, known: String },
}

/// A class of records that share an allowed lateness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassInfo {
    /// `okta` for a format's main class, `m365_audit.copilot` for another.
    pub name: String,
    /// The format.
    pub format: String,
    /// Name of the class within its format; `None` is the main class.
    pub class: Option<String>,
    /// Allowed lateness where a source does not set one, ms.
    pub default_lateness_ms: i64,
    /// What records of this class can be.
    pub activities: Vec<Activity>,
}

/// One format, as the catalog shows it.
#[derive(Debug)]
pub struct Format {
    /// Name, by which a source names it.
    pub name: String,
    /// One line.
    pub title: String,
    /// Main class first.
    pub classes: Vec<ClassInfo>,
    /// Columns that the format can fill.
    pub columns: Vec<Column>,
    /// Recognised only where no other format is.
    pub last: bool,
    pub(crate) file: FormatFile,
}

/// All formats.
#[derive(Debug)]
pub struct Formats {
    formats: Vec<Format>,
    classes: Vec<ClassInfo>,
}

impl Formats {
    /// The formats that are part of the program.
    pub fn shipped() -> Formats {
        Formats::with_files(&[]).expect("the shipped formats are tested")
    }

    /// The shipped formats and those in these files; a format's name is its file's, without `.toml`.
    ///
    /// # Errors
    /// Names the file and what is wrong in it.
    pub fn with_files(files: &[PathBuf]) -> Result<Formats, FormatError> {
        let mut formats = Vec::new();
        for (name, text) in SHIPPED.iter().copied() {
            formats.push(Format::read(name, text)?);
        }
        for path in files {
            let text = std::fs::read_to_string(path).map_err(|source| FormatError::Read {
                path: path.clone(),
                source,
            })?;
            // Alone at first: what is wrong is then told by its line.
            let format = Format::read(&stem(path), &text)
                .and_then(Format::compiles)
                .map_err(|error| super::mistakes::located(error, path, &text))?;
            if formats.iter().any(|known| known.name == format.name) {
                return Err(FormatError::Twice { name: format.name });
            }
            formats.push(format);
        }
        let classes: Vec<ClassInfo> = formats
            .iter()
            .flat_map(|format| format.classes.clone())
            .collect();
        if CLASSES_MAX < classes.len() {
            return Err(FormatError::TooManyClasses);
        }
        let formats = Formats { formats, classes };
        formats.compiled(None)?;
        Ok(formats)
    }

    /// Every format, by name.
    pub fn all(&self) -> impl Iterator<Item = &Format> {
        self.formats.iter()
    }

    /// The format of this name.
    pub fn get(&self, name: &str) -> Option<&Format> {
        self.formats.iter().find(|format| format.name == name)
    }

    /// Whether a source may name this format.
    ///
    /// # Errors
    /// When there is none of this name; it lists those there are.
    pub fn check_name(&self, name: &str) -> Result<(), FormatError> {
        if name == "auto" || self.get(name).is_some() {
            return Ok(());
        }
        Err(self.unknown(name))
    }

    fn unknown(&self, name: &str) -> FormatError {
        let known: Vec<&str> = self
            .formats
            .iter()
            .map(|format| format.name.as_str())
            .collect();
        FormatError::Unknown {
            name: name.to_owned(),
            known: known.join(", "),
        }
    }

    /// Every class of every format; a row's class is a position in here.
    pub fn classes(&self) -> &[ClassInfo] {
        &self.classes
    }

    /// What a decoder for one format, or for all, runs.
    pub(crate) fn compiled(&self, name: Option<&str>) -> Result<Compiled, FormatError> {
        let chosen = |format: &&Format| name.is_none_or(|name| format.name == name);
        let inputs: Vec<Input<'_>> = self
            .formats
            .iter()
            .filter(chosen)
            .map(|format| self.input(format))
            .collect();
        if let (true, Some(name)) = (inputs.is_empty(), name) {
            return Err(self.unknown(name));
        }
        compile(&inputs).map_err(|(format, source)| FormatError::Mistake {
            name: self.formats[format].name.clone(),
            source,
        })
    }

    fn input<'a>(&'a self, format: &'a Format) -> Input<'a> {
        let index = |wanted: &ClassInfo| {
            let found = self
                .classes
                .iter()
                .position(|class| class.name == wanted.name);
            found.unwrap_or_default() as u8
        };
        let others = format
            .classes
            .iter()
            .filter_map(|class| Some((class.class.as_deref()?, index(class))));
        Input {
            format: self
                .formats
                .iter()
                .position(|other| other.name == format.name)
                .unwrap_or_default(),
            file: &format.file,
            class: format.classes.first().map_or(0, index),
            classes: others.collect::<BTreeMap<_, _>>(),
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

impl Format {
    /// Every place of a record that the format names, sorted. Nothing else leaves the parser.
    pub fn paths(&self) -> Vec<&str> {
        let file = &self.file;
        let classes = file.classes.values().map(|class| &class.when);
        let rules = file.rule.iter().map(|rule| &rule.when);
        let switches = file.switch.iter().map(|switch| &switch.when);
        let tests = file
            .recognise
            .iter()
            .chain(classes)
            .chain(rules)
            .chain(switches);
        let mut tests: Vec<_> = tests.collect();
        let mut paths: Vec<&str> = Vec::new();
        for source in tables(file)
            .flat_map(BTreeMap::values)
            .flat_map(OneOrMore::iter)
        {
            match source {
                SourceFile::Path(path) => paths.push(path),
                SourceFile::Table(table) => {
                    paths.extend(
                        table
                            .path
                            .iter()
                            .flat_map(OneOrMore::iter)
                            .map(String::as_str),
                    );
                    paths.extend(
                        table
                            .sum
                            .iter()
                            .flatten()
                            .chain(&table.minus)
                            .map(String::as_str),
                    );
                    tests.push(&table.when);
                }
            }
        }
        paths.extend(
            tests
                .into_iter()
                .flat_map(BTreeMap::keys)
                .flat_map(|path| path.split('|')),
        );
        paths.extend(
            file.switch
                .iter()
                .flat_map(|switch| switch.path.iter())
                .map(String::as_str),
        );
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// Itself, if it compiles alone.
    fn compiles(self) -> Result<Format, FormatError> {
        let mut alone = Formats {
            formats: vec![self],
            classes: Vec::new(),
        };
        alone.compiled(None)?;
        Ok(alone.formats.swap_remove(0))
    }

    fn read(name: &str, text: &str) -> Result<Format, FormatError> {
        let file: FormatFile = toml::from_str(text).map_err(|source| FormatError::Language {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
        let classes = classes(name, &file).map_err(|source| FormatError::Mistake {
            name: name.to_owned(),
            source,
        })?;
        Ok(Format {
            name: name.to_owned(),
            title: file.title.clone(),
            columns: columns(&file).into_iter().collect(),
            classes,
            last: file.last,
            file,
        })
    }
}

/// The main class, then the others by name.
fn classes(name: &str, file: &FormatFile) -> Result<Vec<ClassInfo>, Mistake> {
    let mut others = Vec::new();
    let mut theirs = BTreeSet::new();
    for (class, entry) in &file.classes {
        let activities = entry
            .activities
            .iter()
            .map(|word| activity(word))
            .collect::<Result<Vec<_>, _>>()?;
        if !entry.shared {
            theirs.extend(activities.iter().copied());
        }
        others.push(ClassInfo {
            name: format!("{name}.{class}"),
            format: name.to_owned(),
            class: Some(class.clone()),
            default_lateness_ms: duration_ms(&entry.lateness)?,
            activities,
        });
    }
    let main = ClassInfo {
        name: name.to_owned(),
        format: name.to_owned(),
        class: None,
        default_lateness_ms: duration_ms(&file.lateness)?,
        activities: activities(file)?.difference(&theirs).copied().collect(),
    };
    Ok(std::iter::once(main).chain(others).collect())
}

fn activity(word: &str) -> Result<Activity, Mistake> {
    Activity::parse(word).ok_or_else(|| Mistake::Activity {
        name: word.to_owned(),
    })
}

/// Every activity that a file names; all of them where it takes the word from the record.
fn activities(file: &FormatFile) -> Result<BTreeSet<Activity>, Mistake> {
    let mut found = BTreeSet::from([Activity::Other]);
    let mut add = |literal: &Literal| {
        found.insert(activity(&literal.text())?);
        Ok::<(), Mistake>(())
    };
    let rules = file.rule.iter().map(|rule| &rule.set);
    let cases = file
        .switch
        .iter()
        .flat_map(|switch| &switch.case)
        .map(|case| &case.set);
    for set in rules.chain(cases) {
        set.get(&Column::Activity).map(&mut add).transpose()?;
    }
    let mut all = false;
    for source in every_source(file, Column::Activity) {
        match source {
            SourceFile::Path(_) => all = true,
            SourceFile::Table(table) => {
                let values = table
                    .values
                    .values()
                    .chain(&table.otherwise)
                    .chain(&table.constant);
                values.map(&mut add).collect::<Result<Vec<_>, _>>()?;
                all |= table.path.is_some() && table.values.is_empty();
            }
        }
    }
    Ok(if all {
        Activity::ALL.iter().copied().collect()
    } else {
        found
    })
}

fn every_source(file: &FormatFile, column: Column) -> impl Iterator<Item = &SourceFile> {
    tables(file)
        .filter_map(move |table| table.get(&column))
        .flat_map(OneOrMore::iter)
}

fn tables(file: &FormatFile) -> impl Iterator<Item = &BTreeMap<Column, OneOrMore<SourceFile>>> {
    let rules = file.rule.iter().map(|rule| &rule.columns);
    let cases = file
        .switch
        .iter()
        .flat_map(|switch| &switch.case)
        .map(|case| &case.columns);
    std::iter::once(&file.columns).chain(rules).chain(cases)
}

fn columns(file: &FormatFile) -> BTreeSet<Column> {
    let rules = file.rule.iter().map(|rule| &rule.set);
    let cases = file
        .switch
        .iter()
        .flat_map(|switch| &switch.case)
        .map(|case| &case.set);
    let set = rules.chain(cases).flat_map(|set| set.keys().copied());
    tables(file)
        .flat_map(|table| table.keys().copied())
        .chain(set)
        .collect()
}
