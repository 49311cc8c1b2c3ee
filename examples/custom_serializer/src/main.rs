//! Starts the custom serializer example on port 3250.

use pitaya::config::Config;
use pitaya::prelude::*;

pitaya::link!(custom_serializer);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    custom_serializer::app(Config::from_env()?, "0.0.0.0:3250").run().await
}
