//! Forwards the messages of clients to servers of other types.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::node::Cluster;
use crate::context::new_request_id;
use crate::error::Result;
use crate::session::FrontendSession;
use crate::span::{self, CallSpan};

/// A message of a client for a server of another type.
pub(crate) struct Forwarded {
    /// The session that it came with.
    pub(crate) core: Arc<FrontendSession>,
    /// The full route.
    pub(crate) route: Arc<str>,
    /// The body, as the client sent it.
    pub(crate) body: Bytes,
    /// The id of a request; 0 for a notify.
    pub(crate) mid: u64,
}

impl Forwarded {
    /// Returns the span of the message, up to its answer; `None` if nothing records one.
    #[inline]
    fn span(&self, request_id: &str) -> Option<CallSpan> {
        let tracer = self.core.tracer();
        span::wanted(tracer).then(|| {
            let message = self.core.client_message(&self.route, Some(request_id), self.mid != 0);
            span::forward(&message, tracer)
        })
    }
}

impl Cluster {
    /// Sends a message. Returns the body of the reply, or nothing once a notify was handled.
    pub(crate) fn forward(&self, message: Forwarded) -> BoxFuture<'static, Result<Bytes>> {
        let node = Arc::clone(&self.0);
        let request_id = new_request_id();
        match message.span(&request_id) {
            None => Box::pin(node.forward(message, request_id)),
            Some(span) => Box::pin(span.run(node.forward(message, request_id))),
        }
    }
}
