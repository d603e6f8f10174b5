//! Alerts as lines for people.
//!
//! Invariant: what comes from a log cannot command the terminal: control characters are replaced.

use std::borrow::Cow;
use std::io::IsTerminal;

use chrono_tz::Tz;
use nightjar_detectors::alert::{Alert, Severity};
use nightjar_detectors::event::time_text;
use nightjar_detectors::incident::Incident;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Times are shown in this zone.
    pub zone: Tz,
    /// Severities in colours.
    pub colours: bool,
}

impl Look {
    /// Colours if standard output is a terminal and nobody objects (`NO_COLOR`).
    pub fn for_stdout(zone: Tz) -> Self {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb;
        Look { zone, colours }
    }
}

/// A table whose columns are as wide as what stands in them; numbers stand to the right.
#[derive(Debug, Clone)]
pub struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// An empty table under these heads.
    pub fn new(heads: &[&str]) -> Self {
        let heads = heads.iter().map(|head| (*head).to_owned()).collect();
        Columns { rows: vec![heads] }
    }

    /// Adds a row, of as many cells as there are heads.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| printable(&cell).into_owned());
        self.rows.push(cells.collect());
    }

    /// The whole table, a line a row.
    pub fn text(&self) -> String {
        let count = self.rows.first().map_or(0, Vec::len);
        let of = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let width = |column: usize| of(column).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..count).map(|c| width(c).unwrap_or(0)).collect();
        let is_number =
            |cell: &String| cell == "-" || cell.trim_end_matches(" %").parse::<f64>().is_ok();
        let right: Vec<bool> = (0..count)
            .map(|column| 1 < self.rows.len() && of(column).skip(1).all(is_number))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                line += &match right[column] {
                    true => format!("{cell:>width$}  "),
                    false => format!("{cell:<width$}  "),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

/// The column heads of [`alert_line`].
pub fn heads() -> String {
    format!(
        "{:<8}  {:<16}  {:<18}  {:<28}  {:<8}  SUMMARY",
        "SEVERITY", "TIME", "DETECTOR", "ENTITY", "ID"
    )
}

/// One alert on one line: severity, time of the event, detector, entity, the id's beginning, summary, and in
/// brackets what else one should know.
pub fn alert_line(alert: &Alert, look: &Look) -> String {
    let severity = alert.severity.as_str();
    let (on, off) = match look.colours {
        true => (colour(alert.severity, alert.is_muted()), "\x1b[0m"),
        false => ("", ""),
    };
    let update = match alert.revision {
        0 | 1 => String::new(),
        revision => format!("update r{revision}: "),
    };
    format!(
        "{on}{severity:<8}{off}  {:<16}  {:<18}  {:<28}  {:<8}  {update}{}{}",
        time(&alert.first_event_time, look.zone),
        printable(&alert.detector),
        printable(&alert.entity.id),
        printable(alert.id.get(..8).unwrap_or(&alert.id)),
        printable(&alert.summary),
        marks(alert),
    )
}

/// The column heads of [`incident_line`].
pub fn incident_heads() -> String {
    format!(
        "{:<8}  {:<16}  {:>5}  {:<28}  SUMMARY",
        "SEVERITY", "TIME", "SCORE", "ENTITY"
    )
}

/// One incident on one line: severity, time of the first event, score, principal, summary.
pub fn incident_line(incident: &Incident, look: &Look) -> String {
    let severity = incident.severity.as_str();
    let is_withdrawn = incident.state == "withdrawn";
    let (on, off) = match look.colours {
        true => (colour(incident.severity, is_withdrawn), "\x1b[0m"),
        false => ("", ""),
    };
    let marks = [
        (is_withdrawn, "  (withdrawn)"),
        (incident.history, "  (history)"),
    ];
    let marks: String = marks
        .iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, mark)| *mark)
        .collect();
    format!(
        "{on}{severity:<8}{off}  {:<16}  {:>5.1}  {:<28}  {}{marks}",
        time(&incident.first_event_time, look.zone),
        incident.score,
        printable(&incident.entity.id),
        printable(&incident.summary),
    )
}

fn marks(alert: &Alert) -> String {
    let mut marks = String::new();
    if let Some(suppressed) = &alert.suppressed {
        let (effect, reason) = (printable(&suppressed.effect), printable(&suppressed.reason));
        marks += &format!("  ({effect}: {reason})");
    }
    for (is_so, mark) in [(alert.history, "  (history)"), (alert.late, "  (late)")] {
        if is_so {
            marks += mark;
        }
    }
    marks
}

fn colour(severity: Severity, is_muted: bool) -> &'static str {
    if is_muted {
        return "\x1b[2m";
    }
    match severity {
        Severity::Info => "\x1b[2m",
        Severity::Low => "\x1b[36m",
        Severity::Medium => "\x1b[33m",
        Severity::High => "\x1b[31m",
        Severity::Critical => "\x1b[1;31m",
    }
}

/// Lines under heads, each column as wide as its widest cell, numbers not being told from words; the
/// last column is not filled up.
pub fn columns(heads: &[&str], lines: &[Vec<String>]) -> String {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let all = || std::iter::once(&heads).chain(lines);
    let width = |column: usize| all().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..heads.len()).filter_map(width).collect();
    let mut text = String::new();
    for line in all() {
        let cells = line.iter().zip(&widths);
        let filled: Vec<String> = cells
            .map(|(cell, width)| format!("{:<width$}", printable(cell)))
            .collect();
        text.push_str(filled.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Date and minute of a moment, ms, on the zone's clock.
pub fn moment(time_ms: i64, zone: Tz) -> String {
    time(&time_text(time_ms), zone).into_owned()
}

/// Date and minute on the zone's clock; what is not a time stays as it is.
pub fn time(text: &str, zone: Tz) -> Cow<'_, str> {
    match chrono::DateTime::parse_from_rfc3339(text) {
        Ok(time) => time
            .with_timezone(&zone)
            .format("%Y-%m-%d %H:%M")
            .to_string()
            .into(),
        Err(_) => printable(text),
    }
}

/// Text of a log without what a terminal would obey: controls, and marks that reverse the direction.
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_command = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(is_command) {
        return text.into();
    }
    text.chars()
        .map(|c| if is_command(c) { '\u{fffd}' } else { c })
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, muted};

    const LOOK: Look = Look {
        zone: Tz::Europe__Berlin,
        colours: false,
    };

    #[test]
    fn a_line_says_what_and_when() {
        let line = alert_line(&alert("a", 187), &LOOK);
        assert_eq!(
            line,
            "high      2026-03-02 15:11  mass_download       ana@example.com               a         \
             ana@example.com downloaded 187 files"
        );
        assert_eq!(
            heads().find("SUMMARY"),
            line.find("ana@example.com downloaded")
        );
        let update = Alert {
            revision: 3,
            history: true,
            ..muted(alert("a", 1))
        };
        let line = alert_line(&update, &LOOK);
        assert!(line.ends_with(
            "  update r3: ana@example.com downloaded 1 files  (muted: repeat)  (history)"
        ));
        let line = alert_line(
            &alert("a", 1),
            &Look {
                colours: true,
                ..LOOK
            },
        );
        assert!(line.starts_with("\x1b[31mhigh    \x1b[0m  2026"));
    }

    #[test]
    fn an_incident_is_a_line_too() {
        let (one, two) = (alert("a", 187), muted(alert("b", 1)));
        let incident = Incident::of(&[&two, &one]).unwrap();
        let line = incident_line(&incident, &LOOK);
        assert!(line.starts_with("high      2026-03-02 15:11  "), "{line}");
        assert_eq!(
            incident_heads().find("SUMMARY"),
            line.find("ana@example.com downloaded 187")
        );
        let withdrawn = Incident::of(&[&two]).unwrap();
        assert!(incident_line(&withdrawn, &LOOK).ends_with("(withdrawn)"));
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let lines = [
            vec!["a".into(), "long one".into()],
            vec!["bcd".into(), "\u{7}".into()],
        ];
        let text = columns(&["X", "Y"], &lines);
        assert_eq!(text, "X    Y\na    long one\nbcd  \u{fffd}\n");
    }

    /// A user called "\x1b[2J" does not clear the screen.
    #[test]
    fn logs_do_not_command_the_terminal() {
        let mut bad = alert("a", 1);
        bad.summary = "\x1b[2Jx\r\n\u{202e}y\u{9b}".into();
        bad.entity.id = "\u{7}".into();
        bad.first_event_time = "\x1b".into();
        let line = alert_line(&bad, &LOOK);
        assert!(
            !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line:?}"
        );
    }
}
