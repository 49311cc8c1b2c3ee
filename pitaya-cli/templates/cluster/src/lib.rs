//! A game: connectors, which clients connect to, and rooms behind them.

pub mod connector;
pub mod page;
pub mod room;

use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::schema::{ExportOptions, export};

/// Returns the parts of the schema that no annotation has.
#[must_use]
pub fn schema_options() -> ExportOptions {
    ExportOptions::new("game")
}

/// Makes an app a connector.
///
/// # Errors
/// The schema has two types of one name.
pub fn connector(app: Builder) -> Result<Builder> {
    Ok(app
        .server_type("connector")
        .schema(&export(&schema_options())?))
}

/// Makes an app a room server.
#[must_use]
pub fn room(app: Builder) -> Builder {
    app.server_type("room").backend()
}

/// Connects an app to NATS and etcd, and stores its groups in etcd.
///
/// # Errors
/// The program was built without the feature `cluster`.
#[cfg(feature = "cluster")]
pub fn over_the_network(app: Builder, config: &Config) -> Result<Builder> {
    use pitaya::group::{EtcdGroupOptions, EtcdStore};

    Ok(app
        .cluster()
        .group_store(EtcdStore::new(EtcdGroupOptions::from_config(config))))
}

/// Connects an app to NATS and etcd, and stores its groups in etcd.
///
/// # Errors
/// The program was built without the feature `cluster`.
#[cfg(not(feature = "cluster"))]
pub fn over_the_network(_: Builder, _: &Config) -> Result<Builder> {
    Err(Error::new(
        "GAME-004",
        "built without a cluster: cargo run --features cluster -- …",
    ))
}
