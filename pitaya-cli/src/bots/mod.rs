//! `pitaya bots`: a load test by a scenario file.

mod arrivals;
mod bot;
mod file;
mod load;
mod plan;
mod report;
mod stats;
mod template;

use std::process::ExitCode;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use crate::client::{Address, Contract, Target, TlsArgs, duration};
use crate::commands::{Done, print, read, read_schema};
use arrivals::{Arrivals, Stop};
use bot::Shared;
use load::End;
use plan::Plan;

/// The exit code if a threshold was missed or the server is gone.
const MISSED: u8 = 1;
/// Open files besides those of the bots.
const OTHER_FILES: u64 = 64;

pub(crate) const EXAMPLES: &str = "\
A scenario is YAML:

  server: localhost:3250
  load: { bots: 1000, ramp: 10s, duration: 1m }       # closed loop; `rate: 500/s` makes it an open loop
  setup:                                              # once for each connection
    - connect: { token: \"bot-${bot}\" }
    - request: room.room.join
      data: { name: \"bot-${bot}\" }
  steps:                                              # again and again
    - request: room.room.move
      data: { x: \"${random 0..100}\" }
    - expect: onMove
    - think: 100ms..300ms
  thresholds: { p99: 50ms, errors: 0.1%, rate: 2000/s }

Exit codes: 0 every threshold was met, 1 one was missed or the server is gone, 2 unusable input or no connection.

Examples:
  pitaya bots scenario.yaml
  pitaya bots scenario.yaml --server ws://localhost:3250 --bots 10 --duration 5s
  pitaya bots scenario.yaml --rate 500/s --json > result.json";

#[derive(Args)]
pub(crate) struct Bots {
    /// The scenario file; `-` is the standard input
    scenario: String,
    /// The server, in place of the scenario's
    #[arg(long, value_name = "ADDRESS")]
    server: Option<Address>,
    /// The number of bots, in place of the scenario's
    #[arg(long, value_name = "N")]
    bots: Option<u32>,
    /// The runs that begin each second, such as `200/s`, in place of the scenario's
    #[arg(long, value_parser = file::rate)]
    rate: Option<f64>,
    /// The time over which the bots start, in place of the scenario's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ramp: Option<Duration>,
    /// The time of the load after the ramp, in place of the scenario's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// The runs of each bot, in place of the scenario's
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// The seed of random values, in place of the scenario's
    #[arg(long)]
    seed: Option<u64>,
    /// The threads of the bots; one for each processor by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The schema of the server, to convert data for MessagePack and Protobuf
    #[arg(short, long, value_name = "FILE")]
    schema: Option<String>,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
    /// Prints no progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

impl Bots {
    pub(crate) fn run(self) -> Done {
        let mut plan =
            Plan::parse(&read(&self.scenario)?).map_err(|error| format!("{}: {error}", self.scenario))?;
        self.replace(&mut plan);
        plan.load.check()?;
        let server = self.server.clone().or_else(|| plan.server.clone());
        let server = server.ok_or("no server: the scenario has no `server`, and there is no --server")?;
        let target = Target::new(server, &self.tls)?;
        let schema = self.schema.as_deref().map(read_schema).transpose()?.unwrap_or_default();
        let bots = plan.load.bots;
        allow_files(u64::from(bots) + OTHER_FILES)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(processors).clamp(1, bots as usize);
        let began = Instant::now();
        let shared = Arc::new(Shared {
            arrivals: plan.load.rate.map(|rate| {
                let first = began + plan.load.ramp;
                Arrivals::new(first, first + plan.load.duration.unwrap_or_default(), rate)
            }),
            plan,
            target,
            contract: Contract::of_schema(schema)?,
            stop: Stop::default(),
            connected: AtomicI64::new(0),
            last_error: Mutex::new(None),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let ran = runtime.block_on(load::run(Arc::clone(&shared), threads, began, self.quiet));
        let outcome = ran.map_err(|why| format!("no bot could connect: {why}"))?;
        let verdicts = report::verdicts(&shared.plan.thresholds, &outcome);
        let lost = matches!(outcome.end, End::Lost(_));
        let passed = !lost && verdicts.iter().all(|verdict| verdict.passed);
        if self.json {
            print(format!("{:#}\n", report::to_json(&shared, &outcome, &verdicts, passed)).as_bytes())?;
        } else {
            print(report::text(&shared, &outcome, &verdicts).as_bytes())?;
        }
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::from(MISSED) })
    }

    /// Replaces parts of the load by the flags.
    fn replace(&self, plan: &mut Plan) {
        let load = &mut plan.load;
        load.bots = self.bots.unwrap_or(load.bots);
        load.rate = self.rate.or(load.rate);
        load.ramp = self.ramp.unwrap_or(load.ramp);
        load.duration = self.duration.or(load.duration);
        load.runs = self.runs.or(load.runs);
        plan.seed = self.seed.unwrap_or(plan.seed);
    }
}

/// Raises the limit of open files.
#[cfg(unix)]
fn allow_files(needed: u64) -> Result<(), String> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(format!("{needed} open files are needed, and the hard limit (`ulimit -Hn`) is lower"));
    }
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit).map_err(|error| format!("the limit of open files: {error}"))
}

#[cfg(not(unix))]
fn allow_files(_needed: u64) -> Result<(), String> {
    Ok(())
}
