//! One server of a test's cluster.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::acceptor::Dialer;
use super::shared::Shared;
use crate::app::{App, Running};
use crate::client::{self, Client};
use crate::error::{Error, Result, code};

/// A server that runs in a [`Cluster`](super::Cluster). Its [`App`] is [`app`](Self::app).
///
/// Dropping it does not stop the server: [`stop`](Self::stop), [`Cluster::crash`](super::Cluster::crash), or dropping
/// the [`Cluster`](super::Cluster) with all of its `TestServer`s does. An [`App`] or a client that outlives them keeps
/// nothing alive.
///
/// ```standalone_crate
/// # use pitaya::prelude::*;
/// # #[derive(Component)] pub struct Hall;
/// # #[handler(server = "hall")] impl Hall { pub async fn echo(&self, body: Bytes) -> Result<Bytes> { Ok(body) } }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> pitaya::Result<()> {
/// # let cluster = pitaya::testing::Cluster::seeded(7);
/// let hall = cluster.frontend("hall", |app| app).await?;
/// let client = hall.client().await?;
/// assert_eq!(client.request_raw("hall.echo", "hello".into()).await?, "hello");
/// assert_eq!((hall.id(), hall.app().sessions().count()), ("hall-1", 1));
/// hall.stop().await;
/// # Ok(()) }
/// ```
pub struct TestServer {
    pub(super) id: Arc<str>,
    pub(super) number: u64,
    pub(super) running: Running,
    pub(super) dialer: Option<Dialer>,
    /// How far its wall clock is ahead, in nanoseconds.
    pub(super) ahead: Arc<AtomicU64>,
    pub(super) cluster: Arc<Shared>,
}

impl TestServer {
    /// Returns its app.
    #[must_use]
    pub fn app(&self) -> &App {
        self.running.app()
    }

    /// Returns its id, such as `room-1`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Connects a client in memory: messages arrive immediately and in order.
    ///
    /// It waits for an answer four times as long as a call of the cluster may take (`cluster_request_timeout` of the
    /// configuration), so that it receives the server's `PIT-408` of a call without an answer.
    ///
    /// # Errors
    /// `PIT-500`: the server is a backend, has stopped, or refuses the handshake.
    pub async fn client(&self) -> Result<Client> {
        let patience = self.app().config().cluster_request_timeout.saturating_mul(4);
        self.client_with(&Client::builder().request_timeout(patience)).await
    }

    /// Connects a client with other options.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub async fn client_with(&self, builder: &client::Builder) -> Result<Client> {
        let stream = self.dialer()?.connect().map_err(|error| self.no_client(error))?;
        builder.connect_stream(stream).await.map_err(|error| self.no_client(error))
    }

    /// Returns the dialer of the server, for other kinds of clients.
    ///
    /// # Errors
    /// `PIT-500`: the server is a backend.
    pub fn dialer(&self) -> Result<&Dialer> {
        self.dialer.as_ref().ok_or_else(|| {
            Error::new(code::INTERNAL, format!("`{}` is a backend: clients connect to frontends", self.id))
        })
    }

    fn no_client(&self, error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::new(code::INTERNAL, format!("no client can connect to `{}`: {error}", self.id))
            .with_source(error)
    }

    /// Sets how far its wall clock is ahead of the simulation. All clocks start at 2020-01-01 without a difference.
    pub fn set_clock_ahead(&self, by: Duration) {
        self.ahead.store(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Drains it, as [`Running::drain`]. A dropped future leaves the acceptors closed and the sessions open.
    pub async fn drain(&self) {
        self.running.drain().await;
    }

    /// Stops it gracefully, as [`Running::stop`]. Not cancel safe: the steps that remain after a drop do not run.
    pub async fn stop(self) {
        self.running.stop().await;
        self.cluster.forget(self.number);
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer").field("id", &self.id).finish_non_exhaustive()
    }
}
