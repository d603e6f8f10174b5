//! What is known of a file: how far it was read, and by what it is known again.
//!
//! Invariant: a file counts as known only if its beginning is; as the copy of another only if what was read last of
//! that one lies in the same place.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::list::Found;
use crate::source::file::{self, Piece};
use crate::spool::Mark;

/// Bytes by which a file is known again, at its beginning and where reading ended.
pub const KNOWN_BYTES: usize = 1024;
/// Bytes that tell how a file's records lie.
const HEAD_BYTES: u64 = 64 << 10;

/// The beginning of a file.
pub struct Head {
    bytes: Vec<u8>,
    /// A record a line, so that it can be read as it grows.
    pub grows: bool,
}

impl Head {
    /// Reads it.
    pub fn read(path: &Path) -> io::Result<Head> {
        let mut bytes = Vec::new();
        File::open(path)?.take(HEAD_BYTES).read_to_end(&mut bytes)?;
        Ok(Head {
            grows: file::is_lines(path, &bytes),
            bytes,
        })
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The beginning of its records, also where the file is compressed.
    pub fn of_records(&self, path: &Path) -> Vec<u8> {
        if self.grows {
            return self.bytes.clone();
        }
        let mut start = Vec::new();
        // What cannot be read begins like nothing.
        let _ = file::read(path, &|_| (), &mut |piece| {
            if let Piece::Lines { bytes, .. } = piece {
                start.extend_from_slice(&bytes[..bytes.len().min(KNOWN_BYTES)]);
            }
            ControlFlow::Break(())
        });
        start
    }
}

/// A file.
#[derive(Debug, Clone)]
pub struct Known {
    pub mark: Mark,
    pub path: PathBuf,
    pub grows: bool,
    /// As it was last seen.
    size: u64,
    modified_ms: i64,
    /// When it was first seen so.
    pub since: Instant,
    /// Something of it was left for later.
    pub is_open: bool,
    /// Looks since it was seen.
    pub missed: u32,
}

impl Known {
    /// One that was not seen since the start.
    pub fn of(mark: Mark) -> Self {
        Known {
            mark,
            path: PathBuf::new(),
            grows: mark.whole.is_none(),
            size: u64::MAX,
            modified_ms: 0,
            since: Instant::now(),
            is_open: false,
            missed: 0,
        }
    }

    /// Whether nothing has changed and nothing was left.
    pub fn is_as_seen(&self, file: &Found) -> bool {
        let is_same = (self.size, self.modified_ms) == (file.size, file.modified_ms);
        is_same && !self.is_open && self.path == file.path
    }

    /// Whether this is still the file that was read.
    pub fn is_of(&self, head: &Head, file: &Found, seed: u64) -> bool {
        let mark = &self.mark;
        let is_alike = mark.head_bytes == 0 || begins_like(&head.bytes, mark, seed);
        is_alike && (mark.whole.is_some() || mark.offset <= file.size)
    }

    /// It is there, and as it was.
    pub fn seen_again(mut self) -> Self {
        self.missed = 0;
        self
    }

    /// Takes in how it looks now.
    pub fn seen(mut self, file: &Found, head: &Head) -> Self {
        if (self.size, self.modified_ms) != (file.size, file.modified_ms) {
            self.since = Instant::now();
        }
        (self.size, self.modified_ms, self.missed) = (file.size, file.modified_ms, 0);
        self.path = file.path.clone();
        if self.mark == Mark::default() {
            self.grows = head.grows;
        }
        self
    }
}

/// Whether records that begin so may be those that a mark is of.
pub fn begins_like(start: &[u8], mark: &Mark, seed: u64) -> bool {
    let start = start.get(..mark.head_bytes as usize);
    0 < mark.head_bytes && start.is_some_and(|start| hash(start, seed) == mark.head_hash)
}

/// A keyed hash of a stretch of a file.
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}

/// Whether a file that begins like another holds all that was read of that one: the same bytes lie before the place
/// where reading ended. Compressed copies are looked into.
pub fn holds(path: &Path, mark: &Mark, seed: u64) -> bool {
    let (mut at, mut tail) = (0, Vec::new());
    let read = file::read(path, &|_| (), &mut |piece| {
        let Piece::Lines { bytes, .. } = piece else {
            return ControlFlow::Break(());
        };
        let left = usize::try_from(mark.offset - at).unwrap_or(usize::MAX);
        let taken = &bytes[..bytes.len().min(left)];
        at += taken.len() as u64;
        tail.extend_from_slice(taken);
        tail.drain(..tail.len().saturating_sub(KNOWN_BYTES));
        match at < mark.offset {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    let last = &tail[tail.len().saturating_sub(mark.tail_bytes as usize)..];
    read.is_ok() && at == mark.offset && hash(last, seed) == mark.tail_hash
}
