//! The spool of a service that is not running: persons are taken out of it, or it is copied.
//!
//! Invariant: numbers stay as they are; what a checkpoint has passed goes altogether.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::batch::{self, MAGIC};
use super::log::{put, segment, segments};
use super::{entry, folder_in, folder_of, logs_in};
use crate::clock::Partition;

/// Removes what was read already, and the rows about these persons in what was not; gives their number.
/// `positions`: the first entry of each partition that is still needed.
///
/// # Errors
/// When a log cannot be read or written.
pub fn forget(
    state: &Path,
    positions: &BTreeMap<Partition, u64>,
    names: &[String],
    dry_run: bool,
) -> io::Result<usize> {
    let spool = folder_in(state);
    let mut removed = 0;
    for partition in logs_in(&spool)? {
        let folder = folder_of(&spool, &partition);
        let needed = positions.get(&partition).copied().unwrap_or(0);
        for base in segments(&folder)? {
            let mut file = File::open(segment(&folder, base))?;
            let mut magic = [0; MAGIC.len()];
            if file.read_exact(&mut magic).is_err() || magic != MAGIC {
                continue;
            }
            let mut content = magic.to_vec();
            let mut frame = Vec::new();
            while batch::read(&mut file, &mut frame)?.is_some() {
                let (head, entries) = batch::decode(&frame)?;
                let (kept, count) = match head.end() <= needed {
                    // Read already: nothing of it is needed but its numbers and how far files were read.
                    true => (entry::emptied(entries, head.count), 0),
                    false => entry::without(entries, head.count, names),
                };
                removed += count;
                content.extend_from_slice(&batch::encode(&head, &kept));
            }
            if !dry_run {
                put(&folder, base, &content)?;
            }
        }
    }
    Ok(removed)
}

/// Copies the spool of one state folder to another.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (folder_in(from), folder_in(to));
    for partition in logs_in(&from)? {
        let (source, target) = (folder_of(&from, &partition), folder_of(&to, &partition));
        crate::store::private_folder().create(&target)?;
        for base in segments(&source)? {
            match std::fs::copy(segment(&source, base), segment(&target, base)) {
                // Read meanwhile, and removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
                Ok(_) => File::open(segment(&target, base))?.sync_all()?,
            }
        }
    }
    Ok(())
}
