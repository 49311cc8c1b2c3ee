//! Discovery: how servers find each other.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Server, Servers};
use crate::error::Result;
use crate::metrics::Metric;

/// Makes the own server known to the others, and the others to it.
///
/// Users may have their own: [`Builder::discovery`](crate::app::Builder::discovery).
///
/// What the framework relies on, besides what each method says:
/// - a registry that is lost never ends anything: the last view stays, and the server makes itself known again as soon
///   as it can, for as long as it takes;
/// - an entry that is no server is skipped, counted and logged, and hides no other;
/// - the id and the type in an entry's key are those of the server.
pub trait Discovery: Send + Sync + 'static {
    /// Registers `own`, fills `servers`, and keeps both true until [`close`](Self::close). Returns when the own
    /// server is registered and the list is whole. Called once, when the own server can be called already.
    ///
    /// # Errors
    /// The registry cannot be reached within its time, refuses the credentials, or the own server cannot be
    /// registered. The app does not start then.
    fn join(&self, own: Arc<Server>, servers: Arc<Servers>) -> BoxFuture<'_, Result<()>>;

    /// Registers the own server anew, because it says something else of itself now: for instance, that it drains.
    ///
    /// # Errors
    /// The registry did not take it now. It is told as soon as it is back.
    fn announce(&self, own: Arc<Server>) -> BoxFuture<'_, Result<()>>;

    /// Takes the own server out, and returns when others may be expected to have seen it. The list is still kept.
    /// Never fails: what cannot be told runs out by itself.
    fn leave(&self) -> BoxFuture<'_, ()>;

    /// Ends everything, [leaving](Self::leave) first if that was not done.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Whether the registry answers now.
    fn is_ready(&self) -> BoxFuture<'_, bool>;

    /// Whether the list of servers is kept true now, as far as is known. While it is not, a server may be missing from
    /// it, and messages to users go to the users' own addresses instead of to the frontends in the list. It is asked for
    /// each message, so it must be cheap. Default: `true`.
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

/// One that somebody else holds too: a test, for one.
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
