//! `cargo xtask bench`: measures the framework against bare echoes; `benches/README.md` tells what and how.

mod cluster;
mod instructions;
mod scenario;
mod servers;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::Value;

use crate::{cargo, run};
use scenario::{SCENARIOS, Scenario, Work};
use servers::Fleet;
use table::Row;

const USAGE: &str = "\
cargo xtask bench [cluster [--go PATH]] [--rounds N] [--seconds S] [--threads N] [--only NAME]... [--quick] [--list]
  instructions  counts instructions an operation, repeatable on any machine; see bench instructions --help
  cluster       what it costs to pass messages on and to call other servers; needs nats-server and etcd
  --go PATH     a server of Go Pitaya, measured too
  --rounds N    how often each side of a scenario runs, in turn (7)
  --seconds S   how long each run is measured (1)
  --threads N   threads of the load generator (2)
  --only NAME   only scenarios whose names contain NAME; may be given several times
  --quick       3 rounds of 0.3 s: to see that it works, not to quote
  --list        names the scenarios";

/// Open files that a server or a load generator needs besides its connections.
const OTHER_FILES: u64 = 100;

/// The arguments of the command line.
struct Options {
    rounds: usize,
    seconds: f64,
    threads: usize,
    only: Vec<String>,
    list: bool,
}

impl Options {
    fn parse(args: &[String]) -> Option<Self> {
        let mut options = Self { rounds: 7, seconds: 1.0, threads: 2, only: Vec::new(), list: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--rounds" => options.rounds = args.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
                "--seconds" => {
                    options.seconds = args.next()?.parse().ok().filter(|&seconds| seconds > 0.0)?
                }
                "--threads" => options.threads = args.next()?.parse().ok().filter(|&threads| threads > 0)?,
                "--only" => options.only.push(args.next()?.clone()),
                "--quick" => (options.rounds, options.seconds) = (3, 0.3),
                "--list" => options.list = true,
                _ => return None,
            }
        }
        Some(options)
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| scenario.name.contains(part.as_str()))
    }
}

/// Builds everything in release mode, runs the scenarios, and prints their table.
pub(crate) fn main(args: &[String]) -> ExitCode {
    if let [first, rest @ ..] = args
        && first == "instructions"
    {
        return instructions::main(rest);
    }
    let (cluster, args) = match args {
        [first, rest @ ..] if first == "cluster" => (true, rest),
        _ => (false, args),
    };
    let parsed = if cluster { cluster::take_go(args) } else { Some((args.to_vec(), None)) };
    let parsed = parsed.and_then(|(args, go)| Some((Options::parse(&args)?, go)));
    let Some((options, go)) = parsed else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if options.list && !cluster {
        for scenario in SCENARIOS {
            println!("{:<24} {}", scenario.name, scenario.about);
        }
        return ExitCode::SUCCESS;
    }
    let done = if cluster { bench_cluster(&options, go.as_deref()) } else { bench(&options) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("== bench failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The step `instructions` of `cargo xtask test`.
pub(crate) fn instructions_in_ci() -> Result<(), String> {
    instructions::in_ci()
}

/// Builds the programs that measure and are measured, and tells where they are.
fn build() -> Result<PathBuf, String> {
    build_with(&[])
}

fn build_with(args: &[&str]) -> Result<PathBuf, String> {
    run(cargo().args(["build", "--release", "-p", "pitaya-bench"]).args(args))?;
    Ok(target_directory()?.join("release"))
}

fn bench_cluster(options: &Options, go: Option<&Path>) -> Result<(), String> {
    let programs = build()?;
    let files = raise_open_files()?;
    if files < cluster::FILES {
        return Err(format!("{} open files are needed, and {files} are allowed", cluster::FILES));
    }
    cluster::bench(options, &programs, go)
}

fn bench(options: &Options) -> Result<(), String> {
    let programs = build()?;
    let files = raise_open_files()?;
    let mut fleet = Fleet::new(&programs);
    println!("{}", table::header(options.rounds, options.seconds, options.threads));
    let mut short = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| options.wants(scenario)) {
        eprintln!("== {}: {}", scenario.name, scenario.about);
        let needed = scenario.connections + OTHER_FILES;
        if files < needed {
            return Err(format!(
                "{} needs {needed} open files, and {files} are allowed: raise the hard limit (`ulimit -Hn {needed}` \
                 as root, or nofile in /etc/security/limits.conf), or leave it out with --only",
                scenario.name
            ));
        }
        let row = measure(options, scenario, &mut fleet, &programs)?;
        println!("{row}");
        if row.is_short() {
            short.push(scenario.name);
        }
    }
    println!("\n{}", table::footer(&short));
    Ok(())
}

/// Runs both sides in turn, so that what else the machine does meets both alike.
fn measure(
    options: &Options,
    scenario: &'static Scenario,
    fleet: &mut Fleet,
    programs: &Path,
) -> Result<Row, String> {
    let mut row = Row::new(scenario);
    // Memory does not vary from one run to the next as time does, and each run needs servers of its own.
    let fresh = scenario.work == Work::Idle;
    let rounds = if fresh { options.rounds.min(3) } else { options.rounds };
    for _ in 0..rounds {
        for side in [Some(scenario.ours), scenario.base].into_iter().flatten() {
            if fresh {
                fleet.stop(side, scenario.transport);
            }
            let server = fleet.server(side, scenario.transport)?;
            let mut load = Command::new(programs.join("bench-load"));
            load.arg(scenario.work.name())
                .args(["--addr", &server.address(scenario.transport), "--pid", &server.pid()])
                .args(["--transport", scenario.transport.name()])
                .args(["--connections", &scenario.connections.to_string()])
                .args(["--threads", &options.threads.to_string()])
                .args(["--seconds", &if fresh { 2.0 } else { options.seconds }.to_string()])
                .args(scenario.load);
            let report = report(&mut load)?;
            row.add(side == scenario.ours, &report)?;
        }
    }
    Ok(row)
}

/// Runs the load generator and reads what it prints.
fn report(load: &mut Command) -> Result<Value, String> {
    let output = load.output().map_err(|error| format!("bench-load: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("what bench-load printed: {error}"))
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let output = cargo()
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| "cargo metadata names no target".to_owned())
}

/// Allows this process, and so those it starts, as many open files as may be. Returns how many.
fn raise_open_files() -> Result<u64, String> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).map_err(|error| format!("open files: {error}"))?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}
