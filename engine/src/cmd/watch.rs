//! `nightjar watch`: subscribes to a running service and prints alerts as they come.
//!
//! Invariant: the cursor that is kept, and printed at the end, is behind nothing that was not printed.

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use nightjar_detectors::alert::Severity;
use serde::Serialize;

use crate::grpc::client::{Client, ClientError, Event, Gap, Subscription};
use crate::store::alerts::Filter;
use crate::table::{Look, alert_line, heads, incident_heads, incident_line};

/// Where `run` listens without a configuration.
pub const ADDRESS: &str = "http://127.0.0.1:7461";

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

const EXAMPLES: &str = "Examples:
  nightjar watch
  nightjar watch --incidents
  nightjar watch --severity high --json >> alerts.ndjson
  nightjar watch --from 1507 --detector mass_download --detector ai_usage_spike";

/// Subscribe to a running service: alerts as they come.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// Address of the service.
    #[arg(long, value_name = "URL", default_value = ADDRESS)]
    pub connect: String,
    /// Resume after this cursor; 0 begins with the oldest alert. Without it, what comes from now on.
    #[arg(long, value_name = "CURSOR")]
    pub from: Option<u64>,
    /// One alert, or incident, a line, as JSON.
    #[arg(long)]
    pub json: bool,
    /// The least severity.
    #[arg(long, value_enum, default_value_t = SeverityArg::Info)]
    pub severity: SeverityArg,
    /// Only this detector; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub detector: Vec<String>,
    /// Only alerts about this user, address, tool...
    #[arg(long, value_name = "ID")]
    pub entity: Option<String>,
    /// Muted alerts too.
    #[arg(long)]
    pub muted: bool,
    /// Incidents instead of alerts: all of one principal on one day, told again when it grows.
    #[arg(long)]
    pub incidents: bool,
    /// Print what there is (from the oldest alert, or --from) and exit.
    #[arg(long)]
    pub once: bool,
}

/// A severity on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // the words say it
pub enum SeverityArg {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Self {
        Severity::ALL[severity as usize]
    }
}

/// Runs the command.
///
/// # Errors
/// When the service cannot be reached at the start, refuses, or nothing can be printed.
pub fn run(args: &WatchArgs) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let mut watching = Watching::new(args, std::io::stdout());
        tokio::select! {
            ended = watching.run() => ended?,
            stopped = interrupted() => stopped?,
        }
        if let Some(cursor) = watching.cursor {
            eprintln!("resume with: nightjar watch --from {cursor}");
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// One thread is enough for a client.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .build()
        .context("cannot start the network; too many open files?")
}

async fn interrupted() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// A subscription that outlives its connections.
struct Watching<'a, W> {
    args: &'a WatchArgs,
    out: W,
    /// Everything up to here was printed or filtered; `None` before the first message.
    cursor: Option<u64>,
    store_id: String,
    look: Option<Look>,
}

impl<'a, W: Write> Watching<'a, W> {
    fn new(args: &'a WatchArgs, out: W) -> Self {
        let start = if args.once { Some(0) } else { None };
        Watching {
            args,
            out,
            cursor: args.from.or(start),
            store_id: String::new(),
            look: None,
        }
    }

    /// Prints until nobody reads any more, or with `--once` until everything was printed.
    async fn run(&mut self) -> anyhow::Result<()> {
        let mut wait = FIRST_WAIT;
        loop {
            let before = self.cursor;
            let error = match self.follow().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            // The first connection tells whether the address is right; later ones may be restarts.
            let is_passing = error
                .downcast_ref::<ClientError>()
                .is_some_and(ClientError::is_passing);
            if self.args.once || !is_passing || self.look.is_none() {
                return Err(error);
            }
            if self.cursor != before {
                wait = FIRST_WAIT;
            }
            let seconds = wait.as_secs_f32();
            eprintln!("connection lost: {error:#}; trying again in {seconds:.1} s");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One connection. `Ok` when there is nothing more to do.
    async fn follow(&mut self) -> anyhow::Result<()> {
        let client = Client::connect(&self.args.connect).await?;
        let zone = client.zone().await?;
        let mut events = client.subscribe(self.subscription()).await?;
        match self.look {
            None => self.begin(zone)?,
            Some(_) => eprintln!("connected again"),
        }
        loop {
            let event = events.next().await?;
            let is_done = match event {
                Event::Alert(alert) if !self.args.incidents => self.print(&*alert, alert_line)?,
                Event::Incident(incident) if self.args.incidents => {
                    self.print(&*incident, incident_line)?
                }
                Event::Alert(_) | Event::Incident(_) => false,
                Event::Gap(gap) => {
                    eprintln!("{}", gap_line(&gap));
                    false
                }
                Event::Heartbeat(heartbeat) => {
                    self.store_id = heartbeat.store_id;
                    self.args.once
                }
            };
            self.cursor = Some(events.cursor());
            if is_done {
                return Ok(());
            }
        }
    }

    fn subscription(&self) -> Subscription {
        Subscription {
            from_cursor: self.cursor,
            store_id: self.store_id.clone(),
            filter: Filter {
                severity_min: self.args.severity.into(),
                detectors: self.args.detector.clone(),
                entity: self.args.entity.clone(),
                muted: self.args.muted,
                withdrawn: false,
            },
        }
    }

    fn begin(&mut self, zone: Tz) -> anyhow::Result<()> {
        let look = Look::for_stdout(zone);
        self.look = Some(look);
        if !self.args.json && std::io::stdout().is_terminal() {
            let heads = match self.args.incidents {
                true => incident_heads(),
                false => heads(),
            };
            self.line(&heads)?;
        }
        Ok(())
    }

    fn print<T: Serialize>(
        &mut self,
        what: &T,
        line: impl Fn(&T, &Look) -> String,
    ) -> anyhow::Result<bool> {
        let line = match self.look {
            Some(look) if !self.args.json => line(what, &look),
            _ => serde_json::to_string(what)?,
        };
        self.line(&line)
    }

    /// Whether nobody reads any more.
    fn line(&mut self, line: &str) -> anyhow::Result<bool> {
        match writeln!(self.out, "{line}").and_then(|()| self.out.flush()) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(true),
            Err(error) => Err(error).context("cannot write to standard output"),
        }
    }
}

fn gap_line(gap: &Gap) -> String {
    match gap.is_reset {
        true => format!(
            "the service's alert log is not the one that cursor {} is of; beginning with its oldest alert",
            gap.from_cursor
        ),
        false => format!(
            "alerts up to cursor {} were deleted for their age; going on after it",
            gap.to_cursor
        ),
    }
}

#[cfg(test)]
mod tests;
