//! The members of the room: a group of uids.
//!
//! A group does not know who is connected. When a user closes the page, the server with the session removes the member.
//! That server may have been killed, or the group may be unreachable at that moment. Each server therefore looks
//! regularly for members without a session, and for its own users that are no longer members.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pitaya::app::Builder;
use pitaya::group::Group;
use pitaya::prelude::*;

use crate::room::{Members, UserLeft};
use crate::uid::frontend_of;

/// The type of the servers of a cluster that clients connect to.
pub(crate) const FRONT: &str = "connector";

/// Pause between two looks.
const ROUND: Duration = Duration::from_secs(3);

/// Returns the group. Its pushes go to the connectors, or to the sessions of a standalone server.
pub(crate) fn members(groups: &Groups) -> Group {
    groups.group("room").on_frontends(FRONT)
}

/// Removes a member and tells the others.
pub(crate) async fn leave(room: &Group, uid: &str) -> Result<()> {
    room.remove(uid).await?;
    room.push(&UserLeft { uid: uid.to_owned() }).await?;
    room.push(&Members { members: room.members().await? }).await?;
    Ok(())
}

/// Makes an app remove members that are gone.
pub(crate) fn keep(app: Builder) -> Builder {
    app.on_built(|app| async move {
        let room = members(&app.groups());
        app.sessions().on_close({
            let room = room.clone();
            move |session| {
                let room = room.clone();
                async move {
                    let Some(uid) = session.uid() else { return }; // this client never joined
                    if let Err(error) = leave(&room, &uid).await {
                        tracing::warn!(%error, %uid, "failed to leave the room");
                    }
                }
            }
        });
        let missed = Arc::default();
        app.timers().every(ROUND, {
            let app = app.clone();
            move || {
                let (app, room, missed) = (app.clone(), room.clone(), Arc::clone(&missed));
                async move {
                    if let Err(error) = tidy(&app, &room, &missed).await {
                        tracing::debug!(%error, "failed to remove members that are gone");
                    }
                }
            }
        })?;
        Ok(())
    })
}

/// Removes members that had no session at the last round either. One that had may be joining or leaving just now.
///
/// It also closes sessions of users that other servers removed, because those did not see this server for a while. The
/// page then joins again.
async fn tidy(app: &App, room: &Group, missed: &Mutex<BTreeSet<String>>) -> Result<()> {
    // Sessions first: a user is a member before its session is bound.
    let here = app.sessions().all();
    let members: BTreeSet<String> = room.members().await?.into_iter().collect();
    for session in here {
        if session.uid().is_some_and(|uid| !members.contains(&*uid)) {
            session.close();
        }
    }
    let gone: BTreeSet<String> = members.into_iter().filter(|uid| is_gone(app, uid)).collect();
    let before = mem::replace(&mut *missed.lock().unwrap_or_else(PoisonError::into_inner), gone.clone());
    for uid in gone.intersection(&before) {
        match leave(room, uid).await {
            Ok(()) => tracing::info!(uid, "removed a member that is gone"),
            Err(error) => {
                tracing::debug!(%error, uid, "failed to remove a member; another server may have done it")
            }
        }
    }
    Ok(())
}

/// Returns whether a member's server is gone, or its session on this server.
fn is_gone(app: &App, uid: &str) -> bool {
    match (frontend_of(uid), app.servers()) {
        (Some(frontend), Some(servers)) if frontend != app.server_id() => servers.get(frontend).is_none(),
        _ => app.sessions().by_uid(uid).is_none(),
    }
}
