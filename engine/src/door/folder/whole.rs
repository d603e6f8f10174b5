//! A file that is read as a whole: compressed, columnar, a table, or JSON over several lines.
//!
//! Invariant: it is read when it has stopped changing; what was read of it before is passed over by number.

use std::ops::ControlFlow;
use std::time::Duration;

use super::known::{KNOWN_BYTES, Known, hash};
use super::list::Found;
use super::{Broken, Watcher};
use crate::source::file::{self, Piece};
use crate::spool::{Mark, Payload};

/// Whoever writes a file rests no longer than this.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

impl Watcher {
    /// Reads a file from its beginning, if it has changed and does so no more.
    pub(super) fn read_whole(&mut self, file: &Found, mut known: Known) -> Result<(), Broken> {
        let now = (file.size, file.modified_ms);
        if known.mark.whole == Some(now) {
            known.is_open = false;
            return self.put(file, known);
        }
        let now_ms = chrono::Utc::now().timestamp_millis();
        let is_settled = SETTLED_AFTER <= known.since.elapsed()
            || SETTLED_AFTER.as_millis() as i64 <= now_ms - file.modified_ms;
        known.is_open = true;
        if !is_settled && !self.once {
            self.is_unsettled = true;
            return self.put(file, known);
        }
        let mut mark = Mark {
            whole: Some((0, 0)),
            ..known.mark
        };
        if let Ok(head) = head_of(file) {
            (mark.head_bytes, mark.head_hash) = (head.len() as u32, hash(&head, self.seed));
        }
        let skip = mark.records;
        let mut failure = None;
        let read = file::read(&file.path, &|_| (), &mut |piece| match self
            .piece(file, piece, skip, &mut mark)
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(broken) => {
                failure = Some(broken);
                ControlFlow::Break(())
            }
        });
        known.mark = mark;
        match (read, failure) {
            (_, Some(broken)) => {
                self.put(file, known)?;
                Err(broken)
            }
            (Err(error), None) => {
                self.tell(format!("{}; retrying", crate::cmd::chain(&error)));
                self.put(file, known)
            }
            (Ok(()), None) => {
                mark.whole = Some(now);
                self.deliver(file, Payload::Nothing, mark)?;
                (known.mark, known.is_open) = (mark, false);
                self.put(file, known)
            }
        }
    }

    fn piece(
        &mut self,
        file: &Found,
        piece: Piece<'_>,
        skip: u64,
        mark: &mut Mark,
    ) -> Result<(), Broken> {
        let mut next = *mark;
        let payload = match piece {
            Piece::Lines {
                bytes,
                first_record,
            } => {
                let bytes = std::mem::take(bytes);
                let is_open = !bytes.is_empty() && bytes.last() != Some(&b'\n');
                let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
                next.records = first_record + lines + u64::from(is_open) - 1;
                Payload::Lines {
                    bytes,
                    first_record,
                    skip,
                }
            }
            Piece::TooLarge { record, bytes } => {
                next.records = record;
                let reason = "the record is too large".into();
                Payload::SetAside {
                    record,
                    bytes,
                    reason,
                }
            }
            Piece::Broken { record, reason } => {
                let payload = Payload::SetAside {
                    record,
                    bytes: 0,
                    reason,
                };
                return self.deliver(file, payload, next);
            }
        };
        if next.records <= skip {
            return Ok(());
        }
        self.deliver(file, payload, next)?;
        *mark = next;
        Ok(())
    }
}

/// The beginning of a file by which it is known again: never all of it, since a list that grows has another end then.
fn head_of(file: &Found) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let bytes = (file.size / 2).min(KNOWN_BYTES as u64);
    let mut head = Vec::new();
    std::fs::File::open(&file.path)?
        .take(bytes)
        .read_to_end(&mut head)?;
    Ok(head)
}
