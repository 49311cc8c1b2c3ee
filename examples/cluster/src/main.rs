//! Starts servers of the cluster.
//!
//! ```text
//! cargo run -p cluster -- --embedded            a connector on port 3250 and two rooms, in one process
//! cargo run -p cluster -- connector --port 3250 a connector, over etcd and NATS (`cargo xtask up` starts both)
//! cargo run -p cluster -- room                  a room server; start any number
//! ```
//!
//! With `--grpc PORT` at the end servers call each other over gRPC and need only etcd. Each listens at a port of its own.
//!
//! With `PITAYA_SESSION_DRAIN_ENABLED=true` a room server that gets SIGTERM stops when its rooms have closed.

use pitaya::acceptor::Tcp;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::config::{Config, RpcTransport, print_if_asked};
use pitaya::prelude::*;

pitaya::link!(cluster);

const USAGE: &str = "usage: cluster --embedded | connector [--port PORT] [--grpc PORT] | room [--grpc PORT]";

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let mut config = Config::from_env()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    if let [.., "--grpc", port] = args[..] {
        args.truncate(args.len() - 2);
        config.rpc_transport = RpcTransport::Grpc;
        config.grpc.port = port.parse().map_err(|_| Error::new("CLUSTER-001", USAGE))?;
    }
    match args[..] {
        ["--embedded"] => embedded(config).await,
        ["connector"] => connector(config, "3250").await,
        ["connector", "--port", port] => connector(config, port).await,
        ["room"] => cluster::over_the_network(cluster::room(App::builder().config(config)))?.run().await,
        _ => Err(Error::new("CLUSTER-001", USAGE)),
    }
}

async fn connector(config: Config, port: &str) -> Result<()> {
    let app = App::builder().config(config).acceptor(Tcp::new(format!("0.0.0.0:{port}")));
    cluster::over_the_network(cluster::connector(app))?.run().await
}

/// Runs a connector and two rooms in this process. No other server is needed.
async fn embedded(config: Config) -> Result<()> {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = || {
        App::builder().config(config.clone()).discovery(registry.discovery()).transport(broker.transport())
    };
    let rooms = [cluster::room(app()).start().await?, cluster::room(app()).start().await?];
    cluster::connector(app().acceptor(Tcp::new("0.0.0.0:3250"))).run().await?;
    for room in rooms {
        room.stop().await;
    }
    Ok(())
}
