//! Starts the rate limiting example on port 3250.

use pitaya::prelude::*;

pitaya::link!(rate_limiting);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    rate_limiting::app(rate_limiting::config()?, "0.0.0.0:3250")?.run().await
}
