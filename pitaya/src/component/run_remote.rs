//! Runs a remote of this process, and bounds the wait of its caller.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;

use super::method::Bound;
use super::{Call, EntryId, Tables};
use crate::context::Current;
use crate::error::{Error, Result, code, text};
use crate::go_duration;
use crate::serialize::Body;
use crate::span::{self, Tracer};
use crate::util::panic::panic_error;

/// The timeout of a call without any other limit.
pub(super) async fn within(
    timeout: Option<Duration>,
    route: String,
    call: impl Future<Output = Result<Bytes>>,
) -> Result<Bytes> {
    let Some(timeout) = timeout else { return call.await };
    tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(timed_out(route, timeout)))
}

pub(super) fn timed_out(route: String, timeout: Duration) -> Error {
    Error::new(code::TIMEOUT, text::RPC_TIMEOUT)
        .with_metadata("route", route)
        .with_metadata("timeout", go_duration::text(timeout))
}

/// Runs one remote, from bytes to bytes; a panic is its `PIT-000`.
pub(crate) async fn run_remote(
    tables: Arc<Tables>,
    id: EntryId,
    body: &Bytes,
    current: Current,
    tracer: Option<&Tracer>,
) -> Result<Bytes> {
    let entry = tables.remotes.entry(id);
    let Bound::Remote(method) = &entry.call else {
        return Err(Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND).with_metadata("route", entry.route()));
    };
    let call = Call::remote(Arc::clone(&tables), id, current.clone());
    let span = span::remote(entry.route(), &current, tracer);
    let call = async {
        let call = method(call, &Body::shared(body));
        match span {
            None => call.await,
            Some(span) => span.run(call).await,
        }
    };
    let result = current.scope(AssertUnwindSafe(call).catch_unwind()).await;
    result.unwrap_or_else(|panic| Err(panic_error(entry.route(), &*panic)))
}
