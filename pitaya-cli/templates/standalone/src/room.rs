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

fn members(groups: &Groups) -> Group {
    groups.group("room")
}

/// Removes a user whose session has ended.
pub(crate) async fn leave(groups: &Groups, uid: &str) -> Result<()> {
    let room = members(groups);
    if room.contains(uid).await? {
        room.remove(uid).await?;
        room.push(&UserLeft {
            uid: uid.to_owned(),
        })
        .await?;
    }
    Ok(())
}

/// The room. It keeps its members in a group.
#[derive(Debug, Component)]
pub struct Room {
    groups: Groups,
}

impl Lifecycle for Room {
    async fn init(&self) -> Result<()> {
        members(&self.groups).ensure().await
    }
}

#[handler(server = "game")]
impl Room {
    /// Joins the room. The others get a notice.
    pub async fn join(&self, session: Session) -> Result<Joined> {
        let uid = session.require_uid()?;
        let room = members(&self.groups);
        if !room.contains(&uid).await? {
            room.push(&UserJoined {
                uid: uid.to_string(),
            })
            .await?;
            room.add(&uid).await?;
        }
        Ok(Joined {
            members: room.members().await?,
        })
    }

    /// Sends a text to all members.
    pub async fn say(&self, session: Session, msg: Say) -> Result<()> {
        let uid = session.require_uid()?.to_string();
        members(&self.groups)
            .push(&Said {
                uid,
                text: msg.text,
            })
            .await?;
        Ok(())
    }
}
