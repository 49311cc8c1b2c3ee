//! The known servers: discovery writes them, everything else reads them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Server;
use super::server::{BROADCASTS, ORDER};
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};

#[cfg(test)]
mod tests;

/// How long [`Servers::wait_for`] waits for a server that has just started.
const WAIT: Duration = Duration::from_secs(1);

/// How many ids of absent servers are remembered.
const ABSENT: usize = 1024;

/// An immutable snapshot of all servers.
#[derive(Debug, Default)]
pub struct View {
    /// Sorted, so that iteration has the same order everywhere.
    by_id: BTreeMap<Arc<str>, Arc<Server>>,
    by_type: HashMap<Arc<str>, Group, RandomState>,
}

/// The servers of one type.
#[derive(Debug, Default)]
struct Group {
    all: Arc<[Arc<Server>]>,
    /// The servers that accept new work.
    open: Arc<[Arc<Server>]>,
    /// Whether every frontend receives broadcasts.
    broadcasts: bool,
    /// Whether every frontend keeps the order as well.
    order: bool,
}

impl View {
    /// The types of `before` stay known, so that a type without a server now differs from one that never had a server.
    fn new(by_id: BTreeMap<Arc<str>, Arc<Server>>, before: &Self) -> Self {
        let known = before.by_type.keys().map(|server_type| (Arc::clone(server_type), Vec::new()));
        let mut lists: HashMap<Arc<str>, Vec<Arc<Server>>, RandomState> = known.collect();
        for server in by_id.values() {
            lists.entry(Arc::clone(&server.server_type)).or_default().push(Arc::clone(server));
        }
        let group = |all: Vec<Arc<Server>>| {
            let say = |key: &str| {
                let mut frontends = all.iter().filter(|server| server.frontend).peekable();
                frontends.peek().is_some()
                    && frontends.all(|server| server.metadata.get(key).is_some_and(|version| version == "1"))
            };
            let broadcasts = say(BROADCASTS);
            Group {
                open: all.iter().filter(|server| !server.is_draining()).cloned().collect(),
                broadcasts,
                order: broadcasts && say(ORDER),
                all: all.into(),
            }
        };
        let by_type = lists.into_iter().map(|(server_type, all)| (server_type, group(all))).collect();
        Self { by_id, by_type }
    }

    /// Whether this type has a server, or has had one since this server started.
    #[must_use]
    pub fn has_seen(&self, server_type: &str) -> bool {
        self.by_type.contains_key(server_type)
    }

    /// Returns the server with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Server>> {
        self.by_id.get(id)
    }

    /// Returns all servers of a type, by id.
    #[must_use]
    pub fn of_type(&self, server_type: &str) -> &[Arc<Server>] {
        self.by_type.get(server_type).map_or(&[], |group| &group.all)
    }

    /// Returns the servers of a type that accept new work: all that do not drain.
    #[must_use]
    pub fn open(&self, server_type: &str) -> &[Arc<Server>] {
        self.by_type.get(server_type).map_or(&[], |group| &group.open)
    }

    /// Whether every frontend of a type takes broadcasts (`docs/cluster.md`, "Broadcasts"), and there is one.
    #[must_use]
    pub fn takes_broadcasts(&self, frontend_type: &str) -> bool {
        self.by_type.get(frontend_type).is_some_and(|group| group.broadcasts)
    }

    /// Whether every frontend of a type takes broadcasts and keeps their order (`docs/cluster.md`, "Order"), and there
    /// is one.
    #[must_use]
    pub fn keeps_order(&self, frontend_type: &str) -> bool {
        self.by_type.get(frontend_type).is_some_and(|group| group.order)
    }

    /// Returns all servers, by id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.by_id.values()
    }

    /// Returns the number of servers of each type.
    #[must_use]
    pub fn count_by_type(&self) -> BTreeMap<&str, usize> {
        let counts = self.by_type.iter().map(|(server_type, group)| (&**server_type, group.all.len()));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

/// A change of the list of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A server was added.
    Added(Arc<Server>),
    /// The entry of a server has changed.
    Replaced {
        /// The old entry.
        old: Arc<Server>,
        /// The new entry.
        new: Arc<Server>,
    },
    /// A server was removed.
    Removed(Arc<Server>),
}

impl Change {
    /// Returns the server that changed: its current or its last entry.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        match self {
            Self::Added(server) | Self::Removed(server) | Self::Replaced { new: server, .. } => server,
        }
    }
}

type Listener = Arc<dyn Fn(&Change) + Send + Sync>;

/// The known servers of the cluster, the own one included. A [`Discovery`](super::Discovery) keeps them current.
///
/// Reading costs one atomic load and never waits. When the registry is lost, the known servers stay.
///
/// ```
/// use pitaya::cluster::{Server, Servers};
///
/// let servers = Servers::default();
/// servers.put(Server::new("room", "room-1"));
/// assert_eq!(&*servers.view().open("room")[0].id, "room-1");
/// ```
#[derive(Default)]
pub struct Servers {
    view: ArcSwap<View>,
    listeners: Mutex<Vec<Listener>>,
    /// Held over a change and its listeners, so that listeners see changes in order.
    changing: Mutex<()>,
    changed: Notify,
    /// The ids of the last servers that left, or did not come while they were waited for.
    absent: Mutex<VecDeque<Arc<str>>>,
}

impl Servers {
    /// Returns a snapshot of the known servers.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// Reads the known servers: cheaper than [`view`](Self::view), but not across an await.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&View) -> R) -> R {
        look(&self.view.load())
    }

    /// The server with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Server>> {
        self.look(|view| view.get(id).cloned())
    }

    /// Returns the server with this id. Waits up to [`WAIT`] for one that has never been listed, because a server that
    /// has just started may call before discovery lists it here. Returns `None` immediately for a server that has left, or
    /// did not come before.
    ///
    /// Cancel safe.
    pub(crate) async fn wait_for(&self, id: &str) -> Option<Arc<Server>> {
        let listed = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                let found = self.get(id);
                if found.is_some() || self.is_absent(id) {
                    return found;
                }
                changed.await;
            }
        };
        timeout(WAIT, listed).await.unwrap_or_else(|_| {
            self.remember_absent(id);
            None
        })
    }

    fn is_absent(&self, id: &str) -> bool {
        self.absent.lock().iter().any(|absent| **absent == *id)
    }

    fn remember_absent(&self, id: &str) {
        let mut absent = self.absent.lock();
        absent.retain(|known| **known != *id);
        if absent.len() == ABSENT {
            absent.pop_front();
        }
        absent.push_back(id.into());
    }

    /// Calls `listener` for every change from now on, in order, in the task of discovery. It must not wait nor change
    /// the list. A panic is logged, and the listener still sees the next change.
    pub fn on_change(&self, listener: impl Fn(&Change) + Send + Sync + 'static) {
        self.listeners.lock().push(Arc::new(listener));
    }

    /// Removes all listeners: they may hold the app, which holds this list.
    pub(crate) fn clear_listeners(&self) {
        self.listeners.lock().clear();
    }

    /// Adds or replaces a server. For implementations of
    /// [`Discovery`](super::Discovery).
    pub fn put(&self, server: Server) {
        self.change(|by_id| put(by_id, server).into_iter().collect());
    }

    /// Removes a server. The type is compared too: if the id has been registered again with another type, that server
    /// stays.
    pub fn remove(&self, server_type: &str, id: &str) {
        self.change(|by_id| {
            let known = by_id.get(id).is_some_and(|server| &*server.server_type == server_type);
            let removed = if known { by_id.remove(id) } else { None };
            removed.map(Change::Removed).into_iter().collect()
        });
    }

    /// Replaces the list after a read of the whole registry.
    pub fn replace_all(&self, servers: impl IntoIterator<Item = Server>) {
        self.change(|by_id| {
            let servers: BTreeMap<Arc<str>, Server> =
                servers.into_iter().map(|server| (Arc::clone(&server.id), server)).collect();
            let gone: Vec<_> = by_id.keys().filter(|id| !servers.contains_key(*id)).cloned().collect();
            let mut changes: Vec<_> =
                gone.iter().filter_map(|id| by_id.remove(id)).map(Change::Removed).collect();
            changes.extend(servers.into_values().filter_map(|server| put(by_id, server)));
            changes
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Arc<str>, Arc<Server>>) -> Vec<Change>) {
        let _one_at_a_time = self.changing.lock();
        let mut by_id = self.view.load().by_id.clone();
        let changes = change(&mut by_id);
        if changes.is_empty() {
            return;
        }
        let view = View::new(by_id, &self.view.load());
        self.view.store(Arc::new(view));
        let listeners = self.listeners.lock().clone();
        for change in &changes {
            match change {
                Change::Added(server) => {
                    tracing::info!(server_type = %server.server_type, server_id = %server.id, "server added");
                }
                Change::Replaced { new, .. } => {
                    tracing::debug!(server_type = %new.server_type, server_id = %new.id, "server changed");
                }
                Change::Removed(server) => {
                    tracing::info!(server_type = %server.server_type, server_id = %server.id, "server removed");
                    self.remember_absent(&server.id);
                }
            }
            for listener in &listeners {
                // A panic of a listener must not end the task of discovery, which keeps the own server's lease alive.
                if catch_unwind(AssertUnwindSafe(|| listener(change))).is_err() {
                    throttled!(
                        GLOBAL,
                        error,
                        "panics of listeners",
                        ?change,
                        "listener of server changes panicked"
                    );
                }
            }
        }
        self.changed.notify_waiters();
    }
}

/// Inserts a server. Returns the change.
fn put(by_id: &mut BTreeMap<Arc<str>, Arc<Server>>, server: Server) -> Option<Change> {
    let server = Arc::new(server);
    match by_id.insert(Arc::clone(&server.id), Arc::clone(&server)) {
        None => Some(Change::Added(server)),
        Some(old) if old == server => None,
        Some(old) => Some(Change::Replaced { old, new: server }),
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.view.load().by_id.values()).finish()
    }
}
