//! An acceptor of our own, outside the framework: connections in memory, for tests whose time is paused.

use std::io;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pitaya::acceptor::{Acceptor, Incoming, Link, ListenOptions, Listening, Peer};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// The listening side.
#[derive(Debug)]
pub struct Memory {
    incoming: mpsc::UnboundedReceiver<DuplexStream>,
}

/// The connecting side.
#[derive(Debug, Clone)]
pub struct Dialer {
    outgoing: mpsc::UnboundedSender<DuplexStream>,
}

/// Both sides.
#[must_use]
pub fn memory() -> (Memory, Dialer) {
    let (outgoing, incoming) = mpsc::unbounded_channel();
    (Memory { incoming }, Dialer { outgoing })
}

impl Dialer {
    /// Connects.
    ///
    /// # Panics
    /// If the acceptor is gone.
    #[must_use]
    pub fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.outgoing.send(theirs).expect("the acceptor is there");
        ours
    }
}

impl Acceptor for Memory {
    fn listen(&mut self, _: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        async { Ok(Listening::new("memory", "memory")) }.boxed()
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Incoming>> {
        async {
            match self.incoming.recv().await {
                Some(stream) => Ok(Incoming::ready(Peer::new("memory:1"), Link::bytes(stream))),
                None => std::future::pending().await,
            }
        }
        .boxed()
    }
}
