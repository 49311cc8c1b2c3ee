//! Starts the custom metrics example: clients on port 3250, metrics on http://127.0.0.1:9080/metrics.

use pitaya::config::print_if_asked;
use pitaya::prelude::*;

pitaya::link!(custom_metrics);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = custom_metrics::config()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    custom_metrics::app(config, "0.0.0.0:3250").run().await
}
