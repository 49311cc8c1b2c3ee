//! The trait of a binding storage.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Server;
use crate::error::{BoxError, Error, code};

/// The future of a method of a [`BindingStorage`].
pub type BindingFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BindingError>> + Send + 'a>>;

/// Stores the frontend of each user, for all servers of a cluster. See [the module](super).
///
/// An application may bring its own: [`Builder::binding_storage`](crate::app::Builder::binding_storage). All servers of
/// a cluster must use the same storage.
///
/// The framework calls the methods of one user in order: it starts the next one when the last one has returned. It calls
/// those of up to 64 users at a time. After an error it calls [`keep`](Self::keep) until that succeeds, and then repeats
/// what has failed. Every method may be dropped before it is ready.
pub trait BindingStorage: Send + Sync + 'static {
    /// Returns the id of the frontend of a type that has a user. `None` if no frontend of the type has the user.
    ///
    /// # Errors
    /// The storage is unavailable, or refuses the type or the user.
    fn find<'a>(&'a self, frontend_type: &'a str, uid: &'a str) -> BindingFuture<'a, Option<String>>;

    /// Stores that `own` has a user, instead of any frontend of its type that had the user before.
    ///
    /// Must be atomic: of two frontends that store one user, the second one gets the id of the first one. Both would
    /// keep their sessions otherwise.
    ///
    /// # Errors
    /// The storage is unavailable, or refuses the user. The user may be stored after the first of these.
    fn put<'a>(&'a self, own: &'a Server, uid: &'a str) -> BindingFuture<'a, Put>;

    /// Removes a user, if the user is still stored for `own`. With a revision, only if the stored value is still that
    /// of the [`put`](Self::put) that returned it.
    ///
    /// # Errors
    /// The storage is unavailable, or refuses the user. The user may be removed after the first of these.
    fn remove<'a>(&'a self, own: &'a Server, uid: &'a str, revision: Option<i64>) -> BindingFuture<'a, ()>;

    /// Keeps the bindings of `own` alive. Says whether they are still stored.
    ///
    /// Called before the first [`put`](Self::put), every [`keep_interval`](Self::keep_interval), and after a failure.
    /// The default is right for a storage that never loses bindings.
    ///
    /// # Errors
    /// The storage is unavailable, or refuses this server.
    fn keep<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, Kept> {
        let _ = own;
        Box::pin(async { Ok(Kept::All) })
    }

    /// Returns the interval between two calls of [`keep`](Self::keep): 10 seconds unless overridden.
    fn keep_interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Removes all bindings of `own`, because it stops. Called last, and at most once.
    ///
    /// # Errors
    /// The storage is unavailable. The bindings then stay until they expire.
    fn close<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, ()>;
}

/// The result of [`BindingStorage::put`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Put {
    /// The id of the frontend that had the user before. It may be the same frontend.
    pub previous: Option<String>,
    /// The revision of the stored value: greater than that of each value stored before for this user.
    pub revision: i64,
}

/// The bindings of a frontend that a storage still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All that were put and not removed.
    All,
    /// Nothing: all must be put again.
    Nothing,
}

/// Why a method of a binding storage failed.
///
/// Converts into an [`Error`]: `PIT-503` if the storage is unavailable, else `PIT-000`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindingError {
    /// The storage is unreachable, or did not answer in time. A later try may succeed.
    #[error("the binding storage is unavailable: {0}")]
    Unavailable(#[source] BoxError),
    /// The storage refuses this user, or this server. The framework does not retry such a [`put`](BindingStorage::put)
    /// or [`remove`](BindingStorage::remove), and does not start after such a [`keep`](BindingStorage::keep).
    #[error("the binding storage refuses this: {0}")]
    Refused(#[source] BoxError),
}

impl From<BindingError> for Error {
    fn from(error: BindingError) -> Self {
        let code = match error {
            BindingError::Unavailable(_) => code::UNAVAILABLE,
            BindingError::Refused(_) => code::UNKNOWN,
        };
        Self::new(code, error.to_string()).with_source(error)
    }
}

/// A storage that a test, for instance, holds too.
impl<T: BindingStorage + ?Sized> BindingStorage for Arc<T> {
    fn find<'a>(&'a self, frontend_type: &'a str, uid: &'a str) -> BindingFuture<'a, Option<String>> {
        (**self).find(frontend_type, uid)
    }

    fn put<'a>(&'a self, own: &'a Server, uid: &'a str) -> BindingFuture<'a, Put> {
        (**self).put(own, uid)
    }

    fn remove<'a>(&'a self, own: &'a Server, uid: &'a str, revision: Option<i64>) -> BindingFuture<'a, ()> {
        (**self).remove(own, uid, revision)
    }

    fn keep<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, Kept> {
        (**self).keep(own)
    }

    fn keep_interval(&self) -> Duration {
        (**self).keep_interval()
    }

    fn close<'a>(&'a self, own: &'a Server) -> BindingFuture<'a, ()> {
        (**self).close(own)
    }
}
