//! Receives the replies to all requests of one connection over one subscription (NATS: mux inbox).
//!
//! The client library has one too. But it keeps a request until its reply arrives, long after the caller has given up,
//! and creates each reply subject at some cost.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use async_nats::{Client, Message, Subject, SubscribeError, Subscriber};
use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::ConnectionLost;
use crate::cluster::TransportError;
use crate::util::sync::Mutex;

/// The requests that wait for a reply.
pub(super) struct ReplyMux {
    /// The common prefix of all reply subjects.
    inbox: Box<str>,
    /// How many requests may wait. The client drops messages beyond its limit, and a reply must not be dropped.
    limit: usize,
    pending: Arc<Mutex<Pending>>,
    /// Ends the receiving task, which would keep the connection.
    _end: DropGuard,
}

#[derive(Default)]
struct Pending {
    /// No reply can arrive any more.
    over: bool,
    /// By random numbers, so that a server cannot guess the reply subject of another request.
    asked: HashMap<u64, oneshot::Sender<Message>, RandomState>,
}

impl ReplyMux {
    pub(super) async fn new(client: &Client, limit: usize) -> Result<Self, SubscribeError> {
        let inbox = format!("{}.", client.new_inbox());
        let subscriber = client.subscribe(format!("{inbox}*")).await?;
        let (end, pending) = (CancellationToken::new(), Arc::default());
        tokio::spawn(take(subscriber, inbox.len(), Arc::clone(&pending), end.clone()));
        Ok(Self { inbox: inbox.into(), limit, pending, _end: end.drop_guard() })
    }

    /// Registers a request, which is sent with [`PendingReply::subject`].
    pub(super) fn wait(&self) -> Result<PendingReply<'_>, TransportError> {
        let (asked, answer) = oneshot::channel();
        let mut pending = self.pending.lock();
        if pending.over {
            return Err(TransportError::Unavailable);
        }
        if pending.asked.len() >= self.limit {
            return Err(TransportError::Busy);
        }
        let mut number = fastrand::u64(..);
        while pending.asked.contains_key(&number) {
            number = fastrand::u64(..);
        }
        pending.asked.insert(number, asked);
        Ok(PendingReply { mux: self, number, answer })
    }
}

/// Waits for one reply. Dropping it removes the request.
pub(super) struct PendingReply<'a> {
    mux: &'a ReplyMux,
    number: u64,
    answer: oneshot::Receiver<Message>,
}

impl PendingReply<'_> {
    /// Returns the reply subject.
    pub(super) fn subject(&self) -> Subject {
        let mut subject = String::with_capacity(self.mux.inbox.len() + 16);
        subject.push_str(&self.mux.inbox);
        let _ = write!(subject, "{:016x}", self.number); // a String takes all that is written
        subject.into()
    }

    /// Waits for the reply.
    ///
    /// # Errors
    /// No reply can arrive any more.
    pub(super) async fn answer(&mut self) -> Result<Message, ConnectionLost> {
        (&mut self.answer).await.map_err(|_| ConnectionLost)
    }
}

impl Drop for PendingReply<'_> {
    fn drop(&mut self) {
        if !self.answer.is_terminated() {
            self.mux.pending.lock().asked.remove(&self.number);
        }
    }
}

impl Pending {
    /// Delivers a reply to its request, unless that has given up or has a reply already.
    fn answered(&mut self, inbox: usize, answer: Message) {
        let number = answer.subject.get(inbox..).filter(|number| number.len() == 16);
        let number = number.and_then(|number| u64::from_str_radix(number, 16).ok());
        if let Some(asked) = number.and_then(|number| self.asked.remove(&number)) {
            let _ = asked.send(answer);
        }
    }

    fn end(&mut self) {
        self.over = true;
        self.asked.clear();
    }
}

/// Delivers replies until the connection ends. The client may reconnect after a short loss.
async fn take(
    mut subscriber: Subscriber,
    inbox: usize,
    pending: Arc<Mutex<Pending>>,
    end: CancellationToken,
) {
    loop {
        let answer = tokio::select! {
            biased;
            answer = subscriber.next() => answer,
            () = end.cancelled() => None,
        };
        let Some(answer) = answer else { break };
        pending.lock().answered(inbox, answer);
    }
    pending.lock().end();
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;

    fn mux() -> ReplyMux {
        let end = CancellationToken::new().drop_guard();
        ReplyMux { inbox: "inbox.".into(), limit: 3, pending: Arc::default(), _end: end }
    }

    fn pending(mux: &ReplyMux) -> usize {
        mux.pending.lock().asked.len()
    }

    fn comes(mux: &ReplyMux, subject: impl Into<Subject>, payload: &'static str) {
        let answer = Message {
            subject: subject.into(),
            reply: None,
            payload: Bytes::from_static(payload.as_bytes()),
            headers: None,
            status: None,
            description: None,
            length: payload.len(),
        };
        mux.pending.lock().answered(mux.inbox.len(), answer);
    }

    #[tokio::test]
    async fn each_gets_the_first_answer_to_what_it_asked() {
        let mux = mux();
        let (mut one, mut other) = (mux.wait().unwrap(), mux.wait().unwrap());
        let (first, second) = (one.subject(), other.subject());
        assert!(first != second && first.starts_with("inbox."));
        comes(&mux, second.clone(), "second");
        comes(&mux, first.clone(), "first");
        comes(&mux, first, "first again");
        for odd in ["inbox.", "inbox.1", "inbox.+00000000000000a", "inbox.\u{e9}", "in", ""] {
            comes(&mux, odd, "odd");
        }
        assert_eq!(one.answer().await.unwrap().payload, "first");
        assert_eq!(other.answer().await.unwrap().payload, "second");
        drop((one, other));
        comes(&mux, second, "late");
        assert_eq!(pending(&mux), 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind_and_makes_room() {
        let mux = mux();
        let mut waits: Vec<_> = (0..3).map(|_| mux.wait().unwrap()).collect();
        assert_eq!(mux.wait().err(), Some(TransportError::Busy));
        assert!(waits[1].answer().now_or_never().is_none());
        drop(waits.remove(1));
        assert_eq!(pending(&mux), 2);
        drop(mux.wait().unwrap());
        drop(waits);
        assert_eq!(pending(&mux), 0);
    }

    #[tokio::test]
    async fn when_no_answer_can_come_nobody_waits_any_more() {
        let mux = mux();
        let mut wait = mux.wait().unwrap();
        mux.pending.lock().end();
        assert!(wait.answer().await.is_err());
        assert_eq!(mux.wait().err(), Some(TransportError::Unavailable));
    }
}
