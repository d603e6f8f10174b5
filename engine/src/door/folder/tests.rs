//! Files through their lives: they grow, are renamed, copied, cut, packed, and go.

use std::io::Write as _;
use std::time::SystemTime;

use super::*;
use crate::config::Config;
use crate::intake::Intake;
use crate::setup::Setup;
use crate::spool::{Given, SpoolKeeper, SpoolReader};

struct Stage {
    root: tempfile::TempDir,
    setup: Arc<Setup>,
    keeper: Option<SpoolKeeper>,
    watcher: Option<Watcher>,
    position: u64,
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("okta")).unwrap();
        let mut config = Config::defaults();
        config.state.dir = root.path().join("state");
        config.files.watch = Some(root.path().to_owned());
        let setup = Setup::of(config)
            .unwrap()
            .with_format(Some("nightjar"))
            .unwrap();
        let mut stage = Stage {
            root,
            setup: Arc::new(setup),
            keeper: None,
            watcher: None,
            position: 0,
        };
        stage.restart();
        stage
    }

    /// The next life of the process.
    fn restart(&mut self) {
        self.watcher = None;
        self.keeper = None;
        let keeper = Spool::open(&self.setup).unwrap();
        let watched = self.root.path().join("okta");
        let spool = keeper.spool().clone();
        let watcher = Watcher::new(&watched, spool, 1, false, &Arc::default()).unwrap();
        (self.keeper, self.watcher) = (Some(keeper), Some(watcher));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("okta").join(name)
    }

    fn append(&self, name: &str, text: &str) {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// A file that nobody has written to for long.
    fn settle(&self, name: &str) {
        let file = std::fs::File::options()
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60))
            .unwrap();
    }

    /// What a look brings: users, and places of what could not be read.
    fn look(&mut self) -> Vec<String> {
        assert!(matches!(self.watcher.as_mut().unwrap().look(), Ok(true)));
        let mut reader = SpoolReader::new(self.keeper.as_ref().unwrap().spool().clone());
        let partition = partition("okta");
        if reader.assign(&partition, self.position).is_none() {
            return Vec::new();
        }
        let mut intake = Intake::new(&self.setup, "okta").unwrap();
        while 0 < reader.lag(0) {
            let position = &mut self.position;
            let each = &mut |given: Given<'_>| {
                if let Given::Entry {
                    number,
                    came,
                    origin,
                    entry,
                    ..
                } = given
                {
                    *position = number + 1;
                    intake.begin(origin.unwrap());
                    intake.decoded(&entry, came);
                }
            };
            reader.poll(100, each).unwrap();
        }
        let batch = intake.take_batch();
        let events = nightjar_detectors::event::Events::new(&batch).unwrap();
        let mut found: Vec<String> = events
            .rows()
            .map(|row| format!("{}@{}", row.user().unwrap_or_default(), row.offset()))
            .collect();
        found.extend(
            intake
                .take_rejected()
                .iter()
                .map(|entry| format!("bad@{}", entry.offset)),
        );
        found
    }
}

fn line(user: &str) -> String {
    format!(r#"{{"time":1772000000000,"activity":"login","outcome":"success","user":"{user}"}}"#)
}

fn lines(users: &[&str]) -> String {
    users.iter().map(|user| line(user) + "\n").collect()
}

fn none() -> Vec<String> {
    Vec::new()
}

/// A line is taken once, when it is complete, in whatever pieces it comes and whatever life finds it.
#[test]
fn a_file_grows() {
    let mut stage = Stage::new();
    assert_eq!(stage.look(), none());
    let (begin, end) = (line("c"), line("d"));
    let (half, rest) = begin.split_at(20);
    stage.append("a.log", &(lines(&["a", "b"]) + half));
    assert_eq!(stage.look(), ["a@1", "b@2"]);
    assert_eq!(stage.look(), none());
    stage.restart();
    assert_eq!(stage.look(), none());
    stage.append("a.log", &format!("{rest}\n\n{{broken\n{end}\r\n"));
    assert_eq!(stage.look(), ["c@3", "d@6", "bad@5"]);
    stage.restart();
    stage.append("a.log", &lines(&["e"]));
    assert_eq!(stage.look(), ["e@7"]);
}

/// The file that is renamed is still the same, the new one of its name is another.
#[test]
fn a_file_is_rotated() {
    let mut stage = Stage::new();
    stage.append("a.log", &lines(&["a", "b"]));
    assert_eq!(stage.look(), ["a@1", "b@2"]);
    std::fs::rename(stage.path("a.log"), stage.path("a.log.1")).unwrap();
    stage.append("a.log.1", &lines(&["c"]));
    stage.append("a.log", &lines(&["d"]));
    assert_eq!(stage.look(), ["d@1", "c@3"]);
    stage.restart();
    std::fs::rename(stage.path("a.log.1"), stage.path("a.log.2")).unwrap();
    std::fs::rename(stage.path("a.log"), stage.path("a.log.1")).unwrap();
    stage.append("a.log", &lines(&["e"]));
    assert_eq!(stage.look(), ["e@1"]);
}

/// Copied and cut, as some rotate; then packed. Nothing of it is new but what was written since.
#[test]
fn a_file_is_copied_cut_and_packed() {
    let mut stage = Stage::new();
    stage.append("a.log", &lines(&["a", "b"]));
    assert_eq!(stage.look(), ["a@1", "b@2"]);
    std::fs::copy(stage.path("a.log"), stage.path("a.log.1")).unwrap();
    std::fs::File::create(stage.path("a.log")).unwrap();
    stage.append("a.log", &lines(&["c"]));
    assert_eq!(stage.look(), ["c@1"]);
    let packed = std::fs::File::create(stage.path("a.log.2.gz")).unwrap();
    let mut packer = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packer
        .write_all(lines(&["a", "b", "z"]).as_bytes())
        .unwrap();
    packer.finish().unwrap();
    std::fs::remove_file(stage.path("a.log.1")).unwrap();
    assert_eq!(stage.look(), none(), "it may still be written to");
    stage.settle("a.log.2.gz");
    assert_eq!(stage.look(), ["z@3"]);
    stage.restart();
    assert_eq!(stage.look(), none());
}

/// Two files that begin alike are not one.
#[test]
fn a_beginning_is_not_the_whole() {
    let mut stage = Stage::new();
    let same = lines(&[&"x".repeat(2000)]);
    stage.append("a.log", &(same.clone() + &lines(&["a", "b"])));
    assert_eq!(stage.look().len(), 3);
    stage.append("b.log", &(same + &lines(&["c", "d"])));
    assert_eq!(stage.look().len(), 3);
}

/// What lies otherwise than by lines is read as a whole when it has settled, and what is added to it after that.
#[test]
fn whole_files_are_read_when_they_have_settled() {
    let mut stage = Stage::new();
    let array = |users: &[&str]| {
        let lines: Vec<String> = users.iter().map(|user| line(user)).collect();
        format!("[\n{}\n]\n", lines.join(",\n"))
    };
    std::fs::write(stage.path("a.json"), array(&["a", "b"])).unwrap();
    std::fs::write(
        stage.path("t.csv"),
        "time,user,activity\n2026-02-25T06:00:00Z,t,login\n",
    )
    .unwrap();
    assert_eq!(stage.look(), none());
    stage.settle("a.json");
    stage.settle("t.csv");
    let mut found = stage.look();
    found.sort();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[..2], ["a@1", "b@2"]);
    std::fs::write(stage.path("a.json"), array(&["a", "b", "c"])).unwrap();
    stage.settle("a.json");
    assert_eq!(stage.look(), ["c@3"]);
    assert_eq!(stage.look(), none());
}

/// A last line without its end is taken when the look is the only one; its end is no line then.
#[test]
fn the_last_line_needs_no_end_at_the_end() {
    let mut stage = Stage::new();
    stage.append("a.log", &(lines(&["a"]) + &line("b")));
    assert_eq!(stage.look(), ["a@1"]);
    stage.watcher.as_mut().unwrap().once = true;
    assert_eq!(stage.look(), ["b@2"]);
    stage.append("a.log", &("\n".to_owned() + &lines(&["c"])));
    assert_eq!(stage.look(), ["c@3"]);
}

/// A folder that is gone holds the clock up, and is said; a file that is gone is forgotten after a while.
#[test]
fn what_is_gone_is_said() {
    let mut stage = Stage::new();
    stage.append("a.log", &lines(&["a"]));
    assert_eq!(stage.look(), ["a@1"]);
    let moved = stage.root.path().join("elsewhere");
    std::fs::rename(stage.root.path().join("okta"), &moved).unwrap();
    let watcher = stage.watcher.as_mut().unwrap();
    assert!(matches!(watcher.look(), Ok(false)));
    assert!(watcher.trouble.as_ref().unwrap().contains("retrying"));
    std::fs::rename(&moved, stage.root.path().join("okta")).unwrap();
    assert_eq!(stage.look(), none());
    std::fs::remove_file(stage.path("a.log")).unwrap();
    for _ in 0..=MISSED_MAX {
        assert_eq!(stage.look(), none());
    }
    assert!(stage.watcher.as_ref().unwrap().sources["okta"].is_empty());
    let marks = stage
        .keeper
        .as_ref()
        .unwrap()
        .spool()
        .begin(&partition("okta"));
    assert!(marks.unwrap().is_empty());
}
