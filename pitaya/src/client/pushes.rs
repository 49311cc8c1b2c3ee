//! Subscriptions to pushes.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use super::queue::{Found, Item, Queue};
use super::shared::Shared;
use crate::error::{Error, Result, code};
use crate::serialize::{Body, CodecError, Message, Push};

/// The pushes of one route, in the order in which the server sent them.
///
/// [`Client::pushes`](super::Client::pushes) and similar methods return it. [`Client`](super::Client#pushes) says what
/// happens to pushes that are not read.
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

    /// Waits for the next push. Cancel safe: a dropped future loses no push.
    ///
    /// # Errors
    /// - `PIT-499` after the last push, once the connection is over.
    /// - `PIT-503` once for dropped pushes, which were not read in time. The metadata has their number as `missed`.
    /// - `PIT-400` for a push that cannot be decoded as a `T`.
    ///
    /// After the last two the next call returns the next push.
    pub async fn next(&mut self) -> Result<T> {
        let item = next(&self.queue).await?;
        read(&self.shared, &item)
    }

    /// Returns the next push if it has arrived.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<T>> {
        try_next(&self.queue)?.map(|item| read(&self.shared, &item)).transpose()
    }

    /// Returns the route.
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

/// The pushes of all routes. [`Client::all_pushes`](super::Client::all_pushes) returns it.
pub struct AllPushes {
    shared: Arc<Shared>,
    queue: Arc<Queue>,
}

impl AllPushes {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let queue = shared.subscribe_all();
        Self { shared, queue }
    }

    /// Waits for the next push. Cancel safe: a dropped future loses no push.
    ///
    /// # Errors
    /// Those of [`Pushes::next`], except `PIT-400`.
    pub async fn next(&mut self) -> Result<AnyPush> {
        Ok(AnyPush { item: next(&self.queue).await?, shared: Arc::clone(&self.shared) })
    }

    /// Returns the next push if it has arrived.
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
    /// Returns the route. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn route(&self) -> &str {
        &self.item.route
    }

    /// Returns the body, inflated.
    pub fn body(&self) -> &Bytes {
        &self.item.body
    }

    /// Returns the push as its type; `None` for a push on another route.
    ///
    /// # Errors
    /// `PIT-400` if the body cannot be decoded as a `P`.
    pub fn read_as<P: Push>(&self) -> Option<Result<P>> {
        (self.route() == P::ROUTE).then(|| self.read())
    }

    /// Returns the body as a message.
    ///
    /// # Errors
    /// `PIT-400` if it cannot be decoded as a `T`.
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
            None => queue.changed().await,
        }
    }
}

fn try_next(queue: &Queue) -> Result<Option<Item>> {
    match queue.take() {
        Found::Item(item) => Ok(Some(item)),
        Found::Empty => Ok(None),
        Found::Dropped(dropped) => {
            Err(Error::new(code::UNAVAILABLE, "pushes were not read in time and dropped")
                .with_metadata("missed", dropped.to_string()))
        }
        Found::Closed(closed) => Err(closed.error()),
    }
}

fn read<T: Message>(shared: &Shared, item: &Item) -> Result<T> {
    let serializer = &shared.agreed.serializer;
    serializer.decode(&Body::shared(&item.body)).map_err(|e| unreadable("push", &item.route, e))
}

/// Returns the error for a body of the server that cannot be decoded.
pub(super) fn unreadable(what: &str, route: &str, error: CodecError) -> Error {
    Error::new(code::BAD_REQUEST, format!("cannot read the {what} of {route}: {error}"))
        .with_source(error.into_inner())
}
