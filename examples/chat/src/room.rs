//! The room: its messages and what it does.

use std::collections::BTreeMap;

use pitaya::prelude::*;

use crate::members::{leave, members};
use crate::uid::{name_of, uid_for};

/// Enters the room.
#[message(lenient)]
pub struct Join {
    /// What the user would like to be called; empty for a guest.
    pub name: String,
}

/// The answer to [`Join`].
#[message]
pub struct Joined {
    /// 0: clients test it.
    pub code: i32,
    /// `success`.
    pub result: String,
    /// The uid the user got.
    pub uid: String,
}

/// Something said.
#[message(lenient)]
pub struct Say {
    /// Who says it, as shown.
    pub name: String,
    /// What.
    pub content: String,
}

/// Everybody who was in the room a moment ago. Of two lists the older may come later, from another server; no uid is
/// used twice, so that whoever is in a list is in the room unless [`UserLeft`] says otherwise.
#[message(push = "onMembers")]
pub struct Members {
    /// Their uids.
    pub members: Vec<String>,
}

/// How some of those who are in the room like to be called.
#[message(push = "onNames")]
pub struct Names {
    /// The name of each uid.
    pub names: BTreeMap<String, String>,
}

/// Somebody came.
#[message(push = "onNewUser")]
pub struct NewUser {
    /// A line to show.
    pub content: String,
}

/// Somebody left.
#[message(push = "onUserLeft")]
pub struct UserLeft {
    /// Who.
    pub uid: String,
}

/// Something was said.
#[message(push = "onMessage")]
pub struct ChatMessage {
    /// Who said it, as shown.
    pub name: String,
    /// What.
    pub content: String,
}

/// The room.
#[derive(Debug, Component)]
pub struct Room {
    groups: Groups,
}

impl Lifecycle for Room {
    async fn init(&self) -> Result<()> {
        members(&self.groups).ensure().await?;
        Ok(())
    }
}

#[handler(server = "room")]
impl Room {
    /// Enters the room: tells the newcomer who is there, and the others who came.
    pub async fn join(&self, session: Session, msg: Join) -> Result<Joined> {
        let room = members(&self.groups);
        let uid = uid_for(&msg.name, session.id(), session.frontend_id());
        // First into the group, then bound: a bound session takes its user out when it closes, whenever that is.
        room.add(&uid).await?;
        if let Err(error) = session.bind(&uid).await {
            leave(&room, &uid).await?;
            return Err(error);
        }
        let all = room.members().await?;
        let names =
            |uids: &[String]| Names { names: uids.iter().map(|uid| (uid.clone(), name_of(uid))).collect() };
        let others = |member: &str| member != uid;
        room.multicast(&names(std::slice::from_ref(&uid)), others).await?;
        room.multicast(&NewUser { content: format!("New user: {uid}") }, others).await?;
        session.push(&names(&all)).await?;
        room.push(&Members { members: all }).await?;
        Ok(Joined { code: 0, result: "success".to_owned(), uid })
    }

    /// Says something to everybody.
    pub async fn message(&self, msg: Say) -> Result<()> {
        members(&self.groups).push(&ChatMessage { name: msg.name, content: msg.content }).await?;
        Ok(())
    }

    /// Logs how many users are in the room.
    #[every("60s")]
    async fn report(&self) -> Result<()> {
        let count = members(&self.groups).count().await?;
        tracing::info!("{count} users are in the room");
        Ok(())
    }
}
