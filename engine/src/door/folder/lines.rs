//! A file that grows by lines.
//!
//! Invariant: a line is taken once, when it is complete: at its newline, or when nothing has followed for so long that
//! nothing will.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use super::known::{KNOWN_BYTES, Known, hash};
use super::list::Found;
use super::{Broken, Watcher};
use crate::source::file::RECORD_BYTES_MAX;
use crate::spool::{Mark, Payload};

const BLOCK_BYTES: u64 = 1 << 20;
/// A last line that is a whole value needs no newline after this,
const WHOLE_AFTER: Duration = Duration::from_secs(5);
/// and any other after this.
const ANY_AFTER: Duration = Duration::from_secs(600);
const BOM: &[u8] = b"\xef\xbb\xbf";

impl Watcher {
    /// Reads what a file has beyond its mark.
    pub(super) fn read_lines(&mut self, file: &Found, mut known: Known) -> Result<(), Broken> {
        let opened = File::open(&file.path).and_then(|mut open| {
            open.seek(SeekFrom::Start(known.mark.offset))?;
            Ok(open)
        });
        let Ok(open) = opened else {
            // It went meanwhile; under another name it is found at the next look.
            return Ok(());
        };
        // What it grows by from now on is for the next look.
        let mut input = open.take(file.size.saturating_sub(known.mark.offset));
        let mut buffer = Vec::new();
        let mut skipped = 0;
        loop {
            let read = (&mut input).take(BLOCK_BYTES).read_to_end(&mut buffer);
            let Ok(read) = read else {
                self.tell(format!(
                    "{} cannot be read further; retrying",
                    file.path.display()
                ));
                break;
            };
            if let Some(end) = memchr::memrchr(b'\n', &buffer) {
                let rest = buffer.split_off(end + 1);
                self.take_lines(file, &mut known, buffer, &mut skipped)?;
                buffer = rest;
            } else if RECORD_BYTES_MAX < buffer.len() {
                skipped += buffer.len() as u64;
                buffer.clear();
            }
            if read == 0 {
                break;
            }
        }
        known.is_open = !buffer.is_empty();
        let quiet = known.since.elapsed();
        let is_due = self.once
            || ANY_AFTER <= quiet
            || (WHOLE_AFTER <= quiet
                && serde_json::from_slice::<serde::de::IgnoredAny>(&buffer).is_ok());
        if known.is_open && is_due && skipped == 0 {
            self.take_lines(file, &mut known, buffer, &mut skipped)?;
            known.is_open = false;
        }
        self.put(file, known)
    }

    /// Delivers whole lines, and says that the first is too long where its beginning was passed over.
    fn take_lines(
        &mut self,
        file: &Found,
        known: &mut Known,
        mut bytes: Vec<u8>,
        skipped: &mut u64,
    ) -> Result<(), Broken> {
        let mark = known.mark;
        if 0 < *skipped {
            let end = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |end| end + 1);
            let passed = *skipped + end as u64;
            let next = Mark {
                offset: mark.offset + passed,
                records: mark.records + 1,
                // By what is not kept in memory it cannot be known.
                tail_bytes: 0,
                tail_hash: 0,
                is_cut: false,
                ..mark
            };
            let payload = Payload::SetAside {
                record: mark.records + 1,
                bytes: passed,
                reason: "the record is too large".into(),
            };
            self.deliver(file, payload, next)?;
            known.mark = next;
            *skipped = 0;
            bytes.drain(..end);
            return match bytes.is_empty() {
                true => Ok(()),
                false => self.take_lines(file, known, bytes, skipped),
            };
        }
        let mut next = mark.behind(&bytes, self.seed);
        if mark.offset == 0 && bytes.starts_with(BOM) {
            bytes.drain(..BOM.len());
        }
        if mark.is_cut && bytes.starts_with(b"\n") {
            // The end of a line that was taken without it.
            bytes.remove(0);
        }
        let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
        let is_cut = !bytes.is_empty() && bytes.last() != Some(&b'\n');
        next.records = mark.records + lines + u64::from(is_cut);
        next.is_cut = is_cut;
        let payload = Payload::Lines {
            first_record: mark.records + 1,
            skip: mark.records,
            bytes,
        };
        self.deliver(file, payload, next)?;
        known.mark = next;
        Ok(())
    }
}

impl Mark {
    /// Behind these bytes too.
    fn behind(&self, bytes: &[u8], seed: u64) -> Mark {
        let mut next = *self;
        next.offset += bytes.len() as u64;
        if self.offset == 0 {
            let head = &bytes[..bytes.len().min(KNOWN_BYTES)];
            (next.head_bytes, next.head_hash) = (head.len() as u32, hash(head, seed));
        }
        let tail = &bytes[bytes.len().saturating_sub(KNOWN_BYTES)..];
        (next.tail_bytes, next.tail_hash) = (tail.len() as u32, hash(tail, seed));
        next
    }
}
