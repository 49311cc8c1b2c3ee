//! The session of a client on a backend, while the backend handles a message of that client.
//!
//! The session itself is on the frontend that has the connection. The backend has a copy of the data that came with
//! the message, and asks the frontend to bind, push and kick.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::binding::Binding;
use super::data::Data;
use super::pool::Pool;
use crate::context::Current;
use crate::error::Result;

/// The frontend of a session, as one call of the session uses it.
pub(crate) trait Owner: Send + Sync {
    /// The pool of this server, which has the settings and the callbacks.
    fn pool(&self) -> &Arc<Pool>;

    /// Binds the session to a user.
    fn bind<'a>(&'a self, session: u64, uid: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Replaces the session's data.
    fn replace_data<'a>(&'a self, session: u64, uid: &'a str, data: Bytes) -> BoxFuture<'a, Result<()>>;

    /// Kicks the session of a user.
    fn kick<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<()>>;

    /// Pushes to the session of a user.
    fn push<'a>(&'a self, uid: String, route: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>>;
}

/// The copy of a session that one call of a backend works with.
pub(crate) struct BackendSession {
    id: u64,
    frontend_id: Box<str>,
    data: Data,
    binding: Binding,
    owner: Box<dyn Owner>,
    current: Current,
}

impl BackendSession {
    pub(crate) fn new(
        id: u64,
        frontend_id: &str,
        uid: Option<&str>,
        data: Map<String, Value>,
        owner: Box<dyn Owner>,
        current: Current,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            frontend_id: frontend_id.into(),
            data: Data::new(data),
            binding: Binding::new(uid),
            owner,
            current,
        })
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The id of the frontend.
    pub(super) fn frontend_id(&self) -> &str {
        &self.frontend_id
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    pub(super) fn owner(&self) -> &dyn Owner {
        &*self.owner
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        self.owner.pool()
    }

    /// The context of the call.
    pub(crate) fn current(&self) -> &Current {
        &self.current
    }
}
