//! Who is in the room: a group of uids.
//!
//! A group does not know who is connected. Whoever closes the page is taken out at once, by the server that has the
//! session; that server may be killed, or the group may be out of reach just then. So each server looks, again and
//! again, for members that are gone, and for people of its own that are none any more.

use std::collections::BTreeSet;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pitaya::app::Builder;
use pitaya::group::Group;
use pitaya::prelude::*;

use crate::room::{Members, UserLeft};
use crate::uid::frontend_of;

/// The type of the servers of a cluster that people are connected to.
pub(crate) const FRONT: &str = "connector";

/// Pause between two looks.
const ROUND: Duration = Duration::from_secs(3);

/// The group. What is pushed to it goes to connectors, or, in a server that stands alone, to whoever is here.
pub(crate) fn members(groups: &Groups) -> Group {
    groups.group("room").at(FRONT)
}

/// Takes somebody out, and tells the others.
pub(crate) async fn leave(room: &Group, uid: &str) -> Result<()> {
    room.remove(uid).await?;
    room.push(&UserLeft { uid: uid.to_owned() }).await?;
    room.push(&Members { members: room.members().await? }).await?;
    Ok(())
}

/// Makes an app take out of the room who has gone.
pub(crate) fn keep(app: Builder) -> Builder {
    app.post_build(|app| async move {
        let room = members(&app.groups()?);
        app.sessions().on_close({
            let room = room.clone();
            move |session| {
                let room = room.clone();
                async move {
                    let Ok(uid) = session.uid() else { return }; // it has never joined
                    if let Err(error) = leave(&room, &uid).await {
                        tracing::warn!(%error, uid, "could not leave the room");
                    }
                }
            }
        });
        let missed = Arc::default();
        app.timers()?.every(ROUND, {
            let app = app.clone();
            move || {
                let (app, room, missed) = (app.clone(), room.clone(), Arc::clone(&missed));
                async move {
                    if let Err(error) = tidy(&app, &room, &missed).await {
                        tracing::debug!(%error, "the room is not tidy");
                    }
                }
            }
        })?;
        Ok(())
    })
}

/// Takes out members that were missed at the last look too: one that was not may be just coming or going. And lets go of
/// whoever is here and was taken out, because for a while the others did not know this server: the page joins again.
async fn tidy(app: &App, room: &Group, missed: &Mutex<BTreeSet<String>>) -> Result<()> {
    // First who is here: nobody is bound who is not a member yet.
    let here = app.sessions().all();
    let members: BTreeSet<String> = room.members().await?.into_iter().collect();
    for session in here {
        if session.uid().is_ok_and(|uid| !members.contains(&uid)) {
            session.close();
        }
    }
    let gone: BTreeSet<String> = members.into_iter().filter(|uid| is_gone(app, uid)).collect();
    let before = mem::replace(&mut *missed.lock().unwrap_or_else(PoisonError::into_inner), gone.clone());
    for uid in gone.intersection(&before) {
        match leave(room, uid).await {
            Ok(()) => tracing::info!(uid, "a member of the room has gone"),
            Err(error) => tracing::debug!(%error, uid, "another server may have been quicker"),
        }
    }
    Ok(())
}

/// Whether a member's session should be here and is not, or its server is not there.
fn is_gone(app: &App, uid: &str) -> bool {
    match (frontend_of(uid), app.servers()) {
        (Some(frontend), Some(servers)) if frontend != app.server_id() => servers.get(frontend).is_none(),
        _ => app.sessions().by_uid(uid).is_none(),
    }
}
