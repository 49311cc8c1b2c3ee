//! The links to the other servers.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address;
use super::dial::Target;
use super::link::{Link, LinkLimits};
#[cfg(feature = "tls")]
use super::tls::ClientTls;
use crate::cluster::receive::reconnected;
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
    /// This server, and the receiver of its messages.
    pub(super) own: OnceLock<(Arc<Server>, Arc<dyn Receiver>)>,
    pub(super) servers: OnceLock<Arc<Servers>>,
}

impl Links {
    /// Follows the list of servers: connects to new ones, and ends the links of those that left.
    pub(super) fn follow(self: &Arc<Self>, servers: &Arc<Servers>) {
        if self.servers.set(Arc::clone(servers)).is_err() {
            return;
        }
        let links = Arc::downgrade(self);
        servers.on_change(move |change| {
            let Some(links) = Weak::upgrade(&links) else { return };
            match change {
                Change::Removed(server) => links.remove(server),
                Change::Added(server) | Change::Replaced { new: server, .. } => links.update(server),
            }
        });
    }

    /// Returns the link to a server, which is connected or connecting.
    pub(super) fn link(&self, to: &Server) -> Result<Arc<Link>, TransportError> {
        if let Some(link) = self.all.get(&*to.id) {
            self.begin(&link, to);
            return Ok(Arc::clone(&link));
        }
        if self.closed.is_cancelled() {
            return Err(TransportError::Unavailable);
        }
        subject::check_name(&to.server_type)?;
        subject::check_name(&to.id)?;
        let made = self.make(to)?;
        let link = Arc::clone(&self.all.entry(Arc::clone(&to.id)).or_insert(made));
        self.begin(&link, to);
        Ok(link)
    }

    fn make(&self, to: &Server) -> Result<Arc<Link>, TransportError> {
        let address = address::of(to, &self.region).map_err(|key| {
            throttled!(GLOBAL, warn, "gRPC addresses", server = %to.id, key, "server has no gRPC address");
            TransportError::NoResponders
        })?;
        let target = Target {
            address,
            is_peer: address::is_peer(to),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        };
        Link::new(target, Arc::clone(&self.limits)).map(Arc::new)
    }

    /// Starts to connect, if no call has.
    fn begin(&self, link: &Arc<Link>, to: &Server) {
        let Some((own, receiver)) = self.own.get() else { return };
        // Only frontends of one type tell each other their binds.
        let shares_users = own.frontend && to.frontend && own.server_type == to.server_type;
        let receiver = shares_users.then(|| Arc::clone(receiver));
        let work = link.begin(move || {
            if let Some(receiver) = &receiver {
                reconnected(&**receiver);
            }
        });
        if let Some(work) = work {
            self.tasks.spawn(work);
        }
    }

    fn update(&self, server: &Server) {
        if self.own.get().is_some_and(|(own, _)| own.id == server.id) || self.closed.is_cancelled() {
            return;
        }
        let known = self.all.get(&*server.id).map(|link| Arc::clone(&link));
        if let Some(link) = known {
            if address::of(server, &self.region).is_ok_and(|address| address == link.address()) {
                return;
            }
            self.remove(server);
        }
        if !self.lazy
            && let Err(error) = self.link(server)
        {
            tracing::debug!(server = %server.id, %error, "no link to a server");
        }
    }

    fn remove(&self, server: &Server) {
        if let Some((_, link)) = self.all.remove(&*server.id) {
            link.end(false);
        }
    }

    /// Returns the servers of a type.
    pub(super) fn of_type(&self, server_type: &str) -> Vec<Arc<Server>> {
        let Some(servers) = self.servers.get() else { return Vec::new() };
        servers.look(|view| view.of_type(server_type).to_vec())
    }

    pub(super) async fn send(&self, to: &Server, message: Bytes) -> Result<(), TransportError> {
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
