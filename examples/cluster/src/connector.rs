//! The frontend: players connect here.

use pitaya::prelude::*;

use crate::api::{Enter, Join, Joined, Leave, Player, RoomApiClient};

/// The entry of the game.
#[derive(Debug, Component)]
pub struct Entry {
    app: App,
    rooms: RoomApiClient,
}

#[handler(server = "connector")]
impl Entry {
    /// Signs in and enters a room. The close of the session leaves it.
    pub async fn join(&self, session: Session<Player>, msg: Join) -> Result<Joined> {
        // A uid is an id, never a display name. Each connector counts its own sessions.
        let uid = format!("{}-{}", self.app.server_id(), session.id());
        session.bind(&uid).await?;
        session
            .update(|player| {
                player.name.clone_from(&msg.name);
                player.room = Some(msg.room.clone())
            })
            .await?;
        let room = self.rooms.by_key(&msg.room);
        let (leave, leaves) = (Leave { uid: uid.clone(), room: msg.room.clone() }, room.clone());
        session.on_close(move |_| async move {
            if let Err(error) = leaves.leave(&leave).await {
                tracing::warn!(%error, "failed to leave the room");
            }
        })?;
        room.enter(&Enter { uid, name: msg.name, room: msg.room }).await
    }
}
