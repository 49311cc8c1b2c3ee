//! Callbacks of users, contained: an error or a panic of one is an error, and no more.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Session;
use crate::error::{Error, Result};
use crate::throttle::{Throttle, throttled};

/// A client can make a handler panic with each message.
static PANICS: LazyLock<Throttle> = LazyLock::new(|| Throttle::new(10, Duration::from_secs(1)));

/// A callback that may refuse.
pub(crate) type Check = Arc<dyn Fn(Session) -> BoxFuture<'static, Result<()>> + Send + Sync>;
/// A callback that is told.
pub(crate) type Tell = Arc<dyn Fn(Session) -> BoxFuture<'static, ()> + Send + Sync>;
/// A callback of one session, called once.
pub(crate) type Once = Box<dyn FnOnce(Session) -> BoxFuture<'static, ()> + Send>;

/// Callbacks in the order in which they were added.
pub(crate) struct List<T>(ArcSwap<Vec<T>>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<T: Clone> List<T> {
    pub(crate) fn add(&self, callback: T) {
        self.0.rcu(|list| {
            let mut list = Vec::clone(list);
            list.push(callback.clone());
            list
        });
    }

    pub(crate) fn all(&self) -> Arc<Vec<T>> {
        self.0.load_full()
    }
}

/// Runs a callback; a panic becomes an error.
pub(crate) async fn contained<'a, T>(
    what: &'static str,
    start: impl FnOnce() -> BoxFuture<'a, T>,
) -> Result<T> {
    let future = catch_unwind(AssertUnwindSafe(start)).map_err(|panic| panicked(what, &*panic))?;
    AssertUnwindSafe(future).catch_unwind().await.map_err(|panic| panicked(what, &*panic))
}

/// Turns the payload of a panic into an error.
pub(crate) fn panicked(what: &str, panic: &(dyn Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a text".to_owned());
    throttled!(PANICS, error, "panics", what, panic = %text, "a callback or a handler panicked");
    Error::internal(text)
}

pub(crate) fn check<F, Fut>(f: F) -> Check
where
    F: Fn(Session) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |session| Box::pin(f(session)))
}

pub(crate) fn tell<F, Fut>(f: F) -> Tell
where
    F: Fn(Session) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |session| Box::pin(f(session)))
}
