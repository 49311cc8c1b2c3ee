//! Messages, the bodies of data packets (protocol.md, "Messages").
//!
//! A flag byte, for requests and responses an id, for all but responses a route, then the body. Reading gives a [`Message`]
//! that borrows its bytes; writing puts packet header and message at the end of a buffer in one go.

use std::borrow::Cow;

use super::zlib::{self, InflateError};

mod backoff;
mod compression;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use backoff::Compressor;
pub use backoff::RouteCompression;
pub use compression::Compression;
pub use encode::{
    EncodeError, encode, encode_notify, encode_push, encode_push_with, encode_request, encode_response,
    encode_response_with,
};

const CODED: u8 = 0x01;
const KIND: u8 = 0x0e;
const COMPRESSED: u8 = 0x10;
const ERROR: u8 = 0x20;

/// Longest id on the wire in bytes: ten groups of seven bits hold 64.
const MAX_ID: usize = 10;
/// Longest route written by its name, in bytes: its length is one byte.
pub const MAX_ROUTE: usize = 255;

/// The kind of a message. The discriminant is its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// From a client; the server answers with a [`Kind::Response`] of the same id.
    Request = 0,
    /// From a client, without an answer.
    Notify = 1,
    /// A server's answer.
    Response = 2,
    /// From a server, without a request.
    Push = 3,
}

impl Kind {
    const fn has_id(self) -> bool {
        matches!(self, Self::Request | Self::Response)
    }
}

impl TryFrom<u8> for Kind {
    type Error = MessageError;

    #[inline]
    fn try_from(number: u8) -> Result<Self, MessageError> {
        Ok(match number {
            0 => Self::Request,
            1 => Self::Notify,
            2 => Self::Response,
            3 => Self::Push,
            _ => return Err(MessageError::WrongType),
        })
    }
}

/// A message's route as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// A response has none.
    None,
    /// A code of the [`Dictionary`](super::Dictionary).
    Code(u16),
    /// The name itself, not necessarily UTF-8.
    Name(&'a [u8]),
}

/// One message, borrowed from the packet it arrived in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The kind of the message.
    pub kind: Kind,
    /// The id of a request or of the request that a response answers; 0 for the other kinds.
    pub id: u64,
    /// The route, not yet resolved.
    pub route: Route<'a>,
    /// Whether a response's body is an error; without meaning in other kinds.
    pub error: bool,
    /// Whether the body is zlib data.
    pub compressed: bool,
    /// The body as it travels.
    pub body: &'a [u8],
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Too short, an id without an end or beyond 64 bits, a route that reaches beyond the end.
    #[error("invalid message")]
    Invalid,
    /// An unknown kind.
    #[error("wrong message type")]
    WrongType,
    /// A route's code is not in the dictionary.
    #[error("route info not found in dictionary")]
    UnknownCode,
    /// The body is marked as compressed and cannot be inflated.
    #[error(transparent)]
    Inflate(#[from] InflateError),
}

impl<'a> Message<'a> {
    /// Returns the uncompressed body: borrowed, or inflated to at most `limit` bytes.
    ///
    /// # Errors
    /// [`MessageError::Inflate`].
    #[inline]
    pub fn plain_body(&self, limit: usize) -> Result<Cow<'a, [u8]>, MessageError> {
        if self.compressed {
            Ok(Cow::Owned(zlib::inflate(self.body, limit)?))
        } else {
            Ok(Cow::Borrowed(self.body))
        }
    }
}

/// Reads a message, the whole body of a data packet. Neither is the route looked up nor the body inflated: see
/// [`Dictionary::resolve`](super::Dictionary::resolve) and [`Message::plain_body`].
///
/// Bits 6 and 7 of the flags are ignored, as is bit 0 of a response.
///
/// # Errors
/// [`MessageError::Invalid`], [`MessageError::WrongType`].
///
/// ```
/// use pitaya::wire::message::{self, Kind, Route};
///
/// let message = message::decode(b"\x00\x01\x09room.join{}")?;
/// assert_eq!((message.kind, message.id), (Kind::Request, 1));
/// assert_eq!((message.route, message.body), (Route::Name(b"room.join"), &b"{}"[..]));
/// # Ok::<(), pitaya::wire::MessageError>(())
/// ```
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Message<'_>, MessageError> {
    let [flags, rest @ ..] = bytes else {
        return Err(MessageError::Invalid);
    };
    if rest.is_empty() {
        return Err(MessageError::Invalid);
    }
    let kind = Kind::try_from((flags & KIND) >> 1)?;
    let (id, rest) = if kind.has_id() { take_id(rest)? } else { (0, rest) };
    let (route, body) = match (kind, rest) {
        (Kind::Response, _) => (Route::None, rest),
        (_, [high, low, body @ ..]) if flags & CODED != 0 => {
            (Route::Code(u16::from_be_bytes([*high, *low])), body)
        }
        (_, [len, rest @ ..]) if flags & CODED == 0 => {
            let Some((name, body)) = rest.split_at_checked(usize::from(*len)) else {
                return Err(MessageError::Invalid);
            };
            (Route::Name(name), body)
        }
        _ => return Err(MessageError::Invalid),
    };
    Ok(Message { kind, id, route, error: flags & ERROR != 0, compressed: flags & COMPRESSED != 0, body })
}

/// Takes the id off the front: low seven bits first, the top bit says that more follows.
#[inline]
fn take_id(bytes: &[u8]) -> Result<(u64, &[u8]), MessageError> {
    match bytes {
        [byte @ ..0x80, rest @ ..] => Ok((u64::from(*byte), rest)),
        [low @ 0x80..=0xff, high @ 0..=0x7f, rest @ ..] => {
            Ok((u64::from(low & 0x7f) | u64::from(*high) << 7, rest))
        }
        _ => take_long_id(bytes),
    }
}

#[inline(never)]
fn take_long_id(bytes: &[u8]) -> Result<(u64, &[u8]), MessageError> {
    let mut id = 0;
    for (at, byte) in bytes.iter().take(MAX_ID).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth group has room for one bit.
        if at == MAX_ID - 1 && bits > 1 {
            break;
        }
        id |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((id, &bytes[at + 1..]));
        }
    }
    Err(MessageError::Invalid)
}
