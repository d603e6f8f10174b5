//! What the topics and the watched folder held before the first start: read like files, days in order, without lateness.
//!
//! Invariant: it ends where each partition ended at the first start, whatever came since; a restart reads
//! it again and goes on behind the last day that was judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nightjar_detectors::alert::Alert;
use nightjar_detectors::core::Core;
use nightjar_detectors::time::Day;
use tracing::{info, warn};

use super::meta::{History, Meta, Position};
use super::patience::PatientAlerts;
use super::writer::{Checkpoint, Writer};
use super::{Options, RunError};
use crate::clock::{Arrival, Came, Partition};
use crate::days::DayStore;
use crate::intake::{Intake, SourceCounts};
use crate::setup::Setup;
use crate::source::kafka::SourceError;
use crate::source::{Brought, Sources};
use crate::store::state::StateStore;

const BROKER_TIMEOUT: Duration = Duration::from_secs(5);
const MEMORY_BYTES: usize = 512 << 20;
const BATCH_ROWS: usize = 8192;
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

/// What the history held, for the summary.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// What became of its records, by source.
    pub counts: SourceCounts,
    /// Days that were judged.
    pub days: BTreeSet<Day>,
}

/// Takes down where every partition ends at the first start, before anything is read; nothing where it
/// was told to stop before the brokers answered.
pub(super) fn begin(
    options: &Options,
    state: &mut StateStore,
    stop: &AtomicBool,
) -> Result<Option<Meta>, RunError> {
    let source = Sources::connect(&options.sources)?;
    let mut history = History::default();
    let mut positions = BTreeMap::new();
    let Some(found) = patiently(stop, || source.discover(BROKER_TIMEOUT))? else {
        return Ok(None);
    };
    for partition in found.partitions {
        let marks = patiently(stop, || source.watermarks(&partition, BROKER_TIMEOUT))?;
        let Some((low, high)) = marks else {
            return Ok(None);
        };
        if low < high {
            history.ends.insert(partition.clone(), high);
        }
        positions.insert(
            partition,
            Position {
                next_offset: low,
                clock_ms: None,
            },
        );
    }
    let history = Some(history).filter(|history| !history.ends.is_empty());
    let meta = Meta {
        positions,
        history,
        ..Meta::default()
    };
    state.checkpoint(&[], &meta.encode())?;
    Ok(Some(meta))
}

/// Asks until there is an answer, until there is no use in asking, or until told to stop.
fn patiently<T>(
    stop: &AtomicBool,
    ask: impl Fn() -> Result<T, SourceError>,
) -> Result<Option<T>, SourceError> {
    let mut pause = Duration::from_millis(200);
    let mut told = false;
    while !stop.load(Ordering::Relaxed) {
        match ask() {
            Err(error) if error.may_pass() => {
                if !told {
                    warn!("{error}; retrying");
                    told = true;
                }
                std::thread::sleep(pause);
                pause = (2 * pause).min(Duration::from_secs(5));
            }
            answer => return answer.map(Some),
        }
    }
    Ok(None)
}

/// Reads and judges the history; at its end the positions stand where live reading begins.
pub(super) fn run(
    setup: &Setup,
    options: &Options,
    core: &mut Core,
    meta: &mut Meta,
    alerts: &PatientAlerts,
    writer: &Writer,
    stop: &AtomicBool,
) -> Result<Past, RunError> {
    let history = meta.history.clone().unwrap_or_default();
    info!(
        partitions = history.ends.len(),
        "reading what there was before the first start"
    );
    let started = Instant::now();
    let (mut days, counts, positions) = read(setup, options, meta, &history, alerts, stop)?;
    let mut past = Past {
        counts,
        ..Past::default()
    };
    let mut last_checkpoint = Instant::now();
    let configured = setup.config.state.checkpoint_every;
    let checkpoint_every = configured.unwrap_or(CHECKPOINT_EVERY);
    let first = history.fed_through.map_or(i32::MIN, |day| day + 1);
    for day in days.days().into_iter().filter(|day| first <= *day) {
        if stop.load(Ordering::Relaxed) {
            return Ok(past);
        }
        past.days.insert(day);
        let sealed = core.require(day);
        publish(alerts, sealed.into_iter().flat_map(|day| day.alerts))?;
        let batches = days.take(day)?;
        core.observe(&batches)
            .expect("the intake makes canonical batches");
        if let Some(history) = &mut meta.history {
            history.fed_through = Some(day);
        }
        if checkpoint_every <= last_checkpoint.elapsed() {
            checkpoint(core, meta, writer);
            last_checkpoint = Instant::now();
        }
    }
    // Stopped while reading: what was read is not all there is.
    if stop.load(Ordering::Relaxed) {
        return Ok(past);
    }
    publish(
        alerts,
        core.changes().into_iter().flat_map(|(_, _, alerts)| alerts),
    )?;
    meta.history_through = past.days.last().copied().max(history.fed_through);
    meta.history = None;
    meta.positions.extend(positions);
    checkpoint(core, meta, writer);
    info!(
        seconds = started.elapsed().as_secs(),
        "history was judged; its alerts are marked"
    );
    Ok(past)
}

fn publish(alerts: &PatientAlerts, made: impl Iterator<Item = Alert>) -> Result<(), RunError> {
    let made: Vec<Alert> = made
        .map(|alert| Alert {
            history: true,
            ..alert
        })
        .collect();
    if !made.is_empty() {
        alerts.publish(&made, None)?;
    }
    Ok(())
}

fn checkpoint(core: &mut Core, meta: &Meta, writer: &Writer) {
    let rows = core.snapshot().rows;
    writer.write(Checkpoint {
        rows,
        meta: meta.encode(),
        offsets: meta.offsets(),
    });
}

/// One partition while its history is read.
struct Track {
    partition: Partition,
    origin: String,
    end: i64,
    next_offset: i64,
    arrival: Arrival,
}

/// Reads every partition to its end.
fn read(
    setup: &Setup,
    options: &Options,
    meta: &Meta,
    history: &History,
    alerts: &PatientAlerts,
    stop: &AtomicBool,
) -> Result<(DayStore, SourceCounts, BTreeMap<Partition, Position>), RunError> {
    let folder = setup.config.state.dir.join("history");
    let mut days = DayStore::new(MEMORY_BYTES, folder);
    let mut tracks: Vec<Track> = history
        .ends
        .iter()
        .map(|(partition, end)| Track {
            origin: partition.to_string(),
            end: *end,
            next_offset: meta.positions.get(partition).map_or(0, |at| at.next_offset),
            arrival: Arrival::default(),
            partition: partition.clone(),
        })
        .collect();
    let mut source = Sources::connect(&options.sources)?;
    let starts: Vec<_> = tracks
        .iter()
        .map(|t| (t.partition.clone(), t.next_offset))
        .collect();
    source.assign(&starts)?;
    let mut intakes = BTreeMap::<String, Intake>::new();
    for track in &tracks {
        if !intakes.contains_key(&track.partition.topic) {
            let intake = Intake::new(setup, &track.partition.topic)?.without_lateness();
            intakes.insert(track.partition.topic.clone(), intake);
        }
    }
    let mut open = tracks.len();
    while 0 < open && !stop.load(Ordering::Relaxed) {
        let now_ms = chrono::Utc::now().timestamp_millis();
        source.poll(2000, Duration::from_millis(200), &mut |brought| {
            take(brought, &mut tracks, &mut intakes, now_ms, setup);
        })?;
        for (index, track) in tracks.iter_mut().enumerate() {
            if track.end <= track.next_offset && track.end != i64::MIN {
                track.next_offset = track.end;
                track.end = i64::MIN;
                open -= 1;
                source.pause(index);
            }
        }
        for intake in intakes
            .values_mut()
            .filter(|i| BATCH_ROWS <= i.waiting() || open == 0)
        {
            days.push(&setup.world.calendar, intake.take_batch())?;
            alerts.set_aside(&intake.take_rejected())?;
        }
    }
    let at = |track: Track| {
        let clock_ms = track.arrival.last();
        (
            track.partition,
            Position {
                next_offset: track.next_offset,
                clock_ms,
            },
        )
    };
    let positions = tracks.into_iter().map(at).collect();
    let counts = intakes
        .into_iter()
        .map(|(source, mut intake)| (source, intake.take_counts()));
    Ok((days, counts.collect(), positions))
}

fn take(
    brought: Brought<'_>,
    tracks: &mut [Track],
    intakes: &mut BTreeMap<String, Intake>,
    now_ms: i64,
    setup: &Setup,
) {
    let future_limit_ms = setup.config.admission.future_limit_ms;
    match brought {
        Brought::Record {
            partition,
            offset,
            timestamp_ms,
            payload,
        } => {
            let track = &mut tracks[partition];
            if !track.moves_to(offset) {
                return;
            }
            let arrival = track.arrival.next(timestamp_ms, now_ms, future_limit_ms);
            let intake = intakes
                .get_mut(&track.partition.topic)
                .expect("one for each topic");
            intake.begin(&track.origin);
            match payload {
                Some(payload) => intake.record(payload, offset as u64, Some(arrival)),
                None => intake.tombstone(offset as u64),
            }
        }
        Brought::Entry {
            partition,
            offset,
            came,
            origin,
            entry,
        } => {
            let track = &mut tracks[partition];
            if !track.moves_to(offset) {
                return;
            }
            let next = |since_ms| track.arrival.next(Some(since_ms), now_ms, future_limit_ms);
            let since_ms = came.since_ms.map(next);
            let intake = intakes
                .get_mut(&track.partition.topic)
                .expect("one for each topic");
            intake.begin(origin.unwrap_or(&track.origin));
            intake.decoded(&entry, Came { since_ms, ..came });
        }
        Brought::End {
            partition,
            next_offset,
            ..
        } => {
            let track = &mut tracks[partition];
            track.next_offset = track.next_offset.max(next_offset.unwrap_or(0));
        }
        Brought::Gap {
            partition,
            from,
            to,
        } => {
            let track = &mut tracks[partition];
            track.next_offset = track.next_offset.max(to);
            warn!(partition = %track.partition, from, to, "records were removed before they were read");
        }
        Brought::Trouble { text } => warn!("{text}"),
    }
}

impl Track {
    /// The partition's next record; tells whether it is of the history.
    fn moves_to(&mut self, offset: i64) -> bool {
        if self.end <= offset {
            // Came after the first start: read again when live.
            self.next_offset = self.next_offset.max(self.end);
            return false;
        }
        self.next_offset = offset + 1;
        true
    }
}
