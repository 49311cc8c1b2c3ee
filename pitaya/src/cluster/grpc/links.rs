//! The links to the other servers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use dashmap::{DashMap, Entry};
use foldhash::fast::RandomState;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address;
use super::dial::Target;
use super::link::{Link, LinkLimits};
#[cfg(feature = "tls")]
use super::tls::ClientTls;
use crate::cluster::receive::binds;
use crate::cluster::{Change, Receiver, Server, Servers, TransportError, subject};
use crate::util::throttle::{GLOBAL, throttled};

/// See the module.
pub(super) struct Links {
    pub(super) limits: Arc<LinkLimits>,
    pub(super) region: String,
    pub(super) lazy: bool,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<ClientTls>,
    pub(super) all: DashMap<Arc<str>, Arc<Link>, RandomState>,
    /// The tasks of the links.
    pub(super) tasks: TaskTracker,
    pub(super) closed: CancellationToken,
    /// Whether `closed` is cancelled: reading the token takes a lock.
    pub(super) is_closed: AtomicBool,
    /// This server, and the receiver of its messages.
    pub(super) own: OnceLock<(Arc<Server>, Arc<dyn Receiver>)>,
    pub(super) servers: OnceLock<Arc<Servers>>,
}

impl Links {
    /// Follows the list of servers: connects to new ones, and to those whose address changed.
    ///
    /// The link to a server that left stays until that server closes the connection, because the last calls for its
    /// sessions use it.
    pub(super) fn follow(self: &Arc<Self>, servers: &Arc<Servers>) {
        if self.servers.set(Arc::clone(servers)).is_err() {
            return;
        }
        let links = Arc::downgrade(self);
        servers.on_change(move |change| match (Weak::upgrade(&links), change) {
            (None, _) | (_, Change::Removed(_)) => {}
            (Some(links), Change::Added(server) | Change::Replaced { new: server, .. }) => {
                links.update(server)
            }
        });
    }

    /// Returns the link to a server, which is connected or connecting.
    pub(super) fn link(self: &Arc<Self>, to: &Server) -> Result<Arc<Link>, TransportError> {
        if let Some(link) = self.all.get(&*to.id) {
            self.begin(&link, to);
            return Ok(Arc::clone(&link));
        }
        if self.is_closed.load(Relaxed) {
            return Err(TransportError::Unavailable);
        }
        subject::check_name(&to.server_type)?;
        subject::check_name(&to.id)?;
        if let Some(link) = self.listed_link(&to.id)? {
            return Ok(link);
        }
        let link = Arc::clone(&*self.all.entry(Arc::clone(&to.id)).or_insert(self.make(to)?));
        self.begin(&link, to);
        // It may be listed since, perhaps with another address.
        Ok(self.listed_link(&to.id)?.unwrap_or(link))
    }

    /// Returns the link to a listed server, with the address in the list. `None` if no server has this id.
    fn listed_link(self: &Arc<Self>, id: &str) -> Result<Option<Arc<Link>>, TransportError> {
        loop {
            let Some(server) = self.listed(id) else { return Ok(None) };
            let known = self.all.get(id).map(|link| Arc::clone(&link));
            if let Some(link) = known.filter(|link| self.fits(link, &server)) {
                self.begin(&link, &server);
                return Ok(Some(link));
            }
            let made = self.make(&server);
            match (self.all.entry(Arc::clone(&server.id)), made) {
                (Entry::Occupied(entry), Err(error)) => {
                    entry.remove().end(false);
                    return Err(error);
                }
                (Entry::Vacant(_), Err(error)) => return Err(error),
                (Entry::Occupied(mut entry), Ok(made)) => {
                    if !self.fits(entry.get(), &server) {
                        entry.insert(made).end(false);
                    }
                }
                (Entry::Vacant(entry), Ok(made)) => drop(entry.insert(made)),
            }
            // The list may have changed before the insert, so it is compared again.
        }
    }

    /// Returns the server of an id, if it is in the list.
    pub(super) fn listed(&self, id: &str) -> Option<Arc<Server>> {
        self.servers.get().and_then(|servers| servers.get(id))
    }

    /// Returns the server of an id. Waits for one that discovery lists soon.
    pub(super) async fn wait_for(&self, id: &str) -> Option<Arc<Server>> {
        self.servers.get()?.wait_for(id).await
    }

    /// Whether a link leads to the address of a server.
    fn fits(&self, link: &Link, server: &Server) -> bool {
        let address = address::of(server, &self.region);
        address.is_ok_and(|address| address == link.address()) && address::is_peer(server) == link.is_peer()
    }

    fn make(&self, to: &Server) -> Result<Arc<Link>, TransportError> {
        let address = address::of(to, &self.region).map_err(|key| {
            throttled!(GLOBAL, warn, "gRPC addresses", server = %to.id, key, "server has no gRPC address");
            TransportError::NoResponders
        })?;
        let target = Target {
            answers: Arc::clone(&self.limits.answers),
            address,
            is_peer: address::is_peer(to),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        };
        Link::new(target, Arc::clone(&self.limits)).map(Arc::new)
    }

    /// Starts to connect, if no call has.
    fn begin(self: &Arc<Self>, link: &Arc<Link>, to: &Server) {
        let Some((own, receiver)) = self.own.get() else { return };
        if !link.begins() {
            return;
        }
        // Only frontends of one type tell each other their binds.
        let shares_users = own.frontend && to.frontend && own.server_type == to.server_type;
        let receiver = shares_users.then(|| Arc::clone(receiver));
        let (links, link, id) = (Arc::downgrade(self), Arc::clone(link), Arc::clone(&to.id));
        if self.is_closed.load(Relaxed) {
            link.end(true);
        }
        self.tasks.spawn(async move {
            let is_listed = || {
                Weak::upgrade(&links)
                    .is_some_and(|links| links.listed(&id).is_some_and(|server| links.fits(&link, &server)))
            };
            let binds = || receiver.as_deref().map(binds).unwrap_or_default();
            link.keep(is_listed, binds).await;
            if let Some(links) = Weak::upgrade(&links) {
                links.all.remove_if(&id, |_, known| Arc::ptr_eq(known, &link));
            }
        });
    }

    fn update(self: &Arc<Self>, server: &Server) {
        if self.own.get().is_some_and(|(own, _)| own.id == server.id) || self.is_closed.load(Relaxed) {
            return;
        }
        if self.lazy && !self.all.contains_key(&*server.id) {
            return;
        }
        if let Err(error) = self.listed_link(&server.id) {
            tracing::debug!(server = %server.id, %error, "no link to a server");
        }
    }

    /// Returns the servers of a type.
    pub(super) fn of_type(&self, server_type: &str) -> Vec<Arc<Server>> {
        let Some(servers) = self.servers.get() else { return Vec::new() };
        servers.look(|view| view.of_type(server_type).to_vec())
    }

    pub(super) async fn send(self: &Arc<Self>, to: &Server, message: Bytes) -> Result<(), TransportError> {
        self.link(to)?.send(message).await
    }

    /// Announces a bind to a server, in the form that it takes.
    pub(super) async fn announce(
        self: &Arc<Self>,
        to: &Server,
        news: &Bytes,
        message: &Bytes,
    ) -> Result<(), TransportError> {
        self.link(to)?.announce(news, message).await
    }

    /// Ends all links.
    pub(super) fn end(&self) {
        self.is_closed.store(true, Relaxed);
        self.closed.cancel();
        self.all.retain(|_, link| {
            link.end(true);
            false
        });
        self.tasks.close();
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.limits.reconnects.load(Relaxed)
    }
}
