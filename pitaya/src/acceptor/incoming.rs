//! A connection from accept to the link that carries its packets.

use std::{
    fmt, io,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{BoxFuture, Filter, Peer, Wrapper};
use crate::serialize::Serializer;
use crate::session::CloseReason;

/// A connection that was accepted and is not set up yet.
#[must_use = "a connection that is not opened is closed"]
pub struct IncomingConnection {
    peer: Peer,
    set_up: BoxFuture<'static, Result<(Link, Peer), OpenError>>,
    wrappers: Vec<Arc<dyn Wrapper>>,
    serializer: Option<Serializer>,
}

impl IncomingConnection {
    /// Returns a connection whose set-up is a future, such as a TLS handshake.
    ///
    /// `peer` is the peer of the socket. The future returns the peer that the set-up found, such as the address of a
    /// PROXY header.
    pub fn new<F>(peer: Peer, set_up: F) -> Self
    where
        F: Future<Output = Result<(Link, Peer), OpenError>> + Send + 'static,
    {
        Self { peer, set_up: Box::pin(set_up), wrappers: Vec::new(), serializer: None }
    }

    /// Returns a connection without a set-up.
    pub fn ready(peer: Peer, link: Link) -> Self {
        let same = peer.clone();
        Self::new(peer, std::future::ready(Ok((link, same))))
    }

    /// Returns the peer of the socket.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Sets the connection up, in at most `deadline`. Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`OpenError::Deadline`] after the deadline, else the error of the set-up. The connection is then closed.
    pub async fn open(self, deadline: Duration) -> Result<Opened, OpenError> {
        let (link, peer) =
            tokio::time::timeout(deadline, self.set_up).await.map_err(|_| OpenError::Deadline)??;
        let filters = self.wrappers.iter().map(|w| w.wrap(&peer)).collect();
        Ok(Opened { link, peer, socket_peer: self.peer, filters, serializer: self.serializer })
    }

    /// Fixes the serializer of the session. The innermost acceptor that fixes one decides.
    pub(super) fn fix_serializer(&mut self, serializer: &Serializer) {
        self.serializer.get_or_insert_with(|| serializer.clone());
    }

    pub(super) fn add_wrapper(&mut self, wrapper: Arc<dyn Wrapper>) {
        self.wrappers.push(wrapper);
    }
}

impl fmt::Debug for IncomingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingConnection")
            .field("peer", &self.peer)
            .field("wrappers", &self.wrappers.len())
            .finish_non_exhaustive()
    }
}

/// A connection that is ready for packets.
#[non_exhaustive]
pub struct Opened {
    /// The transport of the packets.
    pub link: Link,
    /// The client. Behind trusted proxies, a PROXY header, `X-Forwarded-For` or `Forwarded` names it.
    pub peer: Peer,
    /// The peer of the socket: the last proxy, or else the client.
    pub socket_peer: Peer,
    /// The filters of each packet, in their order.
    pub filters: Vec<Box<dyn Filter>>,
    /// The serializer of the session, if the acceptor fixes it.
    pub serializer: Option<Serializer>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("link", &self.link)
            .field("peer", &self.peer)
            .field("socket_peer", &self.socket_peer)
            .field("filters", &self.filters.len())
            .field("serializer", &self.serializer)
            .finish()
    }
}

/// The transport of a connection's packets.
#[non_exhaustive]
pub enum Link {
    /// A stream of bytes. The connection finds the packets in it.
    Bytes(Box<dyn ByteStream>),
    /// A stream of whole packets.
    Packets(Box<dyn PacketStream>),
}

impl Link {
    /// Returns a link over a stream of bytes.
    pub fn bytes(stream: impl ByteStream) -> Self {
        Self::Bytes(Box::new(stream))
    }

    /// Returns a link over a stream of whole packets.
    pub fn packets(stream: impl PacketStream) -> Self {
        Self::Packets(Box::new(stream))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes(_) => "Bytes",
            Self::Packets(_) => "Packets",
        })
    }
}

/// A stream of bytes: anything that tokio reads and writes.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// A transport whose messages are packets, header included.
///
/// One task calls all methods. The wakers of reading and writing may be the same.
pub trait PacketStream: Send + 'static {
    /// Returns the next message, which should be header and body of one packet; the connection checks that.
    ///
    /// Returns `None` once the peer has closed. A message over the [limit](Self::set_max_packet) is an error with
    /// [`MessageTooLong`] inside. The call may flush queued packets before it reads. To write several answers at the
    /// same time, take all packets until `Pending` before queueing the answers.
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>>;

    /// Returns whether a message is incomplete, for `pitaya.limit.packet.deadline`. Called after `Pending`.
    ///
    /// The default, `false`, is for streams that cannot tell.
    fn is_partial(&self) -> bool {
        false
    }

    /// Returns the number of bytes that the transport below has taken so far. Progress restarts the write deadline.
    ///
    /// The default, 0, is for streams that cannot tell. For them only a whole flush is progress.
    fn written(&self) -> u64 {
        0
    }

    /// Ready when there is room to queue another packet.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Queues one packet, header included. Writes nothing.
    ///
    /// # Errors
    /// Once the stream is closed, by either side.
    fn start_send(&mut self, packet: Bytes) -> io::Result<()>;

    /// Writes everything queued, with as few writes as the transport allows.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sets the reason that [`poll_close`](Self::poll_close) sends, in a transport that has one. Called before it.
    fn close_because(&mut self, reason: CloseReason) {
        let _ = reason;
    }

    /// Flushes, sends the transport's close message and closes the writing half. Idempotent.
    ///
    /// It waits for room to write, but not for the peer's answer. The caller sets a deadline.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sets the longest packet body, in bytes. The default is for streams without such a limit.
    ///
    /// A longer message ends the stream with an error before it is held in memory.
    fn set_max_packet(&mut self, bytes: usize) {
        let _ = bytes;
    }
}

/// A message is longer than allowed; the inner error of an [`io::Error`] of [`PacketStream::poll_recv`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is longer than {limit} bytes")]
#[non_exhaustive]
pub struct MessageTooLong {
    /// The longest message allowed, in bytes.
    pub limit: usize,
}

impl MessageTooLong {
    /// Returns the error of a stream whose limit is `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Returns whether an error of a stream is a `MessageTooLong`.
    pub(crate) fn is_in(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl From<MessageTooLong> for io::Error {
    fn from(error: MessageTooLong) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The reason why a connection was closed before its first packet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The peer took longer than the deadline for set-up.
    #[error("the client did not finish connecting in time")]
    Deadline,
    /// Reading or writing failed, or the peer closed.
    #[error("connecting failed: {0}")]
    Io(#[from] io::Error),
    /// The PROXY header is missing, malformed, or names no internet address.
    #[error("bad PROXY header: {0}")]
    Proxy(String),
    /// The PROXY protocol is on, and the peer's network is not in `pitaya.acceptor.trustedproxies`.
    #[error("{0} may send no PROXY header: its network is not in `pitaya.acceptor.trustedproxies`")]
    Untrusted(Peer),
    /// The TLS handshake failed.
    #[error("TLS handshake failed: {0}")]
    Tls(io::Error),
    /// The HTTP request is not a valid upgrade to WebSocket. It was answered with this status.
    #[error("WebSocket upgrade refused with {status}: {reason}")]
    Upgrade {
        /// The HTTP status of the answer.
        status: u16,
        /// The fault of the request.
        reason: String,
    },
    /// The peer was a probe, which was answered with this HTTP status. This is not a fault.
    #[error("a probe was answered with {status}")]
    Probe {
        /// 200 if the server is ready, else 503.
        status: u16,
    },
}

impl OpenError {
    /// Returns the label for metrics: `deadline`, `io`, `proxy`, `untrusted`, `tls`, `upgrade` or `probe`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Io(_) => "io",
            Self::Proxy(_) => "proxy",
            Self::Untrusted(_) => "untrusted",
            Self::Tls(_) => "tls",
            Self::Upgrade { .. } => "upgrade",
            Self::Probe { .. } => "probe",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_set_up_that_never_ends_is_cut_at_the_deadline() {
        let incoming = IncomingConnection::new(Peer::new("silent"), std::future::pending());
        let start = tokio::time::Instant::now();
        let error = incoming.open(Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(error, OpenError::Deadline));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }
}
