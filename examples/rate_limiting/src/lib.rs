//! Rate limiting: each connection may send five requests a minute; the rest vanish.

use std::time::Duration;

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

/// The app, listening on `address`.
///
/// # Errors
/// If the limit makes no sense, which five a minute does.
pub fn app(config: Config, address: &str) -> Result<Builder> {
    let limit = RateLimit::new(5, Duration::from_secs(60)).internal()?;
    Ok(App::builder().config(config).server_type("room").acceptor(Tcp::bind(address).wrap(limit)))
}
