//! Starts the rate limiting example on port 3250.

use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;

pitaya::link!(rate_limiting);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = Config::from_env().internal()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    rate_limiting::app(config, "0.0.0.0:3250")?.run().await
}
