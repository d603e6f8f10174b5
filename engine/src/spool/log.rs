//! The log of one partition: segments of frames, appended to by one thread.
//!
//! Invariant: what is told to be there is on disk, and stays there until it is released; what could not be written
//! whole is cut off again. Every segment begins with how far all files were read, so that the last one is enough.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::batch::{self, FileKey, Head, MAGIC, Mark};
use crate::clock::Partition;

/// A new segment is begun beyond this size.
const SEGMENT_BYTES_MAX: u64 = 16 << 20;
const EXTENSION: &str = "spool";

/// What the writer and the reader of a log share.
#[derive(Debug)]
pub(super) struct Shared {
    pub partition: Partition,
    pub folder: PathBuf,
    extent: Mutex<Extent>,
}

/// What there is of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Extent {
    /// Numbers of the segments' first entries, ascending.
    pub bases: Vec<u64>,
    /// Number of the entry behind the last that is on disk.
    pub end: u64,
    /// Entries before this are not needed any more.
    pub released: u64,
    /// Its size on disk.
    pub bytes: u64,
}

impl Extent {
    /// Number of the first entry that there is and that is needed.
    pub fn start(&self) -> u64 {
        let first = self.bases.first().copied().unwrap_or(self.end);
        first.max(self.released)
    }
}

impl Shared {
    /// What there is.
    pub fn extent(&self) -> Extent {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Extent> {
        self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries before this one are not needed any more. Tells whether all that there are have been read
    /// and something of them is left.
    pub fn release(&self, before: u64) -> bool {
        let mut extent = self.lock();
        extent.released = extent.released.max(before);
        self.remove_released(&mut extent);
        let begin = extent.bases.last().copied().unwrap_or(extent.end);
        extent.end <= extent.released && begin < extent.end
    }

    fn remove_released(&self, extent: &mut Extent) {
        while let [first, second, ..] = extent.bases[..]
            && second <= extent.released
        {
            let path = segment(&self.folder, first);
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    warn!("{} cannot be removed: {error}", path.display());
                    return;
                }
                _ => {}
            }
            extent.bytes = extent.bytes.saturating_sub(size);
            extent.bases.remove(0);
        }
    }
}

/// Where a segment lies.
pub(super) fn segment(folder: &Path, base: u64) -> PathBuf {
    folder.join(format!("{base:020}.{EXTENSION}"))
}

/// The segments in a folder, by the number of their first entry.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|is| is == EXTENSION);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        bases.extend(
            stem.filter(|_| is_segment)
                .and_then(|stem| stem.parse::<u64>().ok()),
        );
    }
    bases.sort_unstable();
    Ok(bases)
}

/// The writing end.
pub(super) struct Log {
    pub shared: Arc<Shared>,
    file: File,
    stand: Stand,
    /// As it was before what is not on disk yet.
    before: Option<Stand>,
    /// The file may be longer than what counts of it.
    is_ragged: bool,
}

#[derive(Clone)]
struct Stand {
    base: u64,
    end: u64,
    bytes: u64,
    marks: BTreeMap<FileKey, Mark>,
}

impl Log {
    /// Opens a log, or begins one; what was not written whole is cut off.
    pub fn open(folder: &Path, partition: &Partition) -> io::Result<Self> {
        make_folder(folder)?;
        let mut bases = segments(folder)?;
        let mut stand = None;
        while let Some(base) = bases.pop() {
            stand = scan(folder, base)?;
            if stand.is_some() {
                bases.push(base);
                break;
            }
            // Its beginning was not written whole: so nothing else of it was.
            std::fs::remove_file(segment(folder, base))?;
            if bases.is_empty() {
                stand = Some(begin(folder, base, BTreeMap::new())?);
                bases.push(base);
                break;
            }
        }
        let stand = match stand {
            Some(stand) => stand,
            None => {
                bases.push(0);
                begin(folder, 0, BTreeMap::new())?
            }
        };
        let sizes = bases.iter().map(|base| segment(folder, *base).metadata());
        let bytes = sizes.map(|size| size.map_or(0, |size| size.len())).sum();
        let extent = Extent {
            released: 0,
            end: stand.end,
            bases,
            bytes,
        };
        Ok(Log {
            file: append_to(&segment(folder, stand.base))?,
            shared: Arc::new(Shared {
                partition: partition.clone(),
                folder: folder.to_owned(),
                extent: Mutex::new(extent),
            }),
            stand,
            before: None,
            is_ragged: false,
        })
    }

    /// How far files were read.
    pub fn marks(&self) -> &BTreeMap<FileKey, Mark> {
        &self.stand.marks
    }

    /// Number that the next entry gets.
    pub fn end(&self) -> u64 {
        self.stand.end
    }

    /// Appends a frame; it counts once [`Log::settle`] has said so.
    pub fn append(&mut self, head: &Head, entries: &[u8]) -> io::Result<()> {
        if self.is_ragged {
            self.file.set_len(self.stand.bytes)?;
            self.is_ragged = false;
        }
        if self.before.is_none() {
            if SEGMENT_BYTES_MAX <= self.stand.bytes {
                self.roll()?;
            }
            self.before = Some(self.stand.clone());
        }
        let frame = batch::encode(head, entries);
        self.is_ragged = true;
        self.file.write_all(&frame)?;
        self.is_ragged = false;
        self.stand.bytes += frame.len() as u64;
        self.stand.end = head.end();
        batch::heed(&mut self.stand.marks, &head.marks);
        Ok(())
    }

    /// Puts on disk what was appended, or takes it back.
    pub fn settle(&mut self, is_good: bool) -> io::Result<()> {
        let Some(before) = self.before.take() else {
            return Ok(());
        };
        let synced = match is_good {
            true => self.file.sync_data(),
            false => Err(io::Error::other("it was not written whole")),
        };
        let Err(error) = synced else {
            let mut extent = self.shared.lock();
            extent.end = self.stand.end;
            extent.bytes += self.stand.bytes - before.bytes;
            return Ok(());
        };
        self.stand = before;
        self.is_ragged = self.file.set_len(self.stand.bytes).is_err();
        Err(error)
    }

    /// Begins a new segment, so that what was read of the last one can go.
    pub fn roll(&mut self) -> io::Result<()> {
        let stand = begin(
            &self.shared.folder,
            self.stand.end,
            self.stand.marks.clone(),
        )?;
        self.file = append_to(&segment(&self.shared.folder, stand.base))?;
        let mut extent = self.shared.lock();
        if stand.base == self.stand.base {
            extent.bytes = extent.bytes.saturating_sub(self.stand.bytes);
        } else {
            extent.bases.push(stand.base);
        }
        extent.bytes += stand.bytes;
        self.shared.remove_released(&mut extent);
        self.stand = stand;
        Ok(())
    }
}

/// What a segment holds; nothing where not even its beginning is whole.
fn scan(folder: &Path, base: u64) -> io::Result<Option<Stand>> {
    let path = segment(folder, base);
    let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut magic = [0; MAGIC.len()];
    if file.read_exact(&mut magic).is_err() {
        return Ok(None);
    }
    if magic != MAGIC {
        let what = format!(
            "{} was written by a release that is not this one",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let mut stand = Stand {
        base,
        end: base,
        bytes: 0,
        marks: BTreeMap::new(),
    };
    let mut bytes = MAGIC.len() as u64;
    let mut frame = Vec::new();
    while let Some(size) = batch::read(&mut file, &mut frame)? {
        let (head, _) = batch::decode(&frame)?;
        batch::heed(&mut stand.marks, &head.marks);
        bytes += size;
        (stand.bytes, stand.end) = (bytes, head.end());
    }
    if stand.bytes == 0 {
        return Ok(None);
    }
    let found = file.metadata()?.len();
    if stand.bytes < found {
        let cut = found - stand.bytes;
        warn!(
            "{}: {cut} bytes at its end were not written whole and are cut off",
            path.display()
        );
        file.set_len(stand.bytes)?;
        file.sync_all()?;
    }
    Ok(Some(stand))
}

/// Makes a segment that holds nothing but how far files were read.
fn begin(folder: &Path, base: u64, marks: BTreeMap<FileKey, Mark>) -> io::Result<Stand> {
    let head = Head {
        first: base,
        marks: marks
            .iter()
            .map(|(key, mark)| (*key, Some(*mark)))
            .collect(),
        ..Head::default()
    };
    let mut content = MAGIC.to_vec();
    content.extend_from_slice(&batch::encode(&head, &[]));
    put(folder, base, &content)?;
    Ok(Stand {
        base,
        end: base,
        bytes: content.len() as u64,
        marks,
    })
}

/// Puts a whole segment in its place.
pub(super) fn put(folder: &Path, base: u64, content: &[u8]) -> io::Result<()> {
    let path = segment(folder, base);
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, &path)?;
    File::open(folder)?.sync_all()
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

/// Only the owner may look inside. That the folder is there is on disk too, or what lies in it would be of no use.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    crate::store::private_folder().create(folder)?;
    for above in folder.ancestors().skip(1).take(2) {
        File::open(above)?.sync_all()?;
    }
    Ok(())
}
