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
use std::task::{Context as TaskContext, Poll};

use futures_util::future::BoxFuture;
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
pub(crate) fn handler(message: &ClientMessage<'_>, current: &Current, tracer: Option<&Tracer>) -> CallSpan {
    let ClientMessage { route, session, uid, request_id, .. } = message;
    let uid = uid.as_deref();
    let span =
        tracing::debug_span!(target: TARGET, "handler", route, session, uid, request_id, error = Empty);
    CallSpan { span, open: tracer.map(|tracer| tracer.message(message, Named::ByRoute, current)) }
}

/// Returns the span of a message that is forwarded. Called only if a span is [`wanted`].
pub(crate) fn forward(message: &ClientMessage<'_>, tracer: Option<&Tracer>) -> CallSpan {
    let ClientMessage { route, session, uid, request_id, .. } = message;
    let uid = uid.as_deref();
    let span =
        tracing::debug_span!(target: TARGET, "forward", route, session, uid, request_id, error = Empty);
    let open = tracer.map(|tracer| Current::with(|it| tracer.message(message, Named::OnceAnswered, it)));
    CallSpan { span, open }
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

/// A call that was polled once. Most calls finish in that poll.
pub(crate) enum Started<'a, T> {
    Done(Result<T>),
    Running(BoxFuture<'a, Result<T>>),
}

impl<'a, T> Started<'a, T> {
    #[inline]
    pub(crate) fn poll(mut call: BoxFuture<'a, Result<T>>, cx: &mut TaskContext<'_>) -> Self {
        match call.as_mut().poll(cx) {
            Poll::Ready(result) => Self::Done(result),
            Poll::Pending => Self::Running(call),
        }
    }
}

impl CallSpan {
    /// Runs the synchronous part of a call in its span.
    pub(crate) fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        self.span.in_scope(work)
    }

    /// Starts a call in its spans and polls it once.
    pub(crate) fn start<'a, T: 'a>(
        self,
        call: impl FnOnce() -> BoxFuture<'a, Result<T>>,
        cx: &mut TaskContext<'_>,
    ) -> Started<'a, T> {
        match self {
            Self { span, open: Some(open) } if span.is_disabled() && !open.is_recording() => {
                open.start(call, cx)
            }
            spans => {
                let call = spans.in_scope(call);
                Started::poll(spans.run(call), cx)
            }
        }
    }

    /// Runs a call in its spans, and records the code of its error.
    pub(crate) fn run<'a, T: 'a>(
        self,
        call: impl Future<Output = Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        let Self { span, open } = self;
        if span.is_disabled() {
            return run(open, call);
        }
        let recorded = span.clone();
        let call = async move {
            let result = call.await;
            if let Err(error) = &result {
                recorded.record("error", error.code());
            }
            result
        };
        run(open, call.instrument(span))
    }
}

/// Runs a call in its OpenTelemetry span, if it has one.
fn run<'a, T: 'a>(
    open: Option<Open>,
    call: impl Future<Output = Result<T>> + Send + 'a,
) -> BoxFuture<'a, Result<T>> {
    match open {
        None => Box::pin(call),
        Some(open) => open.run(call),
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
