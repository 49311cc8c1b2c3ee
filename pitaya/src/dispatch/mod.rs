//! Dispatch: one call of a client, from bytes to bytes.
//!
//! A route is looked up once. Then the method decodes the message, runs the hooks and the handler, and writes
//! the reply into the session's outbox (`component::call`). A panic anywhere in between is that call's
//! `PIT-000`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;

use crate::component::{Bound, Calling, Client, Entry, EntryId, Handler, HandlerCall, Tables};
use crate::error::{Error, Result, code, text};
use crate::route::parse;
use crate::serialize::Body;
use crate::session::panicked;

/// The handlers of one app.
pub(crate) struct Dispatcher {
    server_type: Box<str>,
    tables: Arc<Tables>,
}

/// A handler that was started.
pub(crate) enum Started {
    /// It came to its end at once; its reply is in the outbox.
    Done(Result<()>),
    /// It goes on.
    Running(Calling<Handler>),
}

impl Dispatcher {
    pub(crate) fn new(server_type: &str, tables: Arc<Tables>) -> Self {
        Self { server_type: server_type.into(), tables }
    }

    /// The handler of a route as it came from the wire.
    #[inline]
    pub(crate) fn resolve(&self, route: &[u8]) -> Result<EntryId, Error> {
        self.tables.handlers.find(route).ok_or_else(|| self.unknown(route))
    }

    /// A handler.
    #[inline]
    pub(crate) fn entry(&self, id: EntryId) -> &Entry {
        self.tables.handlers.entry(id)
    }

    #[cold]
    fn unknown(&self, route: &[u8]) -> Error {
        let Ok(route) = std::str::from_utf8(route) else {
            return Error::new(code::BAD_REQUEST, text::INVALID_ROUTE);
        };
        let parts = match parse(route) {
            Ok(parts) => parts,
            Err(error) => return error.into(),
        };
        let server = parts.server.unwrap_or(&self.server_type);
        if server != &*self.server_type {
            // Where the cluster will take over: only servers of that type can know the route.
            return Error::new(code::INTERNAL, text::NO_SERVERS);
        }
        Error::new(
            code::NOT_FOUND,
            format!("pitaya/handler: {server}.{}.{} not found", parts.service, parts.method),
        )
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("server_type", &self.server_type).finish_non_exhaustive()
    }
}

/// Starts a handler and polls it once: most are done then, and their body was never copied.
#[inline]
pub(crate) fn start(entry: &Entry, client: Client, body: &Body<'_>, cx: &mut Context<'_>) -> Started {
    let begin = AssertUnwindSafe(|| {
        let mut future = call(entry, client, body);
        match future.as_mut().poll(cx) {
            Poll::Ready(result) => Started::Done(result),
            Poll::Pending => Started::Running(future),
        }
    });
    catch_unwind(begin).unwrap_or_else(|panic| Started::Done(Err(panicked(entry.route(), &*panic))))
}

/// Makes the future of a handler; decodes its message now.
#[inline]
pub(crate) fn call(entry: &Entry, client: Client, body: &Body<'_>) -> Calling<Handler> {
    match entry.call {
        Bound::Handler(method) => method(HandlerCall::new(client), body),
        Bound::Remote(_) => {
            let error = Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND);
            Box::pin(std::future::ready(Err(error)))
        }
    }
}

/// Polls a handler that goes on.
pub(crate) fn poll(what: &str, future: &mut Calling<Handler>, cx: &mut Context<'_>) -> Poll<Result<()>> {
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)))
        .unwrap_or_else(|panic| Poll::Ready(Err(panicked(what, &*panic))))
}

/// Drops a handler; a panic in that is logged and goes no further.
pub(crate) fn discard<T>(what: &str, future: BoxFuture<'static, T>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
        let _ = panicked(what, &*panic);
    }
}
