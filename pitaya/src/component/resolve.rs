//! From the route of a client's message to its handler.

use std::future::ready;
use std::sync::Arc;
use std::task::Context as TaskContext;

use super::call::{CallFuture, ClientCall, HandlerCall};
use super::method::Bound;
use super::table::{Entry, EntryId, Tables};
use crate::context::Current;
use crate::error::{Error, code, text};
use crate::route::{Handler, Parts, RouteError, parse};
use crate::serialize::Body;
use crate::span::{self, CallSpan};

/// The target of a client's message.
#[derive(Debug)]
pub(crate) enum Target {
    /// A handler of this server.
    Local(EntryId),
    /// A server of another type, which this full route names.
    Remote(Arc<str>),
    /// The route has no target.
    Unresolved(Error),
}

impl Tables {
    /// Returns the target of a route as it came from the wire. `clustered`: servers of other types are reachable.
    #[inline]
    pub(crate) fn resolve(&self, route: &[u8], server_type: &str, clustered: bool) -> Target {
        match self.handlers.find(route) {
            Some(id) => Target::Local(id),
            None => not_local(route, server_type, clustered),
        }
    }
}

#[inline(never)]
fn not_local(route: &[u8], server_type: &str, clustered: bool) -> Target {
    let Ok(route) = std::str::from_utf8(route) else {
        return Target::Unresolved(RouteError::Invalid.about(&String::from_utf8_lossy(route)));
    };
    match parse(route) {
        Err(error) => Target::Unresolved(error.about(route)),
        Ok(parts) => match parts.server {
            Some(server) if server != server_type => match clustered {
                true => Target::Remote(route.into()),
                false => Target::Unresolved(handler_not_found(route)),
            },
            _ => Target::Unresolved(unknown_handler(server_type, parts)),
        },
    }
}

/// Returns the error of a route that no handler of a server of this type has.
pub(crate) fn unknown_handler(server_type: &str, parts: Parts<'_>) -> Error {
    handler_not_found(&format!("{server_type}.{}.{}", parts.service, parts.method))
}

/// Returns the error of a full route that no handler has.
pub(crate) fn handler_not_found(route: &str) -> Error {
    Error::new(code::NOT_FOUND, format!("pitaya/handler: {route} not found"))
}

/// A handler that was polled once.
pub(crate) type Started = span::Started<'static, ()>;

impl Entry {
    /// Starts a handler and polls it once. The body of one that finishes in that poll is never copied, and its reply is in
    /// the outbox.
    #[inline]
    pub(crate) fn start_handler(
        &self,
        client: ClientCall,
        body: &Body<'_>,
        cx: &mut TaskContext<'_>,
    ) -> Started {
        if let Bound::Handler(method) = self.call
            && span::wanted(client.scope.session.tracer())
        {
            return self.span(&client).start(|| method(HandlerCall::new(client), body), cx);
        }
        Started::poll(self.call_handler(client, body), cx)
    }

    /// Returns the span of a call. Called only if one is wanted.
    fn span(&self, client: &ClientCall) -> CallSpan {
        let session = &client.scope.session;
        Current::with(|current| {
            let request_id = current.metadata.request_id();
            let message = session.client_message(self.route(), request_id, client.reply.is_awaited());
            span::handler(&message, current, session.tracer())
        })
    }

    /// Returns the future of a handler. Decodes the message now, because `body` is borrowed.
    #[inline]
    pub(crate) fn call_handler(&self, client: ClientCall, body: &Body<'_>) -> CallFuture<Handler> {
        match self.call {
            Bound::Handler(method) if span::wanted(client.scope.session.tracer()) => {
                let span = self.span(&client);
                let future = span.in_scope(|| method(HandlerCall::new(client), body));
                span.run(future)
            }
            Bound::Handler(method) => method(HandlerCall::new(client), body),
            Bound::Remote(_) => {
                let error =
                    Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND).with_metadata("route", self.route());
                Box::pin(ready(Err(error)))
            }
        }
    }
}
