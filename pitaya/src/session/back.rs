//! What a backend has of a client's session, while it handles a message of that client.
//!
//! The session itself is on the frontend that has the connection. Here is a copy of what came with the message, and a
//! way to ask that frontend for what only it can do.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::context::Current;
use crate::error::Result;
use crate::util::sync::Mutex;

/// The frontend that has a session, as one call of the session knows it.
pub(crate) trait Owner: Send + Sync {
    /// Binds the session to a user.
    fn bind<'a>(&'a self, session: u64, uid: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Replaces the session's data.
    fn replace_data<'a>(&'a self, session: u64, uid: &'a str, data: Bytes) -> BoxFuture<'a, Result<()>>;

    /// Kicks the session of a user.
    fn kick<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Pushes to the session of a user.
    fn push<'a>(&'a self, uid: String, route: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>>;
}

/// The part of a session that only backends have.
pub(crate) struct Back {
    owner: Box<dyn Owner>,
    frontend_id: Arc<str>,
    current: Current,
    reply: Mutex<Option<Bytes>>,
}

impl Back {
    pub(crate) fn new(owner: Box<dyn Owner>, frontend_id: &str, current: Current) -> Self {
        Self { owner, frontend_id: frontend_id.into(), current, reply: Mutex::default() }
    }

    /// The context of the call.
    pub(crate) fn current(&self) -> &Current {
        &self.current
    }

    pub(super) fn owner(&self) -> &dyn Owner {
        &*self.owner
    }

    /// The id of the frontend.
    pub(crate) fn frontend_id(&self) -> &str {
        &self.frontend_id
    }

    /// Keeps the reply of the handler, which the frontend waits for.
    pub(crate) fn reply(&self, body: Bytes) {
        *self.reply.lock() = Some(body);
    }

    /// The reply, once the handler has ended.
    pub(crate) fn take_reply(&self) -> Option<Bytes> {
        self.reply.lock().take()
    }
}
