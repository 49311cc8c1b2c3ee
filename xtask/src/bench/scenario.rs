//! The scenarios that are measured.

/// The arguments of the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Requests.
    Echo,
    /// Connections that come and go.
    Churn,
    /// Broadcasts.
    Fan,
    /// Connections that rest: memory, not time.
    Idle,
}

impl Work {
    /// Its name on the command line of the load generator.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Churn => "churn",
            Self::Fan => "fan",
            Self::Idle => "idle",
        }
    }
}

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Transport {
    /// As they are.
    Tcp,
    /// One a message.
    WebSocket,
}

impl Transport {
    /// Its name on command lines.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::WebSocket => "ws",
        }
    }
}

/// A server to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// `bench-server` without compression.
    Ours,
    /// `bench-server` with compression.
    Compressing,
    /// `bench-server` with Protobuf, without compression.
    Protobuf,
    /// `bench-server` without compression, with the exporter for Prometheus and traces of 1 % of the messages.
    Observed,
    /// The bare echo over this transport.
    Bare,
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) work: Work,
    pub(super) transport: Transport,
    pub(super) connections: u64,
    /// More arguments for the load generator.
    pub(super) load: &'static [&'static str],
    pub(super) ours: Side,
    pub(super) base: Option<Side>,
    /// The ratio to reach; of idle connections the KiB.
    pub(super) target: Option<f64>,
}

impl Scenario {
    /// Raw echoes at 64 connections over TCP, against the bare echo.
    const fn new(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            work: Echo,
            transport: Transport::Tcp,
            connections: 64,
            load: &[],
            ours: Side::Ours,
            base: Some(Side::Bare),
            target: None,
        }
    }

    const fn ws(mut self) -> Self {
        self.transport = Transport::WebSocket;
        self
    }

    const fn work(mut self, work: Work, connections: u64) -> Self {
        self.work = work;
        self.connections = connections;
        self
    }

    const fn load(mut self, load: &'static [&'static str]) -> Self {
        self.load = load;
        self
    }

    const fn sides(mut self, ours: Side, base: Option<Side>) -> Self {
        self.ours = ours;
        self.base = base;
        self
    }

    const fn target(mut self, target: f64) -> Self {
        self.target = Some(target);
        self
    }
}

const BURST: &[&str] = &["--burst", "16"];
const JSON: &[&str] = &["--route", "bench.echo.typed", "--shape", "json"];
const JSON_1K: &[&str] = &["--route", "bench.echo.typed", "--shape", "json", "--body", "1024"];
const PROTOBUF: &[&str] = &["--route", "bench.echo.typed", "--shape", "protobuf"];
const PROTOBUF_1K: &[&str] = &["--route", "bench.echo.typed", "--shape", "protobuf", "--body", "1024"];
const TEXT_1K: &[&str] = &["--body", "1024"];
const TEXT_4K: &[&str] = &["--body", "4096"];
const RANDOM_64: &[&str] = &["--content", "random"];
const RANDOM_1K: &[&str] = &["--body", "1024", "--content", "random"];
const RANDOM_4K: &[&str] = &["--body", "4096", "--content", "random"];
const SAY: &[&str] = &["--shape", "json", "--body", "256"];
const WITH: Side = Side::Compressing;
const BARE: Option<Side> = Some(Side::Bare);
const WITHOUT: Option<Side> = Some(Side::Ours);

use Work::{Churn, Echo, Fan, Idle};

/// All scenarios, in the order in which they run. Bodies are text of 64 bytes where nothing else is said.
#[rustfmt::skip]
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("tcp-64x1", "raw echo, 64 connections, 1 in flight").target(1.25),
    Scenario::new("tcp-64x16", "raw echo, 64 connections, bursts of 16").load(BURST).target(1.6),
    Scenario::new("tcp-1000x1", "raw echo, 1000 connections, 1 in flight").work(Echo, 1000).target(1.25),
    Scenario::new("ws-64x1", "raw echo over WebSocket, 64 connections, 1 in flight").ws().target(1.4),
    Scenario::new("ws-64x16", "raw echo over WebSocket, 64 connections, bursts of 16").ws().load(BURST).target(1.6),
    Scenario::new("ws-1000x1", "raw echo over WebSocket, 1000 connections, 1 in flight").ws().work(Echo, 1000).target(1.4),

    Scenario::new("tcp-64x1-zlib", "tcp-64x1 with compression on").sides(WITH, BARE),
    Scenario::new("tcp-64x16-zlib", "tcp-64x16 with compression on").sides(WITH, BARE).load(BURST),
    Scenario::new("tcp-1000x1-zlib", "tcp-1000x1 with compression on").sides(WITH, BARE).work(Echo, 1000),
    Scenario::new("ws-64x1-zlib", "ws-64x1 with compression on").ws().sides(WITH, BARE),
    Scenario::new("ws-64x16-zlib", "ws-64x16 with compression on").ws().sides(WITH, BARE).load(BURST),
    Scenario::new("ws-1000x1-zlib", "ws-1000x1 with compression on").ws().sides(WITH, BARE).work(Echo, 1000),

    Scenario::new("onoff-tcp-64x1", "compression on against off, body below the threshold").sides(WITH, WITHOUT).target(1.1),
    Scenario::new("onoff-tcp-64x16", "the same in bursts of 16").sides(WITH, WITHOUT).load(BURST).target(1.1),
    Scenario::new("onoff-ws-64x1", "the same over WebSocket").ws().sides(WITH, WITHOUT).target(1.1),

    Scenario::new("tcp-64x1-observed", "raw echo with Prometheus and traces, 1 % sampled, against the same without").sides(Side::Observed, WITHOUT).target(1.05),

    Scenario::new("json-64", "typed echo, JSON of 64 bytes").load(JSON),
    Scenario::new("json-1k", "typed echo, JSON of 1 KiB").load(JSON_1K),
    Scenario::new("json-1k-zlib", "json-1k with compression on").sides(WITH, BARE).load(JSON_1K),
    Scenario::new("protobuf-64", "typed echo, Protobuf of 64 bytes").sides(Side::Protobuf, BARE).load(PROTOBUF),
    Scenario::new("protobuf-1k", "typed echo, Protobuf of 1 KiB").sides(Side::Protobuf, BARE).load(PROTOBUF_1K),

    Scenario::new("text-1k", "raw echo, 1 KiB of text").load(TEXT_1K),
    Scenario::new("text-4k", "raw echo, 4 KiB of text").load(TEXT_4K),
    Scenario::new("random-64", "raw echo, 64 random bytes").load(RANDOM_64),
    Scenario::new("random-1k", "raw echo, 1 KiB of random bytes").load(RANDOM_1K),
    Scenario::new("random-4k", "raw echo, 4 KiB of random bytes").load(RANDOM_4K),
    Scenario::new("text-1k-zlib", "text-1k with compression on").sides(WITH, BARE).load(TEXT_1K),
    Scenario::new("text-4k-zlib", "text-4k with compression on").sides(WITH, BARE).load(TEXT_4K),
    Scenario::new("random-64-zlib", "random-64 with compression on").sides(WITH, BARE).load(RANDOM_64),
    Scenario::new("random-1k-zlib", "random-1k with compression on").sides(WITH, BARE).load(RANDOM_1K),
    Scenario::new("random-4k-zlib", "random-4k with compression on").sides(WITH, BARE).load(RANDOM_4K),

    Scenario::new("churn-tcp", "connect, handshake, ack, close; 16 at a time").work(Churn, 16),
    Scenario::new("churn-ws", "the same over WebSocket").ws().work(Churn, 16),

    Scenario::new("fan", "a broadcast of 256 bytes to 1000 members; an operation is one member's push").work(Fan, 1000).sides(Side::Ours, None).load(SAY),
    Scenario::new("fan-zlib", "fan with compression on").work(Fan, 1000).sides(WITH, None).load(SAY),
    Scenario::new("fan-ws-zlib", "fan over WebSocket with compression on").ws().work(Fan, 1000).sides(WITH, None).load(SAY),

    Scenario::new("idle-tcp", "KiB a connection, of 9000 that made 20 requests each").work(Idle, 9000).target(4.5),
    Scenario::new("idle-ws", "the same over WebSocket").ws().work(Idle, 9000).target(12.0),
    Scenario::new("idle-tcp-zlib", "idle-tcp with compression on").work(Idle, 9000).sides(WITH, None).target(4.5),
    Scenario::new("idle-ws-zlib", "idle-ws with compression on").ws().work(Idle, 9000).sides(WITH, None).target(12.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
