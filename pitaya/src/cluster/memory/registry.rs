//! The registry: what is registered, and who follows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::MemoryDiscovery;
use crate::cluster::{Server, Servers};
use crate::error::{Error, Result, code};
use crate::util::sync::Mutex;

/// How long a server that is lost stays known, as in the original.
const LEASE: Duration = Duration::from_secs(60);

/// The number of one joined server: they are served in the order in which they joined.
pub(super) type MemberId = u64;

/// A registry of servers in memory, shared by apps of one process: for tests, for simulations, and for a cluster that
/// lives in one process. Clones are the same registry.
///
/// Everything happens at once and in one order, that of joining; nothing depends on chance. The only time it knows is
/// that of a lease, by the clock of `tokio::time`, which tests can pause.
///
/// Servers are told of changes while the registry is locked, so a listener of
/// [`Servers::on_change`](crate::cluster::Servers::on_change) must not call it.
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

/// What is registered under an id.
struct Entry {
    server: Arc<Server>,
    /// Whose it is: an id may come back while an earlier one's lease still lives, and must not end with it.
    member: MemberId,
}

struct Member {
    own: Arc<Server>,
    servers: Arc<Servers>,
    /// It wants to be registered.
    stays: bool,
    /// Its view is kept; no longer after it ended.
    follows: bool,
    /// Changes were missed.
    behind: bool,
    /// When the lease ends that nobody keeps alive.
    lease_ends: Option<Instant>,
    /// Wakes the task that keeps the lease.
    wake: Arc<Notify>,
}

impl Default for MemoryRegistry {
    /// An empty one, with leases of 60 s.
    fn default() -> Self {
        Self::with_lease(LEASE)
    }
}

impl MemoryRegistry {
    /// An empty one. A server that crashes or is partitioned stays known to the others for `lease`.
    #[must_use]
    pub fn with_lease(lease: Duration) -> Self {
        Self { inner: Arc::new(Inner { lease, state: Mutex::default() }) }
    }

    /// A new app's membership in it, for [`Builder::discovery`](crate::app::Builder::discovery).
    #[must_use]
    pub fn discovery(&self) -> MemoryDiscovery {
        MemoryDiscovery::new(self.clone())
    }

    /// All that are registered now, by id.
    #[must_use]
    pub fn servers(&self) -> Vec<Arc<Server>> {
        self.state().entries.values().map(|entry| Arc::clone(&entry.server)).collect()
    }

    /// Ends the lease of a server at once, as if its time had passed: the others see it go. The server registers
    /// itself again as soon as its task runs and it can reach the registry. Gives whether it was registered.
    #[expect(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn drop_lease(&self, server_id: &str) -> bool {
        let mut state = self.state();
        let Some(entry) = state.remove(server_id) else { return false };
        if let Some(owner) = state.members.get(&entry.member) {
            owner.wake.notify_one();
        }
        true
    }

    /// Whether a server can reach the registry from now on. One that cannot keeps the view it has, and the others
    /// lose it when its lease ends; whatever it says of itself is told when it can again. May be said before it joins.
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
            // What ended is not kept alive by being reachable.
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
        // One that is cut off cannot tell; its lease has an end already.
        if !state.cut_off.contains(&id) && state.owns(member, &id) {
            state.remove(&id);
        }
    }

    /// Nobody follows for this member any more, or keeps its lease.
    pub(super) fn end(&self, member: MemberId) {
        let mut state = self.state();
        let Some(joined) = state.members.get_mut(&member) else { return };
        joined.follows = false;
        joined.stays = false;
        joined.lease_ends.get_or_insert_with(|| Instant::now() + self.inner.lease);
        joined.wake.notify_one();
    }

    /// Keeps one member's lease: ends it in time, registers again what was lost.
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

    /// Does what is to be done for a member now. Gives when its lease ends, if nobody keeps it; none at all when
    /// there is nothing left to do.
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

    /// Registers what a member says of itself, and gives it the list if it missed something. Whether it could.
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
            // Nobody forgets itself while it stays.
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
