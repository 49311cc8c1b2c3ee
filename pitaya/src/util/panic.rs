//! Panics of the application's code become errors of the call in which they happen.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::Duration;

use futures_util::FutureExt;

use super::throttle::{Throttle, throttled};
use crate::error::{Error, Result};

/// A client can make a handler panic with each message.
static PANICS: LazyLock<Throttle> = LazyLock::new(|| Throttle::new(10, Duration::from_secs(1)));

/// Calls a function; its panic becomes an error.
#[inline]
pub(crate) fn catch_panic<T>(what: &str, f: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| panic_error(what, &*panic))
}

/// Calls a function and runs its future; a panic of either becomes an error.
pub(crate) async fn catch_panic_async<F: Future>(what: &str, start: impl FnOnce() -> F) -> Result<F::Output> {
    let future = catch_panic(what, start)?;
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| panic_error(what, &*panic))
}

/// Logs a panic and returns the error for it.
#[cold]
pub(crate) fn panic_error(what: &str, panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    throttled!(PANICS, error, "panics", what, panic = %text, "a callback or a handler panicked");
    Error::internal(text)
}
