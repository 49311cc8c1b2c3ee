//! The `tracing` span of a call.
//!
//! Each call runs in a span of the target `pitaya::call` and the level `DEBUG`:
//!
//! | span | around | fields |
//! |---|---|---|
//! | `handler` | a handler, on the server that has it | `route`, `session`, `uid`, `request_id`, `error` |
//! | `remote` | a remote, on the server that has it | `route`, `request_id`, `error` |
//! | `forward` | a client's message that a frontend forwards, up to its answer | `route`, `session`, `uid`, `request_id`, `error` |
//! | `rpc` | a call of a remote, on the calling server, up to its answer | `route`, `server`, `request_id`, `error` |
//!
//! `uid` is missing while the session is not bound. A message gets its request id when it is forwarded or when a server
//! receives it, so a handler of a frontend has none. `error` is the code of a call that failed. No span has a payload.
//!
//! Without a subscriber for that level a call costs one comparison: no future is wrapped.

use std::borrow::Cow;
use std::future::Future;

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span};

use crate::context::{Current, Metadata};
use crate::error::Result;

#[cfg(feature = "otel")]
mod carrier;
#[cfg(not(feature = "otel"))]
mod disabled;
mod message;
#[cfg(feature = "otel")]
mod tracer;

#[cfg(not(feature = "otel"))]
pub(crate) use disabled::{Open, Tracer};
pub(crate) use message::ClientMessage;
use message::Named;
#[cfg(feature = "otel")]
pub(crate) use tracer::{Open, Tracer};

const TARGET: &str = "pitaya::call";

/// The spans of one call: that of `tracing`, and that of OpenTelemetry if the app has a tracer.
///
/// The functions below return `None` if nothing wants a span. Then the call runs without a future around its own.
pub(crate) struct CallSpan {
    span: Span,
    open: Option<Open>,
}

/// Returns whether a subscriber may want spans of this level.
#[inline]
fn subscribed() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// Returns whether a subscriber or the tracer of the app may want a span.
#[inline]
pub(crate) fn wanted(tracer: Option<&Tracer>) -> bool {
    subscribed() || tracer.is_some()
}

/// Returns the span of a handler. Called only if a span is [`wanted`].
#[cold]
pub(crate) fn handler(message: &ClientMessage<'_>, tracer: Option<&Tracer>) -> CallSpan {
    let ClientMessage { route, session, uid, request_id, .. } = message;
    let uid = uid.as_deref();
    let span =
        tracing::debug_span!(target: TARGET, "handler", route, session, uid, request_id, error = Empty);
    CallSpan { span, open: tracer.map(|tracer| tracer.message(message, Named::ByRoute)) }
}

/// Returns the span of a message that is forwarded. Called only if a span is [`wanted`].
#[cold]
pub(crate) fn forward(message: &ClientMessage<'_>, tracer: Option<&Tracer>) -> CallSpan {
    let ClientMessage { route, session, uid, request_id, .. } = message;
    let uid = uid.as_deref();
    let span =
        tracing::debug_span!(target: TARGET, "forward", route, session, uid, request_id, error = Empty);
    CallSpan { span, open: tracer.map(|tracer| tracer.message(message, Named::OnceAnswered)) }
}

/// Returns the span of a remote.
#[inline]
pub(crate) fn remote(route: &str, current: &Current, tracer: Option<&Tracer>) -> Option<CallSpan> {
    wanted(tracer).then(|| {
        let request_id = current.metadata.request_id();
        let span = tracing::debug_span!(target: TARGET, "remote", route, request_id, error = Empty);
        CallSpan { span, open: tracer.map(|tracer| tracer.remote(route, current)) }
    })
}

/// Returns the span of a call of a remote. OpenTelemetry has one for each server that is tried ([`call`]).
#[inline]
pub(crate) fn rpc(route: &str, server: Option<&str>, current: &Current) -> Option<CallSpan> {
    subscribed().then(|| {
        let request_id = current.metadata.request_id();
        let span = tracing::debug_span!(target: TARGET, "rpc", route, server, request_id, error = Empty);
        CallSpan { span, open: None }
    })
}

impl CallSpan {
    /// Runs the synchronous part of a call in its span.
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// Runs a call in its spans, and records the code of its error.
    pub(crate) async fn run<T>(self, call: impl Future<Output = Result<T>>) -> Result<T> {
        // Not the current span: if this one is disabled, the current one belongs to another call.
        let span = self.span.clone();
        let recorded = async move {
            let result = call.await;
            if let Err(error) = &result {
                span.record("error", error.code());
            }
            result
        };
        let call = recorded.instrument(self.span);
        match self.open {
            None => call.await,
            Some(open) => open.run(call).await,
        }
    }
}

/// Returns the OpenTelemetry span of a call to another server, if the app has a tracer.
#[inline]
pub(crate) fn call(tracer: Option<&Tracer>, route: &str, (id, server_type): (&str, &str)) -> Option<Open> {
    tracer.map(|tracer| tracer.call(route, id, server_type))
}

/// Returns the context of a call that carries this span, if there is one.
#[inline]
pub(crate) fn inject<'a>(open: Option<&Open>, metadata: &'a Metadata) -> Cow<'a, Metadata> {
    match open {
        None => Cow::Borrowed(metadata),
        Some(open) => Cow::Owned(open.inject(metadata)),
    }
}
