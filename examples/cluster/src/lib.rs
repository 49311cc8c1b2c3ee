//! A chat over several servers: players connect to connectors, and room servers have the rooms.
//!
//! The servers are processes over etcd and NATS or gRPC, or apps in one process: see `main.rs`. The code is the same.

pub mod api;
pub mod connector;
pub mod room;

use std::sync::Arc;

use pitaya::app::Builder;
use pitaya::cluster::Router;

use api::Player;
use room::{OpenRooms, Rooms};

/// Makes an app a connector.
#[must_use]
pub fn connector(app: Builder) -> Builder {
    // Messages of a player go to the server with the player's room, as calls by the name of the room do.
    let by_room = Router::by_key(|call| {
        let player = call.session?.with_data::<Player>().data().ok()?;
        player.room
    });
    app.server_type("connector").router("room", by_room)
}

/// Makes an app a room server. While it drains (`pitaya.session.drain.enabled`) its rooms stay open until they are empty.
#[must_use]
pub fn room(app: Builder) -> Builder {
    let rooms = Arc::new(Rooms::default());
    app.server_type("room").backend().state(Arc::clone(&rooms)).session_module("rooms", OpenRooms(rooms))
}

/// Connects an app to etcd, and to NATS or over gRPC as its configuration says.
///
/// # Errors
/// The example was built without the feature `servers`.
#[cfg(feature = "servers")]
pub fn over_the_network(app: Builder) -> pitaya::Result<Builder> {
    Ok(app.cluster())
}

/// Fails, because the example was built without the feature `servers`.
///
/// # Errors
/// Always.
#[cfg(not(feature = "servers"))]
pub fn over_the_network(_: Builder) -> pitaya::Result<Builder> {
    Err(pitaya::Error::new("CLUSTER-002", "built without the feature `servers`: start it with --embedded"))
}
