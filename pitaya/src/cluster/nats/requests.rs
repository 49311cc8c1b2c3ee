//! Handles requests and sends their answers.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, MutexGuard, Weak};
use std::task::Poll;
use std::time::Instant;

use async_nats::{Subject, Subscriber};
use bytes::Bytes;
use tokio_util::task::TaskTracker;

use super::connection::{Connection, Current};
use super::signals::Counts;
use super::subscriptions::Subscriptions;
use crate::cluster::Receiver;
use crate::cluster::receive::{InlineBudget, RunningRequest, fit_to_limit, overloaded_reply};
use crate::util::sync::Mutex;

/// The requests of a transport, over all its connections.
pub(super) struct Requests {
    /// How many are handled at a time.
    limit: usize,
    counts: Arc<Counts>,
    current: Current,
    /// The tasks that receive requests, and the requests in progress.
    tasks: TaskTracker,
    listening: Mutex<Listening>,
}

/// The connections that receive requests.
#[derive(Default)]
struct Listening {
    /// No connection receives requests any more.
    drained: bool,
    connections: Vec<Weak<Connection>>,
}

impl Requests {
    pub(super) fn new(limit: usize, counts: Arc<Counts>, current: Current) -> Self {
        Self { limit, counts, current, tasks: TaskTracker::new(), listening: Mutex::default() }
    }

    /// Whether the transport drains: new connections receive no requests.
    pub(super) fn is_drained(&self) -> bool {
        self.listening().drained
    }

    /// Starts to receive requests, unless the transport drains.
    pub(super) fn listen(
        self: &Arc<Self>,
        receiver: Arc<dyn Receiver>,
        subscriber: Subscriber,
        connection: &Arc<Connection>,
    ) {
        let mut listening = self.listening();
        if listening.drained {
            return;
        }
        listening.connections.retain(|connection| connection.strong_count() > 0);
        listening.connections.push(Arc::downgrade(connection));
        let stop = connection.stop_requests.clone();
        let subscriptions = Subscriptions::new(Arc::clone(connection), vec![subscriber], stop);
        let taking = Arc::clone(self).take(receiver, subscriptions, Arc::clone(connection));
        connection.tasks.spawn(self.tasks.track_future(taking));
    }

    /// Stops receiving requests, and waits until those in progress are answered.
    pub(super) async fn drain(&self) {
        let connections = {
            let mut listening = self.listening();
            listening.drained = true;
            std::mem::take(&mut listening.connections)
        };
        for connection in connections.iter().filter_map(Weak::upgrade) {
            connection.stop_requests.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Answers the requests of one connection, until the subscriptions end.
    async fn take(
        self: Arc<Self>,
        receiver: Arc<dyn Receiver>,
        mut subscriptions: Subscriptions,
        connection: Arc<Connection>,
    ) {
        let mut budget = InlineBudget::default();
        while let Some((_, message)) = subscriptions.next().await {
            let reply = message.reply;
            if self.tasks.len() > self.limit {
                self.counts.refused();
                self.answer(&connection, reply, overloaded_reply()).await;
                continue;
            }
            let mut request = RunningRequest::begin(&*receiver, message.payload);
            if budget.runs_inline() {
                let began = Instant::now();
                let first = request.poll_once().await;
                budget.record(began.elapsed());
                if let Poll::Ready(answer) = first {
                    self.answer(&connection, reply, answer).await;
                    continue;
                }
            }
            let (requests, connection) = (Arc::clone(&self), Arc::clone(&connection));
            self.tasks.spawn(async move {
                let answer = request.await;
                // Its future is large, and tokio moves the future of a task several times.
                Box::pin(requests.answer(&connection, reply, answer)).await;
            });
        }
    }

    /// Sends an answer over the connection of the request, or over its replacement. Without a reply subject no caller
    /// waits.
    async fn answer(&self, connection: &Connection, reply: Option<Subject>, answer: Bytes) {
        let Some(reply) = reply else { return };
        let (size, limit) = (answer.len(), connection.client.max_payload());
        let (answer, fits) = fit_to_limit(answer, limit);
        if !fits {
            self.counts.oversized(size, limit);
        }
        let sent = if connection.is_up() {
            connection.publish(reply, answer).await.is_ok()
        } else if let Some(other) = self.current.load_full() {
            other.publish(reply, answer).await.is_ok()
        } else {
            false
        };
        if !sent {
            self.counts.lost_answers.fetch_add(1, Relaxed);
        }
    }

    fn listening(&self) -> MutexGuard<'_, Listening> {
        self.listening.lock()
    }
}
