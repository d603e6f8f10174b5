//! What is in a state folder, for people and for machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use indicatif::HumanBytes;
use nightjar_detectors::core::Core;
use nightjar_detectors::event::time_text;
use nightjar_detectors::time::day_text;
use serde::Serialize;

use crate::clock::Partition;
use crate::config::Config;
use crate::pipeline::Meta;
use crate::setup::{Setup, SetupError};
use crate::store::verify::{Inspection, inspect};

/// Rows as they are stored, and what the engine makes of them.
#[derive(Debug, Serialize)]
pub struct Report {
    folder: PathBuf,
    #[serde(flatten)]
    found: Inspection,
    /// The last day that is closed, by detector.
    closed: BTreeMap<&'static str, Option<String>>,
    partitions: Vec<PartitionLine>,
    /// What the topics held before the first start is still being read.
    in_history: bool,
    /// Rows that wait for their day.
    held_rows: usize,
}

#[derive(Debug, Serialize)]
struct PartitionLine {
    partition: String,
    next_offset: i64,
    clock: Option<String>,
}

impl Report {
    /// Looks a folder through, with the configuration that is to go on from it, or with the defaults.
    ///
    /// # Errors
    /// When there is no store, or one of another version.
    pub fn of(folder: &Path, setup: Option<&Setup>) -> anyhow::Result<Self> {
        let mut report = Report {
            folder: folder.to_owned(),
            found: inspect(folder)?,
            closed: BTreeMap::new(),
            partitions: Vec::new(),
            in_history: false,
            held_rows: 0,
        };
        report.read_meta();
        report.read_alert_positions();
        match setup {
            Some(setup) => report.read_rows(setup),
            None => {
                let mut config = Config::load(None, std::iter::empty())
                    .map_err(SetupError)
                    .context("the defaults cannot be used")?;
                config.tenant = report.found.tenant.clone();
                config.zone = report.found.zone;
                report.read_rows(&Setup::of(config).map_err(SetupError)?);
            }
        }
        Ok(report)
    }

    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.found.problems.is_empty()
    }

    /// What is wrong, the first of it.
    pub fn first_problem(&self) -> Option<&str> {
        self.found.problems.first().map(String::as_str)
    }

    /// The engine's own part.
    fn read_meta(&mut self) {
        let Some(bytes) = &self.found.meta else {
            return;
        };
        let Ok(mut meta) = Meta::decode(bytes) else {
            self.wrong("state.db: the positions cannot be read");
            return;
        };
        let line = |(partition, at): (&Partition, &crate::pipeline::Position)| PartitionLine {
            partition: partition.to_string(),
            next_offset: at.next_offset,
            clock: at.clock_ms.map(time_text),
        };
        self.partitions = meta.positions.iter().map(line).collect();
        self.in_history = meta.history.is_some();
        if self.partitions.iter().any(|line| line.next_offset < 0) {
            self.wrong("state.db: a position is negative");
        }
        match meta.take_held() {
            Ok(batches) => self.held_rows = batches.iter().map(|batch| batch.num_rows()).sum(),
            Err(_) => self.wrong("state.db: the rows that wait for their day cannot be read"),
        }
    }

    fn read_alert_positions(&mut self) {
        let log = self.found.alerts.as_ref();
        let Some(bytes) = log.and_then(|log| log.positions.as_ref()) else {
            return;
        };
        if postcard::from_bytes::<BTreeMap<Partition, i64>>(bytes).is_err() {
            self.wrong("alerts.db: the positions cannot be read");
        }
    }

    /// Every row through the engine, as at a start.
    fn read_rows(&mut self, setup: &Setup) {
        let config = &setup.config;
        if self.found.tenant != config.tenant || self.found.zone != config.zone {
            let (tenant, zone) = (&self.found.tenant, self.found.zone);
            self.wrong(&format!(
                "it was made for tenant {tenant}, zone {zone}; the configuration has tenant {}, zone {}",
                config.tenant, config.zone
            ));
            return;
        }
        let rows = std::mem::take(&mut self.found.rows);
        if self.found.meta.is_some() && !rows.is_empty() {
            let has_core = rows.iter().any(|row| &*row.detector == "core");
            if !has_core {
                self.wrong("state.db: the row of the closed days is missing");
                return;
            }
        }
        let mut core = Core::new(setup.world.clone(), 1);
        if let Err(error) = core.restore(rows) {
            self.wrong(&format!("state.db: {error}"));
            return;
        }
        if let Some(detector) = core.unreadable() {
            self.wrong(&format!("state.db: rows of {detector} cannot be decoded"));
            return;
        }
        let days = core.detectors().iter().zip(core.sealed());
        self.closed = days
            .map(|(active, day)| (active.entry.name, day.map(day_text)))
            .collect();
    }

    fn wrong(&mut self, problem: &str) {
        self.found.problems.push(problem.to_owned());
    }

    /// One line for a folder that is whole.
    pub fn line(&self) -> String {
        let rows: u64 = self.found.parts.iter().map(|part| part.rows).sum();
        let bytes = self.found.files.iter().map(|file| file.bytes).sum();
        let alerts = self.found.alerts.as_ref().map_or(0, |log| log.alerts);
        format!(
            "{rows} rows of state, {alerts} alerts, {}; whole",
            HumanBytes(bytes)
        )
    }

    /// For people.
    pub fn text(&self) -> String {
        let found = &self.found;
        let used = match &found.in_use_by {
            Some(process) => format!(", in use by process {process}"),
            None => String::new(),
        };
        let mut text = format!(
            "{}{used}\ntenant {}, zone {}\n\n",
            self.folder.display(),
            found.tenant,
            found.zone
        );
        text += &format!(
            "{:<18}{:>8}{:>12}{:>12}\n",
            "FILE", "VERSION", "SIZE", "LOG"
        );
        for file in &found.files {
            let (size, log) = (HumanBytes(file.bytes), HumanBytes(file.log_bytes));
            let (size, log) = (size.to_string(), log.to_string());
            text += &format!("{:<18}{:>8}{size:>12}{log:>12}\n", file.file, file.version);
        }
        text += &self.parts_text();
        text += &self.partitions_text();
        if let Some(log) = &found.alerts {
            text += &format!(
                "\n{} alerts up to cursor {} in log {}; {} records in quarantine\n",
                log.alerts, log.last_cursor, log.store_id, log.quarantined
            );
        }
        text + "\n" + &self.verdict()
    }

    fn parts_text(&self) -> String {
        if self.found.parts.is_empty() {
            return "\nno checkpoint yet\n".to_owned();
        }
        let mut text = format!(
            "\n{:<18}{:>8}{:>12}{:>12}  CLOSED THROUGH\n",
            "STATE", "VERSION", "ROWS", "SIZE"
        );
        for part in &self.found.parts {
            let closed = self.closed.get(part.detector.as_str());
            let closed = closed.and_then(Option::as_deref).unwrap_or("-");
            let size = HumanBytes(part.bytes).to_string();
            text += &format!(
                "{:<18}{:>8}{:>12}{size:>12}  {closed}\n",
                part.detector, part.version, part.rows
            );
        }
        text
    }

    fn partitions_text(&self) -> String {
        if self.partitions.is_empty() {
            return "\nno positions: Kafka is read from its beginning\n".to_owned();
        }
        let mut text = format!("\n{:<26}{:>12}  CLOCK\n", "PARTITION", "NEXT OFFSET");
        for line in &self.partitions {
            let clock = line.clock.as_deref().unwrap_or("-");
            text += &format!("{:<26}{:>12}  {clock}\n", line.partition, line.next_offset);
        }
        if self.in_history {
            text += "what the topics held before the first start is still being read\n";
        }
        if 0 < self.held_rows {
            text += &format!("{} rows wait for their day\n", self.held_rows);
        }
        text
    }

    fn verdict(&self) -> String {
        if self.is_whole() {
            return "whole\n".to_owned();
        }
        let mut text = String::from("WRONG\n");
        for problem in &self.found.problems {
            text += &format!("  {problem}\n");
        }
        text += "bring back a backup with `nightjar state restore BACKUP DIR`";
        let is_of_state = |problem: &String| !problem.starts_with("alerts.db");
        if self.found.alerts.is_some() && self.found.problems.iter().all(is_of_state) {
            text += "; alerts.db is whole, `nightjar alerts --state DIR` shows its alerts";
        }
        text + "\n"
    }
}
