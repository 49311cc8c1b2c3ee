//! Memberships that end with a session.
//!
//! A membership belongs to the session that joined, not to its user alone. The store keeps the session's
//! [ownership](crate::session::FrontendSession::ownership) with the member, and a session removes only members that it owns. So a
//! session that ends or joins late does not change the membership of a newer session.

use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::{Mutex, MutexGuard};

use super::GroupError;
use super::groups::Group;
use crate::error::{Error, Result, code, text};
use crate::session::FrontendSession;

/// The memberships of this server's sessions, by session and group.
#[derive(Default)]
pub(super) struct Memberships(DashMap<(u64, Arc<str>), Arc<Membership>>);

/// One session in one group.
pub(super) struct Membership {
    owner: String,
    /// The close callback that ends it.
    callback: u64,
    session: Arc<FrontendSession>,
    /// Locked during an operation of the store, so that a leave waits for the join before it.
    stage: Mutex<Stage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No join has reached the store.
    New,
    /// The number of joins that were sent to the store.
    Joined(u64),
    /// Removed from the map. A newer membership may have replaced it.
    Gone,
}

impl Memberships {
    /// Returns the membership of a session in a group, or makes it. Fails with `PIT-499` if the session is closed.
    fn get_or_insert(
        &self,
        group: &Group,
        session: &Arc<FrontendSession>,
        uid: &str,
    ) -> Result<Arc<Membership>> {
        match self.0.entry(key(group, session.id())) {
            Entry::Occupied(entry) => Ok(Arc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let (leaving, uid) = (group.clone(), uid.to_owned());
                let callback = session.on_close(Box::new(move |session| {
                    Box::pin(async move {
                        if let Err(error) = leave(&leaving, session.id(), &uid).await {
                            tracing::debug!(uid, group = leaving.name(), %error, "failed to remove a user from a group");
                        }
                    })
                }));
                let callback = callback.ok_or_else(closed)?;
                let (owner, session) = (session.ownership(), Arc::clone(session));
                let made = Membership { owner, callback, session, stage: Mutex::new(Stage::New) };
                Ok(Arc::clone(&entry.insert(Arc::new(made))))
            }
        }
    }

    fn get(&self, group: &Group, session: u64) -> Option<Arc<Membership>> {
        self.0.get(&key(group, session)).map(|membership| Arc::clone(&membership))
    }

    /// Removes a membership and its close callback.
    fn remove(&self, group: &Group, membership: &Arc<Membership>, mut stage: MutexGuard<'_, Stage>) {
        *stage = Stage::Gone;
        let same = |_: &(u64, Arc<str>), other: &Arc<Membership>| Arc::ptr_eq(other, membership);
        self.0.remove_if(&key(group, membership.session.id()), same);
        membership.session.remove_on_close(membership.callback);
    }

    /// Returns the number of memberships.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn key(group: &Group, session: u64) -> (u64, Arc<str>) {
    (session, group.shared_name())
}

fn closed() -> Error {
    Error::new(code::CLOSED, text::BROKEN_PIPE)
}

/// Adds the user of a session to a group until the session ends.
pub(super) async fn join(group: &Group, session: &Arc<FrontendSession>, uid: &str) -> Result<()> {
    let (store, memberships) = (group.store()?, group.memberships());
    loop {
        let membership = memberships.get_or_insert(group, session, uid)?;
        let mut stage = membership.stage.lock().await;
        let before = match *stage {
            Stage::Gone => continue,
            Stage::New => 0,
            Stage::Joined(times) => times,
        };
        if session.close_reason().is_some() {
            return Err(closed()); // the close callback removes what it had joined before
        }
        // Counted before the store is called, because a join that is dropped meanwhile may have reached it.
        *stage = Stage::Joined(before + 1);
        return match store.join(group.name(), uid, &membership.owner).await {
            Ok(_) => Ok(()),
            Err(error) => {
                if before == 0 && matches!(error, GroupError::NotFound) {
                    memberships.remove(group, &membership, stage);
                }
                Err(group.about(error, Some(uid)))
            }
        };
    }
}

/// Removes the user of a session from a group, if this session owns the membership.
pub(super) async fn leave(group: &Group, session: u64, uid: &str) -> Result<()> {
    let (store, memberships) = (group.store()?, group.memberships());
    let not_in = || group.about(GroupError::MemberNotFound, Some(uid));
    let membership = memberships.get(group, session).ok_or_else(not_in)?;
    let stage = membership.stage.lock().await;
    if matches!(*stage, Stage::New | Stage::Gone) {
        memberships.remove(group, &membership, stage);
        return Err(not_in());
    }
    let left = store.leave(group.name(), uid, &membership.owner).await;
    memberships.remove(group, &membership, stage);
    if left.map_err(|error| group.about(error, Some(uid)))? { Ok(()) } else { Err(not_in()) }
}

/// Removes a user from a group, whatever its owner.
pub(super) async fn remove(group: &Group, uid: &str) -> Result<()> {
    let (store, memberships) = (group.store()?, group.memberships());
    let membership = group.session(uid).and_then(|session| memberships.get(group, session.id()));
    let about = |error| group.about(error, Some(uid));
    let Some(membership) = membership else { return store.remove(group.name(), uid).await.map_err(about) };
    let stage = membership.stage.lock().await;
    let removed = store.remove(group.name(), uid).await;
    if matches!(removed, Ok(()) | Err(GroupError::NotFound | GroupError::MemberNotFound)) {
        memberships.remove(group, &membership, stage);
    }
    removed.map_err(about)
}

/// Awaits `remove`, which removes all members of a group, then removes the memberships of this server.
pub(super) async fn remove_members<T>(
    group: &Group,
    remove: impl Future<Output = Result<T, GroupError>>,
) -> Result<T> {
    let memberships = group.memberships();
    let mut before = Vec::new();
    if !memberships.is_empty() {
        let members = group.store()?.members(group.name()).await.map_err(|error| group.about(error, None))?;
        for uid in members.iter() {
            let membership = group.session(uid).and_then(|session| memberships.get(group, session.id()));
            if let Some(membership) = membership {
                // A session that joins now may join after the removal, and then stays.
                let stage = membership.stage.try_lock().map(|stage| *stage);
                before.extend(stage.map(|stage| (membership, stage)));
            }
        }
    }
    let removed = remove.await.map_err(|error| group.about(error, None))?;
    for (membership, stage) in before {
        let now = membership.stage.lock().await;
        if *now == stage {
            memberships.remove(group, &membership, now);
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests;
