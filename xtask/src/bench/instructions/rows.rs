//! The scenarios whose instructions are counted.

use std::path::Path;
use std::process::{Command, Stdio};

use super::super::cluster::fleet::{Folder, Process, start_etcd, start_nats};
use super::super::servers::free_address;
use super::counted::{Counted, wait_for};

/// Connections of the scenarios with many, and calls in flight.
const MANY: u64 = 64;
/// Where the bare echo over NATS listens.
const SUBJECT: &str = "bench/echo";
/// The prefix of the keys of the cluster in etcd.
const PREFIX: &str = "bench/instructions/";

/// NATS and etcd, started for the first row that needs them.
pub(super) struct Services {
    nats_url: String,
    etcd_url: String,
    _nats: Process,
    _etcd: Process,
    _folder: Folder,
}

impl Services {
    fn start() -> Result<Self, String> {
        let folder = Folder::new("bench-instructions");
        let (etcd, etcd_url) = start_etcd(&folder)?;
        let (nats, nats_url, _) = start_nats()?;
        Ok(Self { nats_url, etcd_url, _nats: nats, _etcd: etcd, _folder: folder })
    }
}

/// The work of a row.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Clients of a server that stands alone: the server's program, the arguments of
    /// `bench-server`, the load generator's arguments.
    Local { program: &'static str, server: &'static [&'static str], load: &'static [&'static str] },
    /// Calls between two processes.
    Calls(Calls),
    /// Requests that a frontend forwards to a backend: the load generator's arguments.
    Forward(&'static [&'static str]),
    /// Values that are recorded at both exporters: a kind of metric.
    Metric(&'static str),
}

/// Who calls, and whom.
#[derive(Clone, Copy, Debug)]
enum Calls {
    /// The bare client of NATS.
    Raw,
    /// A server of the cluster, over NATS.
    Rpc,
    /// The client of tonic, and its server.
    RawGrpc,
    /// A server of the cluster, over gRPC.
    GrpcRpc,
}

/// One scenario. Its name, with the process that is counted, is a key of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    work: Work,
    connections: u64,
    /// Operations of each connection in the first run; the second run has twice as many.
    pub(super) operations: u64,
    /// Operations of the table that one of those stands for, over all connections.
    pub(super) weight: u64,
}

const JSON: &[&str] = &["--serializer", "json"];
const PROTOBUF: &[&str] = &["--serializer", "protobuf"];
const OBSERVED: &[&str] = &["--serializer", "json", "--observed", "on"];
const TCP: &[&str] = &["echo"];
const BURST: &[&str] = &["echo", "--burst", "16"];
const WS: &[&str] = &["echo", "--transport", "ws"];
const WS_BURST: &[&str] = &["echo", "--transport", "ws", "--burst", "16"];
const TYPED: &[&str] = &["echo", "--route", "bench.echo.typed", "--shape", "json"];
const TYPED_PROTOBUF: &[&str] = &["echo", "--route", "bench.echo.typed", "--shape", "protobuf"];
const FAN: &[&str] = &["fan", "--shape", "json", "--body", "256"];
const FORWARD: &[&str] = &["echo", "--route", "back.echo.raw"];

const fn local(
    name: &'static str,
    program: &'static str,
    load: &'static [&'static str],
    operations: u64,
    burst: u64,
) -> Row {
    let work = Work::Local { program, server: JSON, load };
    Row { name, work, connections: MANY, operations, weight: MANY * burst }
}

/// The row with other arguments of `bench-server`.
const fn with(server: &'static [&'static str], mut row: Row) -> Row {
    if let Work::Local { program, load, .. } = row.work {
        row.work = Work::Local { program, server, load };
    }
    row
}

/// A broadcast is one operation of the load generator, whatever the number of members.
const fn fan(name: &'static str, members: u64, operations: u64) -> Row {
    let work = Work::Local { program: "bench-server", server: JSON, load: FAN };
    Row { name, work, connections: members, operations, weight: members }
}

const fn calls(name: &'static str, calls: Calls) -> Row {
    Row { name, work: Work::Calls(calls), connections: MANY, operations: 150, weight: MANY }
}

const fn metric(name: &'static str, kind: &'static str) -> Row {
    Row { name, work: Work::Metric(kind), connections: 1, operations: 100_000, weight: 1 }
}

/// All rows, in the order in which they run.
pub(super) const ROWS: &[Row] = &[
    local("tcp-64x1", "bench-server", TCP, 200, 1),
    with(OBSERVED, local("tcp-64x1-observed", "bench-server", TCP, 1000, 1)),
    local("bare-tcp-64x1", "bare-tcp", TCP, 200, 1),
    local("tcp-64x16", "bench-server", BURST, 30, 16),
    local("bare-tcp-64x16", "bare-tcp", BURST, 30, 16),
    local("ws-64x1", "bench-server", WS, 200, 1),
    local("bare-ws-64x1", "bare-ws", WS, 200, 1),
    local("ws-64x16", "bench-server", WS_BURST, 30, 16),
    local("bare-ws-64x16", "bare-ws", WS_BURST, 30, 16),
    local("json-64", "bench-server", TYPED, 150, 1),
    with(PROTOBUF, local("protobuf-64", "bench-server", TYPED_PROTOBUF, 150, 1)),
    fan("push", 1, 3000),
    fan("broadcast", 200, 60),
    metric("metric-counter", "counter"),
    metric("metric-gauge", "gauge"),
    metric("metric-summary", "summary"),
    metric("metric-histogram", "histogram"),
    calls("raw", Calls::Raw),
    calls("rpc", Calls::Rpc),
    calls("raw-grpc", Calls::RawGrpc),
    calls("grpc-rpc", Calls::GrpcRpc),
    Row { name: "forward", work: Work::Forward(FORWARD), connections: MANY, operations: 150, weight: MANY },
];

impl Row {
    /// Runs the scenario once, with this many operations of each connection. Returns the instructions of each program
    /// that is counted, by the name of its row in the table.
    pub(super) fn run(
        &self,
        programs: &Path,
        services: &mut Option<Services>,
        operations: u64,
    ) -> Result<Vec<(String, u64)>, String> {
        eprintln!("== {}: {} x {operations} operations", self.name, self.connections);
        if let Work::Local { program, server, load } = self.work {
            return self.local(programs, program, server, load, operations);
        }
        if let Work::Metric(kind) = self.work {
            let args = [kind, &operations.to_string()];
            let counted = Counted::start(&programs.join("bench-metrics"), &args, false)?.wait()?;
            return Ok(vec![(self.name.to_owned(), counted)]);
        }
        let services = match services {
            Some(services) => services,
            None => services.insert(Services::start()?),
        };
        match self.work {
            Work::Calls(calls) => self.calls(programs, calls, services, operations),
            Work::Forward(load) => self.forward(programs, load, services, operations),
            Work::Local { .. } | Work::Metric(_) => Ok(Vec::new()),
        }
    }

    fn local(
        &self,
        programs: &Path,
        program: &str,
        server: &[&str],
        load: &[&str],
        operations: u64,
    ) -> Result<Vec<(String, u64)>, String> {
        let address = free_address()?.to_string();
        let listen = if load.contains(&"ws") { "--ws" } else { "--tcp" };
        let args = if program == "bench-server" {
            [&[listen, &*address, "--compression", "off"], server].concat()
        } else {
            vec![&*address]
        };
        let server = Counted::start(&programs.join(program), &args, true)?;
        self.load(programs, load, &address, operations)?;
        Ok(vec![(self.name.to_owned(), server.stop()?)])
    }

    fn calls(
        &self,
        programs: &Path,
        calls: Calls,
        services: &Services,
        operations: u64,
    ) -> Result<Vec<(String, u64)>, String> {
        let Services { nats_url, etcd_url, .. } = services;
        let (callee_address, caller_address) = (free_address()?.to_string(), free_address()?);
        let caller_port = caller_address.port().to_string();
        let callee_port = callee_address.rsplit(':').next().unwrap_or_default();
        let of_cluster = ["--etcd", etcd_url, "--prefix", PREFIX];
        let (mode, program, callee, caller) = match calls {
            Calls::Raw => (
                "raw",
                "bare-nats",
                vec![&**nats_url, SUBJECT],
                vec!["--nats", nats_url, "--subject", SUBJECT],
            ),
            Calls::RawGrpc => {
                ("raw-grpc", "bare-grpc", vec![&*callee_address], vec!["--addr", &callee_address])
            }
            Calls::Rpc => (
                "rpc",
                "bench-server",
                role("back", services).to_vec(),
                [&["--nats", nats_url], &of_cluster[..]].concat(),
            ),
            Calls::GrpcRpc => (
                "rpc",
                "bench-server",
                [&["--role", "back", "--grpc", callee_port], &of_cluster[..]].concat(),
                [&["--grpc", &*caller_port], &of_cluster[..]].concat(),
            ),
        };
        let callee = Counted::start(&programs.join(program), &callee, true)?;
        let (operations, in_flight) = (operations.to_string(), self.connections.to_string());
        let args = [&[mode, "--operations", &operations, "--calls", &in_flight], &caller[..]].concat();
        let caller = Counted::start(&programs.join("bench-calls"), &args, false)?.wait()?;
        Ok(vec![(format!("{}-caller", self.name), caller), (format!("{}-callee", self.name), callee.stop()?)])
    }

    fn forward(
        &self,
        programs: &Path,
        load: &[&str],
        services: &Services,
        operations: u64,
    ) -> Result<Vec<(String, u64)>, String> {
        let address = free_address()?.to_string();
        let back = Counted::start(&programs.join("bench-server"), &role("back", services), true)?;
        let mut args = role("front", services).to_vec();
        args.extend(["--tcp", &address, "--compression", "off", "--serializer", "json"]);
        let front = Counted::start(&programs.join("bench-server"), &args, true)?;
        self.load(programs, load, &address, operations)?;
        let front = front.stop()?;
        Ok(vec![(format!("{}-front", self.name), front), (format!("{}-back", self.name), back.stop()?)])
    }

    /// Runs the load generator to its end.
    fn load(&self, programs: &Path, load: &[&str], address: &str, operations: u64) -> Result<(), String> {
        let mut child = Command::new(programs.join("bench-load"))
            .args(load)
            // The process id is for timed runs only.
            .args(["--addr", address, "--pid", &std::process::id().to_string()])
            .args(["--connections", &self.connections.to_string()])
            .args(["--operations", &operations.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("bench-load: {error}"))?;
        let ended = wait_for(&mut child, "bench-load");
        if ended.is_err() {
            child.kill().and_then(|()| child.wait()).map_err(|error| format!("bench-load: {error}"))?;
        }
        let status = ended?;
        if status.success() { Ok(()) } else { Err(format!("bench-load ended with {status}")) }
    }
}

/// The arguments of a server of the cluster.
fn role<'a>(role: &'a str, services: &'a Services) -> [&'a str; 8] {
    ["--role", role, "--nats", &services.nats_url, "--etcd", &services.etcd_url, "--prefix", PREFIX]
}

#[cfg(test)]
mod tests {
    use super::ROWS;

    #[test]
    fn names_of_rows_are_unique() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
