//! `nightjar check`: everything that is wrong with a configuration, at once, before it is used.
//!
//! Invariant: writes nothing but its answer, and opens no connection unless asked for a look at Kafka.

mod live;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use nightjar_detectors::directory::Directory;

use super::BAD_CONFIG;
use crate::config::{self, Config, ConfigErrors, Problem};
use crate::decode::ClassInfo;
use crate::enrich::Enrichment;

/// Validate a configuration, and with --live what its Kafka topics hold.
///
/// Reads the file, the environment's overrides, and the directory, geo databases and formats that they
/// name. Prints every problem with its place and what to do about it. Exit code 64 if there are any. What is no problem
/// yet worth a word, such as an exception that ended long ago, is a warning on standard error.
///
/// With --live the last records of every configured topic are looked at too: which formats they are, which columns they
/// fill, which detectors that feeds and what is missing for the others. No group is joined and nothing is committed.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  nightjar check -c nightjar.toml
  nightjar check -c nightjar.toml --live
  nightjar check -c nightjar.toml --live --records 10000 --within 2m --json | jq .topics
  nightjar check --schema > nightjar.schema.json")]
pub struct CheckArgs {
    /// The configuration file; without one the environment and the defaults are checked.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the JSON Schema of the configuration file and do nothing else.
    #[arg(long, conflicts_with = "live")]
    pub schema: bool,
    #[command(flatten)]
    look: live::LookArgs,
}

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let env = config::environment();
    let code = check(args, env, crate::setup::classes, &mut out)?;
    if code != ExitCode::SUCCESS || !args.look.live {
        return Ok(code);
    }
    drop(out);
    live::run(&args.look, args.config.as_deref())
}

/// `classes` opens the formats: the shipped ones and the files of the configuration.
///
/// # Errors
/// When `out` cannot be written.
fn check(
    args: &CheckArgs,
    env: impl Iterator<Item = (String, String)>,
    classes: impl FnOnce(&Config) -> Result<Vec<ClassInfo>, ConfigErrors>,
    out: &mut dyn Write,
) -> io::Result<ExitCode> {
    if args.schema {
        writeln!(out, "{:#}", config::schema())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (config, mut problems) = Config::examine(args.config.as_deref(), env);
    let warnings = config::warnings(&config, super::today(config.zone));
    let hashes = Enrichment::open(&config).map(|enrichment| enrichment.hashes);
    let hashes = keep(hashes, &mut problems).unwrap_or_default();
    let settings = classes(&config)
        .and_then(|classes| config::settings(&config, &classes, Directory::default(), &hashes));
    let settings = keep(settings, &mut problems);
    if problems.is_empty() {
        let fingerprint = settings
            .map(|(settings, _)| settings.fingerprint)
            .unwrap_or_default();
        for warning in &warnings {
            eprintln!("warning: {warning}");
        }
        // What is printed then is the look's alone, or no machine could read it.
        if !(args.look.live && args.look.json) {
            writeln!(
                out,
                "the configuration is valid; its fingerprint is {fingerprint}"
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    Ok(ExitCode::from(BAD_CONFIG))
}

fn keep<T>(result: Result<T, ConfigErrors>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|errors| problems.extend(errors.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> (ExitCode, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nightjar.toml");
        std::fs::write(&file, text).unwrap();
        let args = CheckArgs {
            config: Some(file),
            schema: false,
            look: live::LookArgs::default(),
        };
        let mut out = Vec::new();
        let code = super::check(&args, std::iter::empty(), |_| Ok(Vec::new()), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        (
            code,
            text.replace(&format!("{}/", folder.path().display()), ""),
        )
    }

    /// What the files say is told beside what the configuration says.
    #[test]
    fn problems_of_all_files_are_told_at_once() {
        let (code, text) = checked(
            "tenat = \"x\"\n[directory]\nfile = \"people.csv\"\n[geo]\ncity = \"city.mmdb\"
             [sources.a]\nformat = \"okta\"",
        );
        assert_eq!(code, ExitCode::from(64));
        let starts = [
            "nightjar.toml:1: ",
            "nightjar.toml:3: ",
            "nightjar.toml:5: ",
            "nightjar.toml:7: ",
        ];
        assert_eq!(text.lines().count(), starts.len(), "{text}");
        for (line, start) in text.lines().zip(starts) {
            assert!(line.starts_with(start), "{text}");
        }
    }

    #[test]
    fn a_sound_configuration_has_a_fingerprint() {
        let (code, text) = checked("tenant = \"x\"");
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(
            text.starts_with("the configuration is valid; its fingerprint is "),
            "{text}"
        );
    }

    #[test]
    fn the_schema_is_json() {
        let args = CheckArgs {
            config: None,
            schema: true,
            look: live::LookArgs::default(),
        };
        let mut out = Vec::new();
        super::check(&args, std::iter::empty(), |_| Ok(Vec::new()), &mut out).unwrap();
        let schema: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(schema["type"], "object");
    }
}
