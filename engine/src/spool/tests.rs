//! The spool through its life: kept, read, torn, released, forgotten.

use std::io::Write as _;
use std::path::Path;

use super::*;
use crate::config::Config;
use crate::intake::Intake;

fn setup(state: &Path) -> Arc<Setup> {
    let mut config = Config::defaults();
    config.state.dir = state.to_owned();
    config.files.watch = Some(state.to_owned());
    let setup = Setup::of(config).unwrap();
    Arc::new(setup.with_format(Some("nightjar")).unwrap())
}

fn partition() -> Partition {
    Partition {
        topic: "okta".into(),
        number: Partition::HTTP,
    }
}

fn record(user: &str, number: u64) -> Vec<u8> {
    let time = 1_772_000_000_000 + number * 1000;
    format!(r#"{{"time":{time},"uid":"{user}-{number}","activity":"login","user":"{user}","secret":"zqx"}}"#).into_bytes()
}

fn deliver(spool: &Spool, records: Vec<Vec<u8>>) {
    let came = Came::at(1_772_000_500_000);
    spool
        .deliver(Delivery::of_records(partition(), came, records))
        .unwrap();
}

/// The users of the rows behind a position, in order; and what was said besides.
fn read(setup: &Setup, spool: &Arc<Spool>, position: u64) -> (Vec<String>, Vec<String>) {
    let mut reader = SpoolReader::new(spool.clone());
    reader.assign(&partition(), position).unwrap();
    let mut intake = Intake::new(setup, "okta").unwrap();
    let (mut expected, mut said) = (position, Vec::new());
    loop {
        let given = reader.poll(3, &mut |given| match given {
            Given::Entry {
                number,
                came,
                entry,
                ..
            } => {
                assert_eq!(number, expected);
                expected += 1;
                intake.begin("okta/http");
                intake.decoded(&entry, came);
            }
            Given::Gap { from, to, .. } => {
                said.push(format!("gap {from} {to}"));
                expected = to;
            }
            Given::End { .. } => {}
        });
        if given.unwrap() == 0 && reader.lag(0) == 0 {
            break;
        }
    }
    let batch = intake.take_batch();
    let events = nightjar_detectors::event::Events::new(&batch).unwrap();
    let users = events
        .rows()
        .map(|row| row.user().unwrap_or_default().to_owned());
    said.extend(intake.take_rejected().into_iter().map(|entry| entry.reason));
    (users.collect(), said)
}

fn users(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|n| format!("u{n}@example.com")).collect()
}

fn records(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range
        .map(|n| record(&format!("u{n}@example.com"), n))
        .collect()
}

fn files(state: &Path) -> Vec<PathBuf> {
    let folder = folder_of(&folder_in(state), &partition());
    log::segments(&folder)
        .unwrap()
        .into_iter()
        .map(|base| log::segment(&folder, base))
        .collect()
}

/// What was kept is there after a restart, from any position on; of the records nothing else is.
#[test]
fn what_was_kept_is_read_again() {
    let state = tempfile::tempdir().unwrap();
    let setup = setup(state.path());
    let keeper = Spool::open(&setup).unwrap();
    deliver(keeper.spool(), records(0..4));
    deliver(
        keeper.spool(),
        vec![record("u4@example.com", 4), b"{broken".to_vec()],
    );
    drop(keeper);
    let keeper = Spool::open(&setup).unwrap();
    deliver(keeper.spool(), records(6..9));
    let bad = "the record is not valid JSON".to_owned();
    let all = [users(0..5), users(6..9)].concat();
    assert_eq!(read(&setup, keeper.spool(), 0), (all, vec![bad]));
    assert_eq!(read(&setup, keeper.spool(), 7), (users(7..9), vec![]));
    for path in files(state.path()) {
        let bytes = std::fs::read(path).unwrap();
        assert!(memchr::memmem::find(&bytes, b"zqx").is_none());
        assert!(memchr::memmem::find(&bytes, b"broken").is_none());
    }
}

/// A crash in mid-write costs what nobody was told to be safe, and nothing else.
#[test]
fn a_torn_end_is_cut_off() {
    let state = tempfile::tempdir().unwrap();
    let setup = setup(state.path());
    let keeper = Spool::open(&setup).unwrap();
    deliver(keeper.spool(), records(0..3));
    let path = files(state.path()).remove(0);
    let before = std::fs::metadata(&path).unwrap().len() as usize;
    deliver(keeper.spool(), records(3..4));
    drop(keeper);
    let frame = std::fs::read(&path).unwrap().split_off(before);
    let wrong = [&frame[..frame.len() - 1], b"!"].concat();
    let torn: [&[u8]; 5] = [
        &frame[..7],
        &frame[..frame.len() - 1],
        &wrong,
        &[0; 4096],
        &[0xff; 30],
    ];
    for (n, rest) in (4..).zip(torn) {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(rest).unwrap();
        drop(file);
        let keeper = Spool::open(&setup).unwrap();
        deliver(keeper.spool(), records(n..n + 1));
        assert_eq!(
            read(&setup, keeper.spool(), 0),
            (users(0..n + 1), vec![]),
            "{n}"
        );
    }
}

/// What a checkpoint has passed goes from the disk, numbers go on, and a position of before is a gap.
#[test]
fn what_was_read_goes() {
    let state = tempfile::tempdir().unwrap();
    let setup = setup(state.path());
    let keeper = Spool::open(&setup).unwrap();
    deliver(keeper.spool(), records(0..3));
    let before = files(state.path());
    keeper.spool().release(&partition(), 2);
    assert_eq!(files(state.path()), before);
    keeper.spool().release(&partition(), 3);
    // The clerk rolls behind what it was told before.
    deliver(keeper.spool(), records(3..4));
    let after = files(state.path());
    assert!(after.len() == 1 && after != before, "{after:?}");
    assert_eq!(keeper.spool().partitions(), [(partition(), 3, 4)]);
    assert_eq!(
        read(&setup, keeper.spool(), 1),
        (users(3..4), vec!["gap 1 3".into()])
    );
}

/// How far a file was read is kept with what was read of it, and survives segments.
#[test]
fn marks_are_kept_with_what_they_are_of() {
    let state = tempfile::tempdir().unwrap();
    let setup = setup(state.path());
    let folder = Partition {
        number: Partition::FOLDER,
        ..partition()
    };
    let key = |inode| FileKey { device: 1, inode };
    let mark = |offset| Mark {
        offset,
        ..Mark::default()
    };
    let keeper = Spool::open(&setup).unwrap();
    for (inode, told) in [
        (1, Some(mark(10))),
        (2, Some(mark(20))),
        (1, None),
        (2, Some(mark(30))),
    ] {
        let payload = Payload::Lines {
            bytes: record("u0@example.com", 0),
            first_record: 1,
            skip: 0,
        };
        let came = Came::at(1_772_000_500_000);
        let delivery = Delivery::of_file(
            folder.clone(),
            came,
            "f".into(),
            payload,
            (key(inode), told),
        );
        keeper.spool().deliver(delivery).unwrap();
    }
    keeper.spool().release(&folder, 4);
    let want = BTreeMap::from([(key(2), mark(30))]);
    assert_eq!(keeper.spool().begin(&folder).unwrap(), want);
    drop(keeper);
    let keeper = Spool::open(&setup).unwrap();
    assert_eq!(keeper.spool().begin(&folder).unwrap(), want);
}

/// A person goes from what was not read yet, and everybody from what was; the others' numbers stay.
#[test]
fn a_person_is_forgotten() {
    let state = tempfile::tempdir().unwrap();
    let setup = setup(state.path());
    let keeper = Spool::open(&setup).unwrap();
    deliver(keeper.spool(), records(0..2));
    deliver(keeper.spool(), records(2..5));
    drop(keeper);
    let positions = BTreeMap::from([(partition(), 2)]);
    let names = ["u3@example.com".to_owned()];
    let removed = |dry_run| forget(state.path(), &positions, &names, dry_run).unwrap();
    assert_eq!((removed(true), removed(false), removed(false)), (1, 1, 0));
    let bytes = std::fs::read(files(state.path()).remove(0)).unwrap();
    for (name, is_there) in [("u0@", false), ("u2@", true), ("u3@", false), ("u4@", true)] {
        assert_eq!(
            memchr::memmem::find(&bytes, name.as_bytes()).is_some(),
            is_there,
            "{name}"
        );
    }
    let keeper = Spool::open(&setup).unwrap();
    let left = vec!["u2@example.com".to_owned(), "u4@example.com".to_owned()];
    assert_eq!(read(&setup, keeper.spool(), 2), (left, vec![]));
}
