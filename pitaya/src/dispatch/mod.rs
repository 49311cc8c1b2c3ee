//! Dispatch: one call of a client, from bytes to bytes.
//!
//! A route is looked up once. Then the method decodes the message, runs the hooks and the handler, and writes
//! the reply into the session's outbox (`component::call`). A panic anywhere in between is that call's
//! `PIT-000`.

use std::fmt;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::component::{
    Bound, CallFuture, ClientCall, Entry, EntryId, Handler, HandlerCall, SessionScope, Tables,
};
use crate::context::Current;
use crate::error::{Error, Result, code, text};
use crate::route::{Parts, RouteError, parse};
use crate::serialize::Body;
use crate::session::Core;
use crate::span::{self, CallSpan};
use crate::util::panic::panic_error;

/// The handlers of one app, and the way to those of other server types.
pub(crate) struct Dispatcher {
    server_type: Box<str>,
    tables: Arc<Tables>,
    forward: Option<Arc<dyn Forward>>,
}

/// Where a message of a client goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// To a handler here.
    Local(EntryId),
    /// To a server of another type, which the route names.
    Remote(Arc<str>),
    /// Nowhere, and why.
    Unresolved(Error),
}

/// A message of a client for a server of another type.
pub(crate) struct Forwarded {
    /// The session it came with.
    pub(crate) core: Arc<Core>,
    /// The full route.
    pub(crate) route: Arc<str>,
    /// The body, as the client sent it.
    pub(crate) body: Bytes,
    /// The id of a request; 0 is a notify.
    pub(crate) mid: u64,
}

impl Forwarded {
    /// The span of the message, up to its answer; `None` if nothing wants one.
    #[inline]
    pub(crate) fn span(&self, request_id: &str) -> Option<CallSpan> {
        let tracer = self.core.tracer();
        span::wanted(tracer).then(|| {
            let message = self.core.client_message(&self.route, Some(request_id), self.mid != 0);
            span::forward(&message, tracer)
        })
    }
}

/// Sends messages of clients to servers of other types: the cluster.
pub(crate) trait Forward: Send + Sync {
    /// Sends a message, and waits for its answer: the body of the reply, or that a notify was handled.
    fn forward(&self, message: Forwarded) -> BoxFuture<'static, Result<Bytes>>;
}

/// A handler that was started.
pub(crate) enum Started {
    /// It came to its end at once; its reply is in the outbox.
    Done(Result<()>),
    /// It goes on.
    Running(CallFuture<Handler>),
}

impl Dispatcher {
    pub(crate) fn new(server_type: &str, tables: Arc<Tables>, forward: Option<Arc<dyn Forward>>) -> Self {
        Self { server_type: server_type.into(), tables, forward }
    }

    /// Returns what the calls of a session use.
    pub(crate) fn scope(&self, core: &Arc<Core>) -> Arc<SessionScope> {
        SessionScope::new(Arc::clone(core), Arc::clone(&self.tables))
    }

    /// Where a route goes, as it came from the wire.
    #[inline]
    pub(crate) fn resolve(&self, route: &[u8]) -> Target {
        match self.tables.handlers.find(route) {
            Some(id) => Target::Local(id),
            None => self.not_local(route),
        }
    }

    /// A handler.
    #[inline]
    pub(crate) fn entry(&self, id: EntryId) -> &Entry {
        self.tables.handlers.entry(id)
    }

    /// Sends a message to a server of another type.
    pub(crate) fn forward(&self, message: Forwarded) -> BoxFuture<'static, Result<Bytes>> {
        match &self.forward {
            Some(forward) => forward.forward(message),
            None => Box::pin(ready(Err(not_found(&message.route)))),
        }
    }

    #[inline(never)]
    fn not_local(&self, route: &[u8]) -> Target {
        let Ok(route) = std::str::from_utf8(route) else {
            return Target::Unresolved(RouteError::Invalid.about(&String::from_utf8_lossy(route)));
        };
        match parse(route) {
            Err(error) => Target::Unresolved(error.about(route)),
            Ok(parts) => match parts.server {
                Some(server) if *server != *self.server_type => match self.forward {
                    Some(_) => Target::Remote(route.into()),
                    None => Target::Unresolved(not_found(route)),
                },
                _ => Target::Unresolved(unknown_handler(&self.server_type, parts)),
            },
        }
    }
}

/// There is no such handler on a server of this type.
pub(crate) fn unknown_handler(server_type: &str, parts: Parts<'_>) -> Error {
    not_found(&format!("{server_type}.{}.{}", parts.service, parts.method))
}

/// There is no such handler; the route is a full one.
pub(crate) fn not_found(route: &str) -> Error {
    Error::new(code::NOT_FOUND, format!("pitaya/handler: {route} not found"))
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("server_type", &self.server_type).finish_non_exhaustive()
    }
}

/// Starts a handler and polls it once: most are done then, and their body was never copied.
#[inline]
pub(crate) fn start(entry: &Entry, client: ClientCall, body: &Body<'_>, cx: &mut Context<'_>) -> Started {
    let begin = AssertUnwindSafe(|| {
        let mut future = call(entry, client, body);
        match future.as_mut().poll(cx) {
            Poll::Ready(result) => Started::Done(result),
            Poll::Pending => Started::Running(future),
        }
    });
    catch_unwind(begin).unwrap_or_else(|panic| Started::Done(Err(panic_error(entry.route(), &*panic))))
}

/// Makes the future of a handler; decodes its message now.
#[inline]
pub(crate) fn call(entry: &Entry, client: ClientCall, body: &Body<'_>) -> CallFuture<Handler> {
    match entry.call {
        Bound::Handler(method) if span::wanted(client.scope.core.tracer()) => {
            let request_id = Current::with(|current| current.metadata.request_id().map(str::to_owned));
            let core = &client.scope.core;
            let message = core.client_message(entry.route(), request_id.as_deref(), client.mid != 0);
            let span = span::handler(&message, core.tracer());
            let future = span.in_scope(|| method(HandlerCall::new(client), body));
            Box::pin(span.run(future))
        }
        Bound::Handler(method) => method(HandlerCall::new(client), body),
        Bound::Remote(_) => {
            let error =
                Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND).with_metadata("route", entry.route());
            Box::pin(ready(Err(error)))
        }
    }
}

/// Polls a handler that goes on.
pub(crate) fn poll(what: &str, future: &mut CallFuture<Handler>, cx: &mut Context<'_>) -> Poll<Result<()>> {
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
        .unwrap_or_else(|panic| Poll::Ready(Err(panic_error(what, &*panic))))
}

/// Drops a handler; a panic in that is logged and goes no further.
pub(crate) fn discard<T>(what: &str, future: BoxFuture<'static, T>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        let _ = panic_error(what, &*panic);
    }
}
