//! The doors by which records come without Kafka: a watched folder, and HTTP as Splunk's senders speak it.
//!
//! Invariant: a door decides nothing about an event; it hands records to the spool and says to their sender what
//! became of them.

pub mod folder;
pub mod hec;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tracing::info;

use crate::setup::Setup;
use crate::spool::{Spool, SpoolError, SpoolKeeper, folder_in};
use folder::{FolderError, Watcher};
use hec::HecError;

/// Why a door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// What came before cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// There is no such folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The address cannot be used.
    #[error(transparent)]
    Hec(#[from] HecError),
}

/// The open doors; closed when dropped.
pub struct Doors {
    closed: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
    serving: Option<tokio::task::JoinHandle<()>>,
    // Last: the others deliver to it.
    keeper: SpoolKeeper,
}

impl Doors {
    /// Opens the doors that are configured, if any are, or if something waits that came through one. With `once`
    /// the folder is looked through once, and nobody is let in over HTTP.
    ///
    /// # Errors
    /// When the folder is not there, the address is taken, or what came before cannot be read.
    pub fn open(
        setup: &Arc<Setup>,
        once: bool,
        runtime: &Runtime,
    ) -> Result<Option<Doors>, DoorError> {
        let config = &setup.config;
        let is_configured = config.files.watch.is_some() || config.hec.listen.is_some();
        if !is_configured && !folder_in(&config.state.dir).is_dir() {
            return Ok(None);
        }
        let keeper = Spool::open(setup)?;
        let mut doors = Doors {
            closed: Arc::default(),
            watcher: None,
            serving: None,
            keeper,
        };
        if let Some(folder) = &config.files.watch {
            let spool = doors.spool().clone();
            let watcher = Watcher::new(folder, spool, setup.world.seed, once, &doors.closed)?;
            info!("watching {}", folder.display());
            let thread = std::thread::Builder::new().name("folder".into());
            doors.watcher = Some(
                thread
                    .spawn(move || watcher.run())
                    .expect("a thread can be started"),
            );
        }
        if let (Some(address), false) = (config.hec.listen, once) {
            let listener = runtime.block_on(hec::listen(address))?;
            let address = listener.local_addr().unwrap_or(address);
            info!("events for Splunk are taken on http://{address}/services/collector");
            let router = hec::router(config.hec.tokens.clone(), doors.spool().clone());
            doors.serving = Some(runtime.spawn(hec::serve(listener, router)));
        }
        Ok(Some(doors))
    }

    /// What came through them.
    pub fn spool(&self) -> &Arc<Spool> {
        self.keeper.spool()
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
        if let Some(watcher) = self.watcher.take() {
            watcher.join().expect("the watcher does not panic");
        }
    }
}
