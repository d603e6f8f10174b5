//! Bad input is data, not failure: what cannot be read is counted and set aside by position, and the
//! records around it are read as if nothing had happened.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use common::{Done, Folder, company, done, nightjar, records, run, write_setup};
use flate2::Compression;
use flate2::write::GzEncoder;
use nightjar::clock::Partition;
use nightjar::source::embedded::EmbeddedBroker;

const GOOD: &str = r#"{"time":"2026-03-02T10:00:00Z","uid":"1","activity":"login","outcome":"success","user":"ana@example.com"}"#;

fn good(uid: usize) -> String {
    GOOD.replace("\"uid\":\"1\"", &format!("\"uid\":\"{uid}\""))
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// Records that cannot be read, each with the reason that is given.
fn bad() -> Vec<(Vec<u8>, &'static str)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let mut utf8 = text(GOOD);
    utf8.insert(GOOD.len() - 3, 0xff);
    vec![
        (text(&GOOD[..GOOD.len() - 20]), "not valid JSON"),
        (text(&format!("{GOOD} and more")), "not valid JSON"),
        (text("no record at all"), "not valid JSON"),
        (text("\"a text\""), "no known format"),
        (text("{}"), "no known format"),
        (
            text(&GOOD.replace("\"1\"", "{\"a\":1}")),
            "uid has the wrong type",
        ),
        (
            text(&GOOD.replace("}", ",\"count\":\"many\"}")),
            "count has the wrong type",
        ),
        (
            text(&GOOD.replace("\"ana@example.com\"", &nested(1000))),
            "user has the wrong type",
        ),
        (
            text(&GOOD.replace("\"time\":\"2026-03-02T10:00:00Z\",", "")),
            "no known format",
        ),
        (
            text(&GOOD.replace("2026-03-02T10:00:00Z", "some day")),
            "time cannot be read",
        ),
        (
            text(&GOOD.replace("2026-", "1026-")),
            "outside the years 2000 to 2100",
        ),
        (
            text(&GOOD.replace("2026-", "2226-")),
            "outside the years 2000 to 2100",
        ),
        (text(&nested(1000)), "no known format"),
        (text(&"[".repeat(100_000)), "not valid JSON"),
        (
            text(&format!(
                "{{\"events\":{}1{}}}",
                "{\"a\":".repeat(1000),
                "}".repeat(1000)
            )),
            "no known format",
        ),
        (utf8, "not valid UTF-8"),
        (vec![0; 100], "empty"),
        (vec![0xff; 5000], "not valid UTF-8"),
    ]
}

/// Every reason is told with file and position, and the record behind is read.
#[test]
fn each_bad_record_is_told_by_its_position() {
    let folder = Folder::new();
    let mut log = Vec::new();
    for (number, (record, _)) in bad().into_iter().enumerate() {
        log.extend(record);
        log.push(b'\n');
        log.extend(good(number).into_bytes());
        log.push(b'\n');
    }
    let path = folder.write("app/log.ndjson", &log);
    let read = run(["normalize", &path]).ended(0);
    assert_eq!(read.out().lines().count(), bad().len(), "{}", read.err());
    for (number, (record, reason)) in bad().iter().enumerate() {
        let told = format!("{path}@{}: the record", 2 * number + 1);
        let err = read.err();
        let line = err.lines().find(|line| line.starts_with(&told));
        let line = line.unwrap_or_else(|| panic!("nothing of {number} ({reason}): {err}"));
        assert!(line.contains(reason), "{line}, not {reason}");
        assert!(
            line.ends_with(&format!("({} bytes)", record.len())),
            "{line}"
        );
    }
    // Asked for one format, a record without a time is known to be one.
    let timeless = folder.write(
        "app/timeless.ndjson",
        "{\"uid\":\"1\",\"activity\":\"login\"}\n".to_owned() + GOOD,
    );
    let read = run(["normalize", &timeless, "--format", "nightjar"]).ended(0);
    assert!(
        read.err().contains("timeless.ndjson@1: the record"),
        "{}",
        read.err()
    );
}

/// A company's logs give the same alerts with and without bad records in between, plain, compressed, with
/// any line ends, and on any number of threads.
#[test]
fn good_records_are_judged_as_if_nothing_happened() {
    let company = company();
    let folder = Folder::new();
    let config = write_setup(&company, &folder);
    let mut clean = BTreeMap::<&str, Vec<u8>>::new();
    let mut dirty = BTreeMap::<&str, Vec<u8>>::new();
    let bad = bad();
    for (number, record) in records(&company).into_iter().enumerate() {
        let log = clean.entry(record.source).or_default();
        log.extend(record.json.bytes().chain(*b"\n"));
        let log = dirty
            .entry(record.source)
            .or_insert_with(|| b"\xef\xbb\xbf".to_vec());
        if number % 50 == 0 {
            log.extend(&bad[number / 50 % bad.len()].0);
            log.extend(b"\r\n\r\n");
        }
        log.extend(record.json.bytes().chain(*b"\r\n"));
    }
    for (source, log) in &clean {
        folder.write(&format!("clean/{source}/all.ndjson"), log);
    }
    for (number, (source, log)) in dirty.iter_mut().enumerate() {
        // The last record of a file need not end its line.
        log.truncate(log.len() - 2);
        match number % 3 {
            0 => folder.write(&format!("dirty/{source}/all.ndjson"), &log),
            1 => folder.write(&format!("dirty/{source}/all.ndjson.gz"), gz(log)),
            _ => folder.write(
                &format!("dirty/{source}/all.ndjson.zst"),
                zstd::encode_all(log.as_slice(), 1).unwrap(),
            ),
        };
        folder.write(&format!("dirty/{source}/empty.ndjson"), b"");
        folder.write(&format!("dirty/{source}/blank.ndjson"), b"\r\n\n  \n");
    }
    let (clean, dirty) = (folder.at("clean"), folder.at("dirty"));
    let expected = run(["backtest", &clean, "-c", &config, "--alerts", "-"]).ended(0);
    assert!(10 < expected.alerts().len());
    for threads in ["1", "2", "7"] {
        let found = run(["backtest", &dirty, "-c", &config, "--threads", threads]).ended(0);
        assert_eq!(found.digest(), expected.digest(), "{}", found.out());
        for (source, _) in nightjar::generate::Company::sources() {
            let ([records, rows, ..], found) = (expected.counts(source), found.counts(source));
            assert_eq!(found[1], rows, "rows of {source}");
            assert!(0 < found[4], "nothing of {source} was set aside");
            assert_eq!(found[0], records + found[4], "records of {source}");
        }
    }
}

/// Where a file's own bytes are broken, what was before is read and the place is told.
#[test]
fn a_corrupt_file_costs_only_its_rest() {
    let folder = Folder::new();
    // Text that does not compress well, so that a file has many blocks.
    let log: String = (0..20_000)
        .map(|n| good((n * 2_654_435_761) % 1_000_003) + "\n")
        .collect();
    let zst = zstd::encode_all(log.as_bytes(), 1).unwrap();
    let mut broken = gz(log.as_bytes());
    let middle = broken.len() / 2;
    broken[middle..middle + 64].fill(0xff);
    for (name, bytes) in [
        ("cut.ndjson.gz", gz(log.as_bytes())[..middle].to_vec()),
        ("broken.ndjson.gz", broken),
        ("cut.ndjson.zst", zst[..zst.len() / 2].to_vec()),
    ] {
        folder.write("app/whole.ndjson", good(7_000_000));
        let path = folder.write(&format!("app/{name}"), bytes);
        let read = run(["backtest", &folder.at("app")]).ended(0);
        assert!(
            read.err().contains(&format!("{path}@")),
            "{name}: {}",
            read.err()
        );
        let [records, rows, _, _, quarantined, _] = read.counts("app");
        assert!(
            (1_000..20_000).contains(&rows),
            "{name}: {rows} rows of {records}"
        );
        assert!((1..=2).contains(&quarantined), "{name}: {}", read.err());
        std::fs::remove_file(path).unwrap();
    }
    for (name, start) in [
        ("head.gz", &[0x1f, 0x8b][..]),
        ("head.zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        let path = folder.write(&format!("app/{name}"), [start, &[0xff; 40]].concat());
        let read = run(["normalize", &path]).ended(1);
        assert!(read.err().contains(name), "{}", read.err());
    }
}

/// A record of 100 MB is one record lost, in memory that does not grow with it.
#[test]
fn a_huge_record_is_one_record() {
    let folder = Folder::new();
    let mut log = (good(1) + "\n{\"time\":\"").into_bytes();
    log.resize(log.len() + 100_000_000, b'x');
    log.extend_from_slice(b"\"}\n");
    log.extend_from_slice(good(2).as_bytes());
    let path = folder.write("app/huge.ndjson.gz", gz(&log));
    let read = run(["normalize", &path]).ended(0);
    assert_eq!(read.out().lines().count(), 2, "{}", read.err());
    let told = format!("{path}@2: record is larger than 64 MiB (1000000");
    assert!(read.err().contains(&told), "{}", read.err());
    let read = run(["backtest", &path]).ended(0);
    assert_eq!(read.counts("app")[..5], [3, 2, 0, 0, 1]);
}

/// Depth where nobody looks harms nobody; of a key that comes twice the first counts.
#[test]
fn what_nobody_reads_may_be_anything() {
    let folder = Folder::new();
    let deep = GOOD.replace(
        "}",
        &format!(",\"x\":{},\"object\":{}}}", nested(1000), nested(100_000)),
    );
    let twice = GOOD.replace(
        "}",
        ",\"user\":\"ben@example.com\",\"time\":\"2026-03-03T10:00:00Z\"}",
    );
    let lone = GOOD.replace("}", ",\"x\":\"\\ud800\"}");
    let path = folder.write("app/odd.ndjson", [GOOD, &deep, &twice, &lone].join("\n"));
    let read = run(["normalize", &path]).ended(0);
    let out = read.out();
    let rows: Vec<&str> = out.lines().collect();
    assert_eq!(rows.len(), 4, "{}", read.err());
    assert!(rows.iter().all(|row| *row == rows[0]), "{out}");
}

/// Nothing at all is no failure; nothing but what cannot be read is one, told in a sentence.
#[test]
fn only_where_nothing_could_be_read_it_is_a_failure() {
    let folder = Folder::new();
    folder.write("empty/a.ndjson", b"");
    folder.write("empty/b.ndjson.gz", gz(b""));
    folder.write("empty/c.json", b"[]");
    let empty = run(["backtest", &folder.at("empty")]).ended(0);
    assert_eq!(empty.digest(), digest_of_nothing(&folder));
    folder.write("bad/a.ndjson", "{\"no\":\"record\"}\nnothing\n");
    let read = run(["backtest", &folder.at("bad")]).ended(1);
    let last = read.err().lines().last().unwrap().to_owned();
    assert!(
        last.starts_with("nightjar: not one record could be read;"),
        "{last}"
    );
    assert_eq!(read.counts("bad")[4], 2);
    run(["normalize", &folder.at("bad")]).ended(1);
}

fn digest_of_nothing(folder: &Folder) -> String {
    let log = folder.write("one/a.ndjson", GOOD);
    let read = run(["backtest", &log, "--alerts", "-"]).ended(0);
    assert!(read.alerts().is_empty());
    read.digest()
}

/// Through Kafka a tombstone and an empty payload are set aside like the rest, and the digest is that of
/// the good records.
#[test]
fn kafka_brings_tombstones_and_goes_on() {
    let broker = EmbeddedBroker::start(&[("app", 2)]).unwrap();
    let folder = Folder::new();
    let mut log = String::new();
    let mut expected = 0;
    for (number, (record, _)) in bad().into_iter().enumerate() {
        let partition = Partition {
            topic: "app".to_owned(),
            number: (number % 2) as i32,
        };
        let good = good(number);
        // Two hours ahead of its arrival: one bad clock must not close everybody's day.
        let early = good.replace("T10:", "T12:");
        let records = [
            Some(&record[..]),
            None,
            Some(&b""[..]),
            Some(good.as_bytes()),
            Some(early.as_bytes()),
        ];
        for record in records {
            broker
                .produce(&partition, 1_772_445_600_000, record)
                .unwrap();
        }
        expected += 4;
        log.push_str(&(good + "\n"));
    }
    broker.flush(Duration::from_secs(20)).unwrap();
    let log = folder.write("app/log.ndjson", log);
    let config = folder.write(
        "nightjar.toml",
        format!(
            "[kafka]\nbrokers = [{:?}]\ntopics = [\"app\"]\n[kafka.options]\n\"fetch.wait.max.ms\" = \"20\"\n\
             [state]\ndir = {:?}\n[grpc]\nlisten = \"127.0.0.1:0\"\n",
            broker.bootstrap_servers(),
            folder.at("state"),
        ),
    );
    let read: Done = done(nightjar(["run", "-c", &config, "--once"])).ended(0);
    let [records, rows, _, _, quarantined, _] = read.counts("app");
    assert_eq!(
        (records, rows, quarantined),
        (5 * expected / 4, expected / 4, expected)
    );
    assert_eq!(read.digest(), run(["backtest", &log]).ended(0).digest());
    let store = nightjar::store::alerts::AlertReader::open(&folder.path().join("state")).unwrap();
    let counts = store.quarantine_counts().unwrap();
    assert_eq!(
        counts.iter().map(|count| count.entries).sum::<u64>(),
        expected
    );
    assert!(counts.iter().any(|count| count.reason.contains("empty")));
}
