//! Callbacks of the application that concern sessions.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use super::Session;
use crate::error::Result;

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
