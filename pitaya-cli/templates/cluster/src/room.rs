//! The room: its members and what they say.

use pitaya::Lifecycle;
use pitaya::group::Group;
use pitaya::prelude::*;

/// The answer to a join.
#[message]
pub struct Joined {
    /// The uids of the members.
    pub members: Vec<String>,
}

/// Says something.
#[message]
pub struct Say {
    /// The text.
    pub text: String,
}

/// A user joined.
#[message(push = "onJoined")]
pub struct UserJoined {
    /// The uid of the user.
    pub uid: String,
}

/// A user left.
#[message(push = "onLeft")]
pub struct UserLeft {
    /// The uid of the user.
    pub uid: String,
}

/// A user said something.
#[message(push = "onMessage")]
pub struct Said {
    /// The uid of the user.
    pub uid: String,
    /// The text.
    pub text: String,
}

/// Removes a user from the room.
#[message]
pub struct Leave {
    /// The uid of the user.
    pub uid: String,
}

/// The calls of connectors.
#[remote(server = "room")]
pub trait RoomApi {
    /// Removes a user whose session has ended.
    async fn leave(&self, msg: Leave) -> Result<()>;
}

/// The room. It keeps its members in a group, which all room servers share.
#[derive(Debug, Component)]
pub struct Room {
    groups: Groups,
}

impl Room {
    fn members(&self) -> Group {
        self.groups.group("room").on_frontends("connector")
    }
}

impl Lifecycle for Room {
    async fn init(&self) -> Result<()> {
        self.members().ensure().await
    }
}

#[handler(server = "room")]
impl Room {
    /// Joins the room. The others get a notice.
    pub async fn join(&self, session: Session) -> Result<Joined> {
        let uid = session.require_uid()?;
        let members = self.members();
        if !members.contains(&uid).await? {
            members
                .push(&UserJoined {
                    uid: uid.to_string(),
                })
                .await?;
            members.add(&uid).await?;
        }
        Ok(Joined {
            members: members.members().await?,
        })
    }

    /// Sends a text to all members.
    pub async fn say(&self, session: Session, msg: Say) -> Result<()> {
        let uid = session.require_uid()?.to_string();
        self.members()
            .push(&Said {
                uid,
                text: msg.text,
            })
            .await?;
        Ok(())
    }
}

#[remote]
impl RoomApi for Room {
    async fn leave(&self, msg: Leave) -> Result<()> {
        let members = self.members();
        if members.contains(&msg.uid).await? {
            members.remove(&msg.uid).await?;
            members.push(&UserLeft { uid: msg.uid }).await?;
        }
        Ok(())
    }
}
