//! What happens while nothing can be stored, for instance on a full disk: it is said once, tried again
//! and again, and nothing more is read meanwhile.
//!
//! Invariant: what could not be stored is neither given up nor overtaken; only a stop ends the trying, and
//! then the last checkpoint stands, from which the next start reads again.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nightjar_detectors::alert::Alert;
use tokio::sync::watch;
use tracing::{error, info};

use crate::grpc::Status;
use crate::store::StoreError;
use crate::store::alerts::{AlertStore, Published};
use crate::store::quarantine::QuarantineEntry;

/// What cannot be stored.
pub(super) const CHECKPOINTS: &str = "checkpoints";
const ALERTS: &str = "alerts";

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A stop is heeded this soon.
const GLANCE: Duration = Duration::from_millis(25);

/// A time in which nothing could be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outage {
    /// What: checkpoints or alerts.
    pub what: &'static str,
    /// From when, by the wall clock.
    pub since_ms: i64,
    /// Until when.
    pub until_ms: i64,
    /// Why.
    pub error: String,
}

/// Shared by all who store.
pub(super) struct Patience {
    status: watch::Sender<Status>,
    stop: Arc<AtomicBool>,
    /// Since when, and why.
    troubles: Mutex<BTreeMap<&'static str, (i64, String)>>,
    outages: Mutex<Vec<Outage>>,
}

impl Patience {
    /// Tells trouble through `status` and gives up at `stop`.
    pub fn new(status: watch::Sender<Status>, stop: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Patience {
            status,
            stop,
            troubles: Mutex::default(),
            outages: Mutex::default(),
        })
    }

    /// Stores, however often it takes.
    ///
    /// # Errors
    /// What cannot pass, and what has not passed at a stop.
    pub fn until_stored<T>(
        &self,
        what: &'static str,
        mut store: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match store() {
                Ok(stored) => {
                    self.is_over(what);
                    return Ok(stored);
                }
                Err(error) if error.may_pass() && !self.is_stopped() => self.tell(what, &error),
                Err(error) => return Err(error),
            }
            self.rest(pause);
            pause = (2 * pause).min(LAST_PAUSE);
        }
    }

    /// Waits while this cannot be stored.
    fn wait_for(&self, what: &'static str) {
        while self.troubles().contains_key(what) && !self.is_stopped() {
            std::thread::sleep(GLANCE);
        }
    }

    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end && !self.is_stopped() {
            std::thread::sleep(GLANCE);
        }
    }

    fn tell(&self, what: &'static str, error: &StoreError) {
        let text = crate::cmd::chain(error);
        let since_ms = chrono::Utc::now().timestamp_millis();
        let mut troubles = self.troubles();
        let is_new = !troubles.contains_key(what);
        troubles.entry(what).or_insert((since_ms, String::new())).1 = text.clone();
        drop(troubles);
        if is_new {
            error!("{what} cannot be stored, reading waits until they can: {text}");
        }
        self.show();
    }

    fn is_over(&self, what: &'static str) {
        let over = self.troubles().remove(what);
        if let Some((since_ms, error)) = over {
            let until_ms = chrono::Utc::now().timestamp_millis();
            self.outages().push(Outage {
                what,
                since_ms,
                until_ms,
                error,
            });
            info!("{what} are stored again, reading goes on");
            self.show();
        }
    }

    fn show(&self) {
        let trouble = self
            .troubles()
            .values()
            .next()
            .map(|(_, text)| text.clone());
        self.status.send_if_modified(|status| {
            let is_new = status.trouble != trouble;
            status.trouble = trouble;
            is_new
        });
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<&'static str, (i64, String)>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outages(&self) -> MutexGuard<'_, Vec<Outage>> {
        self.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The alert log, written with patience.
pub(super) struct PatientAlerts {
    store: AlertStore,
    patience: Arc<Patience>,
}

impl PatientAlerts {
    pub fn new(store: AlertStore, patience: Arc<Patience>) -> Self {
        PatientAlerts { store, patience }
    }

    /// [`AlertStore::publish`].
    pub fn publish(
        &self,
        alerts: &[Alert],
        positions: Option<&[u8]>,
    ) -> Result<Vec<Published>, StoreError> {
        let publish = || self.store.publish(alerts, positions);
        self.patience.until_stored(ALERTS, publish)
    }

    /// [`AlertStore::set_aside`].
    pub fn set_aside(&self, entries: &[QuarantineEntry]) -> Result<u64, StoreError> {
        let set_aside = || self.store.set_aside(entries);
        self.patience.until_stored(ALERTS, set_aside)
    }

    /// Times that are over in which nothing could be stored, each once.
    pub fn take_outages(&self) -> Vec<Outage> {
        std::mem::take(&mut *self.patience.outages())
    }

    /// Waits while checkpoints cannot be stored.
    pub fn wait_for_checkpoints(&self) {
        self.patience.wait_for(CHECKPOINTS);
    }
}

impl Deref for PatientAlerts {
    type Target = AlertStore;

    fn deref(&self) -> &AlertStore {
        &self.store
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state::StateStore;
    use chrono_tz::Tz;
    use nightjar_detectors::core::StateRow;

    fn rows() -> Vec<StateRow> {
        let row = |key| StateRow {
            shard: 1,
            detector: "d".into(),
            key: vec![key],
            version: 1,
            bytes: Some(vec![key; 40_000]),
        };
        (0..9).map(row).collect()
    }

    fn patience() -> (Arc<Patience>, watch::Receiver<Status>, Arc<AtomicBool>) {
        let (status, seen) = watch::channel(Status::default());
        let stop = Arc::new(AtomicBool::new(false));
        (Patience::new(status, stop.clone()), seen, stop)
    }

    /// Nothing of the checkpoint is there while there is no room, everyone can see why, and all of it is
    /// there when there is.
    #[test]
    fn a_full_or_locked_disk_is_waited_for() {
        type Make = fn(&StateStore, bool);
        let full: Make = |store, is_full| store.limit_pages(if is_full { 20 } else { 20_000 });
        let locked: Make = |store, is_locked| store.forbid_writing(is_locked);
        let makers: [(Make, &str); 2] = [(full, "full"), (locked, "readonly")];
        for (make, words) in makers {
            let folder = tempfile::tempdir().unwrap();
            let mut store = StateStore::open(folder.path(), "t", Tz::UTC).unwrap();
            store.checkpoint(&[], b"before").unwrap();
            let (patience, seen, _) = patience();
            make(&store, true);
            let mut tries = 0;
            let stored = patience.until_stored(CHECKPOINTS, || {
                tries += 1;
                if tries == 3 {
                    let trouble = seen.borrow().trouble.clone().unwrap();
                    assert!(trouble.contains("state.db; check the space"), "{trouble}");
                    assert!(trouble.contains(words), "{trouble}");
                    let before = store.load()?.unwrap();
                    assert_eq!((before.rows.len(), &before.meta[..]), (0, &b"before"[..]));
                    make(&store, false);
                }
                store.checkpoint(&rows(), b"after")
            });
            stored.unwrap();
            let outages = std::mem::take(&mut *patience.outages());
            assert_eq!(outages.len(), 1);
            assert!(outages[0].since_ms <= outages[0].until_ms);
            assert!(outages[0].error.contains(words));
            assert_eq!((tries, &seen.borrow().trouble), (3, &None));
            let after = store.load().unwrap().unwrap();
            assert_eq!((after.rows, &after.meta[..]), (rows(), &b"after"[..]));
        }
    }

    /// A stop is not held up, and what was stored before stands.
    #[test]
    fn a_stop_ends_the_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = StateStore::open(folder.path(), "t", Tz::UTC).unwrap();
        store.checkpoint(&[], b"before").unwrap();
        store.limit_pages(20);
        let (patience, seen, stop) = patience();
        let error = std::thread::scope(|scope| {
            let storing = scope.spawn(|| {
                patience.until_stored(CHECKPOINTS, || store.checkpoint(&rows(), b"after"))
            });
            while seen.borrow().trouble.is_none() {
                std::thread::sleep(GLANCE);
            }
            stop.store(true, Ordering::Relaxed);
            patience.wait_for(CHECKPOINTS);
            storing.join().unwrap().unwrap_err()
        });
        assert!(error.may_pass());
        assert_eq!(store.load().unwrap().unwrap().meta, b"before");
    }

    /// What cannot pass is not tried twice.
    #[test]
    fn damage_is_not_waited_for() {
        let (patience, ..) = patience();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(StateStore::path(folder.path()), [7; 4096]).unwrap();
        let mut tries = 0;
        let opened = patience.until_stored(CHECKPOINTS, || {
            tries += 1;
            StateStore::open(folder.path(), "t", Tz::UTC)
        });
        assert!(opened.unwrap_err().damaged().is_some());
        assert_eq!(tries, 1);
    }
}
