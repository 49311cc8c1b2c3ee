//! The backend: rooms, each on one server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pitaya::group::Group;
use pitaya::module::{Module, SessionModule};
use pitaya::prelude::*;

use crate::api::{Enter, Joined, Leave, Members, Message, Player, RoomApi, Say};

/// The type of the servers that players connect to.
const FRONT: &str = "connector";

/// The rooms of this server: by room and uid, the name of each player.
#[derive(Debug, Default)]
pub struct Rooms(Mutex<BTreeMap<String, BTreeMap<String, String>>>);

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the names of the open rooms.
    pub fn open(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn members(&self, room: &str) -> Vec<String> {
        self.lock().get(room).map(|room| room.values().cloned().collect()).unwrap_or_default()
    }

    fn enter(&self, req: &Enter) {
        self.lock().entry(req.room.clone()).or_default().insert(req.uid.clone(), req.name.clone());
    }

    /// Removes a player. The last one closes the room.
    fn leave(&self, req: &Leave) {
        let mut rooms = self.lock();
        if let Some(room) = rooms.get_mut(&req.room) {
            room.remove(&req.uid);
            if room.is_empty() {
                rooms.remove(&req.room);
            }
        }
    }
}

/// Lets a draining server wait until its rooms are closed.
///
/// Players may still enter these rooms. New rooms open on other servers, because a draining server gets only calls with
/// keys that it knows.
#[derive(Debug)]
pub struct OpenRooms(pub Arc<Rooms>);

impl Module for OpenRooms {}

impl SessionModule for OpenRooms {
    fn start_session_draining(&self) {
        tracing::info!(rooms = self.session_count(), "draining: waiting for the rooms to close");
    }

    fn session_count(&self) -> usize {
        self.0.lock().len()
    }
}

/// The component.
#[derive(Debug, Component)]
pub struct Room {
    groups: Groups,
    rooms: State<Arc<Rooms>>,
}

impl Room {
    async fn group(&self, room: &str) -> Result<Group> {
        let group = self.groups.group(room).on_frontends(FRONT);
        group.ensure().await?;
        Ok(group)
    }

    async fn tell_members(&self, room: &str) -> Result<Vec<String>> {
        let members = self.rooms.members(room);
        self.group(room).await?.push(&Members { members: members.clone() }).await?;
        Ok(members)
    }
}

#[remote]
impl RoomApi for Room {
    async fn enter(&self, req: Enter) -> Result<Joined> {
        self.rooms.enter(&req);
        self.group(&req.room).await?.add(&req.uid).await?;
        Ok(Joined { members: self.tell_members(&req.room).await? })
    }

    async fn leave(&self, req: Leave) -> Result<()> {
        self.rooms.leave(&req);
        self.group(&req.room).await?.remove(&req.uid).await?;
        self.tell_members(&req.room).await.map(drop)
    }
}

#[handler(server = "room")]
impl Room {
    /// Sends a text to the player's room. The router of the connector chose the server with that room.
    pub async fn say(&self, session: Session<Player>, msg: Say) -> Result<()> {
        let player = session.data()?;
        let room = player.room.ok_or_else(|| Error::new("CHAT-001", "join a room first"))?;
        self.group(&room).await?.push(&Message { from: player.name, text: msg.text }).await?;
        Ok(())
    }
}
