//! Records from Kafka: partitions assigned at positions of our own, read in batches on one thread.
//!
//! Every partition has its own queue: so a paused one loses and repeats nothing (it is merely not asked),
//! an end belongs to one partition, and one that is far behind starves nobody.
//!
//! Invariant: of each partition, records come in the order of their offsets, none twice, and what is
//! missing between two of them was never there, or is said as a gap.

mod discover;
mod options;
mod polled;
mod recover;
mod topic_id;
mod trouble;
mod watch;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use crate::clock::Partition;
use trouble::{Told, Verdict};
use watch::Watch;

pub use discover::{Discovered, Missing};
pub use options::{KafkaOptions, Topics, check};
pub use polled::{Cause, Polled, SourceError};
pub use topic_id::TopicId;

/// A queue is asked at least this often, whether or not the client has announced something in it.
const ASKED_EVERY: Duration = Duration::from_secs(1);
/// Time that a commit on its way may delay the end of the reader.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(2);

type Each<'a> = dyn FnMut(Polled<'_>) + 'a;
type Client = BaseConsumer<Watch>;

/// A reader of Kafka. It belongs to one thread, which should do nothing else.
pub struct KafkaSource {
    // The queues go before the client that owns what is in them.
    assigned: Vec<Assigned>,
    client: Arc<Client>,
    /// For questions: a broker answers the requests of one connection in turn, so that a question on the
    /// reading client's would wait behind a fetch for up to half a second.
    asker: Arc<Client>,
    options: KafkaOptions,
    ahead_kib: usize,
    wakes: Receiver<()>,
    wake: Sender<()>,
    ends: RefCell<BTreeMap<Partition, i64>>,
    answered: Cell<bool>,
    told: Told,
    lost: usize,
    next: usize,
    asked: Instant,
    looked: Instant,
    quiet: Duration,
}

struct Assigned {
    queue: PartitionQueue<Watch>,
    ready: Arc<AtomicBool>,
    partition: Partition,
    position: i64,
    /// An end that was known before the first fetch: an end reached lies there or later, also when
    /// the last offsets hold no records (markers of transactions, compaction).
    end_min: i64,
    end: Option<i64>,
    paused: bool,
    settled: bool,
    search_at: Option<Instant>,
    heard_at: Instant,
    doubted_at: Option<Instant>,
}

#[derive(Default)]
struct Given {
    records: usize,
    others: usize,
}

impl Given {
    fn is_empty(&self) -> bool {
        self.records + self.others == 0
    }
}

impl KafkaSource {
    /// Makes the client. The broker need not be there yet.
    pub fn connect(options: &KafkaOptions) -> Result<Self, SourceError> {
        let (wake, wakes) = bounded(1);
        let ahead_kib = options::ahead_kib(options, 1);
        let client = open(options, ahead_kib, &wake)?;
        Ok(KafkaSource {
            assigned: Vec::new(),
            client,
            asker: open_asker(options)?,
            options: options.clone(),
            ahead_kib,
            wakes,
            wake,
            ends: RefCell::default(),
            answered: Cell::new(false),
            told: Told::default(),
            lost: 0,
            next: 0,
            asked: Instant::now(),
            looked: Instant::now(),
            quiet: recover::QUIET,
        })
    }

    /// Reads these partitions too, each from its next offset on; gives each a dense index, in order.
    /// They must be ones that `discover` has found: of others nothing ever comes.
    pub fn assign(&mut self, starts: &[(Partition, i64)]) -> Result<Vec<usize>, SourceError> {
        let ahead_kib = options::ahead_kib(&self.options, starts.len());
        if self.assigned.is_empty() && ahead_kib != self.ahead_kib {
            // What is fetched ahead is bounded per partition, and only now their number is known.
            self.client = open(&self.options, ahead_kib, &self.wake)?;
            self.ahead_kib = ahead_kib;
        }
        let first = self.assigned.len();
        for (partition, position) in starts {
            if self
                .assigned
                .iter()
                .any(|known| known.partition == *partition)
            {
                return Err(SourceError::fatal(format!(
                    "{partition} is being read already"
                )));
            }
            let assigned = self.split(partition, *position)?;
            self.assigned.push(assigned);
        }
        self.begin(first)?;
        Ok((first..self.assigned.len()).collect())
    }

    /// The partition takes no part in polls until it is resumed; what is fetched ahead stays.
    pub fn pause(&mut self, partition: usize) {
        self.assigned[partition].paused = true;
    }

    /// Takes part in polls again.
    pub fn resume(&mut self, partition: usize) {
        self.assigned[partition].paused = false;
    }

    /// Goes on at another offset, after a partition was gone for a while. The client is made anew: it may
    /// remember a leader of the topic that was, and would then ignore the present one without a word.
    pub fn restart(&mut self, partition: usize, position: i64) -> Result<(), SourceError> {
        let assigned = &mut self.assigned[partition];
        (assigned.position, assigned.paused) = (position, false);
        self.connect_anew()
    }

    /// Offset after the last record given.
    pub fn position(&self, partition: usize) -> i64 {
        self.assigned[partition].position
    }

    /// Records not read yet, as the last fetch or the last statistics (every 5 s) saw the end.
    pub fn lag(&self, partition: usize) -> Option<i64> {
        let assigned = &self.assigned[partition];
        assigned.end.map(|end| (end - assigned.position).max(0))
    }

    /// Shows positions to the broker, for dashboards; nothing waits for it or depends on it. While one
    /// commit is on its way (the coordinator may be away for long) the next is left out.
    pub fn commit(&self, positions: &[(Partition, i64)]) {
        let committing = self.client.context().committing();
        if positions.is_empty() || committing.swap(true, Ordering::Relaxed) {
            return;
        }
        let list = list_of(
            positions
                .iter()
                .map(|(partition, position)| (partition, *position)),
        );
        let sent = list.map(|list| self.client.commit(&list, CommitMode::Async));
        if let Ok(Err(error)) = sent {
            committing.store(false, Ordering::Relaxed);
            debug!(%error, "positions could not be shown to the broker");
        }
    }

    /// Gives one batch: waits up to `timeout` for something, then takes what is there, up to
    /// `messages_max` records. Returns the number of records.
    ///
    /// A broker that is away is no error here but trouble: it is retried by itself.
    pub fn poll(
        &mut self,
        messages_max: usize,
        timeout: Duration,
        each: &mut dyn FnMut(Polled<'_>),
    ) -> Result<usize, SourceError> {
        let deadline = Instant::now() + timeout;
        let mut given = Given::default();
        loop {
            self.serve(&mut given, each)?;
            if 0 < self.lost {
                self.search(&mut given, each)?;
            }
            self.sweep(messages_max, &mut given, each)?;
            self.look_after_the_quiet(&mut given, each)?;
            let now = Instant::now();
            if !given.is_empty() || deadline <= now {
                return Ok(given.records);
            }
            // Wakes that come from a paused partition only cost a turn.
            let _ = self.wakes.recv_timeout((deadline - now).min(ASKED_EVERY));
        }
    }

    /// Has the client fetch the partitions from this index on.
    fn begin(&self, first: usize) -> Result<(), SourceError> {
        let assigned = self.assigned[first..].iter();
        let list = list_of(assigned.map(|assigned| (&assigned.partition, assigned.position)))?;
        self.client
            .incremental_assign(&list)
            .map_err(|error| SourceError::Fatal {
                what: "the partitions could not be assigned".to_owned(),
                cause: Some(Box::new(error)),
            })
    }

    fn split(&self, partition: &Partition, position: i64) -> Result<Assigned, SourceError> {
        let queue = self
            .client
            .split_partition_queue(&partition.topic, partition.number);
        let Some(mut queue) = queue else {
            return Err(SourceError::fatal(format!(
                "{partition} is no name of a partition"
            )));
        };
        let ready = Arc::new(AtomicBool::new(true));
        let (flag, wake) = (Arc::clone(&ready), self.wake.clone());
        queue.set_nonempty_callback(move || {
            flag.store(true, Ordering::Release);
            let _ = wake.try_send(());
        });
        let end = self.ends.borrow().get(partition).copied();
        Ok(Assigned {
            queue,
            ready,
            partition: partition.clone(),
            position,
            end_min: end.unwrap_or(0),
            end,
            paused: false,
            settled: false,
            search_at: None,
            heard_at: Instant::now(),
            doubted_at: None,
        })
    }

    /// The client's own queue: errors of brokers, log lines, statistics, answers to commits.
    fn serve(&mut self, given: &mut Given, each: &mut Each<'_>) -> Result<(), SourceError> {
        let client = Arc::clone(&self.client);
        loop {
            let served = client.context().served();
            match client.poll(Duration::ZERO) {
                None if client.context().served() == served => break,
                None => {}
                Some(Err(error)) => self.judge(error, None, given, each)?,
                Some(Ok(message)) => {
                    // Each partition has its own queue, so none comes here; if one did, it counts.
                    let known = self.assigned.iter_mut().enumerate().find(|(_, assigned)| {
                        assigned.partition.number == message.partition()
                            && assigned.partition.topic == message.topic()
                    });
                    if let Some((index, assigned)) = known {
                        give(&mut assigned.position, index, &message, given, each);
                    }
                }
            }
        }
        if let Some(statistics) = self.client.context().statistics() {
            for assigned in &mut self.assigned {
                let partition = &assigned.partition;
                assigned.end = statistics
                    .end(&partition.topic, partition.number)
                    .or(assigned.end);
            }
        }
        Ok(())
    }

    /// Asks the queues that have something, beginning where the last batch was cut off.
    fn sweep(
        &mut self,
        messages_max: usize,
        given: &mut Given,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        if ASKED_EVERY <= self.asked.elapsed() {
            self.asked = Instant::now();
            for assigned in &self.assigned {
                assigned.ready.store(true, Ordering::Relaxed);
            }
        }
        let count = self.assigned.len();
        let first = self.next;
        for index in (first..count).chain(0..first.min(count)) {
            if messages_max <= given.records {
                return Ok(());
            }
            let assigned = &mut self.assigned[index];
            if assigned.paused || !assigned.ready.swap(false, Ordering::Acquire) {
                continue;
            }
            self.next = (index + 1) % count;
            let before = given.records + given.others;
            let error = assigned.drain(index, messages_max, given, each);
            if before < given.records + given.others {
                (assigned.heard_at, assigned.doubted_at) = (Instant::now(), None);
            }
            if let Some(error) = error {
                assigned.ready.store(true, Ordering::Relaxed);
                self.judge(error, Some(index), given, each)?;
            }
        }
        Ok(())
    }

    fn judge(
        &mut self,
        error: KafkaError,
        index: Option<usize>,
        given: &mut Given,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        let code = error
            .rdkafka_error_code()
            .unwrap_or(RDKafkaErrorCode::Unknown);
        let reason = self.client.context().reason(code);
        if let KafkaError::MessageConsumptionFatal(_) = error {
            let what = format!("the kafka client has given up ({reason}): start again");
            return Err(SourceError::Fatal {
                what,
                cause: Some(Box::new(error)),
            });
        }
        let assigned = index.map(|index| &mut self.assigned[index]);
        let settled = assigned
            .as_ref()
            .map_or(self.answered.get(), |assigned| assigned.settled);
        let partition = assigned.as_ref().map(|assigned| &assigned.partition);
        match trouble::judge(code, &reason, partition, &self.options.brokers, settled) {
            Verdict::Ignore => debug!(%error, reason, "kafka"),
            Verdict::Lost => {
                if let Some(assigned) = assigned
                    && assigned.search_at.replace(Instant::now()).is_none()
                {
                    self.lost += 1;
                }
            }
            Verdict::Trouble(text) => self.tell(&text, given, each),
            Verdict::Fatal(what) => {
                return Err(SourceError::Fatal {
                    what,
                    cause: Some(Box::new(error)),
                });
            }
        }
        Ok(())
    }

    fn tell(&mut self, text: &str, given: &mut Given, each: &mut Each<'_>) {
        if self.told.due(text, Instant::now()) {
            given.others += 1;
            each(Polled::Trouble { text });
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.assigned.clear();
        let client = Arc::clone(&self.client);
        let deadline = Instant::now() + COMMIT_TIMEOUT;
        while client.context().committing().load(Ordering::Relaxed) {
            if deadline <= Instant::now() {
                // The client's end waits for that commit without limit; let it wait by itself.
                thread::spawn(move || {
                    while 1 < Arc::strong_count(&client) {
                        thread::sleep(Duration::from_millis(10));
                    }
                });
                return;
            }
            client.poll(Duration::from_millis(20));
        }
    }
}

impl Assigned {
    /// Gives what the queue holds, up to the limit; stops at an error.
    fn drain(
        &mut self,
        index: usize,
        messages_max: usize,
        given: &mut Given,
        each: &mut Each<'_>,
    ) -> Option<KafkaError> {
        while given.records < messages_max {
            match self.queue.poll(Duration::ZERO) {
                None => return None,
                Some(Ok(message)) => {
                    self.settled = true;
                    give(&mut self.position, index, &message, given, each);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.settled = true;
                    self.position = self.position.max(self.end_min);
                    self.end = Some(self.position);
                    given.others += 1;
                    each(Polled::End {
                        partition: index,
                        next_offset: self.position,
                    });
                }
                Some(Err(error)) => return Some(error),
            }
        }
        self.ready.store(true, Ordering::Relaxed);
        None
    }
}

fn give(
    position: &mut i64,
    partition: usize,
    message: &BorrowedMessage<'_>,
    given: &mut Given,
    each: &mut Each<'_>,
) {
    let offset = message.offset();
    if offset < *position {
        return;
    }
    *position = offset + 1;
    given.records += 1;
    each(Polled::Record {
        partition,
        offset,
        timestamp_ms: message.timestamp().to_millis(),
        payload: message.payload(),
    });
}

fn open(
    options: &KafkaOptions,
    ahead_kib: usize,
    wake: &Sender<()>,
) -> Result<Arc<Client>, SourceError> {
    let config = options::client_config(options, ahead_kib)?;
    let mut client: Client = config
        .create_with_context(Watch::default())
        .map_err(options::refusal)?;
    let wake = wake.clone();
    client.set_nonempty_callback(move || {
        let _ = wake.try_send(());
    });
    Ok(Arc::new(client))
}

/// A client that reads nothing.
fn open_asker(options: &KafkaOptions) -> Result<Arc<Client>, SourceError> {
    let mut config = options::client_config(options, options::ahead_kib(options, usize::MAX))?;
    config.set("statistics.interval.ms", "0");
    let client = config.create_with_context(Watch::default());
    client.map(Arc::new).map_err(options::refusal)
}

fn list_of<'a>(
    positions: impl IntoIterator<Item = (&'a Partition, i64)>,
) -> Result<TopicPartitionList, SourceError> {
    let mut list = TopicPartitionList::new();
    for (partition, position) in positions {
        let added =
            list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(position));
        added.map_err(|error| SourceError::Fatal {
            what: format!("{partition} cannot be read from offset {position}"),
            cause: Some(Box::new(error)),
        })?;
    }
    Ok(list)
}
