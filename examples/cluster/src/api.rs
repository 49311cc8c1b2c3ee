//! What both sides share: messages, and what a room serves.

use pitaya::prelude::{Result, message, remote, session};

/// A player wants to play.
#[message]
pub struct Join {
    /// The player's name, as shown.
    pub name: String,
    /// The room.
    pub room: String,
}

/// Who is in the room.
#[message]
#[derive(PartialEq)]
pub struct Joined {
    /// Their names.
    pub members: Vec<String>,
}

/// A player says something.
#[message]
pub struct Say {
    /// What.
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

/// Somebody has come or gone.
#[message(push = "onMembers")]
#[derive(PartialEq)]
pub struct Members {
    /// Who is there now.
    pub members: Vec<String>,
}

/// Somebody has said something.
#[message(push = "onMessage")]
#[derive(PartialEq)]
pub struct Message {
    /// Who.
    pub from: String,
    /// What.
    pub text: String,
}

/// What is known of a player.
#[session]
#[derive(Default)]
pub struct Player {
    /// The name, as shown.
    pub name: String,
    /// The room.
    pub room: Option<String>,
}

/// What a room server does for others. One room lives on one server: calls choose it by the name of the room.
#[remote(server = "room")]
pub trait RoomApi {
    /// Lets a player in, and tells the others.
    async fn enter(&self, req: Enter) -> Result<Joined>;
    /// Lets a player out, and tells the others.
    async fn leave(&self, req: Leave) -> Result<()>;
}
