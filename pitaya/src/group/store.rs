//! Where groups are kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::GroupError;

/// What a store answers, in time.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, GroupError>> + Send + 'a>>;

/// The uids of a group, shared: a broadcast reads them without a copy.
pub type Members = Arc<[Arc<str>]>;

/// Keeps groups and their members. Names and uids that reach a store have been checked: names by
/// [`Groups`](super::Groups), added uids by [`check_uid`](crate::session::check_uid).
///
/// Every operation but [`create`](Self::create) fails with [`GroupError::NotFound`] for a group that does not
/// exist or whose time is over.
pub trait GroupStore: Send + Sync + 'static {
    /// Makes an empty group, which is gone after `ttl` if that is given and not renewed.
    ///
    /// Fails with [`GroupError::Exists`].
    fn create<'a>(&'a self, group: &'a str, ttl: Option<Duration>) -> StoreFuture<'a, ()>;

    /// The members, in an order that stays the same while nobody comes or goes.
    fn members<'a>(&'a self, group: &'a str) -> StoreFuture<'a, Members>;

    /// Whether a user is a member.
    fn contains<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, bool>;

    /// Adds a member.
    ///
    /// Fails with [`GroupError::MemberExists`].
    fn add<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()>;

    /// Removes a member.
    ///
    /// Fails with [`GroupError::MemberNotFound`].
    fn remove<'a>(&'a self, group: &'a str, uid: &'a str) -> StoreFuture<'a, ()>;

    /// Adds a member on behalf of `owner`, or gives a member to `owner` if the owner it has is lesser, by the order of text.
    /// A member that was [added](Self::add) has the empty owner. Returns whether `owner` owns the member now.
    ///
    /// A store that several servers share needs it, or a session that ends late takes out the user of a newer one. Without
    /// it every member belongs to whoever asks.
    fn join<'a>(&'a self, group: &'a str, uid: &'a str, owner: &'a str) -> StoreFuture<'a, bool> {
        let _ = owner;
        Box::pin(async move {
            match self.add(group, uid).await {
                Ok(()) | Err(GroupError::MemberExists) => Ok(true),
                Err(error) => Err(error),
            }
        })
    }

    /// Removes a member that `owner` owns. Returns `false` if it has another owner, or is no member.
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

    /// Removes all members; the group stays.
    fn remove_all<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()>;

    /// The number of members.
    fn count<'a>(&'a self, group: &'a str) -> StoreFuture<'a, usize>;

    /// Begins the group's time to live anew.
    ///
    /// Fails with [`GroupError::NoTtl`].
    fn renew_ttl<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()>;

    /// Removes the group and its members.
    fn delete<'a>(&'a self, group: &'a str) -> StoreFuture<'a, ()>;

    /// The store's own housekeeping. The app runs it from start to stop, and then drops it. A store that several apps
    /// share is run by each of them.
    fn run(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {})
    }
}

/// One that several apps of a process share, or a test looks into. Each app runs the housekeeping.
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
