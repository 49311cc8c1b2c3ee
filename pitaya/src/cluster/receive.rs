//! Delivers received messages to the [`Receiver`]: the same for every transport.
//!
//! A panic of a receiver must not end the task that receives messages, or the server would receive nothing while it
//! seems alive.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Receiver, response};
use crate::error::{Error, code};
use crate::util::throttle::{GLOBAL, throttled};

/// A running request. It always ends with an answer.
pub(super) struct RunningRequest(Option<BoxFuture<'static, Bytes>>);

impl RunningRequest {
    /// Starts a request.
    pub(super) fn begin(receiver: &dyn Receiver, body: Bytes) -> Self {
        Self(catch_panic("a request", || receiver.request(body)))
    }

    /// Polls once. Most requests finish with it, and need no task of their own.
    pub(super) async fn poll_once(&mut self) -> Poll<Bytes> {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *self).poll(context))).await
    }
}

impl Future for RunningRequest {
    type Output = Bytes;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Bytes> {
        let Some(future) = &mut self.0 else { return Poll::Ready(failed()) };
        match catch_panic("a request", || future.as_mut().poll(context)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(answer)) => Poll::Ready(answer),
            None => Poll::Ready(failed()),
        }
    }
}

/// The messages besides requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageKind {
    Push,
    Kick,
    Bound,
    Broadcast,
}

/// Delivers such a message. Returns the reply to a sender that waits.
pub(super) fn deliver(receiver: &dyn Receiver, kind: MessageKind, body: Bytes) -> Bytes {
    let answer = match kind {
        MessageKind::Push => catch_panic("a push", || receiver.push(body)),
        MessageKind::Kick => catch_panic("a kick", || receiver.kick(body)),
        MessageKind::Bound => catch_panic("a binding", || receiver.bound(body)).map(|()| response::ACK),
        MessageKind::Broadcast => {
            catch_panic("a broadcast", || receiver.broadcast(body)).map(|()| response::ACK)
        }
    };
    answer.unwrap_or_else(failed)
}

/// Reports that the connection is back.
pub(super) fn reconnected(receiver: &dyn Receiver) {
    catch_panic("that the connection is back", || receiver.reconnected());
}

/// Returns the announcements of all binds of this server.
#[cfg(feature = "grpc")]
pub(super) fn binds(receiver: &dyn Receiver) -> Vec<Bytes> {
    catch_panic("a reconnect", || receiver.binds()).unwrap_or_default()
}

fn catch_panic<T>(what: &str, handle: impl FnOnce() -> T) -> Option<T> {
    let handled = catch_unwind(AssertUnwindSafe(handle)).ok();
    if handled.is_none() {
        throttled!(GLOBAL, error, "panics for servers", "handling {what} of another server panicked");
    }
    handled
}

fn failed() -> Bytes {
    response::write(Err(Error::new(code::INTERNAL, "handling the request panicked")), false)
}

/// Returns the answer to a request beyond the limit.
pub(super) fn overloaded_reply() -> Bytes {
    response::write(Err(Error::new(code::UNAVAILABLE, "too many requests wait for their answers")), false)
}

/// Returns the answer, or an error in place of one that is larger than `limit`, because the caller would wait in vain
/// otherwise.
pub(super) fn fit_to_limit(answer: Bytes, limit: usize) -> (Bytes, bool) {
    if answer.len() <= limit {
        return (answer, true);
    }
    let text =
        format!("the answer has {} bytes, more than the {limit} that one message may have", answer.len());
    (response::write(Err(Error::new(code::INTERNAL, text)), false), false)
}

/// Decides whether a request starts in the receiving task.
///
/// That saves most requests a task of their own. But a request that computes for long before its first wait delays the
/// others, and one thread would do the work of all. So after such a request the next ones become tasks directly, until
/// one is tried again.
#[derive(Debug, Default)]
pub(super) struct InlineBudget {
    apart: u32,
}

impl InlineBudget {
    /// How long a request may run before its first wait: a hundred times the cost of a task.
    const LONG: Duration = Duration::from_micros(50);
    /// How many requests become tasks directly after a long one.
    const APART: u32 = 127;

    /// Whether the next request starts in the receiving task.
    pub(super) fn runs_inline(&mut self) -> bool {
        match self.apart.checked_sub(1) {
            Some(left) => {
                self.apart = left;
                false
            }
            None => true,
        }
    }

    /// Records how long such a request took.
    pub(super) fn record(&mut self, time: Duration) {
        if time > Self::LONG {
            self.apart = Self::APART;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Panics;

    impl Receiver for Panics {
        fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
            assert!(!body.is_empty(), "on purpose, at once");
            Box::pin(async move {
                if body.len() > 1 {
                    tokio::task::yield_now().await;
                }
                panic!("on purpose, later")
            })
        }
        fn push(&self, _: Bytes) -> Bytes {
            panic!("on purpose")
        }
        fn kick(&self, _: Bytes) -> Bytes {
            panic!("on purpose")
        }
        fn bound(&self, _: Bytes) {
            panic!("on purpose")
        }
        fn broadcast(&self, _: Bytes) {
            panic!("on purpose")
        }
        fn reconnected(&self) {}
    }

    #[tokio::test]
    async fn a_receiver_that_panics_answers_with_an_error() {
        for body in ["", "1", "12"] {
            let answer = RunningRequest::begin(&Panics, body.into()).await;
            assert_eq!(response::read(answer).unwrap_err().code(), code::INTERNAL, "{body:?}");
        }
        for kind in [MessageKind::Push, MessageKind::Kick, MessageKind::Bound, MessageKind::Broadcast] {
            assert!(response::read(deliver(&Panics, kind, Bytes::new())).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn an_answer_that_is_too_large_becomes_an_error() {
        let answer = Bytes::from(vec![0; 100]);
        assert_eq!(fit_to_limit(answer.clone(), 100), (answer.clone(), true));
        let (instead, fits) = fit_to_limit(answer, 99);
        let error = response::read(instead).unwrap_err();
        assert!(!fits && error.code() == code::INTERNAL && error.msg().contains("100 bytes"), "{error}");
    }

    #[test]
    fn after_a_request_that_took_long_the_next_are_tasks() {
        let mut budget = InlineBudget::default();
        assert!(budget.runs_inline());
        budget.record(InlineBudget::LONG);
        assert!(budget.runs_inline());
        budget.record(InlineBudget::LONG * 2);
        assert_eq!((0..1000).filter(|_| budget.runs_inline()).count(), 1000 - InlineBudget::APART as usize);
    }
}
