//! Custom metrics: some are defined in `config.toml` and recorded by name, one is defined in the code.

use pitaya::acceptor::Tcp;
use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::metrics::{Metric, Metrics};
use pitaya::prelude::*;

/// The length of messages to this component. It is defined in the code, where the compiler checks the name.
pub static MESSAGE_BYTES: Metric =
    Metric::histogram("room", "message_bytes", "Bytes of messages to the room", &[16.0, 64.0, 256.0, 1024.0]);

/// A value for one of the metrics.
#[message]
pub struct Value {
    /// The value.
    pub value: f64,
    /// The value of the label `tag`.
    pub tag: String,
}

/// The component with the handlers.
#[derive(Debug, Component)]
pub struct Room {
    metrics: Metrics,
}

#[handler(server = "room")]
impl Room {
    /// Adds to the counter.
    pub async fn setcounter(&self, msg: Value) -> Result<()> {
        self.metrics.record("my_counter", &[("tag", &msg.tag)], msg.value).internal()
    }

    /// Sets the first gauge.
    pub async fn setgauge1(&self, msg: Value) -> Result<()> {
        self.metrics.record("my_gauge_1", &[("tag", &msg.tag)], msg.value).internal()
    }

    /// Sets the second gauge.
    pub async fn setgauge2(&self, msg: Value) -> Result<()> {
        self.metrics.record("my_gauge_2", &[("tag", &msg.tag)], msg.value).internal()
    }

    /// Adds one value to the summary.
    pub async fn setsummary(&self, msg: Value) -> Result<()> {
        self.metrics.record("my_summary", &[], msg.value).internal()
    }

    /// Returns the message, and records its length.
    pub async fn measure(&self, body: Bytes) -> Result<Bytes> {
        let bytes = u32::try_from(body.len()).internal()?;
        self.metrics.record(&MESSAGE_BYTES, &[], f64::from(bytes)).internal()?;
        Ok(body)
    }
}

/// Loads `config.toml`. Environment variables such as `PITAYA_HTTP_LISTEN=:9100` override it.
///
/// # Errors
/// A value is invalid.
pub fn config() -> Result<Config> {
    Ok(Config::load(concat!(env!("CARGO_MANIFEST_DIR"), "/config.toml"))?)
}

/// Returns the app, which listens on `address`.
pub fn app(config: Config, address: &str) -> Builder {
    App::builder().config(config).server_type("room").acceptor(Tcp::new(address))
}
