//! Forwards the messages of clients to servers of other types.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::encode_request::{ClientMessage, OutboundRequest};
use super::outbound::Outbound;
use super::request::ReplyMode;
use super::router::Routing;
use crate::context::{Metadata, new_request_id};
use crate::error::Result;
use crate::route;
use crate::session::{FrontendSession, Session};
use crate::span::{self, CallSpan};

/// A message of a client for a server of another type.
pub(crate) struct Forwarded {
    /// The session that it came with.
    pub(crate) session: Arc<FrontendSession>,
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
        let tracer = self.session.tracer();
        span::wanted(tracer).then(|| {
            let message = self.session.client_message(&self.route, Some(request_id), self.mid != 0);
            span::forward(&message, tracer)
        })
    }
}

impl Outbound {
    /// Sends a message. Returns the body of the reply, or nothing once a notify was handled.
    pub(crate) fn forward(self: &Arc<Self>, message: Forwarded) -> BoxFuture<'static, Result<Bytes>> {
        let outbound = Arc::clone(self);
        let request_id = new_request_id();
        match message.span(&request_id) {
            None => Box::pin(outbound.forward_message(message, request_id)),
            Some(span) => span.run(outbound.forward_message(message, request_id)),
        }
    }

    /// Forwards a message of a client.
    ///
    /// Its future is boxed for each message and kept below 1 KiB, beyond which allocators take a slower path.
    async fn forward_message(self: Arc<Self>, message: Forwarded, request_id: String) -> Result<Bytes> {
        let Forwarded { session, route, body, mid } = message;
        let own = self.own();
        let context = Metadata::new();
        let handle = Session::new(Arc::clone(&session), 0);
        let call = Routing {
            server_type: route::parse(&route)?.server.unwrap_or_default(),
            route: &route,
            payload: &body,
            session: Some(&handle),
            context: &context,
            servers: &[],
        };
        let mut to = self.choose(&call, None)?;
        let (mut left, began) = (self.limits.request, to.key.is_some().then(Instant::now));
        let (uid, data) = (session.uid(), session.data().json());
        let client = ClientMessage {
            session: i64::try_from(session.id()).unwrap_or(i64::MAX),
            uid: uid.as_deref().unwrap_or_default(),
            data: &data,
            waits: if mid == 0 { ReplyMode::Notify } else { ReplyMode::Request(mid) },
        };
        let mut tried = Vec::new();
        loop {
            let open = span::call(
                self.local.shared.runner.tracer(),
                &route,
                (&to.server.id, &to.server.server_type),
            );
            let metadata = span::inject(open.as_ref(), &context).encode_for_call(
                &self.caller,
                left,
                Some(&request_id),
                to.mark(),
            );
            let (client, metadata) = (Some(client), &metadata);
            let request = OutboundRequest { route: &route, data: &body, client, sender: &own, metadata };
            let result = match open {
                None => self.send(&to, &request, left).await,
                Some(open) => open.run(self.send(&to, &request, left)).await,
            };
            match result {
                Err(error) if to.is_refused(&error) => to = self.next_for_key(&route, to, &mut tried)?,
                result => return result,
            }
            let spent = began.map(|began| began.elapsed()).unwrap_or_default();
            left = self.limits.request.saturating_sub(spent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn future_of_a_forward_is_small() {
        fn size<F>(_: fn(Arc<Outbound>, Forwarded, String) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(Outbound::forward_message);
        assert!(size <= 1024, "{size}");
    }
}
