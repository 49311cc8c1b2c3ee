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
//! Without a subscriber for that level a call costs one comparison.

use std::future::Future;

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Instrument, Span};

use crate::component::RemoteRequest;
use crate::context::Current;
use crate::dispatch::Forwarded;
use crate::error::Result;
use crate::session::Core;

const TARGET: &str = "pitaya::call";

/// Whether a subscriber may want spans of this level.
#[inline]
pub(crate) fn wanted() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// Returns the span of a handler, which is disabled if no subscriber wants it.
#[cold]
pub(crate) fn handler(route: &str, core: &Core) -> Span {
    tracing::debug_span!(
        target: TARGET,
        "handler",
        route,
        session = core.id(),
        uid = core.uid().as_deref(),
        request_id = Current::request_id(),
        error = Empty,
    )
}

/// Returns the span of a remote, which is disabled if no subscriber wants it.
#[inline]
pub(crate) fn remote(route: &str, current: &Current) -> Span {
    if !wanted() {
        return Span::none();
    }
    tracing::debug_span!(
        target: TARGET,
        "remote",
        route,
        request_id = current.metadata.request_id(),
        error = Empty,
    )
}

/// Returns the span of a message that is forwarded, which is disabled if no subscriber wants it.
#[inline]
pub(crate) fn forward(message: &Forwarded) -> Span {
    if !wanted() {
        return Span::none();
    }
    let Forwarded { core, route, .. } = message;
    tracing::debug_span!(
        target: TARGET,
        "forward",
        route = &**route,
        session = core.id(),
        uid = core.uid().as_deref(),
        request_id = Empty,
        error = Empty,
    )
}

/// Returns the span of a call to another server, which is disabled if no subscriber wants it.
#[inline]
pub(crate) fn rpc(request: &RemoteRequest) -> Span {
    if !wanted() {
        return Span::none();
    }
    tracing::debug_span!(
        target: TARGET,
        "rpc",
        route = &*request.route,
        server = request.server_id.as_deref(),
        request_id = request.current.metadata.request_id(),
        error = Empty,
    )
}

/// Records the request id of the current span, which was made after the span.
#[inline]
pub(crate) fn record_request_id(id: &str) {
    if wanted() {
        Span::current().record("request_id", id);
    }
}

/// Runs a call in its span, and records the code of its error.
pub(crate) fn run<T>(span: Span, call: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let recorded = async {
        let result = call.await;
        if let Err(error) = &result {
            Span::current().record("error", error.code());
        }
        result
    };
    recorded.instrument(span)
}
