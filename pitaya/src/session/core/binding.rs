//! How a session gets its user.

use std::future::poll_fn;
use std::sync::Arc;

use super::{CloseReason, Core};
use crate::error::{Error, Result, code, text};
use crate::session::callback::{BindCallback, CallbackList};
use crate::session::{Session, check_uid};
use crate::util::panic::catch_panic_async;

impl Core {
    /// What tells this session from all others that were ever bound to its user, in the order in which they were bound.
    pub(crate) fn ownership(&self) -> String {
        let server = self.pool.directory().map(|directory| directory.server_id());
        let bound_at = self.state().bound_at;
        format!("{bound_at:019}/{}/{:020}", server.as_deref().unwrap_or_default(), self.id)
    }

    pub(crate) async fn bind(self: &Arc<Self>, uid: &str) -> Result<()> {
        check_uid(uid)?;
        let uid: Arc<str> = uid.into();
        {
            let mut state = self.state();
            if let Some(bound) = &state.uid {
                let detail = format!(
                    "session {} is bound to `{bound}`, so it cannot be bound to `{uid}`: a client changes its user by a new \
                     connection",
                    self.id
                );
                return Err(Error::new(code::UNKNOWN, text::ALREADY_BOUND).with_source(detail));
            }
            state.uid = Some(Arc::clone(&uid));
        }
        // Undoes the bind unless it came to its end: an error, a panic or a cut-off handler.
        let mut undo = Unbind { core: self, uid: Some(Arc::clone(&uid)) };
        self.run_checks("on_bind", &self.pool.callbacks().on_bind).await?;
        match &self.back {
            Some(back) => back.owner().bind(self.id, &uid).await?,
            None => self.enter(&uid).await?,
        }
        self.run_checks("on_after_bind", &self.pool.callbacks().on_after_bind).await?;
        undo.uid = None;
        Ok(())
    }

    /// Makes this the session of a user, here and in the cluster, and waits until the sessions before it have ended, up to
    /// `pitaya.session.replace.timeout`.
    async fn enter(self: &Arc<Self>, uid: &Arc<str>) -> Result<()> {
        let directory = self.pool.directory();
        if let Some(directory) = &directory {
            directory.entering(uid).await?;
            self.state().listed = Some(Arc::clone(uid));
        }
        let (bound_at, old) = self.pool.swap_user(uid, self, directory.as_deref())?;
        self.state().bound_at = bound_at;
        if let Some(old) = &old {
            old.replaced();
        }
        let elsewhere = async {
            if let Some(directory) = &directory {
                directory.entered(uid, bound_at).await;
            }
        };
        let ended = async { tokio::join!(elsewhere, self.pool.wait_for_ending(uid, old, Some(self.id))) };
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

    /// Tells the cluster, once, that the user has left.
    pub(in crate::session) fn unlist(&self) {
        let listed = self.state().listed.take();
        if let (Some(uid), Some(directory)) = (listed, self.pool.directory()) {
            directory.left(&uid, self);
        }
    }

    async fn run_checks(
        self: &Arc<Self>,
        what: &'static str,
        list: &CallbackList<BindCallback>,
    ) -> Result<()> {
        for callback in list.all().iter() {
            let session = Session::new(Arc::clone(self), 0);
            catch_panic_async(what, || callback(session)).await??;
        }
        Ok(())
    }

    /// Another session has taken this one's uid.
    fn replaced(&self) {
        tracing::info!(session = self.id, "replaced by a newer session of the same uid");
        if self.pool.directory().is_some_and(|directory| directory.kicks()) {
            self.kick(CloseReason::Replaced);
        } else {
            self.close(CloseReason::Replaced);
        }
    }
}

struct Unbind<'a> {
    core: &'a Arc<Core>,
    uid: Option<Arc<str>>,
}

impl Drop for Unbind<'_> {
    fn drop(&mut self) {
        if let Some(uid) = self.uid.take() {
            if self.core.back.is_none() {
                self.core.pool.forget_user(&uid, self.core);
                self.core.unlist();
            }
            self.core.state().uid = None;
        }
    }
}
