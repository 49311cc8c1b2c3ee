//! Starts the rate limiting example on port 3250.

use pitaya::config::print_if_asked;
use pitaya::prelude::*;

pitaya::link!(rate_limiting);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = rate_limiting::config()?;
    if print_if_asked(&config) {
        return Ok(());
    }
    rate_limiting::app(config, "0.0.0.0:3250")?.run().await
}
