//! The answers to the requests that are sent over one connection: one subscription takes them all in.
//!
//! The client has the like. But it remembers a request until its answer comes, long after whoever asked has given up,
//! and it names each anew at some cost.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Client, Message, Subject, SubscribeError, Subscriber};
use futures_util::StreamExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::link::Gone;

/// Who waits for an answer.
pub(super) struct Answers {
    /// What the subjects of all answers begin with.
    inbox: Box<str>,
    waiting: Arc<Mutex<Waiting>>,
    /// Ends the task that takes in the answers, which would keep the connection.
    _end: DropGuard,
}

#[derive(Default)]
struct Waiting {
    /// No answer can come any more.
    over: bool,
    last: u64,
    asked: HashMap<u64, oneshot::Sender<Message>>,
}

impl Waiting {
    fn end(&mut self) {
        self.over = true;
        self.asked.clear();
    }
}

impl Answers {
    pub(super) async fn new(client: &Client) -> Result<Self, SubscribeError> {
        let inbox = format!("{}.", client.new_inbox());
        let subscriber = client.subscribe(format!("{inbox}*")).await?;
        let (end, waiting) = (CancellationToken::new(), Arc::default());
        tokio::spawn(take(subscriber, inbox.len(), Arc::clone(&waiting), end.clone()));
        Ok(Self { inbox: inbox.into(), waiting, _end: end.drop_guard() })
    }

    /// Waits for an answer to what is sent with [`Wait::subject`].
    pub(super) fn wait(&self) -> Result<Wait<'_>, Gone> {
        let (asked, answer) = oneshot::channel();
        let mut waiting = lock(&self.waiting);
        if waiting.over {
            return Err(Gone);
        }
        waiting.last += 1;
        let number = waiting.last;
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
        let mut subject = String::with_capacity(self.answers.inbox.len() + 20);
        subject.push_str(&self.answers.inbox);
        let _ = write!(subject, "{}", self.number); // a String takes all that is written
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
            lock(&self.answers.waiting).asked.remove(&self.number);
        }
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
        let message = tokio::select! {
            biased;
            message = subscriber.next() => message,
            () = end.cancelled() => None,
        };
        let Some(message) = message else { break };
        let number = message.subject.get(inbox..).and_then(|number| number.parse().ok());
        // none for who has given up
        let asked = number.and_then(|number: u64| lock(&waiting).asked.remove(&number));
        if let Some(asked) = asked {
            let _ = asked.send(message);
        }
    }
    lock(&waiting).end();
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn answers() -> Answers {
        let end = CancellationToken::new().drop_guard();
        Answers { inbox: "inbox.".into(), waiting: Arc::default(), _end: end }
    }

    fn waiting(answers: &Answers) -> usize {
        lock(&answers.waiting).asked.len()
    }

    #[tokio::test]
    async fn who_gives_up_leaves_nothing_behind() {
        let answers = answers();
        let mut waits: Vec<_> = (0..3).map(|_| answers.wait().unwrap()).collect();
        let subjects: Vec<_> = waits.iter().map(Wait::subject).collect();
        assert_eq!(subjects, ["inbox.1", "inbox.2", "inbox.3"].map(Subject::from_static));
        assert!(waits[1].answer().now_or_never().is_none());
        drop(waits.remove(1));
        assert_eq!(waiting(&answers), 2);
        drop(waits);
        assert_eq!(waiting(&answers), 0);
    }

    #[tokio::test]
    async fn when_no_answer_can_come_nobody_waits_any_more() {
        let answers = answers();
        let mut wait = answers.wait().unwrap();
        lock(&answers.waiting).end();
        assert!(wait.answer().await.is_err());
        assert!(answers.wait().is_err());
    }
}
