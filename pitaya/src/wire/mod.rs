//! The client protocol as pure functions over bytes.
//!
//! Everything here is total: any input gives a value or an error, never a panic, and nothing is allocated for what is only
//! looked at. There is no I/O and no clock; acceptors, connections and the client are written over this room. What the bytes
//! mean is told in `docs/protocol.md`.
//!
//! | file | holds |
//! |---|---|
//! | [`packet`] | the outer frame: a type, a length, a body |
//! | [`message`] | what a data packet carries: kind, id, route, body |
//! | [`handshake`] | the two JSON bodies that open a connection |
//! | [`dictionary`] | routes as two-byte codes |
//! | [`zlib`] | bodies deflated and inflated, within bounds |
//! | [`utf8`] | text of clients that do not write proper UTF-8 |
//! | [`json`] | JSON escaped as the original escapes it |

pub mod close_code;
pub mod dictionary;
pub mod handshake;
pub mod json;
pub mod message;
pub mod packet;
pub mod utf8;
#[cfg(feature = "websocket")]
pub(crate) mod websocket;
pub mod zlib;

pub use dictionary::{Dictionary, DictionaryError};
pub(crate) use message::Compressor;
pub use message::{Compression, EncodeError, Message, MessageError, Route};
pub use packet::{Packet, PacketError};

#[cfg(test)]
mod exhaustive;
