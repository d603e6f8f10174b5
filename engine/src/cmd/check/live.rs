//! `nightjar check --live`: what the configured topics hold, and what can be seen from it.
//!
//! Invariant: names of topics, formats, columns and keys, counts and times; no value of a record.

use anyhow::Context as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use nightjar_detectors::event::time_text;
use serde_json::{Value, json};

use crate::cmd::{coverage, print, run};
use crate::config::duration_ms;
use crate::coverage::SourceReport;
use crate::live::{Bounds, Look, Topic, look};
use crate::setup::Setup;
use crate::table::Columns;

/// Arguments of the look.
#[derive(Debug, Clone, Default, Args)]
pub struct LookArgs {
    /// Look at the last records of the configured topics too
    #[arg(long)]
    pub live: bool,
    /// How many records to look at, a partition
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "live")]
    records: u32,
    /// How long to look at most
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = within, requires = "live")]
    within: Duration,
    /// What there is as JSON
    #[arg(long, requires = "live")]
    pub json: bool,
}

fn within(text: &str) -> Result<Duration, String> {
    let millis = duration_ms(text).and_then(|millis| u64::try_from(millis).ok());
    let millis = millis.filter(|millis| 0 < *millis);
    let advice = || "write a number with its unit, as in 30s or 2m".to_owned();
    millis.map(Duration::from_millis).ok_or_else(advice)
}

/// Looks and tells.
///
/// # Errors
/// When Kafka cannot be used, or a configured topic is not there.
pub fn run(args: &LookArgs, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let stop = crate::interrupt::flag();
    let setup = Setup::load(config)?;
    let bounds = Bounds {
        records_max: args.records,
        within: args.within,
    };
    let kafka = run::kafka_options(&setup.config)?;
    let kafka = kafka.context("no topics to look at; set kafka.topics")?;
    let look = look(&setup, &kafka, bounds, &stop)?;
    let report = look
        .coverage
        .report(&|format| coverage::columns_of(&setup, format));
    let blind = look.coverage.blind(&report);
    let logins = setup
        .logins
        .report(look.coverage.logins(), &look.other_logins);
    let now_ms = chrono::Utc::now().timestamp_millis();
    if args.json {
        let topics = look.topics.iter();
        let topics = topics.map(|(name, topic)| topic_json(name, topic, &report, now_ms));
        let missing = look.missing.iter();
        let missing =
            missing.map(|missing| json!({"topic": missing.topic, "reason": missing.reason}));
        let all = json!({
            "topics": topics.collect::<Vec<_>>(), "missing": missing.collect::<Vec<_>>(),
            "blind": blind, "logins": logins, "troubles": look.troubles,
        });
        print(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    } else {
        let findings = match report.is_empty() {
            true => String::new(),
            false => "\n".to_owned() + &coverage::findings(&report, &blind, &logins),
        };
        print(&(topics_text(&look, &report, now_ms) + &findings + &notes(&look)))?;
    }
    let missing: Vec<String> = look.missing.iter().map(ToString::to_string).collect();
    anyhow::ensure!(missing.is_empty(), "{}", missing.join("; "));
    anyhow::ensure!(
        !look.topics.is_empty(),
        "no topic matches kafka.topics; correct the pattern, or create a topic"
    );
    Ok(ExitCode::SUCCESS)
}

fn of<'r>(report: &'r [SourceReport], topic: &str) -> Option<&'r SourceReport> {
    report.iter().find(|report| report.source == topic)
}

fn topic_json(name: &str, topic: &Topic, report: &[SourceReport], now_ms: i64) -> Value {
    let counts = topic.counts;
    let age_seconds = topic
        .newest_ms
        .map(|newest| (now_ms - newest) as f64 / 1000.0);
    json!({
        "topic": name,
        "partitions": topic.partitions,
        "unfinished_partitions": topic.unfinished,
        "records": counts.records,
        "rows": counts.rows,
        "no_activity": counts.ignored,
        "set_aside": counts.quarantined,
        "other_logins": counts.other_logins,
        "reasons": topic.reasons,
        "unrecognised": {"records": topic.unrecognised.parts, "keys": topic.unrecognised.keys},
        "newest": topic.newest_ms.map(time_text),
        "newest_age_seconds": age_seconds,
        "coverage": of(report, name),
    })
}

fn topics_text(look: &Look, report: &[SourceReport], now_ms: i64) -> String {
    let heads = [
        "TOPIC",
        "PARTITIONS",
        "RECORDS",
        "ROWS",
        "NO ACTIVITY",
        "SET ASIDE",
        "UNRECOGNISED",
        "NEWEST",
        "USERS",
        "FORMATS (ROWS)",
    ];
    let mut table = Columns::new(&heads);
    for (name, topic) in &look.topics {
        let counts = topic.counts;
        let report = of(report, name);
        let formats = report.map(|report| {
            let formats = report.rows_by_format.iter();
            let formats = formats.map(|(format, rows)| format!("{format} {rows}"));
            formats.collect::<Vec<_>>().join(", ")
        });
        table.row([
            name.clone(),
            topic.partitions.to_string(),
            counts.records.to_string(),
            counts.rows.to_string(),
            counts.ignored.to_string(),
            counts.quarantined.to_string(),
            topic.unrecognised.parts.to_string(),
            age(topic.newest_ms, now_ms),
            report.map_or(0, |report| report.users).to_string(),
            formats.unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    table.text()
}

/// How long ago, in the largest unit that leaves two of it.
fn age(then_ms: Option<i64>, now_ms: i64) -> String {
    let Some(then_ms) = then_ms else {
        return "-".to_owned();
    };
    let (seconds, when) = match now_ms - then_ms {
        ahead if ahead < -1000 => (-ahead / 1000, "ahead"),
        ago => (ago.max(0) / 1000, "ago"),
    };
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(unit, _)| 2 * unit <= seconds);
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{} {name} {when}", seconds / unit)
}

/// What the tables do not say, a sentence each.
fn notes(look: &Look) -> String {
    let mut text = String::new();
    for (name, topic) in &look.topics {
        if topic.counts.records == 0 && topic.unfinished == 0 {
            text += &format!("topic {name} is empty\n");
        }
        if 0 < topic.unfinished {
            text += &format!(
                "topic {name}: {} of {} partitions were not read to their end in time; allow more with --within\n",
                topic.unfinished, topic.partitions
            );
        }
        for (reason, records) in &topic.reasons {
            text += &format!("topic {name}: {records} set aside: {reason}\n");
        }
        if let Some(sentence) = topic.unrecognised.sentence(name) {
            text += &(sentence + "\n");
        }
    }
    for trouble in &look.troubles {
        text += &format!("{trouble}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_two_or_more_of_a_unit() {
        let cases = [
            (0, "0 s ago"),
            (119_000, "119 s ago"),
            (120_000, "2 min ago"),
            (7_200_000, "2 h ago"),
            (3 * 86_400_000, "3 d ago"),
            (-500, "0 s ago"),
            (-7_200_000, "2 h ahead"),
        ];
        for (age_ms, expected) in cases {
            assert_eq!(age(Some(1_000_000_000 - age_ms), 1_000_000_000), expected);
        }
        assert_eq!(age(None, 5), "-");
    }

    #[test]
    fn times_are_durations() {
        assert_eq!(within("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["0s", "2", "never", "-3s"] {
            assert!(within(wrong).is_err(), "{wrong}");
        }
    }
}
