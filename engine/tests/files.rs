//! Files as analysts have them: whatever the layout and the compression, the same events.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema_from_seekable;
use common::{Folder, run};

/// Canonical rows of a small company, as NDJSON.
fn rows(folder: &Folder) -> String {
    let out = folder.at("company");
    run(["generate", "--users", "20", "--days", "24", "--out", &out]).ended(0);
    run(["normalize", &format!("{out}/logs")]).ended(0).out()
}

fn csv(rows: &str) -> Vec<u8> {
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = rows
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut heads: Vec<&String> = rows.iter().flat_map(|row| row.keys()).collect();
    heads.sort();
    heads.dedup();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(&heads).unwrap();
    for row in &rows {
        let cell = |head: &&String| match row.get(head.as_str()) {
            None | Some(serde_json::Value::Null) => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        out.write_record(heads.iter().map(cell)).unwrap();
    }
    out.into_inner().unwrap()
}

fn arrow_file(rows: &str, path: &Path) {
    let mut input = std::io::Cursor::new(rows.as_bytes());
    let (schema, _) = infer_json_schema_from_seekable(&mut input, None).unwrap();
    let schema = std::sync::Arc::new(schema);
    let mut out =
        arrow_ipc::writer::FileWriter::try_new(File::create(path).unwrap(), &schema).unwrap();
    for batch in ReaderBuilder::new(schema).build(input).unwrap() {
        out.write(&batch.unwrap()).unwrap();
    }
    out.finish().unwrap();
}

fn zip_file(members: &[(&str, &[u8])], path: &Path) {
    let mut out = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in members {
        let options = zip::write::SimpleFileOptions::default();
        out.start_file(*name, options).unwrap();
        out.write_all(bytes).unwrap();
    }
    out.finish().unwrap();
}

#[test]
fn every_layout_gives_the_same_rows_and_the_same_digest() {
    let folder = Folder::new();
    let rows = rows(&folder);
    assert!(1000 < rows.lines().count());
    let plain = folder.write("a/plain.ndjson", &rows);
    folder.write("b/table.csv", csv(&rows));
    folder.write(
        "c/table.csv.zst",
        zstd::encode_all(&csv(&rows)[..], 1).unwrap(),
    );
    arrow_file(&rows, folder.write("d/columns.arrow", "").as_ref());
    let half = rows.len() / 2 + rows[rows.len() / 2..].find('\n').unwrap() + 1;
    let (first, second) = (&rows.as_bytes()[..half], &rows.as_bytes()[half..]);
    zip_file(
        &[("1.ndjson", first), ("2.ndjson", second)],
        folder.write("e/logs.zip", "").as_ref(),
    );
    let parquet = folder.write("f/rows.parquet", "");
    run(["normalize", &plain, "--to", &parquet]).ended(0);

    let wanted = run(["normalize", &plain]).ended(0).out();
    let digest = run(["backtest", "--quiet", &plain]).ended(0).out();
    for name in ["b", "c", "d", "e", "f"] {
        let path = folder.at(name);
        let found = run(["normalize", &path]).ended(0).out();
        // The folder's name is the source.
        let found = found.replace(&format!("\"source\":\"{name}\""), "\"source\":\"a\"");
        for (found, wanted) in found.lines().zip(wanted.lines()) {
            assert_eq!(found, wanted, "{name}");
        }
        assert_eq!(found.lines().count(), wanted.lines().count(), "{name}");
        let again = run(["backtest", "--quiet", &path]).ended(0).out();
        assert_eq!(again, digest, "{name}");
    }
}

#[test]
fn a_column_that_holds_the_record_is_looked_into() {
    let folder = Folder::new();
    let path = folder.write(
        "audit.csv",
        "RecordId,CreationDate,AuditData\r\n1,2026-03-02,\"{\"\"Id\"\":\"\"1\"\",\"\"RecordType\"\":6,\"\"Workload\"\":\"\"SharePoint\"\",\"\"CreationTime\"\":\"\"2026-03-02T10:00:00\"\",\"\"Operation\"\":\"\"FileDownloaded\"\",\"\"UserId\"\":\"\"ana@example.com\"\"}\"\r\n",
    );
    let out = run(["normalize", &path]).ended(0).out();
    assert!(
        out.contains("\"activity\":\"download\"") && out.contains("ana@example.com"),
        "{out}"
    );
}

#[test]
fn standard_input_is_a_file_too() {
    let mut child = common::nightjar(["normalize", "-", "--format", "nightjar"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let record =
        r#"{"time":"2026-03-02T10:00:00Z","uid":"1","activity":"login","user":"ana@example.com"}"#;
    child
        .stdin
        .take()
        .unwrap()
        .write_all(record.as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&done.stdout).contains("\"source\":\"stdin\""));
}

/// Damaged files say so and spoil nothing beside them.
#[test]
fn damaged_columnar_files_and_archives_are_told() {
    let folder = Folder::new();
    let good =
        r#"{"time":"2026-03-02T10:00:00Z","uid":"1","activity":"login","user":"ana@example.com"}"#;
    folder.write("good.ndjson", good);
    for (name, magic) in [
        ("x.parquet", &b"PAR1"[..]),
        ("x.arrow", b"ARROW1\0\0"),
        ("x.zip", b"PK\x03\x04"),
    ] {
        let mut bytes = magic.to_vec();
        bytes.extend_from_slice(&[7; 4000]);
        bytes.extend_from_slice(b"PAR1");
        folder.write(name, bytes);
    }
    let done = run(["normalize", &folder.at("")]).ended(0);
    assert_eq!(done.out().lines().count(), 1);
    for name in ["x.parquet", "x.arrow", "x.zip"] {
        assert!(
            done.err().contains(&format!("{name}@1: ")),
            "{}",
            done.err()
        );
    }
}
