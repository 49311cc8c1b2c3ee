//! A chat over several servers: players connect to connectors, rooms are on room servers.
//!
//! Everything is the same whether the servers are processes of their own over etcd and NATS, or apps within one
//! process: see `main.rs`.

pub mod api;
pub mod connector;
pub mod room;

use std::sync::Arc;

use pitaya::app::Builder;
use pitaya::cluster::Router;

use api::Player;
use room::{OpenRooms, Rooms};

/// What makes an app a connector.
#[must_use]
pub fn connector(app: Builder) -> Builder {
    // What a player says is handled where the room is, as the calls that name the room are.
    let by_room = Router::by_key(|call| {
        let player = call.session?.with_data::<Player>().data().ok()?;
        player.room
    });
    app.server_type("connector").router("room", by_room)
}

/// What makes an app a room server. While it drains (`pitaya.session.drain.enabled`) its rooms go on until they close.
#[must_use]
pub fn room(app: Builder) -> Builder {
    let rooms = Arc::new(Rooms::default());
    app.server_type("room").backend().state(Arc::clone(&rooms)).session_module("rooms", OpenRooms(rooms))
}

/// A server as a process of its own, over etcd and NATS.
///
/// # Errors
/// None, but where it is built without the feature `servers`.
#[cfg(feature = "servers")]
pub fn over_the_network(app: Builder) -> pitaya::Result<Builder> {
    Ok(app.cluster())
}

/// There is no such server here.
///
/// # Errors
/// Always: it is built without the feature `servers`.
#[cfg(not(feature = "servers"))]
pub fn over_the_network(_: Builder) -> pitaya::Result<Builder> {
    Err(pitaya::Error::new("CLUSTER-002", "built without the feature `servers`: start it with --embedded"))
}
