//! Client connections within the process: no socket, so that paused time applies to them too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::acceptor::{Acceptor, IncomingConnection, Link, ListenOptions, Listening, Peer};

/// How many bytes each direction buffers: about as many as a socket.
const PIPE: usize = 64 * 1024;

/// An acceptor in memory, and the [`Dialer`] that connects to it.
///
/// Every frontend of a [`Cluster`](super::Cluster) has one. By itself it serves tests of a single app:
///
/// ```standalone_crate
/// use pitaya::client::Client;
/// use pitaya::prelude::*;
///
/// #[derive(Component)]
/// pub struct Echo;
///
/// #[handler(server = "echo")]
/// impl Echo {
///     pub async fn back(&self, body: Bytes) -> Result<Bytes> { Ok(body) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (acceptor, dialer) = pitaya::testing::memory_acceptor();
/// let app = App::builder().server_type("echo").acceptor(acceptor).start().await?;
/// let client = Client::builder().connect_stream(dialer.connect()?).await?;
/// assert_eq!(client.request_raw("echo.back", Bytes::from("hello")).await?, "hello");
/// app.stop().await;
/// # Ok(()) }
/// ```
#[must_use]
pub fn memory_acceptor() -> (MemoryAcceptor, Dialer) {
    let (outgoing, incoming) = mpsc::unbounded_channel();
    (MemoryAcceptor { incoming }, Dialer { outgoing, count: Arc::default() })
}

/// The listening side: an [`Acceptor`] for one app. Made by [`memory_acceptor`].
#[derive(Debug)]
pub struct MemoryAcceptor {
    incoming: mpsc::UnboundedReceiver<(u64, DuplexStream)>,
}

/// The connecting side; clones connect to the same acceptor. Made by [`memory_acceptor`].
#[derive(Debug, Clone)]
pub struct Dialer {
    outgoing: mpsc::UnboundedSender<(u64, DuplexStream)>,
    count: Arc<AtomicU64>,
}

impl Dialer {
    /// Connects. Returns the client's end, for [`connect_stream`](crate::client::Builder::connect_stream) or raw bytes.
    /// The
    /// server sees it come from `memory:1`, `memory:2` and so on.
    ///
    /// # Errors
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) once the acceptor is gone: its app has stopped.
    pub fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        self.outgoing.send((number, theirs)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }
}

impl Acceptor for MemoryAcceptor {
    fn listen(&mut self, _: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        Box::pin(async { Ok(Listening::new("memory", "memory")) })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async {
            match self.incoming.recv().await {
                Some((number, stream)) => {
                    Ok(IncomingConnection::ready(Peer::new(format!("memory:{number}")), Link::bytes(stream)))
                }
                // All dialers are dropped, so no client can connect.
                None => std::future::pending().await,
            }
        })
    }
}
