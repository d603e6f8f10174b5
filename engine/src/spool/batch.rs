//! How a log lies on disk: frames with their length and checksum, each of records that came together.
//!
//! Invariant: a frame is whole or is not there; how far a file was read lies in the frame of what was read of it,
//! so that neither is ever there without the other.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::entry::append;

/// Begins every segment; its last byte is the version of what follows.
pub(super) const MAGIC: [u8; 8] = *b"NJSPOOL\x01";
/// Length and checksum before a frame.
const LEAD_BYTES: usize = 4 + 8;
/// Larger ones are not written: what says so is damaged.
const FRAME_BYTES_MAX: usize = 1 << 30;

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileKey {
    /// Of its file system.
    pub device: u64,
    /// In it.
    pub inode: u64,
}

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Bytes that were read, of a file that grows.
    pub offset: u64,
    /// Records that were read.
    pub records: u64,
    /// Bytes of its beginning that are known again.
    pub head_bytes: u32,
    /// Their keyed hash.
    pub head_hash: u64,
    /// Bytes before `offset` by which a copy is known.
    pub tail_bytes: u32,
    /// Their keyed hash.
    pub tail_hash: u64,
    /// The last line was taken without its newline.
    pub is_cut: bool,
    /// Its size and the time of its last change when it was read whole, of a file that does not grow.
    pub whole: Option<(u64, i64)>,
}

/// How far files were read; `None` forgets one.
pub(super) type Marks = Vec<(FileKey, Option<Mark>)>;

/// What stands before the entries of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Number of the first entry in the log.
    pub first: u64,
    /// Number of entries.
    pub count: u32,
    /// When they came: not before this, if that is known,
    pub since_ms: Option<i64>,
    /// and not after this.
    pub until_ms: i64,
    /// The file that they come from.
    pub origin: Option<String>,
    /// How far files are read with it.
    pub marks: Marks,
}

impl Head {
    /// Number of the entry behind the last.
    pub fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// A frame's bytes.
pub(super) fn encode(head: &Head, entries: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; LEAD_BYTES];
    append(&mut frame, head);
    frame.extend_from_slice(entries);
    let length = (frame.len() - LEAD_BYTES) as u32;
    let checksum = xxhash_rust::xxh3::xxh3_64(&frame[LEAD_BYTES..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..LEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    frame
}

/// Reads the next frame into `frame`, without its lead; gives its size on disk, nothing where none follows
/// that is whole.
pub(super) fn read(input: &mut impl Read, frame: &mut Vec<u8>) -> io::Result<Option<u64>> {
    frame.clear();
    input.take(LEAD_BYTES as u64).read_to_end(frame)?;
    let Some((length, checksum)) = frame.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length) as usize;
    let Some(checksum) = checksum.first_chunk::<8>() else {
        return Ok(None);
    };
    let checksum = u64::from_le_bytes(*checksum);
    if length == 0 || FRAME_BYTES_MAX < length {
        return Ok(None);
    }
    frame.clear();
    input.take(length as u64).read_to_end(frame)?;
    let is_whole = frame.len() == length && xxhash_rust::xxh3::xxh3_64(frame) == checksum;
    Ok(is_whole.then_some((LEAD_BYTES + length) as u64))
}

/// A frame's head, and its entries.
pub(super) fn decode(frame: &[u8]) -> io::Result<(Head, &[u8])> {
    postcard::take_from_bytes(frame).map_err(|_| {
        let what = "it was written by a release that is not this one";
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

/// Lays what a frame says over what is known.
pub(super) fn heed(marks: &mut BTreeMap<FileKey, Mark>, told: &Marks) {
    for (key, mark) in told {
        match mark {
            Some(mark) => marks.insert(*key, *mark),
            None => marks.remove(key),
        };
    }
}
