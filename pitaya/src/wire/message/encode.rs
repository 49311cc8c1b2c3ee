//! Encodes messages at the end of a buffer.

use bytes::BytesMut;

use super::backoff::RouteCompression;
use super::{CODED, COMPRESSED, Compression, ERROR, Kind, MAX_ID, MAX_ROUTE, Message, Route};
use crate::wire::dictionary::Dictionary;
use crate::wire::packet::{self, HEADER, MAX_BODY};
use crate::wire::zlib;

/// Why a message cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A route's name is longer than [`MAX_ROUTE`] bytes.
    #[error("route is longer than {MAX_ROUTE} bytes")]
    RouteTooLong,
    /// The message does not fit in a packet.
    #[error("codec: packet size exceed")]
    TooLarge,
    /// The function that appends the body removed bytes instead.
    #[error("a body was written over its own header")]
    Overwritten,
}

/// The header of a packet and the header of its message: all bytes before the body.
///
/// Header, flags, id and the length of a route's name are at most 16 bytes. They are put together in one word, first byte
/// lowest, and written with one store: bytes stored one by one and then copied cost three times as much.
struct MessageHeader<'a> {
    word: u128,
    len: usize,
    route: Route<'a>,
}

const _: () = assert!(HEADER + 1 + MAX_ID + 1 == size_of::<u128>());
const FLAGS: usize = 8 * HEADER;

impl<'a> MessageHeader<'a> {
    #[inline]
    fn new(kind: Kind, id: u64, route: Route<'a>, error: bool) -> Result<Self, EncodeError> {
        let flags = (kind as u8) << 1 | if error { ERROR } else { 0 };
        let mut header = Self {
            word: packet::Kind::Data as u128 | u128::from(flags) << FLAGS,
            len: HEADER + 1,
            route: Route::None,
        };
        if kind.has_id() {
            header.put_id(id);
        }
        if kind != Kind::Response {
            header.put_route(route)?;
        }
        Ok(header)
    }

    #[inline]
    fn put(&mut self, byte: u8) {
        self.word |= u128::from(byte) << (8 * self.len);
        self.len += 1;
    }

    #[inline]
    fn put_id(&mut self, mut id: u64) {
        while id > 0x7f {
            self.put((id & 0x7f) as u8 | 0x80);
            id >>= 7;
        }
        self.put((id & 0x7f) as u8);
    }

    #[inline]
    fn put_route(&mut self, route: Route<'a>) -> Result<(), EncodeError> {
        match route {
            Route::Code(_) => self.word |= u128::from(CODED) << FLAGS,
            Route::Name(name) => {
                self.put(u8::try_from(name.len()).map_err(|_| EncodeError::RouteTooLong)?);
            }
            Route::None => self.put(0),
        }
        self.route = route;
        Ok(())
    }

    #[inline]
    const fn mark_compressed(&mut self) {
        self.word |= (COMPRESSED as u128) << FLAGS;
    }

    /// Sets the length of the packet, once that of the body is known. Returns the length of the whole packet.
    #[inline]
    fn set_len(&mut self, body: usize) -> Result<usize, EncodeError> {
        let route = match self.route {
            Route::None => 0,
            Route::Code(_) => 2,
            Route::Name(name) => name.len(),
        };
        let len = (self.len - HEADER + route).saturating_add(body);
        match u32::try_from(len) {
            // The three low bytes of the length, highest first, behind the packet's type.
            Ok(short) if len <= MAX_BODY => self.word |= u128::from(short.swap_bytes()),
            _ => return Err(EncodeError::TooLarge),
        }
        Ok(HEADER + len)
    }

    /// Appends the header, without its first `skip` bytes. There is room for it.
    #[inline]
    fn put_to(&self, skip: usize, out: &mut BytesMut) {
        let end = out.len() + self.len - skip;
        out.extend_from_slice(&(self.word >> (8 * skip)).to_le_bytes());
        out.truncate(end);
        match self.route {
            Route::None => {}
            Route::Code(code) => out.extend_from_slice(&code.to_be_bytes()),
            Route::Name(name) => out.extend_from_slice(name),
        }
    }

    /// Appends header and body, without the first `skip` bytes of the header.
    #[inline]
    fn write(&mut self, skip: usize, body: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        let len = self.set_len(body.len())?;
        out.reserve(len + size_of::<u128>());
        self.put_to(skip, out);
        out.extend_from_slice(body);
        Ok(())
    }

    /// As `write`, with the body deflated if that helps.
    #[inline]
    fn finish(
        mut self,
        skip: usize,
        body: &[u8],
        c: RouteCompression<'_>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        if c.tries(body.len()) {
            self.write_deflated(skip, body, c, out)
        } else {
            self.write(skip, body, out)
        }
    }

    #[inline(never)]
    fn write_deflated(
        &mut self,
        skip: usize,
        body: &[u8],
        c: RouteCompression<'_>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        zlib::with_deflater(|deflater| {
            let deflated = deflater.smaller(body);
            c.tried(deflated.is_some());
            match deflated {
                Some(deflated) => {
                    self.mark_compressed();
                    self.write(skip, deflated, out)
                }
                None => self.write(skip, body, out),
            }
        })
    }

    /// Appends the header, lets `body` append the rest, then fits header and body to what came.
    #[inline]
    fn finish_with<E: From<EncodeError>>(
        mut self,
        c: RouteCompression<'_>,
        out: &mut BytesMut,
        body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        let mut undo = Undo { out, start, done: false };
        let out = &mut *undo.out;
        self.put_to(0, out);
        let body_at = out.len();
        body(out)?;
        let Some(mut body_len) = out.len().checked_sub(body_at) else {
            return Err(EncodeError::Overwritten.into());
        };
        if c.tries(body_len)
            && let Some(shorter) = deflate_in_place(out, body_at, c)
        {
            self.mark_compressed();
            body_len = shorter;
        }
        self.set_len(body_len)?;
        let Some((first, _)) = out[start..].split_first_chunk_mut::<{ HEADER + 1 }>() else {
            return Err(EncodeError::Overwritten.into());
        };
        let [a, b, c, d, e, ..] = self.word.to_le_bytes();
        *first = [a, b, c, d, e];
        undo.done = true;
        Ok(())
    }
}

/// Deflates the bytes of `out` from `from` on if that makes them shorter. Returns the new length.
#[inline(never)]
fn deflate_in_place(out: &mut BytesMut, from: usize, c: RouteCompression<'_>) -> Option<usize> {
    zlib::with_deflater(|deflater| {
        let deflated = deflater.smaller(&out[from..]);
        c.tried(deflated.is_some());
        let deflated = deflated?;
        out.truncate(from);
        out.extend_from_slice(deflated);
        Some(deflated.len())
    })
}

/// Removes the appended bytes unless the message is finished, because a serializer may fail or panic.
struct Undo<'a> {
    out: &'a mut BytesMut,
    start: usize,
    done: bool,
}

impl Drop for Undo<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.done {
            self.out.truncate(self.start);
        }
    }
}

/// Appends a message alone, without a packet around it. A body that is marked as compressed goes as it is; another one is
/// deflated if `c` says so and it helps. A response's route is not written; elsewhere no route is an empty name.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
pub fn encode(out: &mut BytesMut, message: &Message<'_>, c: &Compression) -> Result<(), EncodeError> {
    let mut header = MessageHeader::new(message.kind, message.id, message.route, message.error)?;
    if message.compressed {
        header.mark_compressed();
        header.write(HEADER, message.body, out)
    } else {
        header.finish(HEADER, message.body, c.into(), out)
    }
}

/// Appends a response as a whole packet; `error` says that the body is an error payload.
///
/// # Errors
/// [`EncodeError::TooLarge`]; `out` is then left as it was.
///
/// ```
/// use pitaya::wire::{Compression, message};
///
/// let mut out = bytes::BytesMut::new();
/// message::encode_response(&mut out, 129, false, b"{}", &Compression::default())?;
/// assert_eq!(&out[..], b"\x04\0\0\x05\x04\x81\x01{}");
/// # Ok::<(), pitaya::wire::EncodeError>(())
/// ```
#[inline]
pub fn encode_response<'c>(
    out: &mut BytesMut,
    id: u64,
    error: bool,
    body: &[u8],
    c: impl Into<RouteCompression<'c>>,
) -> Result<(), EncodeError> {
    MessageHeader::new(Kind::Response, id, Route::None, error)?.finish(0, body, c.into(), out)
}

/// Appends a response as a whole packet whose body `body` appends in its place. If it fails, panics, or the message does not
/// fit, `out` is left as it was. It must not touch what the buffer held before.
///
/// # Errors
/// The error of `body`, or an [`EncodeError`].
///
/// ```
/// use bytes::BufMut;
/// use pitaya::wire::{Compression, EncodeError, message};
///
/// let mut out = bytes::BytesMut::new();
/// message::encode_response_with(&mut out, 1, false, &Compression::Off, |out| {
///     out.put_slice(b"{}");
///     Ok::<(), EncodeError>(())
/// })?;
/// assert_eq!(&out[..], b"\x04\0\0\x04\x04\x01{}");
/// # Ok::<(), EncodeError>(())
/// ```
#[inline]
pub fn encode_response_with<'c, E: From<EncodeError>>(
    out: &mut BytesMut,
    id: u64,
    error: bool,
    c: impl Into<RouteCompression<'c>>,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    MessageHeader::new(Kind::Response, id, Route::None, error)?.finish_with(c.into(), out, body)
}

/// Appends a push as a whole packet, its route coded where the dictionary allows it.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
#[inline]
pub fn encode_push<'c>(
    out: &mut BytesMut,
    route: &str,
    body: &[u8],
    dictionary: &Dictionary,
    c: impl Into<RouteCompression<'c>>,
) -> Result<(), EncodeError> {
    MessageHeader::new(Kind::Push, 0, dictionary.outgoing(route), false)?.finish(0, body, c.into(), out)
}

/// [`encode_push`] with a body that is appended in its place, as in [`encode_response_with`].
///
/// # Errors
/// The error of `body`, or an [`EncodeError`].
#[inline]
pub fn encode_push_with<'c, E: From<EncodeError>>(
    out: &mut BytesMut,
    route: &str,
    dictionary: &Dictionary,
    c: impl Into<RouteCompression<'c>>,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    MessageHeader::new(Kind::Push, 0, dictionary.outgoing(route), false)?.finish_with(c.into(), out, body)
}

/// Appends a request as a whole packet; an id of 0 gets no answer.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
#[inline]
pub fn encode_request<'c>(
    out: &mut BytesMut,
    id: u64,
    route: &str,
    body: &[u8],
    dictionary: &Dictionary,
    c: impl Into<RouteCompression<'c>>,
) -> Result<(), EncodeError> {
    MessageHeader::new(Kind::Request, id, dictionary.outgoing(route), false)?.finish(0, body, c.into(), out)
}

/// Appends a notify as a whole packet.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
#[inline]
pub fn encode_notify<'c>(
    out: &mut BytesMut,
    route: &str,
    body: &[u8],
    dictionary: &Dictionary,
    c: impl Into<RouteCompression<'c>>,
) -> Result<(), EncodeError> {
    MessageHeader::new(Kind::Notify, 0, dictionary.outgoing(route), false)?.finish(0, body, c.into(), out)
}
