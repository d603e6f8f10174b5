//! Writes a company into a folder.
//!
//! Invariant: the bytes depend on the plan alone: no time in a gzip header, files and records in a
//! fixed order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate};
use flate2::{Compression, GzBuilder};

use super::{Company, Record};

/// What was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Records by source.
    pub records: BTreeMap<&'static str, u64>,
    /// Size of the log files.
    pub bytes: u64,
    /// Attacks and oddities.
    pub labels: usize,
}

/// A file that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}; choose another folder or make room", path.display())]
pub struct WriteError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Writes logs, directory, labels and configuration. `progress` hears how many days are done.
pub fn write(
    company: &Company,
    out: &Path,
    progress: &mut dyn FnMut(u32),
) -> Result<Written, WriteError> {
    let mut written = Written::default();
    // Records of a day may belong to the day before, in UTC, or to the next; so a date is complete
    // when the day after it has been told.
    let mut open = BTreeMap::<NaiveDate, Vec<Record>>::new();
    for day in 0..company.plan.days {
        for record in company.day(day) {
            let date = DateTime::from_timestamp_millis(record.time_ms)
                .unwrap_or_default()
                .date_naive();
            open.entry(date).or_default().push(record);
        }
        let rest = open.split_off(&company.date(day));
        for (date, records) in std::mem::replace(&mut open, rest) {
            write_date(out, date, records, &mut written)?;
        }
        progress(day + 1);
    }
    for (date, records) in open {
        write_date(out, date, records, &mut written)?;
    }
    let labels = company.labels();
    written.labels = labels.len();
    let mut json = serde_json::to_string_pretty(&labels).unwrap_or_default();
    json.push('\n');
    write_file(&out.join("labels.json"), json.as_bytes())?;
    write_file(
        &out.join("directory.csv"),
        company.directory_csv().as_bytes(),
    )?;
    write_file(&out.join("nightjar.toml"), company.config_toml().as_bytes())?;
    Ok(written)
}

fn write_date(
    out: &Path,
    date: NaiveDate,
    mut records: Vec<Record>,
    written: &mut Written,
) -> Result<(), WriteError> {
    records.sort_by_key(|record| record.arrival_ms);
    for (source, _) in Company::sources() {
        let mine = || records.iter().filter(|record| record.source == *source);
        if mine().next().is_none() {
            continue;
        }
        let path = out
            .join("logs")
            .join(source)
            .join(format!("{date}.ndjson.gz"));
        *written.records.entry(source).or_default() += mine().count() as u64;
        written.bytes += write_log(&path, mine()).map_err(|cause| WriteError { path, cause })?;
    }
    Ok(())
}

fn write_log<'a>(path: &Path, records: impl Iterator<Item = &'a Record>) -> io::Result<u64> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = BufWriter::new(File::create(path)?);
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(file, Compression::best());
    for record in records {
        gzip.write_all(record.json.as_bytes())?;
        gzip.write_all(b"\n")?;
    }
    gzip.finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    Ok(fs::metadata(path)?.len())
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let whole = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)
    };
    whole().map_err(|cause| WriteError {
        path: path.to_owned(),
        cause,
    })
}
