//! The messages, and the remotes of a room server.

use pitaya::{Result, message, remote, session};

/// Signs in.
#[message]
pub struct Join {
    /// The player's name, as shown.
    pub name: String,
    /// The room.
    pub room: String,
}

/// The answer to [`Join`].
#[message]
#[derive(PartialEq)]
pub struct Joined {
    /// The names of the players in the room.
    pub members: Vec<String>,
}

/// Says something.
#[message]
pub struct Say {
    /// The text.
    pub text: String,
}

/// A player enters a room.
#[message(proto)]
pub struct Enter {
    /// The player's id.
    #[tag(1)]
    pub uid: String,
    /// The player's name.
    #[tag(2)]
    pub name: String,
    /// The room.
    #[tag(3)]
    pub room: String,
}

/// A player leaves a room.
#[message(proto)]
pub struct Leave {
    /// The player's id.
    #[tag(1)]
    pub uid: String,
    /// The room.
    #[tag(2)]
    pub room: String,
}

/// A player entered or left.
#[message(push = "onMembers")]
#[derive(PartialEq)]
pub struct Members {
    /// The names of the players in the room.
    pub members: Vec<String>,
}

/// A player said something.
#[message(push = "onMessage")]
#[derive(PartialEq)]
pub struct Message {
    /// The name of the player.
    pub from: String,
    /// The text.
    pub text: String,
}

/// The session data of a player.
#[session]
#[derive(Default)]
pub struct Player {
    /// The name, as shown.
    pub name: String,
    /// The room.
    pub room: Option<String>,
}

/// The remotes of a room server. Each room is on one server, which calls choose by the name of the room.
#[remote(server = "room")]
pub trait RoomApi {
    /// Adds a player and tells the others.
    async fn enter(&self, req: Enter) -> Result<Joined>;
    /// Removes a player and tells the others.
    async fn leave(&self, req: Leave) -> Result<()>;
}
