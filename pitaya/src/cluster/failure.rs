//! Why one server did not reach another.

use crate::error::text;

/// Why something was not carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No answer came in time.
    #[error("{}", text::RPC_TIMEOUT)]
    Timeout,
    /// Nobody listens at the other end: the server has gone, or is not there yet.
    #[error("no responders available for request")]
    NoResponders,
    /// There is no connection now.
    #[error("the transport has no connection")]
    Unavailable,
    /// So many calls wait for their answers that this one was not sent.
    #[error("too many calls wait for their answers")]
    Busy,
    /// More bytes than the outside takes.
    #[error("{size} bytes are more than the {limit} that one message may have")]
    TooLarge {
        /// The bytes of the message.
        size: usize,
        /// The bytes that are allowed.
        limit: usize,
    },
    /// A uid, type or id that cannot be part of an address.
    #[error("`{0}` cannot be part of an address")]
    BadAddress(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}
