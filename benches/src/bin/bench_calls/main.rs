//! Calls between servers, without any client: some are always in flight.
//!
//! ```text
//! bench-calls raw --nats URL --subject SUBJECT [...]
//! bench-calls raw-grpc --addr ADDR [...]
//! bench-calls rpc [--nats URL | --grpc PORT] --etcd URL [--prefix TEXT] [...]
//!     [--calls N] [--body BYTES] [--warmup SECONDS] [--seconds SECONDS] [--pid PID]... [--monitor ADDR]
//!     [--operations N]
//! ```
//! `raw` makes requests of a `bare-nats` over the bare client, `raw-grpc` of a `bare-grpc` over the client of tonic;
//! with `rpc` it is a server of the cluster, of type `caller`, which calls a remote of a server of type `back`. All run
//! on the runtime that our servers have, check every answer, and print one line of JSON: see `bench-load`.

mod args;
mod flight;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use pitaya::config::{Config, RpcTransport};
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya_bench::grpc::{BytesCodec, ECHO};
use serde_json::Value;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;

use args::{Args, Mode};

/// A text, as it goes and as it comes back.
#[message(proto)]
struct Text {
    /// The text.
    #[tag(1)]
    text: String,
}

/// The remotes of a back, see `bench_server`.
#[remote(server = "back", service = "echo")]
trait BackApi {
    /// The text back.
    async fn typed(&self, text: Text) -> Result<Text>;
}

/// Calls; a server has to serve something too.
#[derive(Component)]
struct Caller;

#[handler(server = "caller")]
impl Caller {
    /// Nothing.
    pub async fn nothing(&self) -> Result<()> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let report = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => match args.mode {
            Mode::Raw => raw(&args).await,
            Mode::RawGrpc => raw_grpc(&args).await,
            Mode::Rpc => rpc(&args).await,
        },
        Err(error) => Err(error),
    };
    match report {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench-calls: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn raw(args: &Args) -> io::Result<Value> {
    let client = async_nats::connect(&args.nats).await.map_err(io::Error::other)?;
    let subject = async_nats::Subject::from(args.subject.clone());
    let body = Bytes::from("x".repeat(args.body));
    flight::run(args, move || {
        let (client, subject, body) = (client.clone(), subject.clone(), body.clone());
        async move {
            let answer = client.request(subject, body.clone()).await.map_err(io::Error::other)?;
            same(answer.payload == body)
        }
    })
    .await
}

async fn raw_grpc(args: &Args) -> io::Result<Value> {
    let endpoint = Endpoint::from_shared(format!("http://{}", args.address)).map_err(io::Error::other)?;
    let client = Grpc::new(endpoint.connect().await.map_err(io::Error::other)?);
    let body = Bytes::from("x".repeat(args.body));
    flight::run(args, move || {
        let (mut client, body) = (client.clone(), body.clone());
        async move {
            client.ready().await.map_err(io::Error::other)?;
            let path = PathAndQuery::from_static(ECHO);
            let answer = client.unary(tonic::Request::new(body.clone()), path, BytesCodec).await;
            same(answer.map_err(io::Error::other)?.into_inner() == body)
        }
    })
    .await
}

async fn rpc(args: &Args) -> io::Result<Value> {
    let mut config = Config::from_env().map_err(io::Error::other)?;
    config.nats.connect.clone_from(&args.nats);
    if let Some(port) = args.grpc {
        config.rpc_transport = RpcTransport::Grpc;
        config.grpc.host = "127.0.0.1".to_owned();
        config.grpc.port = port;
    }
    config.etcd.endpoints = vec![args.etcd.clone()];
    config.etcd.prefix.clone_from(&args.prefix);
    let app = App::builder().config(config).server_type("caller").backend().cluster();
    let app = app.reporter(InMemoryReporter::new()).start().await.map_err(io::Error::other)?;
    let back: BackApiClient = app.app().service().map_err(io::Error::other)?;
    let text = Arc::new(Text { text: "x".repeat(args.body) });
    let report = flight::run(args, move || {
        let (back, text) = (back.clone(), Arc::clone(&text));
        async move {
            let answer = back.typed(&text).await.map_err(io::Error::other)?;
            same(answer.text == text.text)
        }
    })
    .await;
    app.stop().await;
    report
}

fn same(same: bool) -> io::Result<()> {
    if same { Ok(()) } else { Err(io::Error::other("an answer is not what was asked for")) }
}
