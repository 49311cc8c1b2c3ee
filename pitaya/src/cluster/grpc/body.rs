//! The body of a request, with a time limit for each message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// A body whose messages must each arrive within a time.
///
/// Most messages are there already when they are read, and need no timer.
pub(super) struct LimitedBody {
    body: Incoming,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    /// The messages of a stream. The limit of a unary body holds before its first byte too.
    stream: Option<Messages>,
}

impl LimitedBody {
    pub(super) fn unary(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, timer: None, stream: None }
    }

    /// A stream may wait between two messages.
    pub(super) fn stream(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, timer: None, stream: Some(Messages::default()) }
    }
}

/// Finds where the messages of a stream end. Each has a head of a flag and its length.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; 5],
    head_bytes: usize,
    /// The bytes that the current message lacks.
    lacks: usize,
}

impl Messages {
    /// Follows received bytes. Returns whether a message ended.
    fn follow(&mut self, mut bytes: &[u8]) -> bool {
        let mut ended = false;
        while !bytes.is_empty() {
            if self.head_bytes < self.head.len() {
                let taken = bytes.len().min(self.head.len() - self.head_bytes);
                self.head[self.head_bytes..][..taken].copy_from_slice(&bytes[..taken]);
                self.head_bytes += taken;
                bytes.advance(taken);
                let [_, length @ ..] = self.head;
                self.lacks = u32::from_be_bytes(length) as usize;
            }
            let taken = bytes.len().min(self.lacks);
            self.lacks -= taken;
            bytes.advance(taken);
            if self.head_bytes == self.head.len() && self.lacks == 0 {
                self.head_bytes = 0;
                ended = true;
            }
        }
        ended
    }

    fn is_between(&self) -> bool {
        self.head_bytes == 0
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let (Some(messages), Some(Ok(frame))) = (&mut this.stream, &frame)
                && frame.data_ref().is_some_and(|data| messages.follow(data))
            {
                this.timer = None;
            }
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| Status::from_error(Box::new(error)))),
            );
        }
        if this.stream.as_ref().is_some_and(Messages::is_between) {
            return Poll::Pending;
        }
        let limit = this.limit;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(Status::deadline_exceeded("the request is not whole"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes are cut.
    #[test]
    fn messages_end_where_their_length_says() {
        let bytes = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x01d";
        let ends = [8, 13, 19];
        for part in 1..=bytes.len() {
            let (mut messages, mut read) = (Messages::default(), 0);
            for bytes in bytes.chunks(part) {
                let before = read;
                read += bytes.len();
                let ended = ends.iter().any(|end| (before + 1..=read).contains(end));
                assert_eq!(messages.follow(bytes), ended, "{part} {read}");
                assert_eq!(messages.is_between(), ends.contains(&read), "{part} {read}");
            }
        }
    }
}
