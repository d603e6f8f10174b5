//! Feeds the embedded broker no faster than its reader reads.
//!
//! Invariant: what the reader may still ask for stays below the given bytes and half the mock's record
//! limit per partition, so the broker never drops it. A full partition holds up only its own records.

use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::Duration;

use super::{EmbeddedBroker, SourceError};
use crate::clock::Partition;

/// Bytes that a record costs beside its payload, a batch's head included.
const OVERHEAD_BYTES: usize = 96;
const UNREAD_RECORDS_MAX: usize = 50_000;
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
const ASK_EVERY: Duration = Duration::from_millis(5);

/// A record to feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedRecord {
    /// Where it goes.
    pub partition: Partition,
    /// Its Kafka timestamp.
    pub timestamp_ms: i64,
    /// Its bytes; none for a tombstone.
    pub payload: Option<Vec<u8>>,
}

/// The paced producer: the only one of its partitions, from their beginning.
pub struct Feed<'a> {
    broker: &'a EmbeddedBroker,
    unread_bytes_max: usize,
    unread: BTreeMap<Partition, Unread>,
    waiting: BTreeMap<Partition, VecDeque<FeedRecord>>,
    waiting_bytes: usize,
}

#[derive(Default)]
struct Unread {
    first_offset: i64,
    sizes: VecDeque<usize>,
    bytes: usize,
}

impl<'a> Feed<'a> {
    /// Keeps what is unread below so many bytes a partition; 2 MiB is a good measure.
    pub fn new(broker: &'a EmbeddedBroker, unread_bytes_max: usize) -> Self {
        Feed {
            broker,
            unread_bytes_max,
            unread: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
        }
    }

    /// Feeds all records, each partition in the given order. `progress` says which offset the reader
    /// asks for next, at worst (after a crash: its last checkpoint); `go_on` may end it early.
    /// Returns the number of records fed.
    pub fn run(
        &mut self,
        records: impl IntoIterator<Item = FeedRecord>,
        progress: &mut dyn FnMut(&Partition) -> i64,
        go_on: &dyn Fn() -> bool,
    ) -> Result<u64, SourceError> {
        let mut fed = 0;
        for record in records {
            self.waiting_bytes += size_of(&record);
            self.waiting
                .entry(record.partition.clone())
                .or_default()
                .push_back(record);
            fed += self.send(progress)?;
            while WAITING_BYTES_MAX < self.waiting_bytes {
                if !go_on() {
                    return Ok(fed);
                }
                thread::sleep(ASK_EVERY);
                fed += self.send(progress)?;
            }
        }
        while !self.waiting.is_empty() && go_on() {
            fed += self.send(progress)?;
            if !self.waiting.is_empty() {
                thread::sleep(ASK_EVERY);
            }
        }
        Ok(fed)
    }

    /// Sends what has room.
    fn send(&mut self, progress: &mut dyn FnMut(&Partition) -> i64) -> Result<u64, SourceError> {
        let mut sent = 0;
        for (partition, waiting) in &mut self.waiting {
            let unread = self.unread.entry(partition.clone()).or_default();
            let mut asked = false;
            while let Some(record) = waiting.front() {
                let size = size_of(record);
                if !unread.has_room(size, self.unread_bytes_max) {
                    if asked {
                        break;
                    }
                    unread.forget(progress(partition));
                    asked = true;
                    continue;
                }
                self.broker
                    .produce(partition, record.timestamp_ms, record.payload.as_deref())?;
                unread.add(size);
                self.waiting_bytes -= size;
                waiting.pop_front();
                sent += 1;
            }
        }
        self.waiting.retain(|_, waiting| !waiting.is_empty());
        Ok(sent)
    }
}

impl Unread {
    /// One record always goes, however large.
    fn has_room(&self, size: usize, bytes_max: usize) -> bool {
        self.sizes.is_empty()
            || self.sizes.len() < UNREAD_RECORDS_MAX && self.bytes + size <= bytes_max
    }

    fn add(&mut self, size: usize) {
        self.sizes.push_back(size);
        self.bytes += size;
    }

    fn forget(&mut self, next_offset: i64) {
        while self.first_offset < next_offset
            && let Some(size) = self.sizes.pop_front()
        {
            self.first_offset += 1;
            self.bytes -= size;
        }
    }
}

fn size_of(record: &FeedRecord) -> usize {
    record.payload.as_ref().map_or(0, Vec::len) + OVERHEAD_BYTES
}
