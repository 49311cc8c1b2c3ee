//! Keeps a connection: makes the first, replaces one that is lost, moves away from a broker that is about to go.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::connect::NotConnected;
use super::link::Link;
use super::messages::Taker;
use super::state::State;
use crate::cluster::{TransportError, answering};
use crate::util::redact;

/// How long the brokers of a cluster may take to tell each other of subscriptions, and what they send each other may be
/// on its way. Some milliseconds would do where they are near each other.
const SETTLE: Duration = Duration::from_millis(500);
/// How many tries there are to one line in the log, after the first.
const TRIES_A_LINE: u64 = 60;

impl State {
    /// The first connection.
    pub(super) async fn first(self: &Arc<Self>, taker: &Taker) -> Result<Arc<Link>, TransportError> {
        let mut left = self.options.first_connect_retries;
        loop {
            match self.open_and_ask(taker).await {
                Ok(link) => return Ok(link),
                Err(NotConnected::Now(why)) if left > 0 => {
                    let failed = self.options.first_connect_retries - left + 1;
                    tracing::warn!(
                        error = why,
                        failed,
                        left,
                        at = self.place(),
                        "cannot connect to NATS yet: trying again"
                    );
                    left -= 1;
                    tokio::time::sleep(self.options.reconnect_wait + self.jitter()).await;
                }
                Err(error) => {
                    let tries = self.options.first_connect_retries - left + 1;
                    let text =
                        format!("cannot connect to the broker at {} ({tries} tries): {error}", self.place());
                    return Err(TransportError::Other(text));
                }
            }
        }
    }

    async fn open_and_ask(self: &Arc<Self>, taker: &Taker) -> Result<Arc<Link>, NotConnected> {
        let link = self.open(taker, None).await?;
        match self.may_subscribe(taker).await {
            Ok(()) => Ok(link),
            Err(error) => {
                link.end().await;
                Err(error)
            }
        }
    }

    /// Keeps it, until all is closed.
    pub(super) async fn keep(self: Arc<Self>, taker: Taker, mut link: Arc<Link>) {
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = link.signals.gone.cancelled() => {}
                () = link.signals.leaving.cancelled() => {
                    if let Some(next) = self.moved(&taker, &link).await {
                        link = next;
                        continue;
                    }
                }
            }
            self.link.store(None);
            self.users.detach();
            if self.closing.is_cancelled() {
                return;
            }
            tracing::warn!(at = self.place(), "the connection to the broker is lost");
            drop(link);
            link = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                next = self.again(&taker, None) => next,
            };
            self.counts.reconnects.fetch_add(1, Relaxed);
            self.use_from_now_on(&link);
            link.go.cancel();
            answering::reconnected(&*taker.receiver);
        }
    }

    /// Another connection in place of one that was lost.
    async fn again(self: &Arc<Self>, taker: &Taker, leaving: Option<&Link>) -> Arc<Link> {
        tokio::time::sleep(self.jitter()).await;
        for tries in 0u64.. {
            match self.open(taker, leaving).await {
                Ok(link) => {
                    tracing::info!(tries, "the connection to the broker is back");
                    return link;
                }
                Err(error) if tries % TRIES_A_LINE == 0 => {
                    tracing::warn!(%error, tries, at = self.place(), "cannot connect to the broker again yet");
                }
                Err(_) => {}
            }
            tokio::time::sleep(self.options.reconnect_wait + self.jitter()).await;
        }
        // not in the life of a universe
        std::future::pending().await
    }

    /// Another connection in place of one that will be lost, made and subscribed before that one is let go. None if
    /// it is lost first.
    async fn moved(self: &Arc<Self>, taker: &Taker, old: &Arc<Link>) -> Option<Arc<Link>> {
        tracing::info!(at = self.place(), "the broker is about to go: moving to another");
        let next = tokio::select! {
            biased;
            () = old.signals.gone.cancelled() => return None,
            next = self.again(taker, Some(old)) => next,
        };
        self.counts.moves.fetch_add(1, Relaxed);
        self.use_from_now_on(&next);
        tokio::time::sleep(SETTLE).await;
        // The old one takes in no more, and hands over what it has, before what came over the new one is. A call that
        // waits for its answer keeps the old one.
        old.finish.cancel();
        old.loops.close();
        let _ = tokio::time::timeout(self.options.patience(), old.loops.wait()).await;
        next.go.cancel();
        tokio::time::sleep(SETTLE).await;
        next.part.set(None);
        Some(next)
    }

    pub(super) fn use_from_now_on(&self, link: &Arc<Link>) {
        self.link.store(Some(Arc::clone(link)));
        // whoever closes says so first, and then takes the connection away: one of both sees the other
        if self.closing.is_cancelled() {
            self.link.store(None);
        }
    }

    fn jitter(&self) -> Duration {
        self.options.reconnect_jitter.mul_f64(fastrand::f64())
    }

    fn place(&self) -> String {
        redact::list(&self.options.addresses)
    }
}
