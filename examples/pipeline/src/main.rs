//! Starts the pipeline example on port 3251.

use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;

pitaya::link!(pipeline);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = Config::from_env()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    pipeline::app(config, "0.0.0.0:3251").run().await
}
