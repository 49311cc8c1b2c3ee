//! Discovery: how servers find each other.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Server, Servers};
use crate::error::Result;
use crate::metrics::Metric;

/// Registers the own server and keeps the list of the other servers current.
///
/// An app may bring its own: [`Builder::discovery`](crate::app::Builder::discovery).
///
/// The framework relies on this, besides the contract of each method:
/// - losing the registry never ends anything: the last view stays, and the server registers itself again as soon as it
///   can, without a limit of retries;
/// - an invalid entry is skipped, counted and logged, and hides no other entry;
/// - the id and the type in an entry's key are those of the server.
pub trait Discovery: Send + Sync + 'static {
    /// Registers `own`, fills `servers`, and keeps both current until [`close`](Self::close).
    ///
    /// Returns when the own server is registered and the list is complete. The framework calls it once, when the own
    /// server can serve calls.
    ///
    /// # Errors
    /// The registry cannot be reached within its time, refuses the credentials, or the own server cannot be
    /// registered. The app does not start then.
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>>;

    /// Updates the entry of the own server, for instance when it starts to drain.
    ///
    /// # Errors
    /// The registry did not store the entry. It gets the entry as soon as it is back.
    fn announce(&self, own: Arc<Server>) -> BoxFuture<'_, Result<()>>;

    /// Removes the own server from the registry, and returns when other servers have had time to see it. The list is
    /// still kept.
    /// Never fails: an entry that cannot be removed expires with its lease.
    fn leave(&self) -> BoxFuture<'_, ()>;

    /// Ends everything. [Leaves](Self::leave) first if the server has not left.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Whether the registry answers now.
    fn is_ready(&self) -> BoxFuture<'_, bool>;

    /// Whether the list of servers is current, as far as is known.
    ///
    /// While it is not, a server may be missing from the list, and messages to users are published to the users' own
    /// addresses instead of to the frontends in the list. The framework asks for each message, so this must be cheap.
    /// Default: `true`.
    fn is_current(&self) -> bool {
        true
    }

    /// Returns what discovery has counted since it was made, each with the counter that reports it, such as
    /// [`DISCOVERY_REGISTRATIONS`](crate::metrics::DISCOVERY_REGISTRATIONS). The app asks every
    /// `pitaya.metrics.period`.
    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        Vec::new()
    }
}

/// A discovery that a test, for instance, holds too.
impl<T: Discovery + ?Sized> Discovery for Arc<T> {
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>> {
        (**self).join(own, servers)
    }

    fn announce(&self, own: Arc<Server>) -> BoxFuture<'_, Result<()>> {
        (**self).announce(own)
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        (**self).leave()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        (**self).close()
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        (**self).is_ready()
    }

    fn is_current(&self) -> bool {
        (**self).is_current()
    }

    fn counters(&self) -> Vec<(&'static Metric, u64)> {
        (**self).counters()
    }
}
