//! Reads the logs as partitions of Kafka are read: by position, each at its own pace.
//!
//! Invariant: of each log, entries come in the order of their numbers, none twice, and only what is on disk;
//! what is missing between two is said as a gap.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use super::Spool;
use super::batch::{self, Head, MAGIC};
use super::entry::Entry;
use super::log::{Extent, Shared, segment};
use crate::clock::{Came, Partition};

/// One thing that a poll brings; `partition` is the index that [`SpoolReader::assign`] gave.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a> {
    /// A record.
    Entry {
        /// Index of the partition.
        partition: usize,
        /// Its number in the log.
        number: u64,
        /// When it came.
        came: Came,
        /// The file that it comes from.
        origin: Option<&'a str>,
        /// What was kept of it.
        entry: Entry<'a>,
    },
    /// All that there was, or that the folder held when it was looked through, has been given.
    End {
        /// Index of the partition.
        partition: usize,
        /// When that was, of a folder.
        looked_ms: Option<i64>,
    },
    /// Entries are not there any more.
    Gap {
        /// Index of the partition.
        partition: usize,
        /// The first that is missing.
        from: u64,
        /// The next that there is.
        to: u64,
    },
}

/// The reading end of the spool.
pub struct SpoolReader {
    spool: Arc<Spool>,
    tracks: Vec<Track>,
    next: usize,
}

struct Track {
    shared: Arc<Shared>,
    position: u64,
    is_paused: bool,
    open: Option<Open>,
}

/// A segment being read.
struct Open {
    base: u64,
    file: File,
    frame: Vec<u8>,
    head: Head,
    /// Where the next entry lies in the frame.
    at: usize,
    /// Its number.
    number: u64,
}

impl SpoolReader {
    /// Nothing is read yet.
    pub fn new(spool: Arc<Spool>) -> Self {
        SpoolReader {
            spool,
            tracks: Vec::new(),
            next: 0,
        }
    }

    /// The spool.
    pub fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Reads this one too, from a position on; what lies before it is not needed any more. Gives its index.
    pub fn assign(&mut self, partition: &Partition, position: u64) -> Option<usize> {
        let shared = self.spool.shared(partition)?;
        self.spool.release(partition, position);
        self.tracks.push(Track {
            shared,
            position,
            is_paused: false,
            open: None,
        });
        Some(self.tracks.len() - 1)
    }

    /// Takes no part in polls until it is resumed.
    pub fn pause(&mut self, partition: usize, is_paused: bool) {
        self.tracks[partition].is_paused = is_paused;
    }

    /// Entries not read yet.
    pub fn lag(&self, partition: usize) -> u64 {
        let track = &self.tracks[partition];
        track.shared.extent().end.saturating_sub(track.position)
    }

    /// Waits for something new.
    pub fn wait(&self, timeout: Duration) {
        self.spool.wait_for_news(timeout);
    }

    /// Gives what is there, up to `entries_max`; tells how many.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn poll(
        &mut self,
        entries_max: usize,
        each: &mut dyn FnMut(Given<'_>),
    ) -> io::Result<usize> {
        let count = self.tracks.len();
        let mut given = 0;
        for index in (self.next..count).chain(0..self.next.min(count)) {
            let track = &mut self.tracks[index];
            if track.is_paused {
                continue;
            }
            self.next = (index + 1) % count;
            // Before the end: so all that was there at the look lies before it.
            let looked_ms = self.spool.looked_ms();
            let extent = track.shared.extent();
            while given < entries_max && track.position < extent.end {
                given += usize::from(track.step(index, &extent, each)?);
            }
            let is_folder = track.shared.partition.number == Partition::FOLDER;
            if extent.end <= track.position && (!is_folder || looked_ms.is_some()) {
                each(Given::End {
                    partition: index,
                    looked_ms: looked_ms.filter(|_| is_folder),
                });
            }
            if entries_max <= given {
                break;
            }
        }
        Ok(given)
    }
}

impl Track {
    /// One step towards the next entry; tells whether it gave one.
    fn step(
        &mut self,
        index: usize,
        extent: &Extent,
        each: &mut dyn FnMut(Given<'_>),
    ) -> io::Result<bool> {
        let Some(open) = &mut self.open else {
            self.open_segment(index, extent, each)?;
            return Ok(false);
        };
        if open.number == open.head.end() {
            if !open.next_frame()? {
                self.leave_segment(index, extent, each);
            }
            return Ok(false);
        }
        let Ok((entry, rest)) = postcard::take_from_bytes::<Entry<'_>>(&open.frame[open.at..])
        else {
            let what = "it was written by a release that is not this one";
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        };
        let number = open.number;
        open.at = open.frame.len() - rest.len();
        open.number += 1;
        if number < self.position {
            return Ok(false);
        }
        self.position = number + 1;
        each(Given::Entry {
            partition: index,
            number,
            came: Came {
                since_ms: open.head.since_ms,
                until_ms: open.head.until_ms,
            },
            origin: open.head.origin.as_deref(),
            entry,
        });
        Ok(true)
    }

    /// Opens the segment of the position, or jumps to the first that there is.
    fn open_segment(
        &mut self,
        index: usize,
        extent: &Extent,
        each: &mut dyn FnMut(Given<'_>),
    ) -> io::Result<()> {
        let behind = extent.bases.partition_point(|base| *base <= self.position);
        let Some(base) = behind.checked_sub(1).map(|at| extent.bases[at]) else {
            let to = extent.bases.first().copied().unwrap_or(extent.end);
            self.jump(index, to, each);
            return Ok(());
        };
        let mut file = File::open(segment(&self.shared.folder, base))?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        self.open = Some(Open {
            base,
            file,
            frame: Vec::new(),
            head: Head {
                first: base,
                ..Head::default()
            },
            at: 0,
            number: base,
        });
        Ok(())
    }

    /// The segment has no more: the next begins where it ends, unless something in it is damaged.
    fn leave_segment(&mut self, index: usize, extent: &Extent, each: &mut dyn FnMut(Given<'_>)) {
        let Some(open) = self.open.take() else {
            return;
        };
        let next = extent.bases.iter().find(|base| open.base < **base);
        let to = next.copied().unwrap_or(extent.end);
        if self.position < to {
            self.jump(index, to, each);
        }
    }

    fn jump(&mut self, index: usize, to: u64, each: &mut dyn FnMut(Given<'_>)) {
        each(Given::Gap {
            partition: index,
            from: self.position,
            to,
        });
        self.position = to;
    }
}

impl Open {
    /// Reads the next frame; nothing is read ahead of it, since what is not on disk yet may be taken back.
    fn next_frame(&mut self) -> io::Result<bool> {
        let Some(_) = batch::read(&mut self.file, &mut self.frame)? else {
            return Ok(false);
        };
        let (head, entries) = batch::decode(&self.frame)?;
        self.at = self.frame.len() - entries.len();
        self.number = head.first;
        self.head = head;
        Ok(true)
    }
}
