//! Makes a session the session of its user, on this server and in the cluster.

use std::future::poll_fn;
use std::sync::Arc;

use super::{CloseReason, FrontendSession};
use crate::error::{Error, Result, code, text};

impl FrontendSession {
    /// The identity of this session among all that were ever bound to its user, in the order of their binds.
    pub(crate) fn ownership(&self) -> String {
        let server = self.pool.peers().server_id();
        let bound_at = self.state().bound_at;
        format!("{bound_at:019}/{server}/{:020}", self.id)
    }

    /// Makes this the session of a user, on this server and in the cluster. Waits until the sessions before it have
    /// ended, up to `pitaya.session.replace.timeout`.
    pub(in crate::session) async fn enter(self: &Arc<Self>, uid: &Arc<str>) -> Result<()> {
        let peers = self.pool.peers();
        peers.before_bind(uid).await?;
        self.state().listed = Some(Arc::clone(uid));
        let (bound_at, old) = self.pool.swap_user(uid, self)?;
        self.state().bound_at = bound_at;
        if let Some(old) = &old {
            old.replaced();
        }
        let remote = async {
            if let Some(replaced) = peers.after_bind(uid, bound_at).await {
                self.pool.kick_replaced(&replaced);
            }
        };
        let ended = async { tokio::join!(remote, self.pool.wait_for_ending(uid, old, Some(self.id))) };
        tokio::select! {
            biased;
            // A session that replaces this one meanwhile may wait for this one to end.
            () = poll_fn(|cx| self.outbox.poll_closed(cx)) => {}
            _ = ended => {}
        }
        if self.close_reason().is_some() {
            return Err(Error::new(code::CLOSED, text::BROKEN_PIPE));
        }
        Ok(())
    }

    /// Undoes [`enter`](Self::enter).
    pub(in crate::session) fn leave(&self, uid: &str) {
        self.pool.forget_user(uid, self);
        self.unlist();
    }

    /// Announces to the cluster, once, that the session of the user has ended.
    pub(in crate::session) fn unlist(&self) {
        let listed = self.state().listed.take();
        if let Some(uid) = listed {
            self.pool.peers().unbound(&uid, self.id);
        }
    }

    /// Notes that another session has replaced this one.
    fn replaced(&self) {
        tracing::info!(session = self.id, "replaced by a newer session of the same uid");
        if self.pool.peers().kicks_replaced() {
            self.kick(CloseReason::Replaced);
        } else {
            self.close(CloseReason::Replaced);
        }
    }
}
