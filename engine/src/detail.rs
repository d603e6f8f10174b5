//! One alert whole, or one incident as its story, for whoever has to decide about it.
//!
//! Invariant: everything that it says of itself is there, and nothing of it commands the terminal.

use chrono_tz::Tz;
use nightjar_detectors::alert::{Alert, Entity};
use nightjar_detectors::incident::Incident;

use crate::table::{printable, time};

/// Width of the words on the left.
const MARGIN: usize = 10;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The alert on many lines; times on the zone's clock.
pub fn alert_detail(alert: &Alert, zone: Tz) -> String {
    let mut lines = Lines::default();
    lines.put("id", &alert.id);
    lines.put(
        "detector",
        &format!("{}, severity {}", alert.detector, alert.severity.as_str()),
    );
    lines.put("entity", &entities(alert));
    lines.put("what", &alert.summary);
    lines.put("quiet", &alert.quiet);
    for (number, step) in alert.next_steps.iter().enumerate() {
        let word = if number == 0 { "do" } else { "" };
        lines.put(word, &format!("{}. {step}", number + 1));
    }
    lines.put("measured", &measured(alert));
    lines.put("baseline", &baseline(alert));
    let (start, end) = (
        time(&alert.window.start, zone),
        time(&alert.window.end, zone),
    );
    let due = time(&alert.detected_at, zone);
    lines.put("when", &format!("{start} to {end} ({zone}), due {due}"));
    lines.put(
        "evidence",
        &format!("{} of {} events", alert.evidence.len(), alert.event_count),
    );
    for event in &alert.evidence {
        let at = time(&event.time, zone);
        lines.put(
            "",
            &format!("{at}  {}  {}  {}", event.source, event.position, event.uid),
        );
    }
    lines.put("attack", &alert.attack.join(", "));
    if let Some(suppressed) = &alert.suppressed {
        let (effect, reason, by) = (&suppressed.effect, &suppressed.reason, &suppressed.by);
        lines.put(effect, &format!("{reason}: {by}"));
    }
    lines.put("incident", &alert.incident);
    lines.put(
        "state",
        &format!(
            "{}, revision {}{}",
            alert.state,
            alert.revision,
            marks(alert)
        ),
    );
    lines.0
}

/// The incident on many lines: what was found in the order of events, and what to do.
pub fn incident_detail(incident: &Incident, zone: Tz) -> String {
    let mut lines = Lines::default();
    lines.put("incident", &incident.id);
    let (severity, score) = (incident.severity.as_str(), incident.score);
    lines.put("severity", &format!("{severity}, score {score:.1}"));
    let entity = &incident.entity;
    lines.put("entity", &format!("{} {}", entity.kind, entity.id));
    let also = incident.also.iter().map(|e| format!("{} {}", e.kind, e.id));
    lines.put("also", &also.collect::<Vec<_>>().join(", "));
    for (number, chapter) in incident.story.iter().enumerate() {
        let muted = match chapter.muted.as_str() {
            "" => String::new(),
            reason => format!(" (muted: {reason})"),
        };
        let at = time(&chapter.time, zone);
        let (severity, detector) = (chapter.severity.as_str(), &chapter.detector);
        lines.put(
            if number == 0 { "story" } else { "" },
            &format!(
                "{at}  {severity:<8}  {detector}: {}{muted}",
                chapter.summary
            ),
        );
    }
    let told = incident.story.len();
    if told < incident.alert_count as usize {
        lines.put(
            "",
            &format!("the gravest {told} of {}", incident.alert_count),
        );
    }
    for (number, family) in incident.families.iter().enumerate() {
        let (name, p, detectors) = (&family.name, family.p_value, family.detectors.join(", "));
        lines.put(
            if number == 0 { "evidence" } else { "" },
            &format!("{name}: p {p}, {detectors}"),
        );
    }
    for (number, step) in incident.next_steps.iter().enumerate() {
        let word = if number == 0 { "do" } else { "" };
        lines.put(word, &format!("{}. {step}", number + 1));
    }
    lines.put("attack", &incident.attack.join(", "));
    lines.put("state", &incident.state);
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A line, unless there is nothing to say.
    fn put(&mut self, word: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let (word, text) = (printable(word), printable(text));
        self.0 += &format!("{word:<MARGIN$}{text}\n");
    }
}

fn entities(alert: &Alert) -> String {
    let text = |entity: &Entity| format!("{} {}", entity.kind, entity.id);
    let all: Vec<String> = std::iter::once(&alert.entity)
        .chain(&alert.also)
        .map(text)
        .collect();
    all.join(", ")
}

fn measured(alert: &Alert) -> String {
    let about = if alert.approximate { "about " } else { "" };
    let mut text = format!("{about}{}, usual {}", alert.observed, alert.expected);
    if let (Some(p), Some(threshold)) = (alert.p_value, alert.threshold) {
        text += &format!("; p {p:e}, alerts below {threshold:e}");
    }
    text
}

fn baseline(alert: &Alert) -> String {
    let baseline = &alert.baseline;
    let cold = if alert.cold { ", judged by peers" } else { "" };
    let days = if baseline.days == 1 { "day" } else { "days" };
    let mut text = format!("{}, {} {days} known{cold}", baseline.source, baseline.days);
    let largest = baseline.history.iter().copied().fold(0.0, f64::max);
    if 0.0 < largest {
        let bars: String = baseline
            .history
            .iter()
            .map(|value| bar(value / largest))
            .collect();
        text += &format!("  {bars}  (highest {largest})");
    }
    text
}

fn bar(share: f64) -> char {
    let place = (share * BARS.len() as f64).ceil() as usize;
    BARS[place.clamp(1, BARS.len()) - 1]
}

fn marks(alert: &Alert) -> &'static str {
    match (alert.history, alert.late) {
        (true, _) => ", of the history",
        (false, true) => ", late",
        (false, false) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, muted};

    #[test]
    fn everything_is_there() {
        let text = alert_detail(&muted(alert("a1", 187)), Tz::Europe__Berlin);
        for line in [
            "what      ana@example.com downloaded 187 files\n",
            "quiet     24 files or fewer in one day\n",
            "do        1. ask her\n",
            "baseline  own, 41 days known, judged by peers  ▁█  (highest 14)\n",
            "evidence  1 of 187 events\n",
            "  m365  m365/0@7  u\n",
            "muted     repeat: book\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    /// The story names each finding at its time, and what to do is numbered.
    #[test]
    fn an_incident_is_a_story() {
        let (one, two) = (alert("a", 187), muted(alert("b", 1)));
        let incident = Incident::of(&[&two, &one]).unwrap();
        let text = incident_detail(&incident, Tz::Europe__Berlin);
        for line in [
            "severity  high, score ",
            "story     2026-03-02 15:11  high      mass_download: ana@example.com downloaded ",
            "downloaded 1 files (muted: repeat)\n",
            "do        1. ask her\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn logs_do_not_command_the_terminal() {
        let mut bad = alert("a", 1);
        bad.quiet = "\x1b[2J".into();
        bad.next_steps = vec!["\u{9b}\r".into()];
        bad.evidence[0].uid = "\n\u{202e}".into();
        let text = alert_detail(&bad, Tz::UTC);
        let is_command = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(is_command), "{text:?}");
    }
}
