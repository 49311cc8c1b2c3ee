//! Errors of a transport.

use crate::error::text;

/// Why a request or a message failed. It is the source of the error of a call:
///
/// ```
/// use std::error::Error as _;
/// use pitaya::cluster::TransportError;
///
/// /// Whether the call may have been handled, though there is no answer.
/// fn may_be_done(error: &pitaya::Error) -> bool {
///     let why = error.source().and_then(|source| source.downcast_ref());
///     matches!(why, Some(TransportError::Timeout | TransportError::Lost))
/// }
/// # assert!(may_be_done(&pitaya::Error::new("PIT-000", "").with_source(TransportError::Lost)));
/// # assert!(!may_be_done(&pitaya::Error::new("PIT-000", "")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No answer came in time.
    #[error("{}", text::RPC_TIMEOUT)]
    Timeout,
    /// No server listens at the address: it has stopped, or has not started yet.
    #[error("no server listens there: no responders")]
    NoResponders,
    /// There is no connection now.
    #[error("no connection to the broker")]
    Unavailable,
    /// Too many calls wait for their answers, so this one was not sent.
    #[error("too many calls wait for their answers")]
    Busy,
    /// The connection was lost or closed before the answer arrived. Whether the call was handled is unknown.
    #[error("the connection was lost before the answer came")]
    Lost,
    /// The message is larger than the transport allows.
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
