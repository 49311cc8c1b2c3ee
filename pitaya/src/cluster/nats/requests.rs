//! The requests that come, and their answers.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Instant;

use async_nats::Subject;
use bytes::Bytes;

use super::intake::Intake;
use super::link::Link;
use super::state::State;
use crate::cluster::Receiver;
use crate::cluster::answering::{Answering, Pace, fitting, overloaded};

/// Answers what comes over one connection, until the intake ends.
pub(super) async fn take(
    state: Arc<State>,
    receiver: Arc<dyn Receiver>,
    mut intake: Intake,
    link: Arc<Link>,
) {
    let mut pace = Pace::default();
    while let Some((_, message)) = intake.next().await {
        let reply = message.reply;
        if state.requests.len() > state.options.messages {
            state.counts.refused();
            state.answer(&link, reply, overloaded()).await;
            continue;
        }
        let mut answering = Answering::begin(&*receiver, message.payload);
        if pace.in_place() {
            let began = Instant::now();
            let first = answering.once().await;
            pace.took(began.elapsed());
            if let Poll::Ready(answer) = first {
                state.answer(&link, reply, answer).await;
                continue;
            }
        }
        let (state, link) = (Arc::clone(&state), Arc::clone(&link));
        Arc::clone(&state).requests.spawn(async move {
            let answer = answering.await;
            state.answer(&link, reply, answer).await;
        });
    }
}

impl State {
    /// Sends an answer: over the connection that brought the request, or over the one that took its place. Without a
    /// reply subject nobody waits for it.
    async fn answer(&self, link: &Link, reply: Option<Subject>, answer: Bytes) {
        let Some(reply) = reply else { return };
        let (size, limit) = (answer.len(), link.client.max_payload());
        let (answer, fits) = fitting(answer, limit);
        if !fits {
            self.counts.oversized(size, limit);
        }
        let sent = if link.is_up() {
            link.publish(reply, answer).await.is_ok()
        } else if let Some(other) = self.link.load_full() {
            other.publish(reply, answer).await.is_ok()
        } else {
            false
        };
        if !sent {
            self.counts.lost_answers.fetch_add(1, Relaxed);
        }
    }
}
