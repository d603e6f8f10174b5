//! What really happened: a file of labels, read and checked.
//!
//! Invariant: a label that could never be met is refused, not counted as missed.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use nightjar_detectors::catalog;
use nightjar_detectors::time::{Calendar, Day, day_text};

use super::seen::Seen;
use crate::generate::Label;

/// A label whose times are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// As it stands in the file.
    pub label: Label,
    /// Start in ms.
    pub start: i64,
    /// End in ms, not before the start.
    pub end: i64,
    /// Line of its id in the file.
    line: usize,
}

impl Labelled {
    /// The tenant's days that it touches.
    pub fn days(&self, calendar: &Calendar) -> RangeInclusive<Day> {
        calendar.day(self.start)..=calendar.day(self.end)
    }
}

/// All labels of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    path: String,
    /// In the order of the file.
    pub all: Vec<Labelled>,
}

/// A file of labels that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// Cannot be read.
    #[error("labels file {0} cannot be read")]
    Io(String, #[source] std::io::Error),
    /// Not a list of labels.
    #[error(
        "labels file {0} is not a JSON list of {{id, scenario, difficulty, attack, detectors, entity, start, end}}"
    )]
    Json(String, #[source] serde_json::Error),
    /// Labels that cannot be met, each with its line.
    #[error("the labels cannot be used; correct or remove them\n{}", .0.join("\n"))]
    Labels(Vec<String>),
}

impl Labels {
    /// Reads a labels file.
    ///
    /// # Errors
    /// When it is not one, or a label contradicts itself.
    pub fn read(path: &Path) -> Result<Labels, LabelError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| LabelError::Io(name.clone(), error))?;
        Labels::parse(name, &bytes)
    }

    fn parse(path: String, bytes: &[u8]) -> Result<Labels, LabelError> {
        let labels: Vec<Label> =
            serde_json::from_slice(bytes).map_err(|error| LabelError::Json(path.clone(), error))?;
        let text = String::from_utf8_lossy(bytes);
        let (mut all, mut mistakes) = (Vec::new(), Vec::new());
        let mut ids = BTreeSet::new();
        for label in labels {
            let line = line_of(&text, &label.id);
            let place = format!("{path}:{line}: label {}", label.id);
            match times(&label) {
                _ if !ids.insert(label.id.clone()) => {
                    mistakes.push(format!("{place} has the id of another label"));
                }
                Err(mistake) => mistakes.push(format!("{place} {mistake}")),
                Ok((start, end)) => all.push(Labelled {
                    label,
                    start,
                    end,
                    line,
                }),
            }
        }
        match mistakes.is_empty() {
            true => Ok(Labels { path, all }),
            false => Err(LabelError::Labels(mistakes)),
        }
    }

    /// Whom the labels name.
    pub fn entities(&self) -> BTreeSet<String> {
        let all = self.all.iter();
        all.map(|labelled| labelled.label.entity.clone()).collect()
    }

    /// Keeps the labels of the reported days; how many are left out. `span`: the days of the data.
    ///
    /// # Errors
    /// When a label names somebody whom the data never do, or lies outside their days. Where rows were left out
    /// by a condition, the first is no mistake.
    pub fn keep_met(
        &mut self,
        seen: &Seen,
        span: (Day, Day),
        calendar: &Calendar,
        is_reported: &dyn Fn(Day) -> bool,
        is_filtered: bool,
    ) -> Result<usize, LabelError> {
        let (first, last) = span;
        let mut mistakes = Vec::new();
        for known in &self.all {
            let (days, label) = (known.days(calendar), &known.label);
            let place = format!("{}:{}: label {}", self.path, known.line, label.id);
            if *days.end() < first || last < *days.start() {
                mistakes.push(format!(
                    "{place} lies outside the days of the data, {} to {}",
                    day_text(first),
                    day_text(last)
                ));
            } else if !seen.has(&label.entity) && !is_filtered {
                let entity = &label.entity;
                mistakes.push(format!(
                    "{place} names {entity}, whom no row of the data names"
                ));
            }
        }
        if !mistakes.is_empty() {
            return Err(LabelError::Labels(mistakes));
        }
        let before = self.all.len();
        self.all
            .retain(|known| seen.has(&known.label.entity) && known.days(calendar).any(is_reported));
        Ok(before - self.all.len())
    }
}

/// Start and end of a label that is right by itself.
fn times(label: &Label) -> Result<(i64, i64), String> {
    let time = |what: &str, text: &str| {
        let parsed = chrono::DateTime::parse_from_rfc3339(text);
        let wrong = |_| format!("has a {what} that is not an RFC 3339 time");
        parsed.map(|at| at.timestamp_millis()).map_err(wrong)
    };
    let (start, end) = (time("start", &label.start)?, time("end", &label.end)?);
    if end < start {
        return Err("ends before it starts".to_owned());
    }
    let mut names = label.detectors.iter();
    match names.find(|name| catalog::entry(name).is_none()) {
        Some(name) => Err(format!(
            "names the detector {name}, which does not exist; `nightjar detectors` lists all"
        )),
        None if label.detectors.is_empty() => Err("names no detector".to_owned()),
        None => Ok((start, end)),
    }
}

/// The line on which an id stands first.
fn line_of(text: &str, id: &str) -> usize {
    let quoted = serde_json::Value::from(id).to_string();
    let place = text.find(&quoted).unwrap_or(0);
    1 + text[..place].matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(id: &str, detector: &str, start: &str, end: &str) -> String {
        format!(
            r#"{{"id":"{id}","scenario":"s","difficulty":"easy","attack":true,"detectors":["{detector}"],"entity":"ana","start":"{start}","end":"{end}"}}"#
        )
    }

    fn mistakes(lines: &[String]) -> String {
        let text = format!("[\n{}\n]", lines.join(",\n"));
        let parsed = Labels::parse("l.json".into(), text.as_bytes());
        parsed.map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_line() {
        let (early, late) = ("2026-03-02T10:00:00Z", "2026-03-02T11:00:00Z");
        let good = label("one", "mass_download", early, late);
        assert_eq!(mistakes(std::slice::from_ref(&good)), "");
        let told = mistakes(&[good.clone(), label("two", "mass_download", late, early)]);
        assert!(
            told.ends_with("l.json:3: label two ends before it starts"),
            "{told}"
        );
        let told = mistakes(&[label("two", "mass_downloads", early, late)]);
        assert!(told.contains("names the detector mass_downloads"), "{told}");
        let told = mistakes(&[good.clone(), good]);
        assert!(told.contains("label one has the id of another"), "{told}");
        let told = mistakes(&[label("two", "mass_download", "noon", late)]);
        assert!(
            told.contains("start that is not an RFC 3339 time"),
            "{told}"
        );
    }
}
