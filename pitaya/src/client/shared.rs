//! The state that the clones of a client, its subscribers and its task share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use super::close::{CloseReason, Closed};
use super::queue::{Item, Queue, Ring};
use crate::error::Error;
use crate::serialize::Serializer;
use crate::util::sync::Mutex;
use crate::wire::{Compressor, Dictionary};

/// An answer, inflated but not decoded.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) error: bool,
    pub(super) body: Bytes,
}

/// The result of the handshake.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) serializer: Serializer,
    pub(super) schema_matches: Option<bool>,
    pub(super) dictionary: Dictionary,
    pub(super) heartbeat: Option<Duration>,
    pub(super) compression: Compressor,
    pub(super) push_queue: usize,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) agreed: Agreed,
    state: Mutex<State>,
    /// Wakes the tasks that wait for the end, in their order. A `watch` would wake them in a random order.
    over: Notify,
}

/// The maps are ordered, so that every run wakes waiting tasks in the same order.
#[derive(Debug)]
struct State {
    next_id: u32,
    waiting: BTreeMap<u32, oneshot::Sender<Answer>>,
    routes: BTreeMap<Arc<str>, Vec<Arc<Queue>>>,
    every: Vec<Arc<Queue>>,
    /// Pushes without a subscriber of their route.
    unclaimed: Ring,
    closed: Option<Closed>,
}

impl Shared {
    pub(super) fn new(agreed: Agreed) -> Self {
        let state = Mutex::new(State {
            next_id: 1,
            waiting: BTreeMap::new(),
            routes: BTreeMap::new(),
            every: Vec::new(),
            unclaimed: Ring::new(agreed.push_queue),
            closed: None,
        });
        Self { agreed, state, over: Notify::new() }
    }

    // ---- requests

    /// Returns a ticket with a new id. It waits for the answer until it is dropped.
    pub(super) fn expect(&self) -> Result<Ticket<'_>, Error> {
        let mut state = self.state.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.error());
        }
        // The loop ends, because memory does not suffice for 2^32 waiting callers.
        let id = loop {
            let id = state.next_id;
            state.next_id = id.wrapping_add(1);
            if id != 0 && !state.waiting.contains_key(&id) {
                break id;
            }
        };
        let (answer, receiver) = oneshot::channel();
        state.waiting.insert(id, answer);
        Ok(Ticket { id, receiver, shared: self })
    }

    /// Delivers an answer to its request. An answer without a waiting request is dropped.
    pub(super) fn answer(&self, id: u64, answer: Answer) {
        let waiting = u32::try_from(id).ok().and_then(|id| self.state.lock().waiting.remove(&id));
        if waiting.is_none_or(|waiting| waiting.send(answer).is_err()) {
            tracing::trace!(id, "dropped an answer without a waiting request");
        }
    }

    /// Returns the number of requests without an answer.
    pub(super) fn in_flight(&self) -> usize {
        self.state.lock().waiting.len()
    }

    // ---- pushes

    /// Delivers a push to its subscribers. Without a subscriber of its route it is unclaimed.
    pub(super) fn deliver(&self, route: &str, body: Bytes) {
        let mut state = self.state.lock();
        // The name of a subscription is shared, so that it is not allocated again.
        let known = state.routes.get_key_value(route).map(|(route, _)| Arc::clone(route));
        let item = Item { route: known.unwrap_or_else(|| route.into()), body };
        for queue in &state.every {
            queue.push(item.clone());
        }
        match state.routes.get(route) {
            Some(queues) => queues.iter().for_each(|queue| queue.push(item.clone())),
            None => state.unclaimed.push(item),
        }
    }

    pub(super) fn subscribe(&self, route: &str) -> Arc<Queue> {
        let mut state = self.state.lock();
        let unclaimed = state.unclaimed.take_route(route);
        let queue = Arc::new(Queue::new(self.agreed.push_queue, unclaimed, state.closed.clone()));
        state.routes.entry(route.into()).or_default().push(Arc::clone(&queue));
        queue
    }

    pub(super) fn subscribe_all(&self) -> Arc<Queue> {
        let mut state = self.state.lock();
        let unclaimed = state.unclaimed.iter().cloned();
        let queue = Arc::new(Queue::new(self.agreed.push_queue, unclaimed, state.closed.clone()));
        state.every.push(Arc::clone(&queue));
        queue
    }

    /// Ends a subscription. The unread pushes of the last subscriber of a route become unclaimed.
    pub(super) fn unsubscribe(&self, route: &str, queue: &Arc<Queue>) {
        let mut state = self.state.lock();
        let Some(queues) = state.routes.get_mut(route) else {
            return;
        };
        queues.retain(|other| !Arc::ptr_eq(other, queue));
        if queues.is_empty() {
            state.routes.remove(route);
            let (unread, dropped) = queue.drain();
            state.unclaimed.dropped += dropped;
            unread.into_iter().for_each(|item| state.unclaimed.push(item));
        }
    }

    pub(super) fn unsubscribe_all(&self, queue: &Arc<Queue>) {
        self.state.lock().every.retain(|other| !Arc::ptr_eq(other, queue));
    }

    /// Returns the number of dropped pushes without a subscriber.
    pub(super) fn unclaimed_dropped(&self) -> u64 {
        self.state.lock().unclaimed.dropped
    }

    // ---- the end

    /// Ends everything that waits. The first reason stays.
    pub(super) fn close(&self, closed: Closed) {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return;
        }
        tracing::debug!(%closed, in_flight = state.waiting.len(), "the connection of a client is over");
        state.closed = Some(closed.clone());
        // One by one, because the order in which a map drops its values is unspecified.
        while let Some((_, waiting)) = state.waiting.pop_first() {
            drop(waiting);
        }
        for queue in state.every.iter().chain(state.routes.values().flatten()) {
            queue.close(&closed);
        }
        drop(state);
        self.over.notify_waiters();
    }

    pub(super) fn closed(&self) -> Option<Closed> {
        self.state.lock().closed.clone()
    }

    pub(super) async fn wait_closed(&self) -> Closed {
        // Before the check, so that an end in between is not missed.
        let over = self.over.notified();
        match self.closed() {
            Some(closed) => closed,
            None => {
                over.await;
                self.closed_or_gone()
            }
        }
    }

    /// Returns the error of a call whose connection is over.
    pub(super) fn closed_error(&self) -> Error {
        self.closed_or_gone().error()
    }

    fn closed_or_gone(&self) -> Closed {
        self.closed().unwrap_or_else(|| Closed::new(CloseReason::Disconnected, ""))
    }
}

/// Waits for one answer.
#[derive(Debug)]
pub(super) struct Ticket<'a> {
    pub(super) id: u32,
    receiver: oneshot::Receiver<Answer>,
    shared: &'a Shared,
}

impl Ticket<'_> {
    pub(super) async fn answer(&mut self) -> Result<Answer, Error> {
        (&mut self.receiver).await.map_err(|_| self.shared.closed_error())
    }
}

/// Removes the entry of a request, answered or dropped.
impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.shared.state.lock().waiting.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Compression;

    fn shared() -> Shared {
        Shared::new(Agreed {
            serializer: Serializer::Json,
            schema_matches: None,
            dictionary: Dictionary::default(),
            heartbeat: None,
            compression: Compressor::new(Compression::Off, 0),
            push_queue: 4,
        })
    }

    #[test]
    fn ids_begin_at_one_and_skip_zero_and_those_in_use() {
        let shared = shared();
        let first = shared.expect().unwrap();
        assert_eq!(first.id, 1);
        shared.state.lock().next_id = u32::MAX;
        let (last, next) = (shared.expect().unwrap(), shared.expect().unwrap());
        assert_eq!((last.id, next.id, shared.in_flight()), (u32::MAX, 2, 3));
        drop((first, last, next));
        assert_eq!(shared.in_flight(), 0);
    }

    #[tokio::test]
    async fn close_wakes_waiters_in_order() {
        let shared = Arc::new(shared());
        let order: Arc<Mutex<Vec<usize>>> = Arc::default();
        for n in 0..40 {
            let (shared, order) = (Arc::clone(&shared), Arc::clone(&order));
            tokio::spawn(async move {
                if n < 20 {
                    assert!(shared.expect().unwrap().answer().await.is_err());
                } else {
                    shared.wait_closed().await;
                }
                order.lock().push(n);
            });
        }
        tokio::task::yield_now().await;
        shared.close(Closed::new(CloseReason::Io, ""));
        tokio::task::yield_now().await;
        assert_eq!(*order.lock(), (0..40).collect::<Vec<_>>());
        assert_eq!(shared.wait_closed().await.reason, CloseReason::Io, "a later waiter gets it too");
    }

    #[test]
    fn the_first_reason_to_close_stays() {
        let shared = shared();
        shared.close(Closed::new(CloseReason::Kicked, ""));
        shared.close(Closed::new(CloseReason::Io, ""));
        assert_eq!(shared.closed().unwrap().reason, CloseReason::Kicked);
        assert_eq!(shared.expect().unwrap_err().code(), "PIT-499");
    }
}
