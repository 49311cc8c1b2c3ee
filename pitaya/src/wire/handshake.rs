//! The two bodies that open a connection: the client's request and the server's reply (protocol.md, "Handshake").

use std::time::Duration;

use super::zlib::InflateError;
use super::{DictionaryError, PacketError};

mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use reply::{OK, REFUSED, Reply};

/// The request of a client. Every part is optional.
///
/// The data of the user stays text, which is small. A tree of values would take up to a hundred times as much, and any
/// client may send one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Of the client program.
    pub sys: Sys,
    /// A JSON object, checked.
    user: Option<Box<str>>,
}

/// A client program. Missing values are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sys {
    /// The platform, as `ios`.
    pub platform: String,
    /// The version of the client library.
    pub lib_version: String,
    /// The build of the client.
    pub client_build_number: String,
    /// The version of the client.
    pub client_version: String,
    /// The name of the serializer that the client speaks; empty for that of the server. Only clients of this framework
    /// send it.
    pub serializer: String,
    /// The hash of the schema that the client was generated from. Text only: any other value is ignored.
    pub schema: String,
}

/// Why a handshake cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The body is not JSON, or not of the right shape.
    #[error("invalid handshake: {0}")]
    Json(#[from] serde_json::Error),
    /// The reply looks compressed and cannot be inflated.
    #[error("invalid handshake reply: {0}")]
    Inflate(#[from] InflateError),
    /// The reply's dictionary has a route or a code twice.
    #[error("invalid handshake reply: {0}")]
    Dictionary(#[from] DictionaryError),
    /// The reply does not fit in a packet.
    #[error("handshake reply: {0}")]
    Packet(#[from] PacketError),
    /// A heartbeat interval is not a whole number of seconds of at least one.
    #[error("a heartbeat interval is a whole number of seconds, at least 1: {0:?}")]
    Interval(Duration),
}

/// Returns a heartbeat interval in seconds, as the handshake has it.
///
/// # Errors
/// [`HandshakeError::Interval`] for a fraction, which no known client understands, and for zero.
///
/// ```
/// use std::time::Duration;
/// use pitaya::wire::handshake::whole_seconds;
///
/// assert_eq!(whole_seconds(Duration::from_secs(30))?, 30);
/// assert!(whole_seconds(Duration::from_millis(1500)).is_err());
/// # Ok::<(), pitaya::wire::handshake::HandshakeError>(())
/// ```
pub const fn whole_seconds(interval: Duration) -> Result<u64, HandshakeError> {
    if interval.subsec_nanos() == 0 && interval.as_secs() > 0 {
        Ok(interval.as_secs())
    } else {
        Err(HandshakeError::Interval(interval))
    }
}
