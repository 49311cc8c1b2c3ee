//! Starts the pipeline example on port 3251.

use pitaya::config::Config;
use pitaya::prelude::*;

pitaya::link!(pipeline);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    pipeline::app(Config::from_env()?, "0.0.0.0:3251").run().await
}
