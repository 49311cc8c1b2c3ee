//! The arguments of the command line.

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// The kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A `bare-nats`, over the bare client.
    Raw,
    /// A `bare-grpc`, over the client of tonic.
    RawGrpc,
    /// A remote of a back.
    Rpc,
}

/// Everything the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) mode: Mode,
    pub(crate) nats: String,
    pub(crate) subject: String,
    /// The address of a `bare-grpc`.
    pub(crate) address: String,
    /// The port of the caller's gRPC server, if the servers call each other over gRPC.
    pub(crate) grpc: Option<u16>,
    pub(crate) etcd: String,
    pub(crate) prefix: String,
    /// How many calls are always in flight.
    pub(crate) calls: usize,
    pub(crate) body: usize,
    pub(crate) warmup: Duration,
    pub(crate) seconds: Duration,
    /// Calls of each that is in flight: the run then has this length, not a time.
    pub(crate) operations: Option<u64>,
    /// Processes whose CPU time is wanted besides our own.
    pub(crate) pids: Vec<u32>,
    /// The monitoring port of the NATS server.
    pub(crate) monitor: Option<SocketAddr>,
}

impl Args {
    /// Reads the arguments after the program's name.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> io::Result<Self> {
        let mode = match args.next().as_deref() {
            Some("raw") => Mode::Raw,
            Some("raw-grpc") => Mode::RawGrpc,
            Some("rpc") => Mode::Rpc,
            _ => return Err(io::Error::other("say first what to call: raw, raw-grpc or rpc")),
        };
        let mut read = Self {
            mode,
            nats: "nats://127.0.0.1:4222".to_owned(),
            subject: "echo".to_owned(),
            address: "127.0.0.1:3434".to_owned(),
            grpc: None,
            etcd: "http://127.0.0.1:2379".to_owned(),
            prefix: "pitaya/".to_owned(),
            calls: 64,
            body: 64,
            warmup: Duration::from_millis(300),
            seconds: Duration::from_secs(1),
            operations: None,
            pids: Vec::new(),
            monitor: None,
        };
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| io::Error::other(format!("{flag} needs a value")))?;
            match flag.as_str() {
                "--nats" => read.nats = value,
                "--subject" => read.subject = value,
                "--addr" => read.address = value,
                "--grpc" => read.grpc = Some(number(&flag, &value)?),
                "--etcd" => read.etcd = value,
                "--prefix" => read.prefix = value,
                "--calls" => read.calls = number::<usize>(&flag, &value)?.max(1),
                "--body" => read.body = number(&flag, &value)?,
                "--warmup" => read.warmup = seconds(&flag, &value)?,
                "--seconds" => read.seconds = seconds(&flag, &value)?,
                "--operations" => read.operations = Some(number::<u64>(&flag, &value)?.max(1)),
                "--pid" => read.pids.push(number(&flag, &value)?),
                "--monitor" => read.monitor = Some(number(&flag, &value)?),
                _ => return Err(io::Error::other(format!("{flag} is not understood"))),
            }
        }
        Ok(read)
    }
}

fn number<T: FromStr>(flag: &str, value: &str) -> io::Result<T> {
    value.parse().map_err(|_| io::Error::other(format!("{flag} cannot be {value}")))
}

fn seconds(flag: &str, value: &str) -> io::Result<Duration> {
    Duration::try_from_secs_f64(number(flag, value)?)
        .map_err(|_| io::Error::other(format!("{flag} cannot be {value}")))
}
