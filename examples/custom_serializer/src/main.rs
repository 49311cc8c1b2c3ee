//! Starts the custom serializer example on port 3250.

use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;

pitaya::link!(custom_serializer);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = Config::from_env()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    custom_serializer::app(config, "0.0.0.0:3250").run().await
}
