//! What the service says about itself, in Prometheus' text format.
//!
//! Invariant: every figure is one of [`Status`] or a count of the alert log; names end in their unit, and
//! no label holds anything but names of topics, detectors and partitions.

use std::fmt::Write as _;

use crate::grpc::{Phase, SourceStatus, Status};

/// One family of figures.
struct Family<'t> {
    name: &'static str,
    text: &'t mut String,
}

impl Family<'_> {
    fn add(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
            .collect();
        let labels = labels.join(",");
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "nightjar_{}{{{labels}}} {value}", self.name);
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn family<'t>(text: &'t mut String, name: &'static str, kind: &str, help: &str) -> Family<'t> {
    let _ = writeln!(text, "# HELP nightjar_{name} {help}");
    let _ = writeln!(text, "# TYPE nightjar_{name} {kind}");
    Family { name, text }
}

/// The figures of a source, by name.
type Figure = (
    &'static str,
    &'static str,
    &'static str,
    fn(&SourceStatus) -> Option<f64>,
);

const OF_SOURCES: [Figure; 10] = [
    (
        "records_total",
        "counter",
        "Records read since the start.",
        |source| Some(source.records as f64),
    ),
    (
        "events_total",
        "counter",
        "Events that were new and in time, since the start.",
        |source| Some(source.rows as f64),
    ),
    (
        "repeats_total",
        "counter",
        "Events seen before, since the start.",
        |source| Some(source.repeats as f64),
    ),
    (
        "conflicts_total",
        "counter",
        "Events whose id another record had lately with other content, since the start.",
        |source| Some(source.conflicts as f64),
    ),
    (
        "late_total",
        "counter",
        "Events that came after their allowed lateness, since the start.",
        |source| Some(source.late as f64),
    ),
    (
        "quarantined_total",
        "counter",
        "Records that could not be read, since the start.",
        |source| Some(source.quarantined as f64),
    ),
    (
        "other_logins_total",
        "counter",
        "Events that tell a login which another format tells too, since the start.",
        |source| Some(source.other_logins as f64),
    ),
    (
        "lag_records",
        "gauge",
        "Records that Kafka holds and that were not read yet.",
        |source| Some(source.lag() as f64),
    ),
    (
        "paused",
        "gauge",
        "1 while a partition is ahead of the others and waits for them.",
        |source| Some(f64::from(u8::from(source.is_paused()))),
    ),
    (
        "clock_timestamp_seconds",
        "gauge",
        "Up to here everything has arrived: the least clock of the partitions.",
        |source| Some(source.watermark_ms()? as f64 / 1000.0),
    ),
];

/// All figures.
pub fn render(status: &Status) -> String {
    let mut text = String::new();
    family(&mut text, "info", "gauge", "What runs.").add(
        &[
            ("version", &status.version),
            ("tenant", &status.tenant),
            ("config", &status.config),
        ],
        1,
    );
    let mut phases = family(&mut text, "phase", "gauge", "1 for the phase at hand.");
    for phase in [Phase::History, Phase::CatchingUp, Phase::Live] {
        let is_it = u8::from(phase == status.phase);
        phases.add(&[("phase", phase.as_str())], is_it);
    }
    let started = status.started_ms as f64 / 1000.0;
    let help = "Start of the process.";
    family(&mut text, "start_timestamp_seconds", "gauge", help).add(&[], started);
    for (name, kind, help, of) in OF_SOURCES {
        let mut figures = family(&mut text, name, kind, help);
        for source in &status.sources {
            if let Some(value) = of(source) {
                figures.add(&[("source", &source.source)], value);
            }
        }
    }
    let help = "Alerts in the log, muted ones included.";
    let mut alerts = family(&mut text, "alerts", "gauge", help);
    for detector in &status.detectors {
        alerts.add(&[("detector", &detector.detector)], detector.alerts);
    }
    let help = "Portions that were read and wait to be judged.";
    family(&mut text, "queue_depth", "gauge", help).add(&[], status.queue);
    let help = "How long the last checkpoint took to reach the disk.";
    let seconds = status.checkpoint_ms as f64 / 1000.0;
    family(&mut text, "checkpoint_seconds", "gauge", help).add(&[], seconds);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Partition;
    use crate::grpc::{DetectorStatus, PartitionStatus};

    /// A scraper finds every figure once, under a name with its unit.
    #[test]
    fn a_status_is_told_in_figures() {
        let partition = |number, clock_ms, paused| PartitionStatus {
            partition: Partition {
                topic: "okta".into(),
                number,
            },
            position: 5,
            end: 9,
            clock_ms: Some(clock_ms),
            paused,
        };
        let source = SourceStatus {
            source: "okta".into(),
            records: 12,
            late: 2,
            partitions: vec![partition(0, 1_500, false), partition(1, 2_500, true)],
            ..SourceStatus::default()
        };
        let detector = DetectorStatus {
            detector: "mass_download".into(),
            alerts: 3,
            ..DetectorStatus::default()
        };
        let text = render(&Status {
            tenant: "a \"b\"".into(),
            sources: vec![source],
            detectors: vec![detector],
            checkpoint_ms: 20,
            ..Status::default()
        });
        for line in [
            "nightjar_info{version=\"\",tenant=\"a \\\"b\\\"\",config=\"\"} 1",
            "nightjar_phase{phase=\"history\"} 1",
            "nightjar_records_total{source=\"okta\"} 12",
            "nightjar_late_total{source=\"okta\"} 2",
            "nightjar_lag_records{source=\"okta\"} 8",
            "nightjar_paused{source=\"okta\"} 1",
            "nightjar_clock_timestamp_seconds{source=\"okta\"} 1.5",
            "nightjar_alerts{detector=\"mass_download\"} 3",
            "nightjar_checkpoint_seconds{} 0.02",
        ] {
            assert_eq!(text.matches(line).count(), 1, "{line} in {text}");
        }
    }
}
