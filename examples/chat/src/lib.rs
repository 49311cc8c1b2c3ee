//! A chat room: one page, one socket, everybody hears everybody.
//!
//! The routes, pushes and JSON are those of the original framework's chat demo, so that its page can talk to
//! this server too. Our own page sends a name with `room.join`; the original's sends none and gets a number. One push
//! more, which that page does not know, tells ours how everybody likes to be called.

pub mod page;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pitaya::group::Groups;
use pitaya::prelude::*;
use pitaya::timer::Timers;

/// The group that everybody in the room belongs to.
const ROOM: &str = "room";

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

/// Everybody who is in the room now.
#[message(push = "onMembers")]
pub struct Members {
    /// Their uids.
    pub members: Vec<String>,
}

/// How those who are in the room like to be called.
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
    timers: Timers,
    #[component(default)]
    names: Called,
}

/// The name of each uid in the room.
type Called = Arc<Mutex<BTreeMap<String, String>>>;

impl Lifecycle for Room {
    async fn init(&self) -> Result<()> {
        self.groups.group(ROOM).ensure().await?;
        let groups = self.groups.clone();
        self.timers.every(Duration::from_secs(60), move || {
            let groups = groups.clone();
            async move {
                match groups.group(ROOM).count().await {
                    Ok(count) => tracing::info!("{count} users are in the room"),
                    Err(error) => tracing::warn!(%error, "the room cannot be counted"),
                }
            }
        })?;
        Ok(())
    }
}

#[handler(server = "chat")]
impl Room {
    /// Enters the room: tells the newcomer who is there, and the others who came.
    pub async fn join(&self, session: Session, msg: Join) -> Result<Joined> {
        let uid = uid_for(&msg.name, session.id());
        session.bind(&uid).await?;
        let room = self.groups.group(ROOM);
        let name = if msg.name.trim().is_empty() { format!("guest {uid}") } else { msg.name };
        names(&self.names).insert(uid.clone(), name);
        let list = Names { names: names(&self.names).clone() };
        room.push(&list).await?;
        room.push(&NewUser { content: format!("New user: {uid}") }).await?;
        room.add(&uid).await?;
        let (groups, called, leaver) = (self.groups.clone(), Arc::clone(&self.names), uid.clone());
        let left = session.on_close(move |_| async move {
            if let Err(error) = leave(&groups, &called, &leaver).await {
                tracing::warn!(%error, uid = leaver, "leaving the room");
            }
        });
        if let Err(error) = left {
            // The client went while it was joining: it must not stay behind as a ghost.
            leave(&self.groups, &self.names, &uid).await?;
            return Err(error);
        }
        session.push(&list).await?;
        room.push(&Members { members: room.members().await? }).await?;
        Ok(Joined { code: 0, result: "success".to_owned(), uid })
    }

    /// Says something to everybody.
    pub async fn message(&self, msg: Say) -> Result<()> {
        self.groups.group(ROOM).push(&ChatMessage { name: msg.name, content: msg.content }).await?;
        Ok(())
    }
}

fn names(called: &Called) -> MutexGuard<'_, BTreeMap<String, String>> {
    called.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn leave(groups: &Groups, called: &Called, uid: &str) -> Result<()> {
    names(called).remove(uid);
    let room = groups.group(ROOM);
    room.remove(uid).await?;
    room.push(&Members { members: room.members().await? }).await?;
    Ok(())
}

/// A uid is an id, not a display name: letters and digits of the name, and the session's number.
fn uid_for(name: &str, id: u64) -> String {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    if name.is_empty() { id.to_string() } else { format!("{name}-{id}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_made_of_letters_and_digits_whatever_the_name() {
        assert_eq!(uid_for("ann", 7), "ann-7");
        assert_eq!(uid_for("日本 * .", 8), "8");
        assert_eq!(uid_for("a.b/c", 9), "abc-9");
        assert_eq!(uid_for("", 10), "10");
    }
}
