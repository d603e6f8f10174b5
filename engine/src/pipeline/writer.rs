//! The one thread that writes `state.db`, so that judging goes on meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use nightjar_detectors::core::StateRow;

use super::patience::{CHECKPOINTS, Patience};
use crate::clock::Partition;
use crate::store::StoreError;
use crate::store::state::StateStore;

/// One checkpoint on its way to the disk.
pub(super) struct Checkpoint {
    pub rows: Vec<StateRow>,
    pub meta: Vec<u8>,
    pub offsets: BTreeMap<Partition, i64>,
}

/// Hands checkpoints to the writing thread.
pub(super) struct Writer {
    send: Sender<Checkpoint>,
    done: Receiver<BTreeMap<Partition, i64>>,
    busy: Arc<AtomicBool>,
    took_ms: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(state: StateStore, patience: Arc<Patience>) -> Self {
        let (send, receive) = bounded::<Checkpoint>(1);
        let (tell, done) = bounded(1);
        let busy = Arc::new(AtomicBool::new(false));
        let flag = busy.clone();
        let took_ms = Arc::new(AtomicU64::new(0));
        let taken = took_ms.clone();
        let thread = std::thread::Builder::new()
            .name("state-writer".into())
            .spawn(move || write_all(state, &patience, &receive, &tell, &flag, &taken))
            .expect("a thread can be started");
        Writer {
            send,
            done,
            busy,
            took_ms,
            thread,
        }
    }

    /// Offsets of checkpoints that are on disk, the latest; for lag dashboards.
    pub fn done(&self) -> Receiver<BTreeMap<Partition, i64>> {
        self.done.clone()
    }

    /// Whether the last checkpoint is on disk.
    pub fn is_free(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
    }

    /// How long the last checkpoint took to reach the disk.
    pub fn took_ms(&self) -> u64 {
        self.took_ms.load(Ordering::Relaxed)
    }

    /// Whether the thread gave up: [`Writer::finish`] says why.
    pub fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Writes a checkpoint; waits when one is under way.
    pub fn write(&self, checkpoint: Checkpoint) {
        self.busy.store(true, Ordering::Release);
        // A thread that has ended has left its error, which `finish` gives.
        let _ = self.send.send(checkpoint);
    }

    /// Waits for the last checkpoint to be on disk.
    ///
    /// # Errors
    /// What the thread ended with.
    pub fn finish(self) -> Result<(), StoreError> {
        drop(self.send);
        self.thread.join().expect("the writer does not panic")
    }
}

fn write_all(
    mut state: StateStore,
    patience: &Patience,
    receive: &Receiver<Checkpoint>,
    tell: &Sender<BTreeMap<Partition, i64>>,
    busy: &AtomicBool,
    took_ms: &AtomicU64,
) -> Result<(), StoreError> {
    for checkpoint in receive {
        let begun = Instant::now();
        patience.until_stored(CHECKPOINTS, || {
            state.checkpoint(&checkpoint.rows, &checkpoint.meta)
        })?;
        took_ms.store(begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        busy.store(!receive.is_empty(), Ordering::Release);
        // Only the latest matters; when the reader has not taken the last one, it can wait.
        let _ = tell.try_send(checkpoint.offsets);
    }
    Ok(())
}
