//! What the commands over a state folder share: which folder, since when, and who gives the command.

use std::path::PathBuf;

use clap::Args;

use crate::config::{self, Config};
use crate::setup::SetupError;

/// Which state folder.
#[derive(Debug, Clone, Default, Args)]
pub struct FolderArgs {
    /// Configuration file; its `state.dir` is the folder
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The state folder, where it is not the configuration's
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

impl FolderArgs {
    /// The configuration, with the folder that is meant.
    pub fn config(&self) -> Result<Config, SetupError> {
        let mut config = Config::load(self.config.as_deref(), config::environment())?;
        if let Some(folder) = &self.state {
            config.state.dir.clone_from(folder);
        }
        Ok(config)
    }
}

/// A moment that is written as a date, a time with its zone, or how long ago it was; ms.
pub fn since(text: &str) -> Result<i64, String> {
    if let Some(day) = config::day(text) {
        return Ok(i64::from(day) * 86_400_000);
    }
    if let Some(ago_ms) = config::duration_ms(text) {
        return Ok(chrono::Utc::now().timestamp_millis() - ago_ms);
    }
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.map(|time| time.timestamp_millis()).map_err(|_| {
        "write a date (2026-03-02), a time (2026-03-02T09:00:00Z) or how long ago (7d)".to_owned()
    })
}

/// Who gives the command: the name that the operating system has for this process's user.
pub fn who() -> String {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // The process's own folder belongs to its user, whatever the environment says.
        if let Ok(own) = std::fs::metadata("/proc/self") {
            return name_of(own.uid()).unwrap_or_else(|| format!("uid {}", own.uid()));
        }
    }
    let named = ["USER", "LOGNAME", "USERNAME"].map(std::env::var);
    let named = named.into_iter().find_map(Result::ok);
    named.unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(unix)]
fn name_of(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_three_ways() {
        assert_eq!(since("1970-01-02"), Ok(86_400_000));
        assert_eq!(since("1970-01-01T01:00:00+01:00"), Ok(0));
        let now_ms = chrono::Utc::now().timestamp_millis();
        let day_ago = since("1d").unwrap();
        assert!((now_ms - 86_401_000..=now_ms).contains(&day_ago));
        assert!(since("yesterday").unwrap_err().starts_with("write a date"));
    }

    #[test]
    fn somebody_gives_the_command() {
        assert!(!who().is_empty());
    }
}
