//! Subscriptions to pushes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use super::queue::{Found, Item, Queue};
use super::shared::Shared;
use crate::error::{Error, Result, code};
use crate::serialize::{Body, CodecError, Message};

/// The pushes of one route, in the order in which the server sent them.
///
/// Made by [`Client::pushes`](super::Client::pushes) and its neighbours; what happens to pushes that nobody reads is told
/// [there](super::Client#pushes).
pub struct Pushes<T> {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    route: Arc<str>,
    message: PhantomData<fn() -> T>,
}

impl<T: Message> Pushes<T> {
    pub(super) fn new(shared: Arc<Shared>, route: &str) -> Self {
        let queue = shared.subscribe(route);
        Self { shared, queue, route: route.into(), message: PhantomData }
    }

    /// Waits for the next push. Giving up the wait loses nothing.
    ///
    /// # Errors
    /// `PIT-499` after the last push of a connection that is over; `PIT-503`, with the number as `missed` in the metadata,
    /// once for pushes that were dropped here because they were not read in time; `PIT-400` for a push that is not a `T`.
    /// After the latter two the next call goes on.
    pub async fn next(&mut self) -> Result<T> {
        let item = next(&self.queue).await?;
        read(&self.shared, &item)
    }

    /// The next push if it is here already.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<T>> {
        try_next(&self.queue)?.map(|item| read(&self.shared, &item)).transpose()
    }

    /// The route.
    pub fn route(&self) -> &str {
        &self.route
    }
}

impl<T> Drop for Pushes<T> {
    fn drop(&mut self) {
        self.shared.unsubscribe(&self.route, &self.queue);
    }
}

impl<T> fmt::Debug for Pushes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pushes({})", self.route)
    }
}

/// Every push of a connection, whatever its route. Made by [`Client::all_pushes`](super::Client::all_pushes).
pub struct AllPushes {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
}

impl AllPushes {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let queue = shared.subscribe_all();
        Self { shared, queue }
    }

    /// Waits for the next push. Giving up the wait loses nothing.
    ///
    /// # Errors
    /// Those of [`Pushes::next`], except that nothing is read here.
    pub async fn next(&mut self) -> Result<AnyPush> {
        Ok(AnyPush { item: next(&self.queue).await?, shared: Arc::clone(&self.shared) })
    }

    /// The next push if it is here already.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<AnyPush>> {
        Ok(try_next(&self.queue)?.map(|item| AnyPush { item, shared: Arc::clone(&self.shared) }))
    }
}

impl Drop for AllPushes {
    fn drop(&mut self) {
        self.shared.unsubscribe_all(&self.queue);
    }
}

impl fmt::Debug for AllPushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AllPushes")
    }
}

/// A push of any route.
#[derive(Clone)]
pub struct AnyPush {
    item: Item,
    shared: Arc<Shared>,
}

impl AnyPush {
    /// The route. Bytes that are no UTF-8 show as U+FFFD.
    pub fn route(&self) -> &str {
        &self.item.route
    }

    /// The body, inflated.
    pub fn body(&self) -> &Bytes {
        &self.item.body
    }

    /// The body as a message.
    ///
    /// # Errors
    /// `PIT-400` if it is not one of this type.
    pub fn read<T: Message>(&self) -> Result<T> {
        read(&self.shared, &self.item)
    }
}

impl fmt::Debug for AnyPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyPush").field("route", &self.route()).field("body", self.body()).finish()
    }
}

async fn next(queue: &Queue) -> Result<Item> {
    loop {
        match try_next(queue)? {
            Some(item) => return Ok(item),
            None => queue.news().await,
        }
    }
}

fn try_next(queue: &Queue) -> Result<Option<Item>> {
    match queue.take() {
        Found::Item(item) => Ok(Some(item)),
        Found::Nothing => Ok(None),
        Found::Missed(missed) => {
            Err(Error::new(code::UNAVAILABLE, "pushes were not read in time and dropped")
                .with_metadata("missed", missed.to_string()))
        }
        Found::Closed(closed) => Err(closed.error()),
    }
}

fn read<T: Message>(shared: &Shared, item: &Item) -> Result<T> {
    let format = &shared.agreed.format;
    format.decode(&Body::shared(&item.body)).map_err(|e| unreadable("push", &item.route, e))
}

/// A body of the server that is not what the caller asked for.
pub(super) fn unreadable(what: &str, route: &str, error: CodecError) -> Error {
    Error::new(code::BAD_REQUEST, format!("cannot read the {what} of {route}: {error}"))
        .with_source(error.into_inner())
}
