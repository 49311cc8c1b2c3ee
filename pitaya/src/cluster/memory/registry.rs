//! The registry in memory: the entries, and the members that follow them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::cluster::{Server, Servers};
use crate::error::{Error, Result, code};
use crate::util::sync::Mutex;

/// How long a lost server stays listed, as in Go Pitaya.
const LEASE: Duration = Duration::from_secs(60);

/// The number of a joined server. Members are served in this order.
pub(super) type MemberId = u64;

/// A registry of servers in memory, shared by the apps of one process. A clone is a handle to the same registry.
///
/// Changes reach all members immediately, in the order of joining. Only leases take time, by the clock of
/// `tokio::time`, which tests can pause.
///
/// Listeners run while the registry is locked, so a listener of
/// [`Servers::on_change`](crate::cluster::Servers::on_change) must not call the registry.
///
/// ```
/// use std::sync::Arc;
/// use pitaya::cluster::{Discovery, MemoryRegistry, Server, Servers};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> pitaya::Result<()> {
/// let registry = MemoryRegistry::default();
/// let (room, hall) = (registry.discovery(), registry.discovery());
/// let known = Arc::new(Servers::default());
///
/// room.join(Arc::new(Server::new("room", "room-1")), known.clone()).await?;
/// hall.join(Arc::new(Server::new("hall", "hall-1")), Arc::default()).await?;
/// assert_eq!(known.view().of_type("hall").len(), 1);
///
/// hall.close().await;
/// assert!(known.view().of_type("hall").is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryRegistry {
    inner: Arc<Inner>,
}

struct Inner {
    lease: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<Arc<str>, Entry>,
    members: BTreeMap<MemberId, Member>,
    next: MemberId,
    /// Ids that cannot reach the registry.
    cut_off: BTreeSet<Arc<str>>,
}

/// The entry of an id.
struct Entry {
    server: Arc<Server>,
    /// The member that registered it. An id may be registered again while an earlier lease is still alive, and must not
    /// end with that lease.
    member: MemberId,
}

struct Member {
    own: Arc<Server>,
    servers: Arc<Servers>,
    /// Whether it stays registered.
    stays: bool,
    /// Whether its view is kept current.
    follows: bool,
    /// Whether it has missed changes.
    behind: bool,
    /// When the lease ends, if it is not kept alive.
    lease_ends: Option<Instant>,
    /// Wakes the task that keeps the lease.
    wake: Arc<Notify>,
}

impl Default for MemoryRegistry {
    /// Creates an empty registry with leases of 60 s.
    fn default() -> Self {
        Self::with_lease(LEASE)
    }
}

impl MemoryRegistry {
    /// Creates an empty registry. A server that crashes or is partitioned stays listed for `lease`.
    #[must_use]
    pub fn with_lease(lease: Duration) -> Self {
        Self { inner: Arc::new(Inner { lease, state: Mutex::default() }) }
    }

    /// Returns all registered servers, by id.
    #[must_use]
    pub fn servers(&self) -> Vec<Arc<Server>> {
        self.state().entries.values().map(|entry| Arc::clone(&entry.server)).collect()
    }

    /// Ends the lease of a server immediately, as if its time had passed.
    ///
    /// The other servers see it leave. It registers itself again as soon as its task runs and it can reach the
    /// registry. Returns whether it was registered.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn drop_lease(&self, server_id: &str) -> bool {
        let mut state = self.state();
        let Some(entry) = state.remove(server_id) else { return false };
        if let Some(owner) = state.members.get(&entry.member) {
            owner.wake.notify_one();
        }
        true
    }

    /// Sets whether a server can reach the registry, also before it joins.
    ///
    /// An unreachable server keeps its view. The other servers remove it when its lease ends, and see its changes when
    /// it is reachable again.
    pub fn set_reachable(&self, server_id: &str, reachable: bool) {
        let mut state = self.state();
        let changed = match reachable {
            true => state.cut_off.remove(server_id),
            false => state.cut_off.insert(server_id.into()),
        };
        if !changed {
            return;
        }
        for joined in state.members.values_mut().filter(|joined| &*joined.own.id == server_id) {
            // An ended member does not revive by being reachable.
            if joined.follows {
                joined.lease_ends = if reachable { None } else { Some(Instant::now() + self.inner.lease) };
                joined.behind = true;
                joined.wake.notify_one();
            }
        }
    }

    pub(super) fn reaches(&self, member: MemberId) -> bool {
        let state = self.state();
        state.members.get(&member).is_some_and(|joined| state.reaches(joined))
    }

    pub(super) fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> Result<MemberId> {
        let mut state = self.state();
        if state.cut_off.contains(&own.id) {
            return Err(cut_off_error(&own.id));
        }
        let member = state.next;
        state.next += 1;
        let wake = Arc::new(Notify::new());
        let joined = Member {
            own,
            servers,
            stays: true,
            follows: true,
            behind: true,
            lease_ends: None,
            wake: Arc::clone(&wake),
        };
        state.members.insert(member, joined);
        state.catch_up(member);
        drop(state);
        tokio::spawn(self.clone().keep(member, wake));
        Ok(member)
    }

    pub(super) fn announce(&self, member: MemberId, own: Arc<Server>) -> Result<()> {
        let mut state = self.state();
        let Some(joined) = state.members.get_mut(&member).filter(|joined| joined.stays) else {
            return Err(Error::new(code::UNAVAILABLE, "the server has left"));
        };
        if (&own.id, &own.server_type) != (&joined.own.id, &joined.own.server_type) {
            return Err(Error::new(code::INTERNAL, "a server cannot change its id or its type"));
        }
        joined.servers.put(Server::clone(&own));
        joined.own = Arc::clone(&own);
        if state.catch_up(member) { Ok(()) } else { Err(cut_off_error(&own.id)) }
    }

    pub(super) fn leave(&self, member: MemberId) {
        let mut state = self.state();
        let Some(joined) = state.members.get_mut(&member) else { return };
        if !std::mem::replace(&mut joined.stays, false) {
            return;
        }
        joined.servers.remove(&joined.own.server_type, &joined.own.id);
        let id = Arc::clone(&joined.own.id);
        // An unreachable member cannot leave. Its lease ends by itself.
        if !state.cut_off.contains(&id) && state.owns(member, &id) {
            state.remove(&id);
        }
    }

    /// Ends a member: its view is not updated, and its lease not kept alive.
    pub(super) fn end(&self, member: MemberId) {
        let mut state = self.state();
        let Some(joined) = state.members.get_mut(&member) else { return };
        joined.follows = false;
        joined.stays = false;
        joined.lease_ends.get_or_insert_with(|| Instant::now() + self.inner.lease);
        joined.wake.notify_one();
    }

    /// Runs one member's lease: ends it in time, and registers the member again after a loss.
    async fn keep(self, member: MemberId, wake: Arc<Notify>) {
        while let Some(lease_ends) = self.look_after(member) {
            let ended = async {
                match lease_ends {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = wake.notified() => {}
                () = ended => {}
            }
        }
    }

    /// Updates a member. Returns when its lease ends, if it is not kept alive, and `None` when there is nothing left to
    /// do.
    #[expect(clippy::option_option, reason = "the outer one ends the task, the inner one is a time")]
    fn look_after(&self, member: MemberId) -> Option<Option<Instant>> {
        let mut state = self.state();
        state.catch_up(member);
        let joined = state.members.get(&member)?;
        let (id, ends, follows) = (Arc::clone(&joined.own.id), joined.lease_ends, joined.follows);
        if ends.is_some_and(|ends| ends <= Instant::now()) && state.owns(member, &id) {
            state.remove(&id);
        }
        if !follows && !state.owns(member, &id) {
            state.members.remove(&member);
            return None;
        }
        // A lease that has ended needs no clock; being reachable wakes the task.
        Some(ends.filter(|ends| *ends > Instant::now()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock()
    }
}

impl State {
    fn reaches(&self, joined: &Member) -> bool {
        joined.follows && !self.cut_off.contains(&joined.own.id)
    }

    fn owns(&self, member: MemberId, id: &str) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.member == member)
    }

    /// Registers the entry of a member and updates its view. Returns whether the registry was reachable.
    fn catch_up(&mut self, member: MemberId) -> bool {
        let Some(joined) = self.members.get(&member) else { return false };
        if !self.reaches(joined) {
            return false;
        }
        if joined.stays {
            let own = Arc::clone(&joined.own);
            self.put(own, member);
        }
        let Some(joined) = self.members.get_mut(&member) else { return false };
        if std::mem::replace(&mut joined.behind, false) {
            joined.servers.replace_all(self.entries.values().map(|entry| Server::clone(&entry.server)));
        }
        true
    }

    fn put(&mut self, server: Arc<Server>, member: MemberId) {
        let old = self.entries.get(&server.id);
        if old.is_some_and(|old| old.server == server && old.member == member) {
            return;
        }
        self.entries.insert(Arc::clone(&server.id), Entry { server: Arc::clone(&server), member });
        for joined in self.members.values().filter(|joined| self.reaches(joined)) {
            joined.servers.put(Server::clone(&server));
        }
    }

    fn remove(&mut self, id: &str) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        for joined in self.members.values().filter(|joined| self.reaches(joined)) {
            // A member that stays is in its own view.
            if &*joined.own.id != id || !joined.stays {
                joined.servers.remove(&entry.server.server_type, id);
            }
        }
        Some(entry)
    }
}

fn cut_off_error(id: &str) -> Error {
    Error::new(code::UNAVAILABLE, format!("the registry in memory is cut off from `{id}`"))
}

impl fmt::Debug for MemoryRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRegistry").field("servers", &self.servers()).finish_non_exhaustive()
    }
}
