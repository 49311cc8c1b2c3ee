//! Rate limiting: each connection may send five requests a minute, as `config.toml` says; the rest vanish.

use pitaya::acceptor::{Acceptor, RateLimit, Tcp};
use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::prelude::*;

/// The component.
#[derive(Debug, Component)]
pub struct Room;

#[handler(server = "room")]
impl Room {
    /// `pong`, as raw bytes.
    pub async fn ping(&self) -> Result<Bytes> {
        Ok(Bytes::from_static(b"pong"))
    }
}

/// `config.toml`, and over it the environment: `PITAYA_CONN_RATELIMITING_LIMIT=50`, say.
///
/// # Errors
/// If a value is not allowed.
pub fn config() -> Result<Config> {
    Ok(Config::load(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"))?)
}

/// The app, listening on `address`.
///
/// # Errors
/// If the limit is 0.
pub fn app(config: Config, address: &str) -> Result<Builder> {
    let limit = RateLimit::from_config(&config).internal()?;
    Ok(App::builder().config(config).server_type("room").acceptor(Tcp::bind(address).wrap(limit)))
}
