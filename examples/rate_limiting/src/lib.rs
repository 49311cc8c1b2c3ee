//! Rate limiting: each connection may send five requests a minute (`config.toml`). Further ones are dropped.

use pitaya::acceptor::{Acceptor, RateLimit, Tcp};
use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::prelude::*;

/// The component with the handlers.
#[derive(Debug, Component)]
pub struct Room;

#[handler(server = "room")]
impl Room {
    /// Returns `pong` as raw bytes.
    pub async fn ping(&self) -> Result<Bytes> {
        Ok(Bytes::from_static(b"pong"))
    }
}

/// Loads `config.toml`. Environment variables such as `PITAYA_CONN_RATELIMITING_LIMIT=50` override it.
///
/// # Errors
/// A value is invalid.
pub fn config() -> Result<Config> {
    Ok(Config::load(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"))?)
}

/// Returns the app, which listens on `address`.
///
/// # Errors
/// The limit is 0.
pub fn app(config: Config, address: &str) -> Result<Builder> {
    let limit = RateLimit::from_config(&config).internal()?;
    Ok(App::builder().config(config).server_type("room").acceptor(Tcp::new(address).wrap(limit)))
}
