//! Behind: rooms, each on one server.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pitaya::group::Group;
use pitaya::prelude::*;

use crate::api::{Enter, Joined, Leave, Members, Message, Player, RoomApi, Say};

/// The type of the servers that players are connected to.
const FRONT: &str = "connector";

/// The rooms of this server: the names of the players, by uid, by room.
type Rooms = BTreeMap<String, BTreeMap<String, String>>;

/// The component.
#[derive(Debug, Component)]
pub struct Room {
    groups: Groups,
    #[component(default)]
    rooms: Mutex<Rooms>,
}

impl Room {
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self, room: &str) -> Vec<String> {
        self.rooms().get(room).map(|room| room.values().cloned().collect()).unwrap_or_default()
    }

    async fn group(&self, room: &str) -> Result<Group> {
        let group = self.groups.group(room).at(FRONT);
        group.ensure().await?;
        Ok(group)
    }

    async fn tell_members(&self, room: &str) -> Result<Vec<String>> {
        let members = self.members(room);
        self.group(room).await?.push(&Members { members: members.clone() }).await?;
        Ok(members)
    }
}

#[remote]
impl RoomApi for Room {
    async fn enter(&self, req: Enter) -> Result<Joined> {
        self.rooms().entry(req.room.clone()).or_default().insert(req.uid.clone(), req.name);
        self.group(&req.room).await?.add(&req.uid).await?;
        Ok(Joined { members: self.tell_members(&req.room).await? })
    }

    async fn leave(&self, req: Leave) -> Result<()> {
        if let Some(room) = self.rooms().get_mut(&req.room) {
            room.remove(&req.uid);
        }
        self.group(&req.room).await?.remove(&req.uid).await?;
        self.tell_members(&req.room).await.map(drop)
    }
}

#[handler(server = "room")]
impl Room {
    /// Tells everybody in the player's room. It comes to the server that has the room, by the router of the connector.
    pub async fn say(&self, session: Session<Player>, msg: Say) -> Result<()> {
        let player = session.data()?;
        let room = player.room.ok_or_else(|| Error::new("CHAT-001", "join a room first"))?;
        self.group(&room).await?.push(&Message { from: player.name, text: msg.text }).await?;
        Ok(())
    }
}
