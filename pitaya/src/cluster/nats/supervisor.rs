//! Opens the first connection, replaces a lost one, and moves away from a broker that is about to stop.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::connection::Connection;
use super::error::ConnectFailure;
use super::message_handler::MessageHandler;
use super::state::State;
use crate::cluster::{TransportError, receive};
use crate::util::redact;

/// How long the brokers of a cluster may take to exchange subscriptions and forward messages in flight. Between near
/// brokers it takes milliseconds.
const SETTLE: Duration = Duration::from_millis(500);
/// How many tries make one log line, after the first.
const TRIES_A_LINE: u64 = 60;

impl State {
    /// Opens the first connection.
    pub(super) async fn connect_first(
        self: &Arc<Self>,
        handler: &MessageHandler,
    ) -> Result<Arc<Connection>, TransportError> {
        let mut left = self.options.first_connect_retries;
        loop {
            match self.open_checked(handler).await {
                Ok(connection) => return Ok(connection),
                Err(ConnectFailure::Transient(why)) if left > 0 => {
                    let failed = self.options.first_connect_retries - left + 1;
                    tracing::warn!(
                        error = why,
                        failed,
                        left,
                        at = self.place(),
                        "failed to connect to NATS: retrying"
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

    async fn open_checked(
        self: &Arc<Self>,
        handler: &MessageHandler,
    ) -> Result<Arc<Connection>, ConnectFailure> {
        let connection = self.open(handler, None).await?;
        match self.check_permissions(handler).await {
            Ok(()) => Ok(connection),
            Err(error) => {
                connection.end().await;
                Err(error)
            }
        }
    }

    /// Replaces connections until the transport is closed.
    pub(super) async fn keep(self: Arc<Self>, handler: MessageHandler, mut connection: Arc<Connection>) {
        loop {
            tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                () = connection.signals.lost.cancelled() => {}
                () = connection.signals.lame_duck.cancelled() => {
                    if let Some(next) = self.migrate(&handler, &connection).await {
                        connection = next;
                        continue;
                    }
                }
            }
            self.connection.store(None);
            self.users.detach();
            if self.closing.is_cancelled() {
                return;
            }
            tracing::warn!(at = self.place(), "lost the connection to NATS");
            drop(connection);
            connection = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                next = self.reconnect(&handler, None) => next,
            };
            self.counts.reconnects.fetch_add(1, Relaxed);
            self.activate(&connection);
            connection.start.cancel();
            receive::reconnected(&*handler.receiver);
        }
    }

    /// Opens a connection in place of a lost one.
    async fn reconnect(
        self: &Arc<Self>,
        handler: &MessageHandler,
        leaving: Option<&Connection>,
    ) -> Arc<Connection> {
        tokio::time::sleep(self.jitter()).await;
        for tries in 0u64.. {
            match self.open(handler, leaving).await {
                Ok(connection) => {
                    tracing::info!(tries, "reconnected to NATS");
                    return connection;
                }
                Err(error) if tries % TRIES_A_LINE == 0 => {
                    tracing::warn!(%error, tries, at = self.place(), "failed to reconnect to NATS: retrying");
                }
                Err(_) => {}
            }
            tokio::time::sleep(self.options.reconnect_wait + self.jitter()).await;
        }
        // The loop does not end.
        std::future::pending().await
    }

    /// Opens a connection in place of one that will be lost, before that one ends. Returns `None` if it is lost first.
    async fn migrate(
        self: &Arc<Self>,
        handler: &MessageHandler,
        old: &Arc<Connection>,
    ) -> Option<Arc<Connection>> {
        tracing::info!(at = self.place(), "NATS broker is about to stop: moving to another");
        let next = tokio::select! {
            biased;
            () = old.signals.lost.cancelled() => return None,
            next = self.reconnect(handler, Some(old)) => next,
        };
        self.counts.moves.fetch_add(1, Relaxed);
        self.activate(&next);
        tokio::time::sleep(SETTLE).await;
        // The old connection stops receiving and delivers its messages before those of the new one. A waiting call
        // keeps the old connection alive.
        old.drain.cancel();
        old.tasks.close();
        let _ = tokio::time::timeout(self.options.silence_limit(), old.tasks.wait()).await;
        next.start.cancel();
        tokio::time::sleep(SETTLE).await;
        next.dedup.set(None);
        Some(next)
    }

    pub(super) fn activate(&self, connection: &Arc<Connection>) {
        self.connection.store(Some(Arc::clone(connection)));
        // A close sets the flag first, and then removes the connection, so one of the two sees the other.
        if self.closing.is_cancelled() {
            self.connection.store(None);
        }
    }

    fn jitter(&self) -> Duration {
        self.options.reconnect_jitter.mul_f64(fastrand::f64())
    }

    fn place(&self) -> String {
        redact::list(&self.options.addresses)
    }
}
