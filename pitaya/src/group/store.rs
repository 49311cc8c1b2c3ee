//! The port to where groups are kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::GroupError;

/// The future of a store's answer.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, GroupError>> + Send + 'a>>;

/// The uids of a group. Shared, so that a broadcast reads them without a copy.
pub type Members = Arc<[Arc<str>]>;

/// Keeps groups and their members.
///
/// The names and uids that it gets are valid: [`Group`](super::Group) checks names, and added uids with
/// [`check_uid`](crate::session::check_uid). Every operation but [`create`](Self::create) fails with
/// [`GroupError::NotFound`] if the group does not exist or its time to live is over.
pub trait GroupStore: Send + Sync + 'static {
    /// Creates an empty group. It expires after `ttl`, if that is given and not renewed.
    ///
    /// Fails with [`GroupError::Exists`].
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()>;

    /// Returns the members. Their order stays the same while the group does not change.
    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members>;

    /// Returns whether a user is a member.
    fn contains<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, bool>;

    /// Adds a member.
    ///
    /// Fails with [`GroupError::MemberExists`].
    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()>;

    /// Removes a member.
    ///
    /// Fails with [`GroupError::MemberNotFound`].
    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()>;

    /// Adds a member that `owner` owns, or makes `owner` the owner of a member if its owner is lesser by text order.
    /// Returns whether `owner` owns the member now.
    ///
    /// A member that was [added](Self::add) has the empty owner. Stores that several servers share must implement this
    /// and [`leave`](Self::leave): otherwise a session that ends late removes the membership of a newer session. By
    /// default owners are ignored.
    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        let _ = owner;
        Box::pin(async move {
            match self.add(group, uid).await {
                Ok(()) | Err(GroupError::MemberExists) => Ok(true),
                Err(error) => Err(error),
            }
        })
    }

    /// Removes a member that `owner` owns. Returns `false` if it has another owner or is not a member.
    fn leave<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        let _ = owner;
        Box::pin(async move {
            match self.remove(group, uid).await {
                Ok(()) => Ok(true),
                Err(GroupError::MemberNotFound) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Removes all members. The group remains.
    fn remove_all<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()>;

    /// Returns the number of members.
    fn count<'a>(&'a self, group: &'a str) -> StoreFuture<'a, usize>;

    /// Restarts the group's time to live.
    ///
    /// Fails with [`GroupError::NoTtl`].
    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()>;

    /// Removes the group and its members.
    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()>;

    /// Runs the store's housekeeping. The app polls it from start to stop, then drops it. Each app that shares a store
    /// runs it.
    fn run(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// A store that several apps of a process share, or that a test inspects.
///
/// ```
/// use std::sync::Arc;
///
/// use pitaya::group::MemoryStore;
/// use pitaya::prelude::*;
///
/// let groups = Arc::new(MemoryStore::new());
/// let hall = App::builder().group_store(Arc::clone(&groups));
/// let room = App::builder().group_store(groups);
/// ```
impl<T: GroupStore + ?Sized> GroupStore for Arc<T> {
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()> {
        (**self).create(group, ttl)
    }

    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members> {
        (**self).members(group)
    }

    fn contains<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, bool> {
        (**self).contains(group, uid)
    }

    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        (**self).add(group, uid)
    }

    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()> {
        (**self).remove(group, uid)
    }

    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        (**self).join(group, uid, owner)
    }

    fn leave<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        (**self).leave(group, uid, owner)
    }

    fn remove_all<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        (**self).remove_all(group)
    }

    fn count<'a>(&'a self, group: &'a str) -> StoreFuture<'a, usize> {
        (**self).count(group)
    }

    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        (**self).renew_ttl(group)
    }

    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()> {
        (**self).delete(group)
    }

    fn run(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        (**self).run()
    }
}
