//! A watched folder: log files are read as they grow, whatever they are called meanwhile.
//!
//! Invariant: how far a file was read is kept together with what was read of it; a file is known by its identity and its
//! content, never by its name alone, and what is not surely known is rather read twice than left out.

mod known;
mod lines;
mod list;
mod whole;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::clock::{Came, Partition};
use crate::spool::{Delivery, FileKey, Mark, Payload, Spool, SpoolError};
use known::{Head, Known};
use list::Found;

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A stop is heeded this soon.
const GLANCE: Duration = Duration::from_millis(50);
/// The first look, which is history where there is none yet, waits so long at most for files that still change.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(60);
/// Looks without a file before it is forgotten: a listing can miss one that is being renamed.
const MISSED_MAX: u32 = 60;

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is not there.
    #[error("the watched folder {0} does not exist; make it, or correct files.watch")]
    Missing(PathBuf),
}

/// Looks through a folder again and again.
pub struct Watcher {
    root: PathBuf,
    spool: Arc<Spool>,
    /// Of the hashes by which files are known again.
    seed: u64,
    once: bool,
    closed: Arc<AtomicBool>,
    sources: BTreeMap<String, BTreeMap<FileKey, Known>>,
    /// What is found now was not there at this time.
    since_ms: Option<i64>,
    begun: Instant,
    /// Files were left for later because they still change.
    is_unsettled: bool,
    /// What was said last of what is wrong.
    trouble: Option<String>,
}

/// What ends a look before its end.
enum Broken {
    /// Told to stop.
    Closed,
    /// The spool takes nothing.
    Spool(SpoolError),
}

impl From<SpoolError> for Broken {
    fn from(error: SpoolError) -> Self {
        Broken::Spool(error)
    }
}

impl Watcher {
    /// A watcher of a folder. With `once` it looks once and takes files as they are.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn new(
        root: &Path,
        spool: Arc<Spool>,
        seed: u64,
        once: bool,
        closed: &Arc<AtomicBool>,
    ) -> Result<Self, FolderError> {
        if !root.is_dir() {
            return Err(FolderError::Missing(root.to_owned()));
        }
        Ok(Watcher {
            root: root.to_owned(),
            spool,
            seed,
            once,
            closed: closed.clone(),
            sources: BTreeMap::new(),
            since_ms: None,
            begun: Instant::now(),
            is_unsettled: false,
            trouble: None,
        })
    }

    /// Looks until the door is closed.
    pub fn run(mut self) {
        while !self.is_closed() {
            let begun_ms = chrono::Utc::now().timestamp_millis();
            match self.look() {
                Ok(true) if self.waits_for_files() => {}
                Ok(true) => {
                    self.since_ms = Some(begun_ms);
                    self.spool.looked(begun_ms);
                    if self.once {
                        return;
                    }
                }
                Ok(false) | Err(Broken::Closed) => {}
                Err(Broken::Spool(error)) => {
                    let text = crate::cmd::chain(&error);
                    self.tell(format!("{text}; files wait until there is room"));
                }
            }
            self.rest();
        }
    }

    fn waits_for_files(&self) -> bool {
        let is_first = self.since_ms.is_none() && self.begun.elapsed() < FIRST_LOOK_MAX;
        self.is_unsettled && is_first && !self.once
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    fn rest(&self) {
        let end = Instant::now() + LOOK_EVERY;
        while Instant::now() < end && !self.is_closed() {
            std::thread::sleep(GLANCE);
        }
    }

    /// Says what is wrong, once.
    fn tell(&mut self, text: String) {
        if self.trouble.as_ref() != Some(&text) {
            warn!("{text}");
            self.trouble = Some(text);
        }
    }

    /// Looks through all of it once; tells whether all could be seen.
    fn look(&mut self) -> Result<bool, Broken> {
        if !self.once && self.since_ms.is_some() && self.spool.is_full() {
            self.tell("what came before is not read yet; files wait until it is".into());
            return Ok(false);
        }
        let found = match list::files(&self.root) {
            Ok(found) => found,
            Err(error) => {
                let folder = self.root.display();
                self.tell(format!(
                    "the watched folder {folder} cannot be read: {error}; retrying"
                ));
                return Ok(false);
            }
        };
        self.begin_sources(&found)?;
        self.is_unsettled = false;
        for known in self.sources.values_mut().flat_map(BTreeMap::values_mut) {
            known.missed += 1;
        }
        // A copy is known by what its original was before that was cut: so whoever is new is looked at first.
        let (known, new): (Vec<&Found>, Vec<&Found>) =
            found.iter().partition(|file| self.is_known(file));
        for file in new.into_iter().chain(known) {
            if self.is_closed() {
                return Err(Broken::Closed);
            }
            self.look_at(file)?;
        }
        self.forget_missed()?;
        if self.trouble.take().is_some() {
            info!("the watched folder is read again");
        }
        Ok(true)
    }

    fn is_known(&self, file: &Found) -> bool {
        let files = self.sources.get(&file.source);
        files.is_some_and(|files| files.contains_key(&file.key))
    }

    /// Takes in sources that are new, with how far their files were read.
    fn begin_sources(&mut self, found: &[Found]) -> Result<(), Broken> {
        for file in found {
            if !self.sources.contains_key(&file.source) {
                let marks = self.spool.begin(&partition(&file.source))?;
                let known = marks.into_iter().map(|(key, mark)| (key, Known::of(mark)));
                self.sources.insert(file.source.clone(), known.collect());
            }
        }
        Ok(())
    }

    /// One file: what is new of it is delivered.
    fn look_at(&mut self, file: &Found) -> Result<(), Broken> {
        let files = &self.sources[&file.source];
        let known = files.get(&file.key).cloned();
        if let Some(known) = &known
            && known.is_as_seen(file)
        {
            return self.put(file, known.clone().seen_again());
        }
        let head = match Head::read(&file.path) {
            Ok(head) if head.is_empty() && known.is_none() => return Ok(()),
            Ok(head) => head,
            Err(error) => {
                // It may have gone meanwhile, or be nobody's business.
                if error.kind() != std::io::ErrorKind::NotFound {
                    let path = file.path.display();
                    self.tell(format!("{path} cannot be read: {}; retrying", error.kind()));
                }
                return Ok(());
            }
        };
        let known = match known {
            Some(known) if known.is_of(&head, file, self.seed) => known,
            Some(known) => {
                if 0 < known.mark.records {
                    info!(
                        "{} was cut or written anew; it is read from its beginning",
                        file.path.display()
                    );
                }
                self.newcomer(file, &head)
            }
            None => self.newcomer(file, &head),
        };
        let known = known.seen(file, &head);
        if known.grows {
            self.read_lines(file, known)
        } else {
            self.read_whole(file, known)
        }
    }

    /// A file that was not known: unless it is the copy of one that is, nothing of it was read.
    fn newcomer(&self, file: &Found, head: &Head) -> Known {
        let start = head.of_records(&file.path);
        let marks = self.sources[&file.source].values().map(|known| known.mark);
        let alike = marks
            .filter(|mark| mark.whole.is_none() && known::begins_like(&start, mark, self.seed));
        let copied = alike
            .into_iter()
            .find(|mark| known::holds(&file.path, mark, self.seed));
        match copied {
            Some(mark) if head.grows => Known::of(mark),
            Some(mark) => Known::of(Mark {
                whole: Some((0, 0)),
                ..mark
            }),
            None => Known::of(Mark::default()),
        }
    }

    fn put(&mut self, file: &Found, known: Known) -> Result<(), Broken> {
        let files = self.sources.entry(file.source.clone()).or_default();
        files.insert(file.key, known);
        Ok(())
    }

    /// Hands over what was read of a file; what was not taken counts as not read.
    fn deliver(&mut self, file: &Found, payload: Payload, mark: Mark) -> Result<(), Broken> {
        if self.is_closed() {
            return Err(Broken::Closed);
        }
        let came = Came {
            since_ms: self.since_ms,
            until_ms: chrono::Utc::now().timestamp_millis(),
        };
        let origin = file.path.to_string_lossy().into_owned();
        let mark = (file.key, Some(mark));
        let delivery = Delivery::of_file(partition(&file.source), came, origin, payload, mark);
        Ok(self.spool.deliver(delivery)?)
    }

    /// Files that are gone for good.
    fn forget_missed(&mut self) -> Result<(), Broken> {
        let mut gone = Vec::new();
        for (source, files) in &self.sources {
            let missed = files.iter().filter(|(_, known)| known.missed == 1);
            for (_, known) in missed.filter(|(_, known)| known.is_open) {
                warn!(
                    "{} is gone, and its last line was not complete",
                    known.path.display()
                );
            }
            let missed = files.iter().filter(|(_, known)| MISSED_MAX <= known.missed);
            gone.extend(missed.map(|(key, _)| (source.clone(), *key)));
        }
        for (source, key) in gone {
            let came = Came::at(chrono::Utc::now().timestamp_millis());
            let partition = partition(&source);
            let origin = String::new();
            let delivery =
                Delivery::of_file(partition, came, origin, Payload::Nothing, (key, None));
            self.spool.deliver(delivery)?;
            let known = self
                .sources
                .get_mut(&source)
                .and_then(|files| files.remove(&key));
            if let Some(known) = known {
                let path = known.path.display();
                info!(
                    "{path} is gone; {} records of it were read",
                    known.mark.records
                );
            }
        }
        Ok(())
    }
}

fn partition(source: &str) -> Partition {
    Partition {
        topic: source.to_owned(),
        number: Partition::FOLDER,
    }
}
