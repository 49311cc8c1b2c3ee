//! A chat room with a web page.
//!
//! Routes, pushes and JSON are those of Go Pitaya's chat demo, so that its page works with this server too. The page of
//! this example sends a name when it joins. Go Pitaya's page sends none, so its users get a number. Two more pushes, which
//! only this page reads, carry the users' names and who left.
//!
//! The same handlers run in one server or in a cluster:
//!
//! | server | its type | serves |
//! |---|---|---|
//! | [`standalone`] | `room` | clients and the room |
//! | [`connector`] | `connector` | clients; it forwards their messages to the rooms |
//! | [`room`](fn@room) | `room` | the room, behind connectors |
//!
//! The servers of a cluster share a group, in etcd. Room servers keep no state, so any of them handles any message.

mod members;
pub mod page;
mod room;
mod uid;

use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::schema::ExportOptions;
use pitaya::serialize::NarrowJson;

pub use room::{ChatMessage, Join, Joined, Members, Names, NewUser, Room, Say, UserLeft};

/// Returns the parts of the chat's schema that no annotation has.
#[must_use]
pub fn schema_options() -> ExportOptions {
    ExportOptions::new("chat").serializer(NarrowJson)
}

/// Makes an app the whole chat in one server.
#[must_use]
pub fn standalone(app: Builder) -> Builder {
    members::keep(app.server_type("room"))
}

/// Makes an app a connector: the server of a cluster that clients connect to.
///
/// # Errors
/// Those of [`room`](fn@room).
pub fn connector(app: Builder, config: &Config) -> Result<Builder> {
    // It has no handlers: all messages are forwarded.
    over_the_network(members::keep(app.server_type(members::FRONT).explicit_components()), config)
}

/// Makes an app a room server of a cluster.
///
/// # Errors
/// The chat was built without the feature `cluster`.
pub fn room(app: Builder, config: &Config) -> Result<Builder> {
    over_the_network(members::keep(app.server_type("room").backend()), config)
}

/// Connects an app to NATS and etcd, and stores its groups in etcd.
#[cfg(feature = "cluster")]
fn over_the_network(app: Builder, config: &Config) -> Result<Builder> {
    use pitaya::group::{EtcdGroupOptions, EtcdStore};

    Ok(app.cluster().group_store(EtcdStore::new(EtcdGroupOptions::from_config(config))))
}

#[cfg(not(feature = "cluster"))]
fn over_the_network(_: Builder, _: &Config) -> Result<Builder> {
    Err(Error::new("CHAT-001", "built without a cluster: cargo run -p chat --features cluster -- …"))
}

#[cfg(test)]
mod tests {
    /// `UPDATE_SCHEMA=1 cargo test -p chat` writes the file.
    #[test]
    fn schema_is_unchanged() {
        pitaya::schema::assert_unchanged("schema.json", &super::schema_options());
    }
}
