//! Callbacks of the application that concern sessions.

use std::future::Future;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use super::Session;
use crate::error::Result;
use crate::util::panic::catch_panic_async;

/// A callback of a bind, which may refuse it.
pub(crate) type BindCallback = Arc<dyn Fn(Session) -> BoxFuture<'static, Result<()>> + Send + Sync>;
/// A callback of each session that ends.
pub(crate) type CloseCallback = Arc<dyn Fn(Session) -> BoxFuture<'static, ()> + Send + Sync>;
/// A close callback of one session, called once.
pub(crate) type OnceCallback = Box<dyn FnOnce(Session) -> BoxFuture<'static, ()> + Send>;

/// The callbacks of all sessions of an app.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) on_bind: CallbackList<BindCallback>,
    pub(crate) on_after_bind: CallbackList<BindCallback>,
    pub(crate) on_close: CallbackList<CloseCallback>,
}

impl Callbacks {
    /// Removes all callbacks: they may hold the app.
    pub(crate) fn clear(&self) {
        self.on_bind.clear();
        self.on_after_bind.clear();
        self.on_close.clear();
    }
}

/// Callbacks in the order in which they were added.
pub(crate) struct CallbackList<T>(ArcSwap<Vec<T>>);

impl<T> Default for CallbackList<T> {
    fn default() -> Self {
        Self(ArcSwap::default())
    }
}

impl<T: Clone> CallbackList<T> {
    pub(crate) fn add(&self, callback: T) {
        self.0.rcu(|list| {
            let mut list = Vec::clone(list);
            list.push(callback.clone());
            list
        });
    }

    fn clear(&self) {
        self.0.store(Arc::default());
    }

    pub(crate) fn all(&self) -> Arc<Vec<T>> {
        self.0.load_full()
    }
}

impl CallbackList<BindCallback> {
    /// Runs all callbacks; the first error stops. A panic is an error.
    pub(super) async fn run(&self, what: &'static str, session: &Session) -> Result<()> {
        for callback in self.all().iter() {
            catch_panic_async(what, || callback(session.clone())).await??;
        }
        Ok(())
    }
}

pub(crate) fn bind_callback<F, Fut>(f: F) -> BindCallback
where
    F: Fn(Session) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |session| Box::pin(f(session)))
}

pub(crate) fn close_callback<F, Fut>(f: F) -> CloseCallback
where
    F: Fn(Session) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |session| Box::pin(f(session)))
}
