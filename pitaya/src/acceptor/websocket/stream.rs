//! A WebSocket as a [`PacketStream`].

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_websockets::{CloseCode, Config, Error, Limits, Message, ServerBuilder, WebSocketStream};

use super::frames::Frames;
use crate::{
    acceptor::{ByteStream, MessageTooLong, PacketStream},
    session::CloseReason,
    wire::{close_code, packet::HEADER, websocket::forward_flush_and_shutdown},
};

/// Queued bytes from which [`PacketStream::poll_ready`] writes first. Fewer bytes are written by one write.
const FLUSH_AT: usize = 64 << 10;
/// Unwritten answers to pings, beyond which nothing is read. A peer that sends pings and reads nothing would otherwise fill
/// the memory.
const PONGS: u32 = 16;

/// The messages of an upgraded stream.
pub(super) struct Messages<S> {
    socket: WebSocketStream<Watched<S>>,
    /// Pings that were read since the queue was last flushed.
    pongs: u32,
    /// Nothing is read after an error. The library would continue after some.
    failed: bool,
    closing: bool,
    /// The code and reason of the close frame.
    reason: CloseReason,
    /// The longest message, in bytes.
    longest: usize,
}

impl<S: ByteStream> Messages<S> {
    /// Returns the messages of a stream. `max_packet` is the longest packet body, in bytes.
    pub(super) fn new(stream: S, max_packet: usize) -> Self {
        let socket = ServerBuilder::new()
            .config(
                Config::default()
                    // One message is one frame of any length.
                    .frame_size(usize::MAX)
                    .flush_threshold(FLUSH_AT),
            )
            .limits(limits(max_packet))
            .serve(Watched { stream, read: Frames::default(), written: 0 });
        let longest = max_packet.saturating_add(HEADER);
        Self { socket, pongs: 0, failed: false, closing: false, reason: CloseReason::Server, longest }
    }

    fn socket(&mut self) -> Pin<&mut WebSocketStream<Watched<S>>> {
        Pin::new(&mut self.socket)
    }
}

/// A stream that counts written bytes, and parses the frames that are read.
struct Watched<S> {
    stream: S,
    read: Frames,
    written: u64,
}

impl<S> Watched<S> {
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.written += bytes as u64;
        }
        written
    }
}

impl<S: ByteStream> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.read.passed(&buf.filled()[before..]);
        read
    }
}

impl<S: ByteStream> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }

    forward_flush_and_shutdown!();

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }
}

/// Returns the close frame of a reason: its code, and its name for debugging.
fn close_message(reason: CloseReason) -> Message {
    let code = match reason {
        CloseReason::Kicked => close_code::KICKED,
        CloseReason::Replaced => close_code::REPLACED,
        CloseReason::Protocol => close_code::PROTOCOL,
        CloseReason::TooLarge => close_code::TOO_LARGE,
        CloseReason::Refused => close_code::REFUSED,
        CloseReason::Timeout => close_code::TIMEOUT,
        CloseReason::TooSlow => close_code::TOO_SLOW,
        CloseReason::Shutdown => close_code::GOING_AWAY,
        CloseReason::Server | CloseReason::Client => close_code::NORMAL,
    };
    // All codes of the table may be sent.
    let code = CloseCode::try_from(code).unwrap_or(CloseCode::NORMAL_CLOSURE);
    let text = if code == CloseCode::NORMAL_CLOSURE { "" } else { reason.as_str() };
    Message::close(Some(code), text)
}

/// Returns the length of a message: the packet with its header.
fn limits(max_packet: usize) -> Limits {
    Limits::default().max_payload_len(Some(max_packet.saturating_add(HEADER)))
}

fn into_io(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::AlreadyClosed => io::ErrorKind::NotConnected.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

impl<S: ByteStream> PacketStream for Messages<S> {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        loop {
            if self.pongs >= PONGS {
                ready!(self.poll_flush(cx))?;
            }
            let message = match ready!(self.socket().poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.failed = true;
                    let error = match error {
                        Error::PayloadTooLong { .. } => MessageTooLong::new(self.longest).into(),
                        other => into_io(other),
                    };
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            };
            if message.is_binary() || message.is_text() {
                return Poll::Ready(Some(Ok(message.into_payload().into())));
            }
            // The library has queued the answers to a ping and a close. After a close the next poll ends the stream.
            if message.is_ping() {
                self.pongs += 1;
            }
        }
    }

    fn is_partial(&self) -> bool {
        self.socket.get_ref().read.are_partial()
    }

    fn written(&self) -> u64 {
        self.socket.get_ref().written
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_ready(cx).map_err(into_io)
    }

    fn start_send(&mut self, packet: Bytes) -> io::Result<()> {
        self.socket().start_send(Message::binary(packet)).map_err(into_io)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket().poll_flush(cx)).map_err(into_io)?;
        self.pongs = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closing {
            self.closing = true;
            // Rejected if the peer closed first: its close is already answered.
            let message = close_message(self.reason);
            let _ = self.socket().start_send(message);
        }
        ready!(self.poll_flush(cx))?;
        Pin::new(self.socket.get_mut()).poll_shutdown(cx)
    }

    fn close_because(&mut self, reason: CloseReason) {
        self.reason = reason;
    }

    fn set_max_packet(&mut self, bytes: usize) {
        self.longest = bytes.saturating_add(HEADER);
        *self.socket.limits_mut() = limits(bytes);
    }
}
