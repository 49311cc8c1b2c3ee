//! The transports of packets: streams of bytes, and WebSocket.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// The buffer of one read of a byte stream.
const READ: usize = 8 * 1024;

/// The reason of a server's close, in a transport that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Goodbye {
    pub(super) code: u16,
    pub(super) text: String,
}

/// A connection that carries packets.
pub(super) trait Transport: Send {
    /// Appends received bytes to `into`. Returns `false` at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>>;

    /// Sends the packets of `out`. Ready once `out` is empty and flushed.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<io::Result<()>>;

    /// Returns whether a server of this transport says why it closes.
    fn says_goodbye(&self) -> bool {
        false
    }

    /// Returns the reason of the server, after [`poll_read`](Self::poll_read) has returned the end.
    fn goodbye(&self) -> Option<&Goodbye> {
        None
    }

    /// Closes the writing half.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// TCP, TLS or another stream of bytes.
pub(super) struct Bytes<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for Bytes<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        into.reserve(READ);
        // The future has no state between two polls, so that each poll may make a new one.
        let read = ready!(pin!(self.0.read_buf(into)).poll(cx));
        Poll::Ready(match read {
            Ok(read) => Ok(read > 0),
            // A peer that closes without the TLS alert has closed nevertheless.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<io::Result<()>> {
        while !out.is_empty() {
            match ready!(Pin::new(&mut self.0).poll_write(cx, out))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => out.advance(written),
            }
        }
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
