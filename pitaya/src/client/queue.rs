//! The queues of pushes between the connection and its subscribers.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

use super::close::Closed;
use crate::util::sync::Mutex;

/// The most bytes of all pushes of a queue. A single push may be larger.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// A push as it was received.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) route: Arc<str>,
    pub(super) body: Bytes,
}

impl Item {
    fn weight(&self) -> usize {
        self.route.len() + self.body.len()
    }
}

/// The newest pushes, bounded in number and in bytes. Beyond the bounds the oldest are dropped.
#[derive(Debug)]
pub(super) struct Ring {
    items: VecDeque<Item>,
    bytes: usize,
    max: usize,
    /// The number of dropped pushes.
    pub(super) dropped: u64,
}

impl Ring {
    pub(super) fn new(max: usize) -> Self {
        Self { items: VecDeque::new(), bytes: 0, max: max.max(1), dropped: 0 }
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.weight();
        self.items.push_back(item);
        while self.items.len() > self.max || (self.bytes > MAX_BYTES && self.items.len() > 1) {
            self.pop();
            self.dropped += 1;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.weight();
        Some(item)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    /// Removes the pushes of one route, and returns them in their order.
    pub(super) fn take_route(&mut self, route: &str) -> Vec<Item> {
        let (taken, left): (Vec<_>, Vec<_>) = self.items.drain(..).partition(|item| *item.route == *route);
        self.items = left.into();
        self.bytes = self.items.iter().map(Item::weight).sum();
        taken
    }
}

/// The queue of one subscriber. The connection's task pushes and never waits; the subscriber takes.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is one subscriber, so that one permit is enough.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    closed: Option<Closed>,
}

/// The state that a subscriber finds.
#[derive(Debug)]
pub(super) enum Found {
    Item(Item),
    /// This number of pushes was dropped before the next one.
    Dropped(u64),
    Empty,
    Closed(Closed),
}

impl Queue {
    pub(super) fn new(max: usize, first: impl IntoIterator<Item = Item>, closed: Option<Closed>) -> Self {
        let mut ring = Ring::new(max);
        for item in first {
            ring.push(item);
        }
        Self { state: Mutex::new(State { ring, closed }), changed: Notify::new() }
    }

    pub(super) fn push(&self, item: Item) {
        self.state.lock().ring.push(item);
        self.changed.notify_one();
    }

    pub(super) fn close(&self, closed: &Closed) {
        self.state.lock().closed = Some(closed.clone());
        self.changed.notify_one();
    }

    pub(super) fn take(&self) -> Found {
        let mut state = self.state.lock();
        if state.ring.dropped > 0 {
            return Found::Dropped(std::mem::take(&mut state.ring.dropped));
        }
        match (state.ring.pop(), &state.closed) {
            (Some(item), _) => Found::Item(item),
            (None, Some(closed)) => Found::Closed(closed.clone()),
            (None, None) => Found::Empty,
        }
    }

    /// Waits until the state may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Removes all pushes, and returns them with the number of dropped ones.
    pub(super) fn drain(&self) -> (Vec<Item>, u64) {
        let mut state = self.state.lock();
        let items = std::iter::from_fn(|| state.ring.pop()).collect();
        (items, std::mem::take(&mut state.ring.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(route: &str, len: usize) -> Item {
        Item { route: route.into(), body: Bytes::from(vec![0; len]) }
    }

    /// One push always fits, however large it is.
    #[test]
    fn full_queue_drops_the_oldest() {
        let mut ring = Ring::new(2);
        for len in 1..=3 {
            ring.push(item("a", len));
        }
        assert_eq!((ring.dropped, ring.pop().unwrap().body.len()), (1, 2));
        ring.push(item("a", MAX_BYTES + 1));
        assert_eq!((ring.dropped, ring.items.len()), (2, 1));
        ring.pop();
        assert_eq!(ring.bytes, 0);
    }

    #[test]
    fn a_route_is_taken_in_order_and_the_rest_stays() {
        let mut ring = Ring::new(10);
        for (route, len) in [("a", 1), ("b", 2), ("a", 3)] {
            ring.push(item(route, len));
        }
        let taken: Vec<_> = ring.take_route("a").iter().map(|i| i.body.len()).collect();
        assert_eq!((taken, ring.items.len(), ring.bytes), (vec![1, 3], 1, 3));
    }
}
