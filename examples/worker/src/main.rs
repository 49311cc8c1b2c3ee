//! Starts servers of the example. Redis has to run at `localhost:6379`, or at `PITAYA_WORKER_REDIS_SERVERURL`.
//!
//! ```text
//! cargo run -p worker -- --embedded   all three servers within one process, players connect to port 3250
//! cargo run -p worker -- room         one server, over etcd and NATS (`cargo xtask up` starts both);
//!                                     or metagame, or worker
//! ```

use pitaya::acceptor::Tcp;
use pitaya::app::Builder;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;

pitaya::link!(worker);

/// The address that players connect to.
const ADDRESS: &str = "0.0.0.0:3250";

const USAGE: &str = "usage: worker --embedded | room | metagame | worker";

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = Config::from_env()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    match std::env::args().nth(1).as_deref() {
        Some("--embedded") => embedded(config).await,
        Some("room") => over_the_network(worker::room(app(config).acceptor(Tcp::new(ADDRESS))))?.run().await,
        Some("metagame") => over_the_network(worker::metagame(app(config)))?.run().await,
        Some("worker") => over_the_network(worker::worker(app(config)))?.run().await,
        _ => Err(Error::new("WORKER-001", USAGE)),
    }
}

fn app(config: Config) -> Builder {
    App::builder().config(config)
}

/// Runs all three servers in this process, without etcd and NATS.
async fn embedded(config: Config) -> Result<()> {
    let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    let app = || app(config.clone()).discovery(registry.discovery()).transport(broker.transport());
    let others = [worker::metagame(app()).start().await?, worker::worker(app()).start().await?];
    worker::room(app().acceptor(Tcp::new(ADDRESS))).run().await?;
    for other in others {
        other.stop().await;
    }
    Ok(())
}

/// Makes an app a server of a cluster over etcd and NATS.
#[cfg(feature = "servers")]
#[expect(clippy::unnecessary_wraps, reason = "as without the feature `servers`")]
fn over_the_network(app: Builder) -> Result<Builder> {
    Ok(app.cluster())
}

#[cfg(not(feature = "servers"))]
fn over_the_network(_: Builder) -> Result<Builder> {
    Err(Error::new("WORKER-002", "built without the feature `servers`: start it with --embedded"))
}
