//! What the stories share: running the command as users do, a small company, waiting for a condition.
//!
//! Invariant: no story sees the environment of whoever runs it, leaves anything behind, or waits longer
//! than a deadline.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

// Each story is a program of its own and uses a part of this.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nightjar::generate::{Company, Plan, Record};
use tempfile::TempDir;

/// Longest wait for anything.
pub const DEADLINE: Duration = Duration::from_secs(40);

/// What a command left.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub out: Vec<u8>,
    pub err: Vec<u8>,
}

impl Done {
    pub fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("ended by a signal: {}", self.err()))
    }

    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }

    /// Ended as expected, and without a panic.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        let (out, err) = (self.out(), self.err());
        assert!(
            !err.contains("panicked at") && !err.contains("RUST_BACKTRACE"),
            "{err}"
        );
        assert_eq!(self.code(), code, "stdout: {out}\nstderr: {err}");
        self
    }

    /// The digest, printed last.
    #[track_caller]
    pub fn digest(&self) -> String {
        let text = self.out() + &self.err();
        let digest = text.lines().find_map(|line| line.strip_prefix("digest: "));
        digest
            .unwrap_or_else(|| panic!("no digest: {text}"))
            .to_owned()
    }

    /// A source's line of the summary: records, rows, repeats, late, quarantined, ignored.
    #[track_caller]
    pub fn counts(&self, source: &str) -> [u64; 6] {
        let text = self.out() + &self.err();
        let line = text
            .lines()
            .find(|line| line.split_whitespace().next() == Some(source));
        let line = line.unwrap_or_else(|| panic!("no counts of {source}: {text}"));
        let numbers: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .flat_map(str::parse)
            .collect();
        numbers
            .try_into()
            .unwrap_or_else(|_| panic!("not six counts: {line}"))
    }

    /// The alerts on standard output.
    pub fn alerts(&self) -> Vec<serde_json::Value> {
        let out = self.out();
        let lines = out.lines().filter(|line| line.starts_with('{'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The command with its arguments, in nobody's environment.
pub fn nightjar(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightjar"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NIGHTJAR") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn done(mut command: Command) -> Done {
    let output = command.output().unwrap();
    Done {
        status: output.status,
        out: output.stdout,
        err: output.stderr,
    }
}

/// Runs it to its end.
pub fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Done {
    done(nightjar(args))
}

/// A command at work. It is killed where a story fails.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    out: Option<JoinHandle<Vec<u8>>>,
    seen: String,
}

impl Running {
    /// Starts it.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in err.split(b'\n').map_while(Result::ok) {
                if send
                    .send(String::from_utf8_lossy(&line).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
        let mut stdout = child.stdout.take().unwrap();
        let out = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            bytes
        });
        Running {
            child,
            lines,
            out: Some(out),
            seen: String::new(),
        }
    }

    /// The next line of standard error with these words.
    #[track_caller]
    pub fn line_with(&mut self, words: &str) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                    if line.contains(words) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("no `{words}` in time: {}", self.seen),
                Err(RecvTimeoutError::Disconnected) => panic!("no `{words}`: {}", self.seen),
            }
        }
    }

    /// The address of the alert service.
    #[track_caller]
    pub fn address(&mut self) -> String {
        let line = self.line_with("alerts on http://");
        let address = line.split("alerts on ").nth(1).unwrap().trim();
        // Colours end in an escape sequence.
        address.split('\u{1b}').next().unwrap().to_owned()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends `INT`, `TERM`, `KILL`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Done {
        let end = Instant::now() + DEADLINE;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.seen.push_str(&line);
                    self.seen.push('\n');
                }
                Err(RecvTimeoutError::Timeout) => panic!("does not end: {}", self.seen),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = self.child.wait().unwrap();
        let out = self.out.take().unwrap().join().unwrap();
        Done {
            status,
            out,
            err: std::mem::take(&mut self.seen).into_bytes(),
        }
    }

    #[track_caller]
    pub fn stop(self, signal: &str) -> Done {
        self.signal(signal);
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A folder that is gone after the story.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A path below it, as an argument.
    pub fn at(&self, below: &str) -> String {
        self.0.path().join(below).to_string_lossy().into_owned()
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// All files below it.
    pub fn files(&self) -> Vec<PathBuf> {
        files(self.path())
    }
}

/// All files below a folder, none if there is no such folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A company with attacks in its last days.
pub fn company() -> Company {
    Company::new(&Plan {
        users: 20,
        days: 24,
        ..Plan::default()
    })
}

/// All records of a company, in the order of its days.
pub fn records(company: &Company) -> Vec<Record> {
    (0..company.plan().days)
        .flat_map(|day| company.day(day))
        .collect()
}

/// Puts the company's configuration and directory into the folder; returns the configuration's path.
pub fn write_setup(company: &Company, folder: &Folder) -> String {
    folder.write("directory.csv", company.directory_csv());
    folder.write("nightjar.toml", company.config_toml())
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
