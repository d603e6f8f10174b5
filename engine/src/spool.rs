//! The spool: what came through a door and was not read by the pipeline yet. It is to the doors what a broker is to
//! Kafka's producers, so that order, restarts and repeats are the same code for all.
//!
//! ```text
//! doors ── deliveries ─▶ clerk (decode, append, to disk) ─▶ logs ─▶ reader
//! ```
//!
//! Invariant: a partition of the spool is a door's source, its offsets are the numbers of its entries; an entry
//! is answered for when it is on disk, and removed when a checkpoint has passed it.

mod batch;
mod clerk;
mod entry;
mod forget;
mod log;
mod reader;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use tokio::sync::oneshot;

use crate::clock::{Came, Partition};
use crate::decode::FormatError;
use crate::setup::Setup;
use log::Shared;

pub use batch::{FileKey, Mark};
pub use entry::{Entry, Image, Part};
pub use forget::{copy, forget};
pub use reader::{Given, SpoolReader};

/// Deliveries on their way to the clerk.
const JOBS_MAX: usize = 256;
/// Bytes of records on their way to the clerk.
const QUEUED_BYTES_MAX: u64 = 128 << 20;
/// While so much waits on disk, a door takes no more.
const WAITING_BYTES_MAX: u64 = 8 << 30;
const NEVER: i64 = i64::MIN;
const GLANCE: Duration = Duration::from_millis(50);

/// Why something was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// The disk does not take it.
    #[error("cannot write {path}; check the space and permissions there")]
    Io {
        /// A log's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// A source's format is not known.
    #[error(transparent)]
    Format(Arc<FormatError>),
    /// More than can be taken; later there is room again.
    #[error("more comes than can be taken; send again later")]
    Busy,
    /// The service is stopping.
    #[error("the service is stopping; send again later")]
    Stopped,
}

impl From<FormatError> for SpoolError {
    fn from(error: FormatError) -> Self {
        SpoolError::Format(Arc::new(error))
    }
}

/// What is delivered of a source at once.
#[derive(Debug)]
pub enum Payload {
    /// Nothing but how far a file was read.
    Nothing,
    /// Records that belong to no file.
    Records(Vec<Vec<u8>>),
    /// Lines of a file, each a record; empty ones are passed over.
    Lines {
        /// The lines.
        bytes: Vec<u8>,
        /// Number of the first.
        first_record: u64,
        /// Those up to this number were taken before.
        skip: u64,
    },
    /// A record that was not even looked at.
    SetAside {
        /// Its number.
        record: u64,
        /// Its size.
        bytes: u64,
        /// Why.
        reason: String,
    },
}

impl Payload {
    fn bytes(&self) -> u64 {
        let bytes = match self {
            Payload::Nothing | Payload::SetAside { .. } => 0,
            Payload::Records(records) => records.iter().map(Vec::len).sum(),
            Payload::Lines { bytes, .. } => bytes.len(),
        };
        bytes as u64
    }
}

/// A delivery.
#[derive(Debug)]
pub struct Delivery {
    /// Of which source, through which door.
    pub partition: Partition,
    /// When.
    pub came: Came,
    /// The file that it comes from.
    pub origin: Option<String>,
    /// What.
    pub payload: Payload,
    /// How far a file is read with it; `None` in it forgets the file.
    pub mark: Option<(FileKey, Option<Mark>)>,
    reply: Option<oneshot::Sender<Result<(), SpoolError>>>,
}

impl Delivery {
    /// Records of a source that belong to no file.
    pub fn of_records(partition: Partition, came: Came, records: Vec<Vec<u8>>) -> Self {
        Delivery {
            partition,
            came,
            origin: None,
            payload: Payload::Records(records),
            mark: None,
            reply: None,
        }
    }

    /// Something of a file, which is read so far with it.
    pub fn of_file(
        partition: Partition,
        came: Came,
        origin: String,
        payload: Payload,
        mark: (FileKey, Option<Mark>),
    ) -> Self {
        Delivery {
            origin: Some(origin),
            payload,
            mark: Some(mark),
            ..Delivery::of_records(partition, came, Vec::new())
        }
    }

    fn answering(mut self) -> (Self, oneshot::Sender<Result<(), SpoolError>>) {
        let reply = self.reply.take().unwrap_or_else(|| oneshot::channel().0);
        (self, reply)
    }
}

type Begun = Result<BTreeMap<FileKey, Mark>, SpoolError>;
type Reply = oneshot::Receiver<Result<(), SpoolError>>;

enum Job {
    Keep(Delivery),
    Begin(Partition, oneshot::Sender<Begun>),
    Roll(Partition),
    Stop,
}

/// The spool of one state folder.
pub struct Spool {
    logs: Mutex<BTreeMap<Partition, Arc<Shared>>>,
    jobs: Sender<Job>,
    news: (Sender<()>, Receiver<()>),
    queued_bytes: AtomicU64,
    /// When the folder was last looked through and all of it kept.
    looked_ms: AtomicI64,
    /// Whether a folder is watched.
    has_folder: bool,
    /// Sources that come over HTTP.
    http: BTreeSet<String>,
}

/// Keeps the clerk at work; ends it when dropped.
pub struct SpoolKeeper {
    spool: Arc<Spool>,
    clerk: Option<JoinHandle<()>>,
}

impl SpoolKeeper {
    /// The spool.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }
}

impl Drop for SpoolKeeper {
    fn drop(&mut self) {
        let _ = self.spool.jobs.send(Job::Stop);
        if let Some(clerk) = self.clerk.take() {
            clerk.join().expect("the clerk does not panic");
        }
    }
}

/// Where the spool of a state folder lies.
pub fn folder_in(state: &Path) -> PathBuf {
    state.join("spool")
}

/// Where a partition's log lies.
fn folder_of(spool: &Path, partition: &Partition) -> PathBuf {
    spool.join(partition.to_string().replacen('/', ".", 1))
}

/// The partition of a log's folder.
fn partition_of(folder: &Path) -> Option<Partition> {
    let name = folder.file_name()?.to_str()?;
    let (topic, door) = name.rsplit_once('.')?;
    let number = match door {
        "http" => Partition::HTTP,
        "folder" => Partition::FOLDER,
        _ => return None,
    };
    Some(Partition {
        topic: topic.to_owned(),
        number,
    })
}

impl Spool {
    /// Opens the spool of a state folder, with the logs that there are.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn open(setup: &Arc<Setup>) -> Result<SpoolKeeper, SpoolError> {
        let (jobs, received) = crossbeam_channel::bounded(JOBS_MAX);
        let spool = Arc::new(Spool {
            logs: Mutex::default(),
            jobs,
            news: crossbeam_channel::bounded(1),
            queued_bytes: AtomicU64::new(0),
            looked_ms: AtomicI64::new(NEVER),
            has_folder: setup.config.files.watch.is_some(),
            http: setup.config.hec.sources(),
        });
        let folder = folder_in(&setup.config.state.dir);
        let mut clerk = clerk::Clerk::new(setup.clone(), spool.clone(), folder.clone());
        let stored = logs_in(&folder).map_err(|source| SpoolError::Io {
            path: folder,
            source: Arc::new(source),
        })?;
        let of_http = |source: &String| Partition {
            topic: source.clone(),
            number: Partition::HTTP,
        };
        for partition in stored.into_iter().chain(spool.http.iter().map(of_http)) {
            clerk.begin(&partition)?;
        }
        let clerk = std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || clerk.run(&received))
            .expect("a thread can be started");
        Ok(SpoolKeeper {
            spool,
            clerk: Some(clerk),
        })
    }

    /// Takes a partition in, whether or not anything comes; tells how far its files were read.
    ///
    /// # Errors
    /// When its log cannot be used.
    pub fn begin(&self, partition: &Partition) -> Result<BTreeMap<FileKey, Mark>, SpoolError> {
        let (reply, begun) = oneshot::channel();
        let job = Job::Begin(partition.clone(), reply);
        self.jobs.send(job).map_err(|_| SpoolError::Stopped)?;
        begun.blocking_recv().unwrap_or(Err(SpoolError::Stopped))
    }

    /// Hands a delivery over without waiting; the answer comes when it is on disk.
    ///
    /// # Errors
    /// When there is more than can be taken.
    pub fn offer(&self, mut delivery: Delivery) -> Result<Reply, SpoolError> {
        let bytes = delivery.payload.bytes();
        let queued = self.queued_bytes.load(Ordering::Relaxed);
        if 0 < queued && QUEUED_BYTES_MAX < queued + bytes || WAITING_BYTES_MAX < self.bytes() {
            return Err(SpoolError::Busy);
        }
        let (reply, answer) = oneshot::channel();
        delivery.reply = Some(reply);
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        match self.jobs.try_send(Job::Keep(delivery)) {
            Ok(()) => Ok(answer),
            Err(error) => {
                self.took(bytes);
                Err(match error {
                    TrySendError::Full(_) => SpoolError::Busy,
                    TrySendError::Disconnected(_) => SpoolError::Stopped,
                })
            }
        }
    }

    /// Hands a delivery over and waits until it is on disk.
    ///
    /// # Errors
    /// When it cannot be put there; nothing of it is then.
    pub fn deliver(&self, mut delivery: Delivery) -> Result<(), SpoolError> {
        let (reply, answer) = oneshot::channel();
        delivery.reply = Some(reply);
        let bytes = delivery.payload.bytes();
        self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        let sent = self.jobs.send(Job::Keep(delivery));
        sent.map_err(|_| SpoolError::Stopped)?;
        answer.blocking_recv().unwrap_or(Err(SpoolError::Stopped))
    }

    /// Whether so much waits on disk that a door should take no more.
    pub fn is_full(&self) -> bool {
        WAITING_BYTES_MAX < self.bytes()
    }

    /// The folder was looked through from this time on, and all that it held then is kept.
    pub fn looked(&self, at_ms: i64) {
        self.looked_ms.store(at_ms, Ordering::Release);
        self.tell_news();
    }

    /// When the folder was looked through.
    pub fn looked_ms(&self) -> Option<i64> {
        Some(self.looked_ms.load(Ordering::Acquire)).filter(|at_ms| *at_ms != NEVER)
    }

    /// Waits until the watched folder, if there is one, was looked through once.
    pub fn wait_until_looked(&self, stop: &AtomicBool) {
        while self.has_folder && self.looked_ms().is_none() && !stop.load(Ordering::Relaxed) {
            self.wait_for_news(GLANCE);
        }
    }

    /// The partitions of the doors that there are, with the first entry that is needed and the end; of others only
    /// what still has to be read.
    pub fn partitions(&self) -> Vec<(Partition, u64, u64)> {
        let marks = |shared: &Arc<Shared>| {
            let extent = shared.extent();
            (shared.partition.clone(), extent.start(), extent.end)
        };
        let is_wanted = |(partition, start, end): &(Partition, u64, u64)| {
            start < end
                || match partition.number {
                    Partition::FOLDER => self.has_folder,
                    _ => self.http.contains(&partition.topic),
                }
        };
        self.logs().values().map(marks).filter(is_wanted).collect()
    }

    /// Entries before this one are not needed any more.
    pub fn release(&self, partition: &Partition, before: u64) {
        let shared = self.shared(partition);
        if shared.is_some_and(|shared| shared.release(before)) {
            // What it cannot be told now, it is told at the next checkpoint.
            let _ = self.jobs.try_send(Job::Roll(partition.clone()));
        }
    }

    /// What waits on disk.
    pub fn bytes(&self) -> u64 {
        self.logs()
            .values()
            .map(|shared| shared.extent().bytes)
            .sum()
    }

    fn wait_for_news(&self, timeout: Duration) {
        let _ = self.news.1.recv_timeout(timeout);
    }

    fn tell_news(&self) {
        let _ = self.news.0.try_send(());
    }

    fn took(&self, bytes: u64) {
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn shared(&self, partition: &Partition) -> Option<Arc<Shared>> {
        self.logs().get(partition).cloned()
    }

    fn add(&self, shared: Arc<Shared>) {
        self.logs().insert(shared.partition.clone(), shared);
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<Partition, Arc<Shared>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The partitions whose logs lie in a spool.
fn logs_in(folder: &Path) -> io::Result<Vec<Partition>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut partitions = Vec::new();
    for entry in entries {
        partitions.extend(partition_of(&entry?.path()));
    }
    partitions.sort_unstable();
    Ok(partitions)
}
