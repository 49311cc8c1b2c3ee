//! Applies the entries of etcd to the list of servers. No I/O.
//!
//! The list is as of one revision. Changes arrive one by one, each with its revision, and one that is older than the
//! list is in it already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::machine::{OwnEntry, Seen};
use crate::cluster::{Server, Servers, key};
use crate::util::throttle::{GLOBAL, throttled};

#[cfg(test)]
mod tests;

/// A key and its value in etcd.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// The revision at which it was put.
    pub(super) revision: i64,
    pub(super) lease: i64,
}

/// One change of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    Put(Entry<'a>),
    Deleted { key: &'a [u8], revision: i64 },
}

/// A server that may be gone.
struct Held {
    server_type: Arc<str>,
    /// When it was removed.
    until: Instant,
}

/// The meaning of an entry.
enum Read<'a> {
    Own,
    Server(Server),
    /// An invalid entry, though its key may be that of a server.
    Stranger(Option<(&'a str, &'a str)>, String),
    /// Of a type on the blacklist.
    Unwanted,
}

pub(super) struct Reconciler {
    servers: Arc<Servers>,
    own: Arc<Server>,
    /// The own server. It is always in its view, whatever etcd contains.
    stays: bool,
    prefix: String,
    blacklist: BTreeSet<String>,
    /// The revision of the last list.
    listed: i64,
    /// The end of the grace period, during which no server is removed.
    hold_until: Option<Instant>,
    /// Servers that would have been removed meanwhile.
    held: BTreeMap<Arc<str>, Held>,
    /// Invalid entries, with their revisions. Each is logged and counted once.
    strangers: BTreeMap<Vec<u8>, i64>,
    skipped: Arc<AtomicU64>,
}

impl Reconciler {
    /// `prefix` is the configured one. `skipped` counts invalid entries.
    pub(super) fn new(
        servers: Arc<Servers>,
        own: Arc<Server>,
        prefix: String,
        blacklist: &[String],
        skipped: Arc<AtomicU64>,
    ) -> Self {
        Self {
            servers,
            own,
            stays: true,
            prefix,
            blacklist: blacklist.iter().cloned().collect(),
            listed: 0,
            hold_until: None,
            held: BTreeMap::new(),
            strangers: BTreeMap::new(),
            skipped,
        }
    }

    /// Applies the whole list, as of a revision. Returns the entry under the own key.
    pub(super) fn list<'a>(
        &mut self,
        revision: i64,
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Option<OwnEntry> {
        let view = self.servers.view();
        let mut found: BTreeMap<Arc<str>, Server> = BTreeMap::new();
        let mut strangers = BTreeMap::new();
        let mut own = None;
        for entry in entries {
            match self.read(entry.key, entry.value) {
                Read::Own => own = Some(self.own_entry(&entry)),
                Read::Server(server) => {
                    found.insert(Arc::clone(&server.id), server);
                }
                Read::Stranger(name, why) => {
                    self.note_stranger(&entry, &why);
                    strangers.insert(entry.key.to_vec(), entry.revision);
                    // An invalid entry contradicts nothing, so the known server stays.
                    let known = name.and_then(|(_, id)| view.get(id));
                    if let Some(known) =
                        known.filter(|known| name.is_some_and(|(of, _)| of == &*known.server_type))
                    {
                        found.insert(Arc::clone(&known.id), Server::clone(known));
                    }
                }
                Read::Unwanted => {}
            }
        }
        let own_id = Arc::clone(&self.own.id);
        for server in view.all().filter(|server| server.id != own_id) {
            if found.contains_key(&server.id) {
                self.held.remove(&server.id);
            } else if self.holds(server) {
                found.insert(Arc::clone(&server.id), Server::clone(server));
            }
        }
        if self.stays {
            found.insert(Arc::clone(&self.own.id), Server::clone(&self.own));
        }
        self.strangers = strangers;
        self.listed = revision;
        self.servers.replace_all(found.into_values());
        own
    }

    /// Applies one change. Returns its meaning for the own server.
    pub(super) fn apply(&mut self, event: Event<'_>) -> Seen {
        match event {
            Event::Put(entry) if entry.revision > self.listed => self.put(entry),
            Event::Deleted { key, revision } if revision > self.listed => self.delete(key, revision),
            _ => Seen::Others,
        }
    }

    fn put(&mut self, entry: Entry<'_>) -> Seen {
        match self.read(entry.key, entry.value) {
            Read::Own => return Seen::OwnPut(entry.revision, self.own_entry(&entry)),
            Read::Server(server) => {
                self.strangers.remove(entry.key);
                self.held.remove(&server.id);
                self.servers.put(server);
            }
            Read::Stranger(_, why) => {
                self.note_stranger(&entry, &why);
                self.strangers.insert(entry.key.to_vec(), entry.revision);
            }
            Read::Unwanted => {}
        }
        Seen::Others
    }

    fn delete(&mut self, key: &[u8], revision: i64) -> Seen {
        self.strangers.remove(key);
        let Some((server_type, id)) = self.without_prefix(key).and_then(key::parse_server) else {
            return Seen::Others;
        };
        if self.is_own(server_type, id) {
            return Seen::OwnDeleted(revision);
        }
        let known = self.servers.get(id).filter(|server| &*server.server_type == server_type);
        if known.is_some_and(|server| !self.holds(&server)) {
            self.servers.remove(server_type, id);
        }
        Seen::Others
    }

    /// Whether a server that seems to be gone is kept until the grace period ends.
    fn holds(&mut self, server: &Server) -> bool {
        let Some(until) = self.hold_until else { return false };
        let server_type = Arc::clone(&server.server_type);
        self.held.entry(Arc::clone(&server.id)).or_insert(Held { server_type, until });
        true
    }

    /// Starts the grace period after a silence of etcd, in which leases may have expired.
    ///
    /// Servers have `grace` to register again. A server that is held already loses none of its time by the silence, and
    /// gets no more.
    pub(super) fn doubt(&mut self, silence: Duration, grace: Duration, now: Instant) {
        self.hold_until = Some(now + grace);
        for held in self.held.values_mut() {
            held.until = (held.until + silence).min(now + grace);
        }
    }

    /// When [`tick`](Self::tick) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.values().map(|held| held.until).chain(self.hold_until).min()
    }

    /// Removes the servers that have not registered again in time. Not called during a silence, in which no server can.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.hold_until.is_some_and(|until| until <= now) {
            self.hold_until = None;
        }
        for (id, held) in self.held.extract_if(.., |_, held| held.until <= now) {
            self.servers.remove(&held.server_type, &id);
        }
    }

    /// Updates the own server in the list.
    pub(super) fn announce(&mut self, own: Arc<Server>) {
        self.own = own;
        self.servers.put(Server::clone(&self.own));
    }

    /// Removes the own server from the list.
    pub(super) fn leave(&mut self) {
        self.stays = false;
        self.servers.remove(&self.own.server_type, &self.own.id);
    }

    fn read<'a>(&self, key: &'a [u8], value: &[u8]) -> Read<'a> {
        let Some(key) = self.without_prefix(key) else {
            return Read::Stranger(None, "its key is not UTF-8".to_owned());
        };
        let name = key::parse_server(key);
        if name.is_some_and(|(server_type, id)| self.is_own(server_type, id)) {
            return Read::Own;
        }
        // The type in the key decides, because an unwanted entry need not be readable.
        if name.is_some_and(|(server_type, _)| self.blacklist.contains(server_type)) {
            return Read::Unwanted;
        }
        match Server::from_entry(key, value) {
            Ok(server) if server.id == self.own.id => {
                Read::Stranger(None, "it has the id of this server, but another type".to_owned())
            }
            Ok(server) => Read::Server(server),
            Err(error) => Read::Stranger(name, error.to_string()),
        }
    }

    fn without_prefix<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(key.strip_prefix(self.prefix.as_bytes())?).ok()
    }

    fn own_entry(&self, entry: &Entry<'_>) -> OwnEntry {
        OwnEntry { lease: entry.lease, same: entry.value == self.own.to_json() }
    }

    fn is_own(&self, server_type: &str, id: &str) -> bool {
        (server_type, id) == (&*self.own.server_type, &*self.own.id)
    }

    fn note_stranger(&self, entry: &Entry<'_>, why: &str) {
        if self.strangers.get(entry.key) == Some(&entry.revision) {
            return;
        }
        self.skipped.fetch_add(1, Ordering::Relaxed);
        let key = String::from_utf8_lossy(entry.key);
        throttled!(GLOBAL, warn, "registry entries", %key, why, "skipping invalid server entry");
    }
}
