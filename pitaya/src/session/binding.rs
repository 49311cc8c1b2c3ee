//! How a session gets its user, on both sides.

use std::sync::Arc;

use super::side::Side;
use super::{Session, check_uid};
use crate::error::{Error, Result, code, text};
use crate::peers::SessionRequest;
use crate::util::sync::Mutex;

/// The user that a session is bound to.
#[derive(Debug, Default)]
pub(super) struct Binding(Mutex<Option<Arc<str>>>);

impl Binding {
    pub(super) fn new(uid: Option<&str>) -> Self {
        Self(Mutex::new(uid.map(Arc::from)))
    }

    pub(super) fn uid(&self) -> Option<Arc<str>> {
        self.0.lock().clone()
    }

    /// Sets the user. Fails if the session is bound.
    fn claim(&self, session: u64, uid: &Arc<str>) -> Result<()> {
        let mut bound = self.0.lock();
        if let Some(bound) = &*bound {
            let detail = format!(
                "session {session} is bound to `{bound}`, so it cannot be bound to `{uid}`: a client changes its user by a \
                 new connection"
            );
            return Err(Error::new(code::UNKNOWN, text::ALREADY_BOUND).with_source(detail));
        }
        *bound = Some(Arc::clone(uid));
        Ok(())
    }

    fn release(&self) {
        *self.0.lock() = None;
    }
}

/// Binds a session to a user. A bind that fails, panics or is dropped is undone.
pub(super) async fn bind(session: &Side, uid: &str) -> Result<()> {
    check_uid(uid)?;
    let uid: Arc<str> = uid.into();
    session.binding().claim(session.id(), &uid)?;
    let mut undo = Unbind { session, uid: Some(Arc::clone(&uid)) };
    let callbacks = session.pool().callbacks();
    let handle = Session::of(session.clone(), 0);
    callbacks.on_bind.run("on_bind", &handle).await?;
    match session {
        Side::Frontend(session) => session.enter(&uid).await?,
        Side::Backend(session) => {
            session.request(SessionRequest::Bind { session: session.id(), uid: &uid }).await?;
        }
    }
    callbacks.on_after_bind.run("on_after_bind", &handle).await?;
    undo.uid = None;
    Ok(())
}

struct Unbind<'a> {
    session: &'a Side,
    uid: Option<Arc<str>>,
}

impl Drop for Unbind<'_> {
    fn drop(&mut self) {
        let Some(uid) = self.uid.take() else { return };
        if let Side::Frontend(session) = self.session {
            session.leave(&uid);
        }
        self.session.binding().release();
    }
}
