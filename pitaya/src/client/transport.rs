//! What carries the packets: anything that is a stream of bytes, and WebSocket.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// Room for one read of a byte stream.
const READ: usize = 8 * 1024;

/// The last words of a server, in a transport that has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Goodbye {
    pub(super) code: u16,
    pub(super) text: String,
}

/// One connection, before what its packets mean.
pub(super) trait Transport: Send {
    /// Appends what has come to `into`; `false` at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>>;

    /// Takes whole packets off `out` and sends them; ready once `out` is empty and everything is on its way.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<io::Result<()>>;

    /// Whether a server of this transport says why it closes.
    fn says_goodbye(&self) -> bool {
        false
    }

    /// What the server said, after [`poll_read`](Self::poll_read) has told the end.
    fn goodbye(&self) -> Option<&Goodbye> {
        None
    }

    /// Says goodbye.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// TCP, TLS and whatever else is a stream of bytes.
pub(super) struct Bytes<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Transport for Bytes<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<bool>> {
        into.reserve(READ);
        // This future keeps nothing between two polls, so a new one each time is the same.
        let read = ready!(pin!(self.0.read_buf(into)).poll(cx));
        Poll::Ready(match read {
            Ok(read) => Ok(read > 0),
            // A peer that does not end its TLS properly: what it wanted is clear all the same.
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
