//! `cargo xtask bench cluster`: what it costs to pass messages on and to call other servers.

pub(super) mod fleet;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::servers::free_address;
use super::{Options, report};
use fleet::{Fleet, Pair, Process};
use table::{Costs, Row, Rows};

/// How many requests are in flight.
const IN_FLIGHT: [usize; 3] = [1, 64, 256];
/// The members of a group that receives a broadcast.
const MEMBERS: usize = 1000;
/// Open files that the programs need at most.
pub(super) const FILES: u64 = 1200;

/// The work of one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// The bare echo over TCP.
    Tcp,
    /// Requests over the bare NATS client.
    Raw,
    /// A typed call of a remote.
    Rpc,
    /// A forwarded request of a client.
    Forward,
    /// A client's request whose handler makes a typed call of a remote.
    Ask,
    /// A request of a client that Go Pitaya forwards.
    Go,
    /// Calls over the server and the client of tonic.
    RawGrpc,
    /// A typed call of a remote, over gRPC.
    GrpcRpc,
    /// A forwarded request of a client, over gRPC.
    GrpcForward,
    /// A broadcast to members on two frontends.
    Fan,
}

impl Work {
    /// The work that is measured for each number in flight, in the order of its turns.
    const EACH: [Self; 9] = [
        Self::Tcp,
        Self::Raw,
        Self::Rpc,
        Self::Forward,
        Self::Ask,
        Self::Go,
        Self::RawGrpc,
        Self::GrpcRpc,
        Self::GrpcForward,
    ];

    /// Returns the bare work that this one is compared with.
    fn bases(self) -> &'static [Self] {
        match self {
            Self::Tcp | Self::Raw | Self::RawGrpc | Self::Fan => &[],
            Self::Rpc => &[Self::Raw],
            Self::Forward | Self::Ask | Self::Go => &[Self::Tcp, Self::Raw],
            Self::GrpcRpc => &[Self::RawGrpc],
            Self::GrpcForward => &[Self::Tcp, Self::RawGrpc],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Raw => "raw",
            Self::Rpc => "rpc",
            Self::Forward => "forward",
            Self::Ask => "ask",
            Self::Go => "original",
            Self::RawGrpc => "raw-grpc",
            Self::GrpcRpc => "grpc-rpc",
            Self::GrpcForward => "grpc-forward",
            Self::Fan => "fan",
        }
    }
}

/// One row: what, and how many in flight.
type Key = (usize, Work);

fn name((in_flight, work): Key) -> String {
    format!("{}-{in_flight}", work.name())
}

/// The rows that are wanted, with those that they are compared with, in the order of their turns.
fn wanted(options: &Options, go: bool) -> Vec<Key> {
    let asked = |key: Key| {
        let fits = |part: &String| name(key).contains(part.as_str());
        (key.1 != Work::Go || go) && (options.only.is_empty() || options.only.iter().any(fits))
    };
    let mut keys = Vec::new();
    for in_flight in IN_FLIGHT {
        let asked: Vec<Work> = Work::EACH.into_iter().filter(|work| asked((in_flight, *work))).collect();
        let is_wanted =
            |work: &Work| asked.contains(work) || asked.iter().any(|asked| asked.bases().contains(work));
        keys.extend(Work::EACH.into_iter().filter(is_wanted).map(|work| (in_flight, work)));
    }
    keys.extend(Some((MEMBERS, Work::Fan)).filter(|key| asked(*key)));
    keys
}

/// Takes `--go PATH` out of the arguments.
pub(super) fn take_go(args: &[String]) -> Option<(Vec<String>, Option<PathBuf>)> {
    let mut args = args.to_vec();
    let Some(at) = args.iter().position(|arg| arg == "--go") else { return Some((args, None)) };
    let path = args.get(at + 1)?.into();
    args.drain(at..at + 2);
    Some((args, Some(path)))
}

/// Runs all in turn, and prints the table.
pub(super) fn bench(options: &Options, programs: &Path, go: Option<&Path>) -> Result<(), String> {
    let go = go.filter(|path| {
        let exists = path.exists();
        if !exists {
            eprintln!("== {} does not exist: Go Pitaya is left out", path.display());
        }
        exists
    });
    let keys = wanted(options, go.is_some());
    if options.list {
        keys.iter().for_each(|key| println!("{}", name(*key)));
        return Ok(());
    }
    let fleet = Fleet::start(programs, go)?;
    let mut rows = Rows::new(keys.iter().map(|key| Row::new(name(*key), *key)));
    for round in 1..=options.rounds {
        eprintln!("== round {round} of {}", options.rounds);
        for key in &keys {
            let costs =
                run(options, programs, &fleet, *key).map_err(|error| format!("{}: {error}", name(*key)))?;
            rows.add(*key, costs);
        }
    }
    println!("{}", table::header(options));
    println!("{rows}");
    println!("{}", table::FOOTER);
    Ok(())
}

/// One turn.
fn run(options: &Options, programs: &Path, fleet: &Fleet, key: Key) -> Result<Costs, String> {
    let (in_flight, work) = key;
    let of_pair = |pair: &Pair, route: &str, shape: &str| {
        let mut pids = vec![pair.front.pid(), pair.back.pid()];
        if work != Work::GrpcForward {
            pids.push(fleet.nats.pid());
        }
        let mut load = client(options, programs, "echo", &[&pair.address], &pids, in_flight, fleet);
        load.args(["--route", route, "--shape", shape]);
        report(&mut load).and_then(|report| Costs::of_pair(&report))
    };
    let of_calls = |mode: &str, callee: &Process, args: &[&str]| {
        let mut load = Command::new(programs.join("bench-calls"));
        load.arg(mode)
            .args(["--pid", &callee.pid(), "--calls", &in_flight.to_string()])
            .args(["--seconds", &options.seconds.to_string()])
            .args(args);
        report(&mut load).and_then(|report| Costs::of_calls(&report))
    };
    let nats_pid = fleet.nats.pid();
    let nats = ["--nats", &fleet.nats_url, "--monitor", &fleet.monitor, "--pid", &nats_pid];
    match work {
        Work::Tcp => {
            let (address, pids) = (&fleet.tcp_address, [fleet.tcp.pid()]);
            report(&mut client(options, programs, "echo", &[address], &pids, in_flight, fleet))
                .and_then(|report| Costs::of_bare(&report))
        }
        Work::Raw => of_calls("raw", &fleet.bare, &[&nats[..], &["--subject", fleet::SUBJECT]].concat()),
        Work::Rpc => {
            let etcd = ["--etcd", &fleet.etcd_url, "--prefix", fleet::OURS];
            of_calls("rpc", &fleet.ours.back, &[&nats[..], &etcd].concat())
        }
        Work::RawGrpc => of_calls("raw-grpc", &fleet.bare_grpc, &["--addr", &fleet.bare_grpc_address]),
        Work::GrpcRpc => {
            let port = free_address()?.port().to_string();
            let args = ["--grpc", &port, "--etcd", &fleet.etcd_url, "--prefix", fleet::OVER_GRPC];
            of_calls("rpc", &fleet.over_grpc.back, &args)
        }
        Work::Forward => of_pair(&fleet.ours, "back.echo.raw", "raw"),
        Work::GrpcForward => of_pair(&fleet.over_grpc, "back.echo.raw", "raw"),
        Work::Ask => of_pair(&fleet.ours, "bench.echo.rpc", "json"),
        Work::Go => {
            let pair = fleet.go.as_ref().ok_or("Go Pitaya does not run")?;
            of_pair(pair, "game.testsvc.testrequestreceivereturnsraw", "raw")
        }
        Work::Fan => {
            let (ours, second) = (&fleet.ours, &fleet.second);
            let pids = [ours.front.pid(), second.pid(), ours.back.pid(), fleet.nats.pid()];
            let addresses = [&*ours.address, &*fleet.second_address];
            let mut load = client(options, programs, "fan", &addresses, &pids, MEMBERS, fleet);
            load.args(["--fan", "back", "--shape", "json", "--body", "256"]);
            report(&mut load).and_then(|report| Costs::of_fan(&report, MEMBERS))
        }
    }
}

/// Clients of a front.
fn client(
    options: &Options,
    programs: &Path,
    what: &str,
    addresses: &[&str],
    pids: &[String],
    connections: usize,
    fleet: &Fleet,
) -> Command {
    let mut load = Command::new(programs.join("bench-load"));
    load.arg(what);
    load.args(addresses.iter().flat_map(|address| ["--addr", address]));
    load.args(pids.iter().flat_map(|pid| ["--pid", pid]));
    load.args(["--monitor", &fleet.monitor])
        .args(["--connections", &connections.to_string()])
        .args(["--threads", &options.threads.to_string()])
        .args(["--seconds", &options.seconds.to_string()]);
    load
}

/// A number of a report.
fn number(report: &Value, name: &str) -> Result<f64, String> {
    report[name].as_f64().ok_or_else(|| format!("the report names no {name}: {report}"))
}
