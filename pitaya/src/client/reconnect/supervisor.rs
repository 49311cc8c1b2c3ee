//! The task that keeps a client connected.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Reconnect;
use super::calls::{Calls, Stage};
use super::events::{Away, End};
use crate::client::{AllPushes, Client, CloseReason, Closed, ConnectError};
use crate::error::BoxError;
use crate::serialize::Serializer;

const FIRST: f64 = 0.25;
const FACTOR: f64 = 1.7;
const LONGEST: f64 = 10.0;
/// A connection that lasted less than this counts as a failed attempt.
const MIN_UPTIME: Duration = Duration::from_secs(5);

/// Returns the time before the next attempt: any up to the bound.
fn backoff(failures: u32, random: f64) -> Duration {
    // The exponent is bounded, because the power of an hour of failures is infinite.
    let exponent = i32::try_from(failures.min(50)).unwrap_or(50);
    Duration::from_secs_f64((FIRST * FACTOR.powi(exponent)).min(LONGEST) * random)
}

/// The reason why an attempt failed.
enum Failure {
    /// Every attempt would.
    Final(ConnectError),
    Temporary(String),
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Refused { .. }
            | ConnectError::Serializer { .. }
            | ConnectError::Address(_)
            | ConnectError::User(_) => Self::Final(error),
            _ => Self::Temporary(error.to_string()),
        }
    }
}

pub(super) struct Supervisor {
    how: Reconnect,
    calls: Arc<Calls>,
    stop: CancellationToken,
    failures: u32,
}

impl Supervisor {
    pub(super) fn new(how: Reconnect, calls: Arc<Calls>, stop: CancellationToken) -> Self {
        Self { how, calls, stop, failures: 0 }
    }

    /// Makes later connections use the serializer of the first one.
    pub(super) fn pin_serializer(&mut self, serializer: &Serializer) {
        self.how.builder = self.how.builder.clone().serializer(serializer.clone());
    }

    /// Connects for the first time. Attempts that fail are repeated.
    pub(super) async fn connect_first(&mut self) -> Result<(Client, AllPushes), ConnectError> {
        loop {
            match self.attempt().await {
                Ok(connected) => return Ok(connected),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Temporary(reason)) => {
                    let wait = self.failed();
                    tracing::debug!(reason, ?wait, "failed to connect");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    pub(super) async fn run(mut self, client: Client, pushes: AllPushes) {
        let stop = self.stop.clone();
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => End::Closed(Closed::new(CloseReason::Disconnected, "")),
            end = self.keep_connected(client, pushes) => end,
        };
        self.calls.close(&end);
    }

    /// Connects again until that makes no sense any more.
    async fn keep_connected(&mut self, client: Client, pushes: AllPushes) -> End {
        let (mut connected, mut first) = ((client, pushes), true);
        loop {
            let (client, pushes) = connected;
            let since = Instant::now();
            self.calls.tell(Stage::Open { first, pushes });
            self.calls.open(client.clone());
            let closed = client.closed().await;
            self.calls.away();
            drop(client);
            if matches!(
                closed.reason,
                CloseReason::Kicked | CloseReason::Replaced | CloseReason::Disconnected
            ) {
                return End::Closed(closed);
            }
            if since.elapsed() >= MIN_UPTIME {
                self.failures = 0;
            }
            first = false;
            connected = match self.reconnect(closed.to_string()).await {
                Ok(connected) => connected,
                Err(error) => return End::Refused(Arc::new(error)),
            };
        }
    }

    /// Connects again, after a pause.
    async fn reconnect(&mut self, mut reason: String) -> Result<(Client, AllPushes), ConnectError> {
        loop {
            let failures = self.failures;
            let retry_in = self.failed();
            self.calls.tell(Stage::Away(Away { reason, retry_in, failures }));
            tokio::time::sleep(retry_in).await;
            reason = match self.attempt().await {
                Ok(connected) => return Ok(connected),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Temporary(reason)) => reason,
            };
        }
    }

    /// Counts a failure. Returns the time before the next attempt.
    fn failed(&mut self) -> Duration {
        let wait = backoff(self.failures, fastrand::f64());
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// Asks for the credentials, connects, and begins the session.
    async fn attempt(&self) -> Result<(Client, AllPushes), Failure> {
        let mut builder = self.how.builder.clone();
        let (_, limit) = builder.timeouts();
        if let Some(credentials) = &self.how.credentials {
            let user = tokio::time::timeout(limit, credentials()).await;
            let no_credentials = |error: BoxError| Failure::Temporary(format!("no credentials: {error}"));
            builder = builder
                .handshake_user(user.map_err(|late| no_credentials(late.into()))?.map_err(no_credentials)?);
        }
        let client = (self.how.dial)(builder).await?;
        // Before the first call, so that no push comes too early.
        let pushes = client.all_pushes();
        if let Some(greeting) = &self.how.greeting
            && let Err(error) = greeting(client.clone()).await
        {
            client.disconnect().await;
            return Err(Failure::Temporary(format!("failed to begin the session: {error}")));
        }
        Ok((client, pushes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_ten_seconds() {
        let bounds: Vec<_> = (0..4).map(|failures| backoff(failures, 1.0).as_millis()).collect();
        assert_eq!(bounds, [250, 425, 722, 1228]);
        for failures in [7, 50, u32::MAX] {
            assert_eq!(backoff(failures, 1.0), Duration::from_secs(10));
            assert_eq!(backoff(failures, 0.5), Duration::from_secs(5));
        }
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
    }
}
