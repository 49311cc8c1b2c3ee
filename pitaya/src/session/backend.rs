//! The session of a client on a backend, while the backend handles a message of that client.
//!
//! The session itself is on the frontend that has the connection. The backend has a copy of the data that came with
//! the message, and asks the frontend to bind, push and kick.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::binding::Binding;
use super::data::Data;
use super::pool::Pool;
use crate::context::Current;
use crate::error::Result;
use crate::peers::{FrontendCall, SessionRequest};

/// The copy of a session that one call of a backend works with.
pub(crate) struct BackendSession {
    id: u64,
    data: Data,
    binding: Binding,
    call: FrontendCall,
    pool: Arc<Pool>,
}

impl BackendSession {
    pub(crate) fn new(
        id: u64,
        uid: Option<&str>,
        data: Map<String, Value>,
        call: FrontendCall,
        pool: Arc<Pool>,
    ) -> Arc<Self> {
        Arc::new(Self { id, data: Data::new(data), binding: Binding::new(uid), call, pool })
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The id of the frontend.
    pub(super) fn frontend_id(&self) -> &str {
        &self.call.frontend_id
    }

    pub(super) fn data(&self) -> &Data {
        &self.data
    }

    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The context of the call.
    pub(crate) fn current(&self) -> &Current {
        &self.call.current
    }

    /// Asks the frontend to change the session.
    pub(super) fn request<'a>(&'a self, request: SessionRequest<'a>) -> BoxFuture<'a, Result<()>> {
        self.pool.peers().request(&self.call, request)
    }
}
