//! The bytes of records that were read before: from Kafka by partition and offset, from files by number.
//!
//! Invariant: each record that is wanted is given once, or said to be gone; nothing is kept of it here.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::clock::Partition;
use crate::source::file::{self, Piece};
use crate::source::kafka::{KafkaOptions, KafkaSource, Polled, SourceError, Topics};
use crate::store::quarantine::QuarantineEntry;

/// Kafka is given up when nothing comes for so long.
const PATIENCE: Duration = Duration::from_secs(15);
/// Records between two wanted ones that are rather read over than jumped over.
const SKIPPED_MAX: u64 = 10_000;
const MESSAGES_MAX: usize = 1000;
const GONE: &str = "kafka has removed it";
/// How the origin of what came over HTTP ends.
const HTTP: &str = "/http";
const NEVER_KEPT: &str =
    "it came over HTTP, and such records are not kept; its sender may send it again";

/// Where a record lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// File, or topic/partition.
    pub origin: String,
    /// Number in the file, or offset.
    pub offset: u64,
    /// Whether it arrived, over Kafka or through a door, and was not merely read.
    pub has_arrival: bool,
}

impl Wanted {
    /// Where the record of an entry lies.
    pub fn of(entry: &QuarantineEntry) -> Self {
        Wanted {
            origin: entry.origin.clone(),
            offset: entry.offset,
            has_arrival: entry.arrival_ms.is_some(),
        }
    }

    fn partition(&self) -> Option<Partition> {
        let (topic, number) = self.origin.rsplit_once('/')?;
        Some(Partition {
            topic: topic.to_owned(),
            number: number.parse().ok()?,
        })
    }
}

/// What there is of a record.
#[derive(Debug)]
pub enum Found<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// Nothing, and why.
    Gone(String),
}

/// Why records could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Kafka cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It does not answer.
    #[error("kafka gave nothing for {} s; check kafka.brokers and try again", PATIENCE.as_secs())]
    Silent,
}

type Each<'e> = dyn FnMut(&Wanted, Found<'_>) + 'e;

/// Gives every wanted record. `kafka`: how to reach it; the topics are those of the records.
///
/// # Errors
/// When Kafka cannot be reached. A file that cannot be read is a record that is gone.
pub fn fetch(
    kafka: &KafkaOptions,
    wanted: &[&Wanted],
    each: &mut Each<'_>,
) -> Result<(), FetchError> {
    let mut files = BTreeMap::<&str, Vec<&Wanted>>::new();
    let mut partitions = BTreeMap::<Partition, VecDeque<&Wanted>>::new();
    for wanted in wanted {
        if wanted.has_arrival && wanted.origin.ends_with(HTTP) {
            each(wanted, Found::Gone(NEVER_KEPT.to_owned()));
            continue;
        }
        // A file's name ends in no number.
        match wanted.partition().filter(|_| wanted.has_arrival) {
            Some(partition) => partitions.entry(partition).or_default().push_back(wanted),
            None => files.entry(&wanted.origin).or_default().push(wanted),
        }
    }
    for (path, wanted) in files {
        from_file(Path::new(path), &wanted, each);
    }
    for wanted in partitions.values_mut() {
        wanted.make_contiguous().sort_by_key(|wanted| wanted.offset);
    }
    while !partitions.is_empty() {
        let mut round = BTreeMap::new();
        for (partition, wanted) in &mut partitions {
            round.insert(partition.clone(), next_run(wanted));
        }
        from_kafka(kafka, round, each)?;
        partitions.retain(|_, wanted| !wanted.is_empty());
    }
    Ok(())
}

/// Takes the next records that lie near each other.
fn next_run<'w>(wanted: &mut VecDeque<&'w Wanted>) -> VecDeque<&'w Wanted> {
    let mut run = VecDeque::<&Wanted>::new();
    while let Some(next) = wanted.front() {
        let last = run.back().map_or(next.offset, |last| last.offset);
        if last + SKIPPED_MAX < next.offset {
            break;
        }
        run.extend(wanted.pop_front());
    }
    run
}

fn from_file(path: &Path, wanted: &[&Wanted], each: &mut Each<'_>) {
    let mut open: BTreeMap<u64, &Wanted> = wanted.iter().map(|w| (w.offset, *w)).collect();
    let read = file::read(path, &|_| (), &mut |piece| {
        match piece {
            Piece::Lines {
                bytes,
                first_record,
            } => {
                for (number, line) in (first_record..).zip(bytes.split(|byte| *byte == b'\n')) {
                    if let Some(wanted) = open.remove(&number) {
                        let line = line.strip_suffix(b"\r").unwrap_or(line);
                        each(wanted, Found::Bytes(line));
                    }
                }
            }
            Piece::TooLarge { record, .. } => {
                if let Some(wanted) = open.remove(&record) {
                    each(wanted, Found::Gone("it is larger than 64 MiB".to_owned()));
                }
            }
            Piece::Broken { .. } => {}
        }
        match open.is_empty() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    let why = match &read {
        Ok(()) => "the file ends before it".to_owned(),
        Err(error) => crate::cmd::chain(error),
    };
    for wanted in open.values() {
        each(wanted, Found::Gone(why.clone()));
    }
}

/// Reads one run of each partition, all at once.
fn from_kafka(
    kafka: &KafkaOptions,
    round: BTreeMap<Partition, VecDeque<&Wanted>>,
    each: &mut Each<'_>,
) -> Result<(), FetchError> {
    let mut topics: Vec<String> = round.keys().map(|at| at.topic.clone()).collect();
    topics.dedup();
    let mut source = KafkaSource::connect(&KafkaOptions {
        topics: Topics::List(topics),
        ..kafka.clone()
    })?;
    let there = source.find(PATIENCE)?.partitions;
    let (mut starts, mut open) = (Vec::new(), Vec::new());
    for (partition, wanted) in round {
        match wanted.front() {
            Some(first) if there.contains(&partition) => {
                starts.push((partition, first.offset as i64));
                open.push(wanted);
            }
            _ => give_up(wanted, "its topic does not exist any more", each),
        }
    }
    source.assign(&starts)?;
    let mut heard = Instant::now();
    while open.iter().any(|wanted| !wanted.is_empty()) {
        source.poll(MESSAGES_MAX, Duration::from_millis(200), &mut |polled| {
            if !matches!(polled, Polled::Trouble { .. }) {
                heard = Instant::now();
            }
            take(polled, &mut open, each);
        })?;
        for (index, wanted) in open.iter().enumerate() {
            if wanted.is_empty() {
                source.pause(index);
            }
        }
        if PATIENCE <= heard.elapsed() {
            return Err(FetchError::Silent);
        }
    }
    Ok(())
}

fn take(polled: Polled<'_>, open: &mut [VecDeque<&Wanted>], each: &mut Each<'_>) {
    match polled {
        Polled::Record {
            partition,
            offset,
            payload,
            ..
        } => {
            let wanted = &mut open[partition];
            give_up(up_to(wanted, offset), GONE, each);
            if wanted
                .front()
                .is_some_and(|next| next.offset as i64 == offset)
                && let Some(next) = wanted.pop_front()
            {
                each(next, Found::Bytes(payload.unwrap_or_default()));
            }
        }
        // The end lies behind whatever was read once, unless the topic was made anew.
        Polled::End { partition, .. } => give_up(std::mem::take(&mut open[partition]), GONE, each),
        Polled::Gap {
            partition,
            from,
            to,
        } => {
            let is_anew = to < from;
            let end = if is_anew { i64::MAX } else { to };
            give_up(up_to(&mut open[partition], end), GONE, each);
        }
        Polled::Trouble { text } => tracing::warn!("{text}"),
    }
}

/// Takes the records before an offset.
fn up_to<'w>(wanted: &mut VecDeque<&'w Wanted>, offset: i64) -> VecDeque<&'w Wanted> {
    let before = wanted.partition_point(|next| (next.offset as i64) < offset);
    let rest = wanted.split_off(before);
    std::mem::replace(wanted, rest)
}

fn give_up(wanted: VecDeque<&Wanted>, why: &str, each: &mut Each<'_>) {
    for wanted in wanted {
        each(wanted, Found::Gone(why.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records of a file are found by their numbers; what is not there is said.
    #[test]
    fn a_file_gives_its_records_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.ndjson");
        std::fs::write(&path, "{}\r\nnot JSON\n{\"a\":1}").unwrap();
        let origin = path.to_string_lossy().into_owned();
        let at = |offset| Wanted {
            origin: origin.clone(),
            offset,
            has_arrival: false,
        };
        let gone = Wanted {
            origin: "/nowhere/log".into(),
            ..at(1)
        };
        let all = [at(1), at(2), at(9), gone];
        let kafka = KafkaOptions {
            brokers: Vec::new(),
            topics: Topics::List(Vec::new()),
            options: BTreeMap::new(),
            group: String::new(),
        };
        let mut given = Vec::new();
        fetch(
            &kafka,
            &all.iter().collect::<Vec<_>>(),
            &mut |wanted, found| {
                given.push((
                    wanted.offset,
                    match found {
                        Found::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        Found::Gone(why) => why,
                    },
                ));
            },
        )
        .unwrap();
        given.sort();
        let texts: Vec<&str> = given.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts[1], "{}");
        assert!(
            texts[0].contains("/nowhere/log cannot be read"),
            "{texts:?}"
        );
        assert_eq!(texts[2..], ["not JSON", "the file ends before it"]);
    }

    #[test]
    fn far_records_are_jumped_to() {
        let at = |offset| Wanted {
            origin: "t/0".into(),
            offset,
            has_arrival: true,
        };
        let all = [at(1), at(SKIPPED_MAX), at(3 * SKIPPED_MAX)];
        let mut wanted: VecDeque<&Wanted> = all.iter().collect();
        assert_eq!(
            (next_run(&mut wanted).len(), next_run(&mut wanted).len()),
            (2, 1)
        );
    }
}
