//! Cuts the body of a request or an answer into whole messages.
//!
//! tonic reserves the length that the head of a message announces. So it receives only messages that are complete: a
//! head of 5 bytes must not make a server reserve megabytes, neither as the callee nor as the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::{Buf as _, Bytes, BytesMut};
use tonic::Status;

use crate::util::throttle::{GLOBAL, throttled};

/// The bytes of the head of a message: a flag, and the length of the rest.
const HEAD: usize = 5;

/// The limits of received messages. All connections of other servers share one, and all connections to them another.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) max_message: usize,
    /// How many bytes of incomplete messages are kept.
    pub(super) max_incomplete: usize,
    /// The bytes of incomplete messages.
    pub(super) incomplete: AtomicUsize,
    /// The messages of streams that were dropped because they exceeded the limit.
    pub(super) oversized: AtomicU64,
}

impl Limits {
    /// The bytes of incomplete messages that are kept, unless one message may have more.
    const INCOMPLETE: usize = 256 << 20;

    pub(super) fn new(max_message: usize) -> Self {
        let max_incomplete = Self::INCOMPLETE.max(2 * max_message);
        Self { max_message, max_incomplete, incomplete: AtomicUsize::new(0), oversized: AtomicU64::new(0) }
    }
}

/// The message that a body is within.
#[derive(Debug)]
pub(super) struct Framing {
    limits: Arc<Limits>,
    /// Whether a message that is too large is dropped. Otherwise tonic refuses the call for it.
    drops_oversized: bool,
    incomplete: BytesMut,
    /// How many bytes of `incomplete` the limits count.
    counted: usize,
    /// The bytes of a dropped message that are still to come.
    to_drop: usize,
}

impl Framing {
    pub(super) fn new(limits: Arc<Limits>, drops_oversized: bool) -> Self {
        Self { limits, drops_oversized, incomplete: BytesMut::new(), counted: 0, to_drop: 0 }
    }

    /// Whether the last message is complete.
    pub(super) fn is_between(&self) -> bool {
        self.incomplete.is_empty() && self.to_drop == 0
    }

    /// Takes received bytes. Returns the messages that are complete with them.
    ///
    /// # Errors
    /// The incomplete messages of all connections exceed their limit.
    pub(super) fn take(&mut self, mut data: Bytes) -> Result<Bytes, Status> {
        let dropped = self.to_drop.min(data.len());
        data.advance(dropped);
        self.to_drop -= dropped;
        if !self.incomplete.is_empty() {
            self.keep(&data)?;
            match message_length(&self.incomplete) {
                None => return Ok(Bytes::new()),
                Some(length) if !self.is_oversized(length) && self.incomplete.len() < length => {
                    return Ok(Bytes::new());
                }
                Some(_) => data = self.release().freeze(),
            }
        }
        let whole = self.split_whole(&mut data);
        if !data.is_empty() {
            self.keep(&data)?;
        }
        Ok(whole)
    }

    /// Returns the complete messages. `data` is then the beginning of an incomplete one.
    fn split_whole(&mut self, data: &mut Bytes) -> Bytes {
        let (mut whole, mut end) = (Bytes::new(), 0);
        while let Some(length) = message_length(&data[end..]) {
            if !self.is_oversized(length) {
                if data.len() - end < length {
                    break;
                }
                end += length;
            } else if self.drops_oversized {
                let (size, limit) = (length - HEAD, self.limits.max_message);
                self.limits.oversized.fetch_add(1, Relaxed);
                throttled!(
                    GLOBAL,
                    warn,
                    "oversized gRPC messages",
                    size,
                    limit,
                    "dropped a message of another server: it exceeds maxmessage"
                );
                append(&mut whole, data.split_to(end));
                let here = length.min(data.len());
                data.advance(here);
                (self.to_drop, end) = (length - here, 0);
            } else {
                end = data.len(); // tonic reads the head, and refuses the call
            }
        }
        append(&mut whole, data.split_to(end));
        whole
    }

    fn is_oversized(&self, length: usize) -> bool {
        length - HEAD > self.limits.max_message
    }

    /// Keeps bytes of an incomplete message. The buffer grows with what has arrived.
    fn keep(&mut self, data: &[u8]) -> Result<(), Status> {
        let all = self.limits.incomplete.fetch_add(data.len(), Relaxed) + data.len();
        self.counted += data.len();
        if all > self.limits.max_incomplete {
            return Err(Status::resource_exhausted("too many messages are incomplete"));
        }
        self.incomplete.extend_from_slice(data);
        Ok(())
    }

    fn release(&mut self) -> BytesMut {
        self.limits.incomplete.fetch_sub(std::mem::take(&mut self.counted), Relaxed);
        std::mem::take(&mut self.incomplete)
    }
}

impl Drop for Framing {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.release();
        }
    }
}

fn append(whole: &mut Bytes, more: Bytes) {
    if whole.is_empty() {
        *whole = more;
    } else if !more.is_empty() {
        *whole = [&**whole, &more].concat().into();
    }
}

/// Returns the length of the first message with its head, if the head is complete.
fn message_length(data: &[u8]) -> Option<usize> {
    let [_, length @ ..] = data.first_chunk::<HEAD>()?;
    Some(HEAD + u32::from_be_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(drops_oversized: bool) -> Framing {
        Framing::new(Arc::new(Limits::new(3)), drops_oversized)
    }

    /// However the bytes are cut.
    #[test]
    fn messages_are_handed_over_when_complete() {
        let bytes = b"\0\0\0\0\x03abc\0\0\0\0\0\0\0\0\0\x01d";
        let ends = [0, 8, 13, 19];
        for part in 1..=bytes.len() {
            let (mut framing, mut read, mut whole) = (framing(false), 0, Vec::new());
            for bytes_of_part in bytes.chunks(part) {
                read += bytes_of_part.len();
                whole.extend_from_slice(&framing.take(Bytes::copy_from_slice(bytes_of_part)).unwrap());
                let end = ends.into_iter().rfind(|end| *end <= read).unwrap();
                assert_eq!(whole, &bytes[..end], "{part} {read}");
                assert_eq!(framing.is_between(), end == read, "{part} {read}");
                assert_eq!(framing.limits.incomplete.load(Relaxed), read - end, "{part} {read}");
            }
        }
    }

    /// However the bytes are cut.
    #[test]
    fn oversized_message_of_a_stream_is_dropped() {
        let bytes = b"\0\0\0\0\x01a\0\0\0\0\x04long\0\0\0\0\x05longe\0\0\0\0\x01d";
        for part in 1..=bytes.len() {
            let (mut framing, mut whole) = (framing(true), Vec::new());
            for bytes in bytes.chunks(part) {
                whole.extend_from_slice(&framing.take(Bytes::copy_from_slice(bytes)).unwrap());
            }
            assert_eq!(whole, b"\0\0\0\0\x01a\0\0\0\0\x01d", "{part}");
            assert_eq!(framing.limits.oversized.load(Relaxed), 2, "{part}");
            assert!(framing.is_between());
        }
    }

    /// tonic refuses it by its head.
    #[test]
    fn oversized_request_is_handed_over() {
        let mut framing = framing(false);
        assert_eq!(framing.take(Bytes::from_static(b"\0\0\0")).unwrap(), "");
        assert_eq!(framing.take(Bytes::from_static(b"\0\x04l")).unwrap(), "\0\0\0\0\x04l");
        assert_eq!(framing.limits.oversized.load(Relaxed), 0);
    }

    #[test]
    fn incomplete_messages_reserve_no_more_than_arrived() {
        let limits = Arc::new(Limits { max_incomplete: 20_000, ..Limits::new(4 << 20) });
        let mut framings: Vec<_> = (0..100).map(|_| Framing::new(Arc::clone(&limits), false)).collect();
        for framing in &mut framings {
            framing.take(Bytes::from_static(b"\0\0\x3f\0\0x")).unwrap();
            assert!(framing.incomplete.capacity() < 100, "{}", framing.incomplete.capacity());
        }
        let large = Bytes::from(vec![0; 10_000]);
        framings[0].take(large.clone()).unwrap();
        assert!(framings[1].take(large.clone()).is_err());
        framings.truncate(1);
        assert_eq!(limits.incomplete.load(Relaxed), 10_006);
        framings.clear();
        assert_eq!(limits.incomplete.load(Relaxed), 0);
    }
}
