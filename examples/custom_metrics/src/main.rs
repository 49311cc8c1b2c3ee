//! Starts the custom metrics example: clients on port 3250, metrics on http://127.0.0.1:9080/metrics.

use pitaya::prelude::*;

pitaya::link!(custom_metrics);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    custom_metrics::app(custom_metrics::config()?, "0.0.0.0:3250").run().await
}
