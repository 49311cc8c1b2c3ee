//! Groups in the memory of this process.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::time::{Instant, sleep};

use super::{GroupError, GroupStore, Members, StoreFuture};

/// A shorter tick would keep a core busy.
const SHORTEST_TICK: Duration = Duration::from_millis(1);

/// Keeps groups in the memory of this process. The default.
///
/// Members are in the order in which they were added. A group expires exactly at the end of its time to live. Its
/// memory is freed by the next operation on it or by the next sweep. Groups and members are not limited in number.
pub struct MemoryStore {
    /// The standard hasher resists collisions, because names may come from clients.
    groups: DashMap<Box<str>, Group, std::hash::RandomState>,
    tick: Duration,
}

#[derive(Default)]
struct Group {
    next: u64,
    order: BTreeMap<u64, Arc<str>>,
    places: HashMap<Arc<str>, u64>,
    /// The owners of members that have one.
    owners: HashMap<Arc<str>, Box<str>>,
    /// The members as last returned. Dropped with every change.
    snapshot: Option<Members>,
    ttl: Option<Ttl>,
}

struct Ttl {
    length: Duration,
    /// `None` if the clock cannot represent it: the group never expires.
    ends: Option<Instant>,
}

impl Ttl {
    fn new(length: Duration) -> Self {
        Self { length, ends: Instant::now().checked_add(length) }
    }
}

impl Group {
    fn expired(&self, now: Instant) -> bool {
        self.ttl.as_ref().and_then(|ttl| ttl.ends).is_some_and(|ends| ends <= now)
    }

    fn members(&mut self) -> Members {
        Arc::clone(self.snapshot.get_or_insert_with(|| self.order.values().map(Arc::clone).collect()))
    }

    fn add(&mut self, uid: &str) -> Result<(), GroupError> {
        if self.places.contains_key(uid) {
            return Err(GroupError::MemberExists);
        }
        let uid: Arc<str> = uid.into();
        self.snapshot = None;
        self.order.insert(self.next, Arc::clone(&uid));
        self.places.insert(uid, self.next);
        self.next += 1;
        Ok(())
    }

    /// Adds a member that `owner` owns. Of two owners the greater keeps it.
    fn join(&mut self, uid: &str, owner: &str) -> bool {
        // The empty owner of a member that was added is the least of all.
        if self.owners.get(uid).is_some_and(|other| **other > *owner) {
            return false;
        }
        let _is_member_already = self.add(uid);
        if let Some((uid, _)) = self.places.get_key_value(uid) {
            self.owners.insert(Arc::clone(uid), owner.into());
        }
        true
    }

    fn leave(&mut self, uid: &str, owner: &str) -> bool {
        self.owners.get(uid).is_some_and(|other| **other == *owner) && self.remove(uid).is_ok()
    }

    fn remove(&mut self, uid: &str) -> Result<(), GroupError> {
        self.owners.remove(uid);
        let place = self.places.remove(uid).ok_or(GroupError::MemberNotFound)?;
        self.snapshot = None;
        self.order.remove(&place);
        Ok(())
    }

    fn remove_all(&mut self) {
        self.snapshot = None;
        self.order.clear();
        self.places.clear();
        self.owners.clear();
    }
}

impl MemoryStore {
    /// The default interval of sweeps.
    pub const TICK: Duration = Duration::from_secs(30);

    /// Makes a store that removes expired groups every [`TICK`](Self::TICK).
    pub fn new() -> Self {
        Self::with_tick(Self::TICK)
    }

    /// Makes a store that removes expired groups every `tick`, at least 1 ms (`pitaya.groups.memory.tickduration`).
    pub fn with_tick(tick: Duration) -> Self {
        Self { groups: DashMap::default(), tick: tick.max(SHORTEST_TICK) }
    }

    /// Calls `f` with a group that has not expired.
    fn with<T>(
        &self,
        name: &str,
        f: impl FnOnce(&mut Group) -> Result<T, GroupError>,
    ) -> Result<T, GroupError> {
        let now = Instant::now();
        match self.groups.get_mut(name) {
            None => return Err(GroupError::NotFound),
            Some(group) if group.expired(now) => {} // removed below: the lock must go first
            Some(mut group) => return f(&mut group),
        }
        self.groups.remove_if(name, |_, group| group.expired(now));
        Err(GroupError::NotFound)
    }

    fn sweep(&self) {
        let now = Instant::now();
        self.groups.retain(|_, group| !group.expired(now));
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("groups", &self.groups.len()).field("tick", &self.tick).finish()
    }
}

impl GroupStore for MemoryStore {
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let new = Group { ttl: ttl.map(Ttl::new), ..Group::default() };
            match self.groups.entry(group.into()) {
                Entry::Occupied(old) if !old.get().expired(Instant::now()) => Err(GroupError::Exists),
                Entry::Occupied(mut old) => {
                    old.insert(new);
                    Ok(())
                }
                Entry::Vacant(place) => {
                    place.insert(new);
                    Ok(())
                }
            }
        })
    }

    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members> {
        Box::pin(async move { self.with(group, |group| Ok(group.members())) })
    }

    fn contains<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move { self.with(group, |group| Ok(group.places.contains_key(uid))) })
    }

    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.with(group, |group| group.add(uid)) })
    }

    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.with(group, |group| group.remove(uid)) })
    }

    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move { self.with(group, |group| Ok(group.join(uid, owner))) })
    }

    fn leave<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        Box::pin(async move { self.with(group, |group| Ok(group.leave(uid, owner))) })
    }

    fn remove_all<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(group, |group| {
                group.remove_all();
                Ok(())
            })
        })
    }

    fn count<'a>(&'a self, group: &'a str) -> StoreFuture<'a, usize> {
        Box::pin(async move { self.with(group, |group| Ok(group.places.len())) })
    }

    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(group, |group| {
                let ttl = group.ttl.as_mut().ok_or(GroupError::NoTtl)?;
                *ttl = Ttl::new(ttl.length);
                Ok(())
            })
        })
    }

    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            // An expired group is removed too, but does not count as found.
            let (_, group) = self.groups.remove(group).ok_or(GroupError::NotFound)?;
            if group.expired(Instant::now()) { Err(GroupError::NotFound) } else { Ok(()) }
        })
    }

    fn run(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            loop {
                sleep(self.tick).await;
                self.sweep();
            }
        })
    }
}

#[cfg(test)]
mod tests;
