//! The answers to the requests that are sent over one connection: one subscription takes them all in.
//!
//! The client has the like. But it remembers a request until its answer comes, long after whoever asked has given up,
//! and it names each anew at some cost.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use async_nats::{Client, Message, Subject, SubscribeError, Subscriber};
use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::link::Gone;
use crate::cluster::TransportError;
use crate::util::sync::Mutex;

/// Who waits for an answer.
pub(super) struct Answers {
    /// What the subjects of all answers begin with.
    inbox: Box<str>,
    /// How many may wait. What comes beyond that to one subscription is dropped, and an answer must not be.
    most: usize,
    waiting: Arc<Mutex<Waiting>>,
    /// Ends the task that takes in the answers, which would keep the connection.
    _end: DropGuard,
}

#[derive(Default)]
struct Waiting {
    /// No answer can come any more.
    over: bool,
    /// By numbers that nobody guesses: who is asked one thing is not to answer another.
    asked: HashMap<u64, oneshot::Sender<Message>, RandomState>,
}

impl Answers {
    pub(super) async fn new(client: &Client, most: usize) -> Result<Self, SubscribeError> {
        let inbox = format!("{}.", client.new_inbox());
        let subscriber = client.subscribe(format!("{inbox}*")).await?;
        let (end, waiting) = (CancellationToken::new(), Arc::default());
        tokio::spawn(take(subscriber, inbox.len(), Arc::clone(&waiting), end.clone()));
        Ok(Self { inbox: inbox.into(), most, waiting, _end: end.drop_guard() })
    }

    /// Waits for an answer to what is sent with [`Wait::subject`].
    pub(super) fn wait(&self) -> Result<Wait<'_>, TransportError> {
        let (asked, answer) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        if waiting.over {
            return Err(TransportError::Unavailable);
        }
        if waiting.asked.len() >= self.most {
            return Err(TransportError::Busy);
        }
        let mut number = fastrand::u64(..);
        while waiting.asked.contains_key(&number) {
            number = fastrand::u64(..);
        }
        waiting.asked.insert(number, asked);
        Ok(Wait { answers: self, number, answer })
    }
}

/// Waits for one answer. Given up, it leaves nothing behind.
pub(super) struct Wait<'a> {
    answers: &'a Answers,
    number: u64,
    answer: oneshot::Receiver<Message>,
}

impl Wait<'_> {
    /// Where the answer is to be sent.
    pub(super) fn subject(&self) -> Subject {
        let mut subject = String::with_capacity(self.answers.inbox.len() + 16);
        subject.push_str(&self.answers.inbox);
        let _ = write!(subject, "{:016x}", self.number); // a String takes all that is written
        subject.into()
    }

    /// The answer, or that none can come any more.
    pub(super) async fn answer(&mut self) -> Result<Message, Gone> {
        (&mut self.answer).await.map_err(|_| Gone)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if !self.answer.is_terminated() {
            self.answers.waiting.lock().asked.remove(&self.number);
        }
    }
}

impl Waiting {
    /// Hands an answer to who waits for it; to nobody if that one has given up, or has it already.
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

/// Hands out what comes, for as long as anything can: the client makes a connection again that was lost for a moment.
async fn take(
    mut subscriber: Subscriber,
    inbox: usize,
    waiting: Arc<Mutex<Waiting>>,
    end: CancellationToken,
) {
    loop {
        let answer = tokio::select! {
            biased;
            answer = subscriber.next() => answer,
            () = end.cancelled() => None,
        };
        let Some(answer) = answer else { break };
        waiting.lock().answered(inbox, answer);
    }
    waiting.lock().end();
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;

    fn answers() -> Answers {
        let end = CancellationToken::new().drop_guard();
        Answers { inbox: "inbox.".into(), most: 3, waiting: Arc::default(), _end: end }
    }

    fn waiting(answers: &Answers) -> usize {
        answers.waiting.lock().asked.len()
    }

    fn comes(answers: &Answers, subject: impl Into<Subject>, payload: &'static str) {
        let answer = Message {
            subject: subject.into(),
            reply: None,
            payload: Bytes::from_static(payload.as_bytes()),
            headers: None,
            status: None,
            description: None,
            length: payload.len(),
        };
        answers.waiting.lock().answered(answers.inbox.len(), answer);
    }

    #[tokio::test]
    async fn each_gets_the_first_answer_to_what_it_asked() {
        let answers = answers();
        let (mut one, mut other) = (answers.wait().unwrap(), answers.wait().unwrap());
        let (first, second) = (one.subject(), other.subject());
        assert!(first != second && first.starts_with("inbox."));
        comes(&answers, second.clone(), "second");
        comes(&answers, first.clone(), "first");
        comes(&answers, first, "first again");
        for odd in ["inbox.", "inbox.1", "inbox.+00000000000000a", "inbox.\u{e9}", "in", ""] {
            comes(&answers, odd, "odd");
        }
        assert_eq!(one.answer().await.unwrap().payload, "first");
        assert_eq!(other.answer().await.unwrap().payload, "second");
        drop((one, other));
        comes(&answers, second, "late");
        assert_eq!(waiting(&answers), 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind_and_makes_room() {
        let answers = answers();
        let mut waits: Vec<_> = (0..3).map(|_| answers.wait().unwrap()).collect();
        assert_eq!(answers.wait().err(), Some(TransportError::Busy));
        assert!(waits[1].answer().now_or_never().is_none());
        drop(waits.remove(1));
        assert_eq!(waiting(&answers), 2);
        drop(answers.wait().unwrap());
        drop(waits);
        assert_eq!(waiting(&answers), 0);
    }

    #[tokio::test]
    async fn when_no_answer_can_come_nobody_waits_any_more() {
        let answers = answers();
        let mut wait = answers.wait().unwrap();
        answers.waiting.lock().end();
        assert!(wait.answer().await.is_err());
        assert_eq!(answers.wait().err(), Some(TransportError::Unavailable));
    }
}
