//! The README says what the program does: tables, commands and the configuration in it are checked.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use common::{Folder, company, done, nightjar, run};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")
}

fn readme() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// What stands between a table's marks.
#[track_caller]
fn between<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text
        .find(&format!("<!-- {name}: "))
        .expect("the mark of its beginning");
    let start = start + text[start..].find("-->\n").unwrap() + "-->\n".len();
    let end = text
        .find(&format!("<!-- /{name} -->"))
        .expect("the mark of its end");
    &text[start..end]
}

/// The tables are what the commands print. With `NIGHTJAR_BLESS=1` they are written instead.
#[test]
fn the_tables_are_what_the_commands_print() {
    let mut text = readme();
    for [name, command, flag] in [
        ["detectors", "detectors", "--markdown"],
        ["coverage", "detectors", "--coverage"],
        ["formats", "formats", "--markdown"],
    ] {
        let printed = run([command, flag]).ended(0).out();
        assert!(
            printed.starts_with('|') && printed.ends_with("|\n"),
            "{printed}"
        );
        let found = between(&text, name);
        if std::env::var_os("NIGHTJAR_BLESS").is_some() {
            let (head, tail) = (text.find(&format!("<!-- {name}: ")).unwrap(), found.len());
            let from = head + text[head..].find('\n').unwrap() + 1;
            text.replace_range(from..from + tail, &printed);
            continue;
        }
        assert_eq!(
            found, printed,
            "README.md's {name} are out of date: NIGHTJAR_BLESS=1 cargo test --release --test readme"
        );
    }
    if std::env::var_os("NIGHTJAR_BLESS").is_some() {
        std::fs::write(path(), text).unwrap();
    }
}

/// The lines of code blocks, indented or fenced, with the language of the fence.
fn code(text: &str) -> Vec<(&str, &str)> {
    let mut lines = Vec::new();
    let mut fence = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), fence) {
            (Some(language), None) => fence = Some(language),
            (Some(_), Some(_)) => fence = None,
            (None, Some(language)) => lines.push((language, line)),
            (None, None) if line.starts_with("    ") => lines.push(("", line.trim())),
            (None, None) => {}
        }
    }
    lines
}

/// Whatever command the README shows exists and has examples, and every option shown is one of its.
#[test]
fn every_command_shown_exists() {
    let text = readme();
    let mut seen = BTreeSet::new();
    for (_, line) in code(&text) {
        let line = line.split('#').next().unwrap();
        let after = |mark: &str| line.find(mark).map(|at| &line[at + mark.len()..]);
        let starts = line.trim_start().strip_prefix("nightjar ");
        let Some(call) = after("cargo run --release -- ").or(starts) else {
            continue;
        };
        let mut words = call.split_whitespace();
        let command = words.next().unwrap();
        let help = run([command, "--help"]).ended(0).out();
        assert!(
            help.contains("Examples:"),
            "{command} has no examples: {help}"
        );
        for option in words.filter(|word| word.starts_with('-')) {
            assert!(help.contains(option), "{command} has no {option}: {help}");
        }
        seen.insert(command.to_owned());
    }
    assert!(
        seen.contains("demo") && seen.contains("backtest") && 6 <= seen.len(),
        "{seen:?}"
    );
}

/// The example of a configuration is valid as it stands.
#[test]
fn the_configuration_shown_is_valid() {
    let text = readme();
    let lines: Vec<&str> = code(&text)
        .into_iter()
        .filter(|(fence, _)| *fence == "toml")
        .map(|(_, line)| line)
        .collect();
    assert!(10 < lines.len());
    let folder = Folder::new();
    let config = folder.write("nightjar.toml", lines.join("\n"));
    folder.write("directory.csv", company().directory_csv());
    let mut command = nightjar(["check", "-c", &config]);
    command.env("KAFKA_PASSWORD", "not shown");
    command.env("HEC_TOKEN", "not-shown-not-shown");
    let done = done(command).ended(0);
    assert!(
        done.out().starts_with("the configuration is valid"),
        "{}",
        done.out()
    );
    assert!(!done.out().contains("not shown") && !done.out().contains("not-shown"));
}

/// The help of the program names every command, and every one of them has examples.
#[test]
fn every_command_has_examples() {
    let help = run(["--help"]).ended(0).out();
    let commands = help
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("Options:")
        .next()
        .unwrap();
    let mut count = 0;
    for line in commands.lines() {
        let Some(command) = line
            .split_whitespace()
            .next()
            .filter(|name| *name != "help")
        else {
            continue;
        };
        let help = run([command, "--help"]).ended(0).out();
        assert!(
            help.contains("Examples:") && help.contains(&format!("nightjar {command}")),
            "{help}"
        );
        count += 1;
    }
    assert!(10 <= count, "{help}");
}
