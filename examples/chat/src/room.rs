//! The room: its messages and handlers.

use std::collections::BTreeMap;

use pitaya::Lifecycle;
use pitaya::prelude::*;

use crate::members::{leave, members};
use crate::uid::{name_of, uid_for};

/// Joins the room.
#[message(lenient)]
pub struct Join {
    /// The name to show; empty for a guest.
    pub name: String,
}

/// The answer to [`Join`].
#[message]
pub struct Joined {
    /// Always 0. Clients check it.
    pub code: i32,
    /// Always `success`.
    pub result: String,
    /// The uid of the user.
    pub uid: String,
}

/// Says something.
#[message(lenient)]
pub struct Say {
    /// The name of the sender, as shown.
    pub name: String,
    /// The text.
    pub content: String,
}

/// The members of the room.
///
/// An older list from another server may arrive later than a newer one. No uid is used twice, so a member of any list is
/// in the room unless [`UserLeft`] names it.
#[message(push = "onMembers")]
pub struct Members {
    /// The uids of the members.
    pub members: Vec<String>,
}

/// The names of some members.
#[message(push = "onNames")]
pub struct Names {
    /// The names, by uid.
    pub names: BTreeMap<String, String>,
}

/// A user joined.
#[message(push = "onNewUser")]
pub struct NewUser {
    /// A line to show.
    pub content: String,
}

/// A user left.
#[message(push = "onUserLeft")]
pub struct UserLeft {
    /// The uid of the user.
    pub uid: String,
}

/// A user said something.
#[message(push = "onMessage")]
pub struct ChatMessage {
    /// The name of the sender, as shown.
    pub name: String,
    /// The text.
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
    /// Joins the room. The new user gets the list of members, and the others a notice.
    pub async fn join(&self, session: Session, msg: Join) -> Result<Joined> {
        let room = members(&self.groups);
        let uid = uid_for(&msg.name, session.id(), session.frontend_id());
        // The group first: from the bind on, the close of the session removes the member.
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

    /// Sends a text to all members.
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
