//! Handles requests and sends their answers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Instant;

use async_nats::Subject;
use bytes::Bytes;

use super::connection::Connection;
use super::state::State;
use super::subscriptions::Subscriptions;
use crate::cluster::Receiver;
use crate::cluster::receive::{InlineBudget, RunningRequest, fit_to_limit, overloaded_reply};

/// Answers the requests of one connection, until the subscriptions end.
pub(super) async fn take(
    state: Arc<State>,
    receiver: Arc<dyn Receiver>,
    mut subscriptions: Subscriptions,
    connection: Arc<Connection>,
) {
    let mut budget = InlineBudget::default();
    while let Some((_, message)) = subscriptions.next().await {
        let reply = message.reply;
        if state.requests.len() > state.options.messages {
            state.counts.refused();
            state.answer(&connection, reply, overloaded_reply()).await;
            continue;
        }
        let mut request = RunningRequest::begin(&*receiver, message.payload);
        if budget.runs_inline() {
            let began = Instant::now();
            let first = request.poll_once().await;
            budget.record(began.elapsed());
            if let Poll::Ready(answer) = first {
                state.answer(&connection, reply, answer).await;
                continue;
            }
        }
        let (state, connection) = (Arc::clone(&state), Arc::clone(&connection));
        Arc::clone(&state).requests.spawn(async move {
            let answer = request.await;
            state.answer(&connection, reply, answer).await;
        });
    }
}

impl State {
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
        } else if let Some(other) = self.connection.load_full() {
            other.publish(reply, answer).await.is_ok()
        } else {
            false
        };
        if !sent {
            self.counts.lost_answers.fetch_add(1, Relaxed);
        }
    }
}
