//! The client protocol as pure functions over bytes.
//!
//! Not public API: only the acceptors, the connections and the client use it, and the tests of this repository.
//!
//! Every function is total: any input gives a value or an error, never a panic. Reading allocates nothing. There is no I/O
//! and no clock. `docs/protocol.md` describes the bytes.
//!
//! | file | holds |
//! |---|---|
//! | [`packet`] | the frame: a type, a length, a body |
//! | [`message`] | the body of a data packet: kind, id, route, payload |
//! | [`handshake`] | the two JSON bodies that open a connection |
//! | [`dictionary`] | routes as two-byte codes |
//! | [`zlib`] | compression and bounded decompression |
//! | [`utf8`] | repair of text that is not UTF-8 |
//! | [`json`] | JSON with the escapes of Go Pitaya |

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
