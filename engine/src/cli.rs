//! The command line: which commands there are, and what their exit codes mean.
//!
//! 0 done, 1 failed, 2 usage, 64 bad configuration.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cmd;

/// Nightjar learns what is normal for each person and says so when something is not: logins at odd
/// hours, mass downloads, unusual places, impossible travel, AI-usage spikes. It sees metadata only.
#[derive(Debug, Parser)]
#[command(name = "nightjar", version, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  nightjar demo                            see it work, without any configuration
  nightjar backtest logs/ -c nightjar.toml replay logs through the detectors
  nightjar run -c nightjar.toml            the service: Kafka to alerts over gRPC
  nightjar watch                           see the alerts of a running service";

#[derive(Debug, Subcommand)]
enum Command {
    /// A generated company through an embedded Kafka broker and the real pipeline
    Demo(cmd::demo::DemoArgs),
    /// The service: Kafka to alerts over gRPC
    Run(cmd::run::RunArgs),
    /// Replays log files through the same detectors
    Backtest(cmd::backtest::BacktestArgs),
    /// Subscribes to the alerts of a running service
    Watch(cmd::watch::WatchArgs),
    /// Lists the alerts of a running service or of a state folder
    Alerts(cmd::alerts::AlertsArgs),
    /// Looks a state folder through, copies it, brings a copy back
    State(cmd::state::StateArgs),
    /// What could not be read: where it lies, why, and reading it again
    Quarantine(cmd::quarantine::QuarantineArgs),
    /// What came too late, what was muted, and who did what
    Ledger(cmd::ledger::LedgerArgs),
    /// What is muted on purpose: lists it, and tries it on history before it is accepted
    Exceptions(cmd::exceptions::ExceptionsArgs),
    /// Erases a person from everything that was kept
    Forget(cmd::forget::ForgetArgs),
    /// Shows how logs are understood: canonical rows as NDJSON
    Normalize(cmd::normalize::NormalizeArgs),
    /// What can be seen from these logs: sources, columns, detectors, blind spots
    Coverage(cmd::coverage::CoverageArgs),
    /// The inventory of AI tools that logs tell of
    Tools(cmd::tools::ToolsArgs),
    /// Standing weaknesses: second factors, rights, consents, devices, accounts, tools
    Posture(cmd::posture::PostureArgs),
    /// SQL over events, alerts and what could not be read
    Query(cmd::query::QueryArgs),
    /// Validates a configuration
    Check(cmd::check::CheckArgs),
    /// Writes a synthetic company's logs, with labels
    Generate(cmd::generate::GenerateArgs),
    /// Lists the detectors, with parameters and defaults
    Detectors(cmd::catalogs::DetectorsArgs),
    /// Lists the log formats
    Formats(cmd::catalogs::FormatsArgs),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log();
    let done = match cli.command {
        Command::Demo(args) => cmd::demo::run(&args),
        Command::Run(args) => cmd::run::run(&args),
        Command::Backtest(args) => cmd::backtest::run(&args),
        Command::Watch(args) => cmd::watch::run(&args),
        Command::Alerts(args) => cmd::alerts::run(&args),
        Command::State(args) => cmd::state::run(&args),
        Command::Quarantine(args) => cmd::quarantine::run(&args),
        Command::Ledger(args) => cmd::ledger::run(&args),
        Command::Exceptions(args) => cmd::exceptions::run(&args),
        Command::Forget(args) => cmd::forget::run(&args),
        Command::Normalize(args) => cmd::normalize::run(&args),
        Command::Coverage(args) => cmd::coverage::run(&args),
        Command::Tools(args) => cmd::tools::run(&args),
        Command::Posture(args) => cmd::posture::run(&args),
        Command::Query(args) => cmd::query::run(&args),
        Command::Check(args) => cmd::check::run(&args),
        Command::Generate(args) => cmd::generate::run(&args),
        Command::Detectors(args) => cmd::catalogs::detectors(&args),
        Command::Formats(args) => cmd::catalogs::formats(&args),
    };
    done.unwrap_or_else(|error| fail(&error))
}

fn fail(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("nightjar: {}", cmd::chain(error.as_ref()));
    let is_config = error.downcast_ref::<crate::setup::SetupError>().is_some();
    ExitCode::from(if is_config { cmd::BAD_CONFIG } else { 1 })
}

/// Whoever read our output has had enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.chain().find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        // This one does not name its cause.
        let json = cause.downcast_ref::<serde_json::Error>();
        io.map(std::io::Error::kind)
            .or(json.and_then(serde_json::Error::io_error_kind))
    });
    kind == Some(std::io::ErrorKind::BrokenPipe)
}

fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("NIGHTJAR_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,nightjar=info"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false);
    // A log that was started before, in a test, stays.
    let _ = log.try_init();
}
