//! `nightjar alerts`: the alerts or incidents of a running service, or of a state folder; one of them whole.
//!
//! Invariant: reads only; the digest is over all alerts, whatever is filtered.

use std::io::{BufWriter, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use chrono_tz::Tz;
use clap::Args;
use nightjar_detectors::alert::{Alert, Entity, Severity, digest};
use nightjar_detectors::incident::Incident;

use super::watch::{ADDRESS, SeverityArg};
use crate::detail::{alert_detail, incident_detail};
use crate::grpc::client::Client;
use crate::store::alerts::{AlertReader, Filter};
use crate::table::{Look, alert_line, heads, incident_heads, incident_line};

const EXAMPLES: &str = "Examples:
  nightjar alerts
  nightjar alerts 3f2a9c1e             # one alert, or one incident, whole: why, what to do, the evidence
  nightjar alerts --severity high --json
  nightjar alerts --incidents
  nightjar alerts --state nightjar-state --digest";

/// The alerts of a running service, or of a state folder.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub struct AlertsArgs {
    /// Only this alert, or this incident as its story: the id or the beginning of it.
    #[arg(value_name = "ID", conflicts_with_all = ["digest", "incidents", "severity", "detector", "entity", "muted"])]
    pub id: Option<String>,
    /// Address of the service.
    #[arg(long, value_name = "URL", default_value = ADDRESS)]
    pub connect: String,
    /// Read this state folder instead; the service may be running.
    #[arg(long, value_name = "DIR", conflicts_with = "connect")]
    pub state: Option<PathBuf>,
    /// One alert a line, as JSON.
    #[arg(long)]
    pub json: bool,
    /// Print only the digest over all alerts.
    #[arg(long, conflicts_with_all = ["json", "incidents", "severity", "detector", "entity", "muted"])]
    pub digest: bool,
    /// Incidents instead of alerts: all of one principal on one day.
    #[arg(long)]
    pub incidents: bool,
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
}

impl AlertsArgs {
    fn filter(&self) -> Filter {
        // Whether an incident is shown, and what all belongs to it, is seen from all alerts.
        if self.digest || self.incidents || self.id.is_some() {
            return Filter::default();
        }
        Filter {
            severity_min: self.severity.into(),
            detectors: self.detector.clone(),
            entity: self.entity.clone(),
            muted: self.muted,
            withdrawn: false,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the service or the folder cannot be read.
pub fn run(args: &AlertsArgs) -> anyhow::Result<ExitCode> {
    let (mut alerts, zone) = match &args.state {
        Some(folder) => read_folder(folder, &args.filter())?,
        None => {
            let runtime = super::watch::runtime()?;
            runtime.block_on(read_service(&args.connect, args.filter()))?
        }
    };
    let in_order =
        |a: &Alert, b: &Alert| (&a.first_event_time, &a.id).cmp(&(&b.first_event_time, &b.id));
    alerts.sort_by(in_order);
    keep_named(args.id.as_deref(), &mut alerts)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written =
        print(args, &alerts, &Look::for_stdout(zone), &mut out).and_then(|()| out.flush());
    match written {
        // The reader, `head` for one, has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        written => written
            .context("cannot write to standard output")
            .map(|()| ExitCode::SUCCESS),
    }
}

/// Only those whose id begins so; without one those whose incident's does.
fn keep_named(id: Option<&str>, alerts: &mut Vec<Alert>) -> anyhow::Result<()> {
    let Some(id) = id else { return Ok(()) };
    let is_alert = alerts.iter().any(|alert| alert.id.starts_with(id));
    alerts.retain(|alert| {
        let named = if is_alert { &alert.id } else { &alert.incident };
        named.starts_with(id)
    });
    anyhow::ensure!(
        !alerts.is_empty(),
        "no alert and no incident has an id that begins with {id}; `nightjar alerts --muted` shows all alerts"
    );
    Ok(())
}

fn read_folder(folder: &std::path::Path, filter: &Filter) -> anyhow::Result<(Vec<Alert>, Tz)> {
    let reader = AlertReader::open(folder)?;
    let mut alerts = Vec::new();
    let mut cursor = 0;
    loop {
        let page = reader.read_from(cursor, 1_000, filter)?;
        alerts.extend(page.alerts);
        if page.complete {
            break;
        }
        cursor = page.cursor;
    }
    Ok((alerts, reader.zone()?))
}

async fn read_service(address: &str, filter: Filter) -> anyhow::Result<(Vec<Alert>, Tz)> {
    let client = Client::connect(address).await?;
    Ok((client.list(filter).await?, client.zone().await?))
}

fn print(
    args: &AlertsArgs,
    alerts: &[Alert],
    look: &Look,
    out: &mut impl Write,
) -> std::io::Result<()> {
    if args.digest {
        return writeln!(out, "digest: {}", digest(alerts));
    }
    let is_of = |id: &String| alerts.iter().any(|alert| alert.id.starts_with(id));
    if args.incidents || args.id.as_ref().is_some_and(|id| !is_of(id)) {
        return print_incidents(args, &incidents(args, alerts), look, out);
    }
    if args.json {
        for alert in alerts {
            serde_json::to_writer(&mut *out, alert)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    if args.id.is_some() {
        for (number, alert) in alerts.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\n" };
            write!(out, "{gap}{}", alert_detail(alert, look.zone))?;
        }
        return Ok(());
    }
    if !alerts.is_empty() {
        writeln!(out, "{}", heads())?;
    }
    for alert in alerts {
        writeln!(out, "{}", alert_line(alert, look))?;
    }
    let plural = if alerts.len() == 1 { "" } else { "s" };
    writeln!(out, "{} alert{plural}", alerts.len())
}

/// The incidents that are asked for.
fn incidents(args: &AlertsArgs, alerts: &[Alert]) -> Vec<Incident> {
    let mut all = nightjar_detectors::incident::incidents(alerts);
    let is_named = |entity: &Entity| args.entity.as_ref().is_none_or(|id| *id == entity.id);
    all.retain(|incident| {
        let mut entities = std::iter::once(&incident.entity).chain(&incident.also);
        let mut speaks = incident
            .families
            .iter()
            .flat_map(|family| &family.detectors);
        Severity::from(args.severity) <= incident.severity
            && entities.any(is_named)
            && (args.detector.is_empty() || speaks.any(|name| args.detector.contains(name)))
    });
    all
}

fn print_incidents(
    args: &AlertsArgs,
    incidents: &[Incident],
    look: &Look,
    out: &mut impl Write,
) -> std::io::Result<()> {
    if args.json {
        for incident in incidents {
            serde_json::to_writer(&mut *out, incident)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    if args.id.is_some() {
        for (number, incident) in incidents.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\n" };
            write!(out, "{gap}{}", incident_detail(incident, look.zone))?;
        }
        return Ok(());
    }
    if !incidents.is_empty() {
        writeln!(out, "{}", incident_heads())?;
    }
    for incident in incidents {
        writeln!(out, "{}", incident_line(incident, look))?;
    }
    let plural = if incidents.len() == 1 { "" } else { "s" };
    writeln!(out, "{} incident{plural}", incidents.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::alerts::tests::{alert, muted, store};
    use clap::FromArgMatches;

    fn args(line: &[&str]) -> AlertsArgs {
        let command = AlertsArgs::augment_args(clap::Command::new("alerts"));
        let words = ["alerts"].iter().chain(line);
        AlertsArgs::from_arg_matches(&command.get_matches_from(words)).unwrap()
    }

    fn printed(folder: &std::path::Path, line: &[&str]) -> String {
        let args = args(line);
        let (mut alerts, zone) = read_folder(folder, &args.filter()).unwrap();
        keep_named(args.id.as_deref(), &mut alerts).unwrap();
        let mut out = Vec::new();
        print(
            &args,
            &alerts,
            &Look {
                zone,
                colours: false,
            },
            &mut out,
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Table, JSON and digest of a folder whose service is still running.
    #[test]
    fn a_folder_is_read_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let all = [alert("a", 1), muted(alert("b", 2))];
        store.publish(&all, None).unwrap();
        let table = printed(folder.path(), &[]);
        assert!(
            table.contains("2026-03-02 15:11") && table.ends_with("1 alert\n"),
            "{table}"
        );
        assert!(printed(folder.path(), &["--muted"]).ends_with("2 alerts\n"));
        assert_eq!(
            printed(folder.path(), &["--severity", "critical"]),
            "0 alerts\n"
        );
        let table = printed(folder.path(), &["--incidents"]);
        assert!(table.ends_with("\n1 incident\n"), "{table}");
        let story = printed(folder.path(), &["i"]);
        assert!(story.contains("(muted: repeat)"), "{story}");
        let json = printed(folder.path(), &["--json", "--detector", "mass_download"]);
        let read: Alert = serde_json::from_str(json.trim_end()).unwrap();
        assert_eq!(
            read,
            Alert {
                cursor: 1,
                ..alert("a", 1)
            }
        );
        let whole = printed(folder.path(), &["b"]);
        assert!(whole.starts_with("id        b\n") && whole.contains("muted     repeat"));
        assert!(keep_named(Some("x"), &mut all.to_vec()).is_err());
        let line = printed(folder.path(), &["--digest"]);
        assert_eq!(line, format!("digest: {}\n", digest(&all)));
    }

    #[test]
    fn a_wrong_folder_is_said_so() {
        let refused = run(&args(&["--state", "/nowhere"]))
            .unwrap_err()
            .to_string();
        assert!(
            refused.starts_with("/nowhere/alerts.db does not exist; give the folder"),
            "{refused}"
        );
    }
}
