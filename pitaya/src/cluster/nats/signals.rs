//! The events of a connection, and the counters.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use async_nats::{ClientError, Event, ServerError};
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Metric};
use crate::util::sync::Mutex;
use crate::util::throttle::{Throttle, throttled};

/// How many refused subscriptions are remembered.
const REFUSED: usize = 1024;

/// The counters of a NATS transport since it was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatsCounts {
    /// Messages that were dropped because a subscription's queue was full. A lower bound.
    pub slow_consumers: u64,
    /// Requests that got `PIT-503` because too many were in progress.
    pub refused_requests: u64,
    /// Calls of this server that were not sent because too many waited for their answers.
    pub refused_calls: u64,
    /// Answers that were too large for one message, each replaced by an error.
    pub oversized_answers: u64,
    /// Answers that were ready while there was no connection.
    pub lost_answers: u64,
    /// Subscriptions that the broker refused. A lower bound.
    pub refused_subscriptions: u64,
    /// Reconnects after a loss.
    pub reconnects: u64,
    /// Connections that were replaced without a loss, because the broker was about to stop.
    pub moves: u64,
    /// Brokers of the cluster that were learned besides the configured ones.
    pub learned_brokers: u64,
}

impl NatsCounts {
    /// Returns all of them, each with the metric that reports it.
    pub(super) fn counters(&self) -> Vec<(&'static Metric, u64)> {
        let Self {
            slow_consumers,
            refused_requests,
            refused_calls,
            oversized_answers,
            lost_answers,
            refused_subscriptions,
            reconnects,
            moves,
            learned_brokers,
        } = *self;
        vec![
            (&metrics::TRANSPORT_SLOW_CONSUMERS, slow_consumers),
            (&metrics::TRANSPORT_REFUSED_REQUESTS, refused_requests),
            (&metrics::TRANSPORT_REFUSED_CALLS, refused_calls),
            (&metrics::TRANSPORT_OVERSIZED_ANSWERS, oversized_answers),
            (&metrics::TRANSPORT_LOST_ANSWERS, lost_answers),
            (&metrics::TRANSPORT_REFUSED_SUBSCRIPTIONS, refused_subscriptions),
            (&metrics::TRANSPORT_RECONNECTS, reconnects),
            (&metrics::TRANSPORT_MOVES, moves),
            (&metrics::TRANSPORT_LEARNED_BROKERS, learned_brokers),
        ]
    }
}

/// The counters of a transport.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) slow_consumers: AtomicU64,
    pub(super) refused_requests: AtomicU64,
    pub(super) refused_calls: AtomicU64,
    pub(super) oversized_answers: AtomicU64,
    pub(super) lost_answers: AtomicU64,
    pub(super) refused_subscriptions: AtomicU64,
    pub(super) reconnects: AtomicU64,
    pub(super) moves: AtomicU64,
    pub(super) learned_brokers: AtomicU64,
    log: Throttle,
}

impl Counts {
    pub(super) fn now(&self) -> NatsCounts {
        NatsCounts {
            slow_consumers: self.slow_consumers.load(Relaxed),
            refused_requests: self.refused_requests.load(Relaxed),
            refused_calls: self.refused_calls.load(Relaxed),
            oversized_answers: self.oversized_answers.load(Relaxed),
            lost_answers: self.lost_answers.load(Relaxed),
            refused_subscriptions: self.refused_subscriptions.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            moves: self.moves.load(Relaxed),
            learned_brokers: self.learned_brokers.load(Relaxed),
        }
    }

    fn slow(&self) {
        let dropped = self.slow_consumers.fetch_add(1, Relaxed) + 1;
        throttled!(
            self.log,
            warn,
            "slow consumers",
            dropped,
            "slow consumer: messages of other servers were dropped"
        );
    }

    pub(super) fn refused(&self) {
        let refused = self.refused_requests.fetch_add(1, Relaxed) + 1;
        throttled!(
            self.log,
            warn,
            "refused requests",
            refused,
            "refused a request: too many are in progress"
        );
    }

    pub(super) fn oversized(&self, size: usize, limit: usize) {
        self.oversized_answers.fetch_add(1, Relaxed);
        throttled!(
            self.log,
            warn,
            "answers too large",
            size,
            limit,
            "answer exceeds the broker's limit: the caller gets an error"
        );
    }
}

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Signals {
    /// Cancelled when the connection is lost or closed. It is replaced, never repaired.
    pub(super) lost: CancellationToken,
    /// Cancelled when the broker is about to stop, so that there is time to connect elsewhere.
    pub(super) lame_duck: CancellationToken,
    /// Cancelled when the client has ended and all its events have been handled.
    pub(super) events_drained: CancellationToken,
    made: AtomicBool,
    refused: Mutex<BTreeSet<String>>,
    pub(super) counts: Arc<Counts>,
}

impl Signals {
    /// Creates the signals of a connection that ends with `closing` at the latest.
    pub(super) fn new(closing: &CancellationToken, counts: Arc<Counts>) -> Self {
        Self {
            lost: closing.child_token(),
            lame_duck: CancellationToken::new(),
            events_drained: CancellationToken::new(),
            made: AtomicBool::new(false),
            refused: Mutex::default(),
            counts,
        }
    }

    /// Notes that the connection is up.
    pub(super) fn set_connected(&self) {
        self.made.store(true, Relaxed);
    }

    /// Whether the connection was ever up.
    pub(super) fn was_connected(&self) -> bool {
        self.made.load(Relaxed)
    }

    /// Handles an event of the client. Events may be lost under load, so nothing relies on one alone.
    pub(super) fn on_event(&self, event: Event) {
        match event {
            Event::Disconnected => self.lost.cancel(),
            Event::Closed => {
                self.events_drained.cancel();
                self.lost.cancel();
            }
            Event::LameDuckMode => self.lame_duck.cancel(),
            Event::SlowConsumer(_) | Event::ServerError(ServerError::SlowConsumer(_)) => self.counts.slow(),
            Event::ServerError(error) => {
                let text = error.to_string();
                if let Some(subject) = refused_subject(&text) {
                    let mut refused = self.refused.lock();
                    // Callers ask immediately, so these belong to users that no call asks for any more.
                    if refused.len() >= REFUSED {
                        refused.clear();
                    }
                    refused.insert(subject.to_owned());
                    self.counts.refused_subscriptions.fetch_add(1, Relaxed);
                }
                self.on_error(&text);
            }
            // All tries failed. The code that tries logs the reason.
            Event::ClientError(ClientError::MaxReconnects) => {}
            Event::ClientError(error) => self.on_error(&error.to_string()),
            Event::Connected | Event::Draining => {}
        }
    }

    fn on_error(&self, error: &str) {
        throttled!(self.counts.log, warn, "errors of the broker", error, "NATS client error");
    }

    /// Whether the broker refused a subscription to this subject. Asking removes the record.
    pub(super) fn was_refused(&self, subject: &str) -> bool {
        self.refused.lock().remove(subject)
    }
}

/// Returns the subject of a refused subscription in an error text.
fn refused_subject(error: &str) -> Option<&str> {
    let (_, rest) = error.split_once("Permissions Violation for Subscription to \"")?;
    rest.split_once('"').map(|(subject, _)| subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals() -> Signals {
        Signals::new(&CancellationToken::new(), Arc::default())
    }

    #[test]
    fn refused_subscription_is_remembered() {
        let signals = signals();
        let text = r#"Permissions Violation for Subscription to "pitaya/a/user/ann/push" using queue "q""#;
        signals.on_event(Event::ServerError(ServerError::Other(text.into())));
        assert!(!signals.was_refused("pitaya/a/user/ann/kick"));
        assert!(signals.was_refused("pitaya/a/user/ann/push"));
        assert!(!signals.was_refused("pitaya/a/user/ann/push"));
        signals.on_event(Event::ServerError(ServerError::Other(
            "Permissions Violation for Publish to \"a\"".into(),
        )));
        assert!(!signals.was_refused("a"));
    }

    #[test]
    fn slow_consumers_are_counted_and_logged_once() {
        let signals = signals();
        for _ in 0..1000 {
            signals.on_event(Event::SlowConsumer(1));
        }
        assert_eq!(signals.counts.now().slow_consumers, 1000);
        assert_eq!(signals.counts.log.allow("slow consumers"), None);
    }

    #[test]
    fn a_connection_that_is_lost_or_leaving_says_so() {
        let signals = signals();
        signals.on_event(Event::LameDuckMode);
        assert!(signals.lame_duck.is_cancelled() && !signals.lost.is_cancelled());
        signals.on_event(Event::Disconnected);
        assert!(signals.lost.is_cancelled());
    }
}
