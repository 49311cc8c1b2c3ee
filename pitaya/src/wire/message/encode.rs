//! Writing messages, straight behind what a buffer holds already.

use bytes::BytesMut;

use super::{CODED, COMPRESSED, ERROR, Kind, MAX_ID, MAX_ROUTE, Message, Route};
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
    /// What should have appended a body took bytes away instead.
    #[error("a body was written over its own header")]
    Overwritten,
}

/// Whether bodies are deflated. A body is sent deflated only if that makes it strictly shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Never.
    Off,
    /// Where it helps.
    On {
        /// Bodies of fewer bytes are not even tried.
        threshold: usize,
    },
}

impl Default for Compression {
    /// On, from 128 bytes: below, the deflater costs more than it saves.
    fn default() -> Self {
        Self::On { threshold: 128 }
    }
}

impl Compression {
    #[inline]
    const fn tries(self, len: usize) -> bool {
        match self {
            Self::Off => false,
            Self::On { threshold } => len >= threshold,
        }
    }
}

/// Everything of a message before its body; `bytes` begins with room for the packet's header.
struct Front<'a> {
    bytes: [u8; HEADER + 1 + MAX_ID + 2],
    len: usize,
    name: &'a [u8],
}

impl<'a> Front<'a> {
    #[inline]
    fn new(kind: Kind, id: u64, route: Route<'a>, error: bool) -> Result<Self, EncodeError> {
        let mut front = Self { bytes: [0; HEADER + 1 + MAX_ID + 2], len: HEADER + 1, name: &[] };
        front.bytes[0] = packet::Kind::Data as u8;
        front.bytes[HEADER] = (kind as u8) << 1 | if error { ERROR } else { 0 };
        if kind.has_id() {
            front.put_id(id);
        }
        if kind != Kind::Response {
            front.put_route(route)?;
        }
        Ok(front)
    }

    #[inline]
    fn put(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
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
            Route::Code(code) => {
                self.bytes[HEADER] |= CODED;
                let [high, low] = code.to_be_bytes();
                self.put(high);
                self.put(low);
            }
            Route::Name(name) => {
                self.put(u8::try_from(name.len()).map_err(|_| EncodeError::RouteTooLong)?);
                self.name = name;
            }
            Route::None => self.put(0),
        }
        Ok(())
    }

    /// Writes the packet's length for a body of `body` bytes; gives the length of the message.
    #[inline]
    fn set_len(&mut self, body: usize) -> Result<usize, EncodeError> {
        let len = (self.len - HEADER + self.name.len()).saturating_add(body);
        if len > MAX_BODY {
            return Err(EncodeError::TooLarge);
        }
        let [.., a, b, c] = len.to_be_bytes();
        (self.bytes[1], self.bytes[2], self.bytes[3]) = (a, b, c);
        Ok(len)
    }

    /// Appends front and body, from byte `from` of the front on.
    #[inline]
    fn write(&mut self, from: usize, body: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        let len = self.set_len(body.len())?;
        out.reserve(HEADER + len);
        out.extend_from_slice(&self.bytes[from..self.len]);
        if !self.name.is_empty() {
            out.extend_from_slice(self.name);
        }
        out.extend_from_slice(body);
        Ok(())
    }

    /// As `write`, with the body deflated if that helps.
    #[inline]
    fn finish(
        mut self,
        from: usize,
        body: &[u8],
        c: &Compression,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        if c.tries(body.len()) { self.write_deflated(from, body, out) } else { self.write(from, body, out) }
    }

    #[inline(never)]
    fn write_deflated(&mut self, from: usize, body: &[u8], out: &mut BytesMut) -> Result<(), EncodeError> {
        zlib::with_deflater(|deflater| match deflater.smaller(body) {
            Some(deflated) => {
                self.bytes[HEADER] |= COMPRESSED;
                self.write(from, deflated, out)
            }
            None => self.write(from, body, out),
        })
    }

    /// Appends the front, lets `body` append the rest, then fits header and body to what came.
    #[inline]
    fn finish_with<E: From<EncodeError>>(
        mut self,
        c: &Compression,
        out: &mut BytesMut,
        body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        let mut out = Undo { out, start, done: false };
        out.out.extend_from_slice(&self.bytes[..self.len]);
        out.out.extend_from_slice(self.name);
        let body_at = out.out.len();
        body(out.out)?;
        let Some(body_len) = out.out.len().checked_sub(body_at) else {
            return Err(EncodeError::Overwritten.into());
        };
        let mut body_len = body_len;
        if c.tries(body_len)
            && let Some(shorter) = deflate_in_place(out.out, body_at)
        {
            self.bytes[HEADER] |= COMPRESSED;
            body_len = shorter;
        }
        self.set_len(body_len)?;
        out.out[start..=start + HEADER].copy_from_slice(&self.bytes[..=HEADER]);
        out.done = true;
        Ok(())
    }
}

/// Deflates what `out` holds from `from` on, if that helps; gives its new length.
#[inline(never)]
fn deflate_in_place(out: &mut BytesMut, from: usize) -> Option<usize> {
    zlib::with_deflater(|deflater| {
        let deflated = deflater.smaller(&out[from..])?;
        out.truncate(from);
        out.extend_from_slice(deflated);
        Some(deflated.len())
    })
}

/// Takes back what was appended unless it was finished: the user's serializer may fail or panic half-way.
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
    let mut front = Front::new(message.kind, message.id, message.route, message.error)?;
    if message.compressed {
        front.bytes[HEADER] |= COMPRESSED;
        front.write(HEADER, message.body, out)
    } else {
        front.finish(HEADER, message.body, c, out)
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
pub fn encode_response(
    out: &mut BytesMut,
    id: u64,
    error: bool,
    body: &[u8],
    c: &Compression,
) -> Result<(), EncodeError> {
    Front::new(Kind::Response, id, Route::None, error)?.finish(0, body, c, out)
}

/// Appends a response as a whole packet whose body `body` appends in its place. If it fails, panics, or the message does not
/// fit, `out` is left as it was. It must not touch what the buffer held before.
///
/// # Errors
/// What `body` gives, or an [`EncodeError`].
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
pub fn encode_response_with<E: From<EncodeError>>(
    out: &mut BytesMut,
    id: u64,
    error: bool,
    c: &Compression,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    Front::new(Kind::Response, id, Route::None, error)?.finish_with(c, out, body)
}

/// Appends a push as a whole packet, its route coded where the dictionary allows it.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
#[inline]
pub fn encode_push(
    out: &mut BytesMut,
    route: &str,
    body: &[u8],
    dictionary: &Dictionary,
    c: &Compression,
) -> Result<(), EncodeError> {
    Front::new(Kind::Push, 0, dictionary.outgoing(route), false)?.finish(0, body, c, out)
}

/// [`encode_push`] with a body that is appended in its place, as in [`encode_response_with`].
///
/// # Errors
/// What `body` gives, or an [`EncodeError`].
#[inline]
pub fn encode_push_with<E: From<EncodeError>>(
    out: &mut BytesMut,
    route: &str,
    dictionary: &Dictionary,
    c: &Compression,
    body: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    Front::new(Kind::Push, 0, dictionary.outgoing(route), false)?.finish_with(c, out, body)
}

/// Appends a request as a whole packet; an id of 0 gets no answer.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
#[inline]
pub fn encode_request(
    out: &mut BytesMut,
    id: u64,
    route: &str,
    body: &[u8],
    dictionary: &Dictionary,
    c: &Compression,
) -> Result<(), EncodeError> {
    Front::new(Kind::Request, id, dictionary.outgoing(route), false)?.finish(0, body, c, out)
}

/// Appends a notify as a whole packet.
///
/// # Errors
/// [`EncodeError::RouteTooLong`], [`EncodeError::TooLarge`]; `out` is then left as it was.
#[inline]
pub fn encode_notify(
    out: &mut BytesMut,
    route: &str,
    body: &[u8],
    dictionary: &Dictionary,
    c: &Compression,
) -> Result<(), EncodeError> {
    Front::new(Kind::Notify, 0, dictionary.outgoing(route), false)?.finish(0, body, c, out)
}
