//! Input in pieces: a stream in memory, and where to cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection of a peer that has sent its bytes and closed. Each read brings at most `piece` bytes.
#[derive(Debug)]
pub(crate) struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    /// The first read brings no more than up to here.
    first: usize,
    piece: usize,
}

impl Pieces {
    pub(crate) fn new(bytes: &[u8], piece: usize) -> Self {
        Self { bytes: bytes.to_vec(), at: 0, first: bytes.len(), piece: piece.max(1) }
    }

    /// The first bytes come with one read.
    pub(crate) fn after(first: &[u8], then: &[u8], piece: usize) -> Self {
        Self { bytes: [first, then].concat(), at: 0, first: first.len(), piece: piece.max(1) }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let alone = self.at < self.first && self.first < self.bytes.len();
        let (end, piece) = if alone { (self.first, usize::MAX) } else { (self.bytes.len(), self.piece) };
        let until = end.min(self.at.saturating_add(piece.min(buf.remaining())));
        buf.put_slice(&self.bytes[self.at..until]);
        self.at = until;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs a future that waits for nothing outside.
///
/// # Panics
/// If the runtime cannot be made.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime: {error}"),
        };
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// The length of pieces that an input asks for: its last byte.
pub(crate) fn piece_of(input: &[u8]) -> usize {
    input.last().map_or(1, |last| usize::from(*last) + 1)
}
