//! A chat room: one page, one socket, everybody hears everybody.
//!
//! The routes, pushes and JSON are those of the original framework's chat demo, so that its page can talk to
//! this server too. Our own page sends a name when it joins; the original's sends none and gets a number. Two pushes
//! more, which that page does not know, tell ours how everybody likes to be called, and who has left.
//!
//! The room serves alone or in a cluster, by the same handlers:
//!
//! | server | its type | is |
//! |---|---|---|
//! | [`standalone`] | `room` | the room, with people connected to it |
//! | [`connector`] | `connector` | what people are connected to; it passes on what is for the room |
//! | [`room`](fn@room) | `room` | the room, behind connectors |
//!
//! What the servers of a cluster share is a group, in etcd. Any of the room servers takes any message, and none keeps
//! anything of its own.

mod members;
pub mod page;
mod room;
mod uid;

use pitaya::app::Builder;
use pitaya::config::Config;
use pitaya::prelude::*;

pub use room::{ChatMessage, Join, Joined, Members, Names, NewUser, Room, Say, UserLeft};

/// The room in one server, which needs no other.
#[must_use]
pub fn standalone(app: Builder) -> Builder {
    members::keep(app.server_type("room"))
}

/// A server of a cluster that people connect to.
///
/// # Errors
/// As [`room`](fn@room).
pub fn connector(app: Builder, config: &Config) -> Result<Builder> {
    // It has no handlers: all messages are passed on.
    over_the_network(members::keep(app.server_type(members::FRONT).no_collect()), config)
}

/// A server of a cluster with the room.
///
/// # Errors
/// The chat was built without the feature `cluster`.
pub fn room(app: Builder, config: &Config) -> Result<Builder> {
    over_the_network(members::keep(app.server_type("room").backend()), config)
}

/// Servers over NATS and etcd, and groups that all of them share.
#[cfg(feature = "cluster")]
fn over_the_network(app: Builder, config: &Config) -> Result<Builder> {
    use pitaya::group::{EtcdGroupOptions, EtcdStore};

    Ok(app.cluster().group_store(EtcdStore::new(EtcdGroupOptions::from_config(config))))
}

#[cfg(not(feature = "cluster"))]
fn over_the_network(_: Builder, _: &Config) -> Result<Builder> {
    Err(Error::new("CHAT-001", "built without a cluster: cargo run -p chat --features cluster -- …"))
}
