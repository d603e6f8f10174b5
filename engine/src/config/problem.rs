//! What is wrong with a configuration: every problem with its place and what to do about it.
//!
//! Invariant: no text here holds the value of a librdkafka option, and none holds a line of the file.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere in particular: a default, or the configuration as a whole.
    Configuration,
    /// A file as a whole.
    File(PathBuf),
    /// A line of a file, counted from 1.
    Line(PathBuf, usize),
    /// An environment variable, by name.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Configuration => write!(out, "configuration"),
            Place::File(file) => write!(out, "{}", file.display()),
            Place::Line(file, line) => write!(out, "{}:{line}", file.display()),
            Place::Variable(name) => write!(out, "environment variable {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
    /// What to do about it.
    pub suggestion: String,
}

impl Problem {
    /// A problem at a place.
    pub fn new(place: Place, what: impl Into<String>, suggestion: impl Into<String>) -> Self {
        Problem {
            place,
            what: what.into(),
            suggestion: suggestion.into(),
        }
    }

    /// A file that cannot be read.
    pub fn unreadable(place: Place, file: &Path, error: &std::io::Error) -> Self {
        let what = format!("cannot read {}: {error}", file.display());
        Problem::new(place, what, "check the path and its permissions")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}; {}", self.place, self.what, self.suggestion)
    }
}

/// All problems of a configuration, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if 0 < index {
                writeln!(out)?;
            }
            write!(out, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        ConfigErrors(vec![problem])
    }
}

/// "did you mean": the nearest of the known names, else all of them.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let score = |candidate: &str| {
        strsim::jaro_winkler(&name.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
    };
    let best = known
        .iter()
        .map(|candidate| (score(candidate), *candidate))
        .filter(|(score, _)| 0.8 <= *score)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
    match best {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}
