//! The order of what one server does to the sessions of a frontend (`docs/cluster.md`, "Order").
//!
//! A server numbers the messages that it publishes to the frontends' broadcast subjects. An answer, and a call of a
//! `sys` remote, name the last of these messages before them, and the frontend holds them back until it has handled
//! that message. The wait

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use prost::Message;
use tokio::sync::oneshot;

use super::protos::{After, OrderedBroadcast, Place};
use super::{Address, Server, Transport, TransportError};
use crate::util::sync::Mutex;

/// How long an answer or a call waits for an earlier message. A broker carries both in the same time, so only a lost
/// message or a very long queue takes as much.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// How many peers are kept. Beyond that the least recently active one is removed.
const MAX_PEERS: usize = 16_384;

/// Both directions.
pub(super) struct Order {
    pub(super) sent: Sent,
    pub(super) received: Received,
}

impl Order {
    pub(super) fn new() -> Self {
        Self { sent: Sent::new(fastrand::u64(1..)), received: Received::default() }
    }
}

/// The messages that this server has published in order.
pub(super) struct Sent {
    stream: u64,
    /// The number of the last message.
    latest: AtomicU64,
    /// Held while one message is published.
    turn: tokio::sync::Mutex<()>,
    /// The last message of each frontend, by its id.
    last: Mutex<HashMap<Arc<str>, u64, RandomState>>,
}

impl Sent {
    fn new(stream: u64) -> Self {
        Self {
            stream,
            latest: AtomicU64::new(0),
            turn: tokio::sync::Mutex::default(),
            last: Mutex::default(),
        }
    }

    /// Returns the number of the last started message. A message published during a call has a greater number.
    pub(super) fn latest(&self) -> u64 {
        self.latest.load(Relaxed)
    }

    /// Publishes to frontends that keep the order, one message at a time, so that messages arrive at each in the order
    /// of their numbers.
    ///
    /// # Errors
    /// Publishing to one of them failed. The others get the message.
    pub(super) async fn publish(
        &self,
        transport: &dyn Transport,
        frontends: &[Arc<Server>],
        message: &OrderedBroadcast,
    ) -> Result<(), TransportError> {
        let mut bytes = message.encode_to_vec();
        let _turn = self.turn.lock().await;
        let place = self.next();
        place_field(&mut bytes, place);
        let bytes = Bytes::from(bytes);
        let mut result = Ok(());
        for frontend in frontends {
            match transport.publish(Address::Broadcast(frontend), bytes.clone()).await {
                Ok(()) => self.published(&frontend.id, place.number),
                Err(error) => {
                    tracing::debug!(server = %frontend.id, %error, "failed to publish broadcast");
                    result = Err(error);
                }
            }
        }
        result
    }

    fn next(&self) -> Place {
        Place { stream: self.stream, number: self.latest.fetch_add(1, Relaxed) + 1 }
    }

    fn published(&self, frontend: &Arc<str>, number: u64) {
        let mut last = self.last.lock();
        if let Some(last) = last.get_mut(frontend) {
            *last = number;
            return;
        }
        if last.len() >= MAX_PEERS
            && let Some(oldest) = last.iter().min_by_key(|(_, number)| **number).map(|(id, _)| Arc::clone(id))
        {
            last.remove(&oldest);
        }
        last.insert(Arc::clone(frontend), number);
    }

    /// Returns the last message to a frontend, if it was published after `since`.
    fn after(&self, since: u64, frontend: &str) -> Option<Place> {
        let number = *self.last.lock().get(frontend)?;
        (number > since).then_some(Place { stream: self.stream, number })
    }

    /// Adds the last message to the caller to an answer, if it was published after `since`.
    pub(super) fn place_answer(&self, answer: Bytes, since: u64, call: &Bytes) -> Bytes {
        if self.latest() == since {
            return answer;
        }
        let place = Sender::decode(call.clone()).ok().and_then(|it| self.after(since, &it.frontend_id));
        let Some(place) = place else { return answer };
        let mut bytes = answer.to_vec();
        place_field(&mut bytes, place);
        bytes.into()
    }

    /// Adds the last message to the callee to a call, if it was published after `since`.
    pub(super) fn place_call(&self, argument: &mut Vec<u8>, since: u64, frontend: &str) {
        if self.latest() != since
            && let Some(place) = self.after(since, frontend)
        {
            place_field(argument, place);
        }
    }
}

/// Appends a place, whose field number is the same in all messages.
fn place_field(bytes: &mut Vec<u8>, place: Place) {
    bytes.extend_from_slice(&After { after: Some(place) }.encode_to_vec());
}

/// The field of a `Request` that names the receiver of the answer.
#[derive(Clone, PartialEq, Message)]
struct Sender {
    #[prost(string, tag = "4")]
    frontend_id: String,
}

/// The messages received from other servers.
#[derive(Default)]
pub(super) struct Received(Mutex<Streams>);

#[derive(Default)]
struct Streams {
    by_number: HashMap<u64, Stream, RandomState>,
    /// Counts events, to find the oldest stream and to number the waits.
    events: u64,
}

#[derive(Default)]
struct Stream {
    /// The greatest number that was handled.
    reached: u64,
    /// The waits, by the numbers of the message and of the wait.
    waits: BTreeMap<(u64, u64), oneshot::Sender<()>>,
    touched: u64,
}

impl Streams {
    fn stream(&mut self, number: u64) -> &mut Stream {
        if self.by_number.len() >= MAX_PEERS && !self.by_number.contains_key(&number) {
            let oldest =
                self.by_number.iter().min_by_key(|(_, stream)| stream.touched).map(|(number, _)| *number);
            oldest.and_then(|oldest| self.by_number.remove(&oldest));
        }
        self.events += 1;
        let stream = self.by_number.entry(number).or_default();
        stream.touched = self.events;
        stream
    }
}

impl Stream {
    fn reach(&mut self, number: u64) {
        self.reached = self.reached.max(number);
        while let Some(first) = self.waits.first_entry().filter(|first| first.key().0 <= number) {
            let _ = first.remove().send(()); // the waiter may be gone
        }
    }
}

impl Received {
    /// Records a handled message.
    pub(super) fn handled(&self, place: Place) {
        self.0.lock().stream(place.stream).reach(place.number);
    }

    /// Returns when this server has handled a message of another server. Returns `false` after [`MAX_WAIT`].
    pub(super) async fn wait_until_handled(&self, place: Place) -> bool {
        let Some(wait) = self.wait(place) else { return true };
        // Boxed, because it is rarely needed and its caller is large already.
        let handled = Box::pin(tokio::time::timeout(MAX_WAIT, wait)).await.is_ok();
        if !handled {
            self.give_up(place);
            tracing::debug!(?place, "timed out waiting for the message before an answer or a call");
        }
        handled
    }

    /// Ends all waits for this message and earlier ones.
    fn give_up(&self, place: Place) {
        self.handled(place);
    }

    /// Waits for a message. Returns `None` if it or a later one has been handled.
    fn wait(&self, place: Place) -> Option<Wait<'_>> {
        let mut streams = self.0.lock();
        let stream = streams.stream(place.stream);
        if stream.reached >= place.number {
            return None;
        }
        let (reach, reached) = oneshot::channel();
        let key = (place.number, stream.touched);
        stream.waits.insert(key, reach);
        Some(Wait { received: self, stream: place.stream, key, reached })
    }
}

/// A wait for one message. Dropping it removes it.
struct Wait<'a> {
    received: &'a Received,
    stream: u64,
    key: (u64, u64),
    reached: oneshot::Receiver<()>,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // A stream that was forgotten is not waited for either.
        Pin::new(&mut self.reached).poll(context).map(drop)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.received.0.lock().by_number.get_mut(&self.stream) {
            stream.waits.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::protos::{OrderedResponse, Request};
    use super::*;
    use crate::cluster::response;

    fn place(number: u64) -> Place {
        Place { stream: 7, number }
    }

    fn waits(received: &Received) -> usize {
        received.0.lock().by_number.values().map(|stream| stream.waits.len()).sum()
    }

    #[test]
    fn a_wait_ends_with_its_message_or_a_later_one() {
        let received = Received::default();
        let (mut second, mut third) = (received.wait(place(2)).unwrap(), received.wait(place(3)).unwrap());
        received.handled(place(1));
        received.handled(Place { stream: 8, number: 9 });
        assert!((&mut second).now_or_never().is_none());
        received.handled(place(2));
        assert!((&mut second).now_or_never().is_some() && (&mut third).now_or_never().is_none());
        received.handled(place(5));
        assert!((&mut third).now_or_never().is_some());
        assert!(received.wait(place(4)).is_none());
        assert!(received.wait(place(6)).is_some());
    }

    #[test]
    fn a_wait_that_is_dropped_or_given_up_is_removed() {
        let received = Received::default();
        let (first, mut second) = (received.wait(place(1)).unwrap(), received.wait(place(2)).unwrap());
        drop(first);
        assert_eq!(waits(&received), 1);
        received.give_up(place(2));
        assert!((&mut second).now_or_never().is_some());
        assert_eq!(waits(&received), 0);
        assert!(received.wait(place(2)).is_none(), "a message that is lost is waited for once");
    }

    #[test]
    fn peers_are_forgotten_beyond_the_limit() {
        let (received, sent) = (Received::default(), Sent::new(7));
        for n in 0..MAX_PEERS as u64 + 10 {
            received.handled(Place { stream: n, number: 1 });
            sent.published(&n.to_string().into(), n + 1);
        }
        assert_eq!((received.0.lock().by_number.len(), sent.last.lock().len()), (MAX_PEERS, MAX_PEERS));
        assert!(received.wait(Place { stream: 9, number: 1 }).is_some(), "forgotten");
        assert!(received.wait(Place { stream: 11, number: 1 }).is_none());
        assert_eq!((sent.after(0, "9"), sent.after(0, "10").is_some()), (None, true));
    }

    #[test]
    fn only_an_answer_after_a_message_has_a_place() {
        let sent = Sent::new(7);
        let call = |frontend: &str| -> Bytes {
            Request { frontend_id: frontend.into(), ..Request::default() }.encode_to_vec().into()
        };
        let answer = || response::write(Ok("hello".into()), false);
        sent.published(&"front".into(), sent.next().number);
        let since = sent.latest();
        assert_eq!(
            sent.place_answer(answer(), since, &call("front")),
            answer(),
            "nothing was published since"
        );
        sent.published(&"front".into(), sent.next().number);
        assert_eq!(sent.place_answer(answer(), since, &call("other")), answer(), "not to this frontend");
        assert_eq!(sent.place_answer(answer(), since, &call("")), answer());
        let placed = sent.place_answer(answer(), since, &call("front"));
        assert_eq!(response::read(placed.clone()).unwrap(), "hello", "others skip it");
        let it = OrderedResponse::decode(placed).unwrap();
        assert_eq!((&*it.data, it.after), (&b"hello"[..], Some(Place { stream: 7, number: 2 })));
    }
}
