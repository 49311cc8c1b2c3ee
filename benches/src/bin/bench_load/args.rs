//! The arguments of the command line.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The kind of load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scenario {
    /// Requests, each answered before the next (or the next burst).
    Echo,
    /// Connect, shake hands, leave.
    Churn,
    /// One says, all of a group hear.
    Fan,
    /// Connections that are held, for the memory they take.
    Idle,
}

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As they are.
    Tcp,
    /// One a binary message.
    WebSocket,
}

/// The content of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content {
    /// A sentence, again and again.
    Text,
    /// Noise.
    Random,
}

/// The encoding around the content of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Nothing.
    Raw,
    /// `{"text":"…"}`
    Json,
    /// A field 1 that is a string.
    Protobuf,
}

/// Everything the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) scenario: Scenario,
    pub(crate) addr: SocketAddr,
    /// All that connections are spread over.
    pub(crate) addrs: Vec<SocketAddr>,
    /// The server, to read its CPU time and its memory, and others whose CPU time is wanted.
    pub(crate) pids: Vec<u32>,
    /// The monitoring port of a NATS server.
    pub(crate) monitor: Option<SocketAddr>,
    pub(crate) transport: Transport,
    /// Threads of the generator, each with an event loop of its own.
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    pub(crate) warmup: Duration,
    /// How long is measured; of `idle`, how long the connections rest before the memory is read.
    pub(crate) seconds: Duration,
    /// Requests in one write, at most 1024; the next burst follows when all are answered.
    pub(crate) burst: u16,
    /// Of `idle`: how many requests each connection makes.
    pub(crate) requests: u16,
    /// Operations of each connection, of `fan` broadcasts: the run then has this length, not a time.
    pub(crate) operations: Option<u64>,
    pub(crate) route: String,
    /// The size of a body in bytes, with its shape.
    pub(crate) body: usize,
    pub(crate) content: Content,
    pub(crate) shape: Shape,
    /// Of `fan`: the type of the server that has the group.
    pub(crate) fan: String,
}

impl Args {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> io::Result<Self> {
        let scenario = match args.next().as_deref() {
            Some("echo") => Scenario::Echo,
            Some("churn") => Scenario::Churn,
            Some("fan") => Scenario::Fan,
            Some("idle") => Scenario::Idle,
            _ => return Err(io::Error::other("say first what to do: echo, churn, fan or idle")),
        };
        let mut read = Self {
            scenario,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            addrs: Vec::new(),
            pids: Vec::new(),
            monitor: None,
            transport: Transport::Tcp,
            threads: 1,
            connections: 64,
            warmup: Duration::from_millis(300),
            seconds: Duration::from_secs(1),
            burst: 1,
            requests: 20,
            operations: None,
            route: "bench.echo.raw".to_owned(),
            body: 64,
            content: Content::Text,
            shape: Shape::Raw,
            fan: "bench".to_owned(),
        };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| io::Error::other(format!("{flag} needs a value")))?;
            match (flag.as_str(), value.as_str()) {
                ("--addr", _) => read.addrs.push(number(&flag, &value)?),
                ("--pid", _) => read.pids.push(number(&flag, &value)?),
                ("--monitor", _) => read.monitor = Some(number(&flag, &value)?),
                ("--fan", _) if value.len() < 200 => read.fan = value,
                ("--transport", "tcp") => read.transport = Transport::Tcp,
                ("--transport", "ws") => read.transport = Transport::WebSocket,
                ("--threads", _) => read.threads = number::<usize>(&flag, &value)?.max(1),
                ("--connections", _) => read.connections = number(&flag, &value)?,
                ("--warmup", _) => read.warmup = seconds(&flag, &value)?,
                ("--seconds", _) => read.seconds = seconds(&flag, &value)?,
                ("--burst", _) => read.burst = number::<u16>(&flag, &value)?.clamp(1, 1024),
                ("--requests", _) => read.requests = number(&flag, &value)?,
                ("--operations", _) => read.operations = Some(number::<u64>(&flag, &value)?.max(1)),
                ("--route", _) if value.len() < 256 => read.route = value,
                ("--body", _) => read.body = number(&flag, &value)?,
                ("--content", "text") => read.content = Content::Text,
                ("--content", "random") => read.content = Content::Random,
                ("--shape", "raw") => read.shape = Shape::Raw,
                ("--shape", "json") => read.shape = Shape::Json,
                ("--shape", "protobuf") => read.shape = Shape::Protobuf,
                _ => return Err(io::Error::other(format!("{flag} {value} is not understood"))),
            }
        }
        read.addr = *read.addrs.first().ok_or_else(|| io::Error::other("--addr is missing"))?;
        if read.pids.is_empty() {
            return Err(io::Error::other("--pid is missing"));
        }
        Ok(read)
    }

    /// For the worker with this number, which has one of the addresses.
    pub(crate) fn for_worker(mut self, number: usize) -> Self {
        self.addr = self.addrs[number % self.addrs.len()];
        self
    }
}

fn number<T: FromStr>(flag: &str, value: &str) -> io::Result<T> {
    value.parse().map_err(|_| io::Error::other(format!("{flag} cannot be {value}")))
}

fn seconds(flag: &str, value: &str) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number(flag, value)?)
        .map_err(|_| io::Error::other(format!("{flag} cannot be {value}")))
}
