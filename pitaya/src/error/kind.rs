//! The kinds of errors.

use super::code;

/// The kind of an [`Error`](super::Error), by its code.
///
/// ```
/// use pitaya::error::{Error, ErrorKind, code};
///
/// let error = Error::new(code::TIMEOUT, "handler timeout");
/// match error.kind() {
///     ErrorKind::Timeout | ErrorKind::Unavailable => println!("try again later"),
///     kind => println!("{kind:?}"),
/// }
/// assert_eq!(Error::new("CHAT-001", "join a room first").kind(), ErrorKind::Application);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The message or its route is invalid: [`code::BAD_REQUEST`]. Also the name of a group.
    BadRequest,
    /// The session has no user: [`code::NOT_BOUND`].
    NotBound,
    /// The route does not exist: [`code::NOT_FOUND`]. Also a group, its member or its time to live.
    NotFound,
    /// A group or its member exists already.
    AlreadyExists,
    /// The time for the call is over: [`code::TIMEOUT`], [`code::CLIENT_TIMEOUT`].
    Timeout,
    /// The client exceeds a rate limit: [`code::TOO_MANY`].
    RateLimited,
    /// The session or its connection is closed: [`code::CLOSED`].
    Closed,
    /// The framework or the cluster failed: [`code::INTERNAL`].
    Internal,
    /// The server has no responders, or is unreachable for now: [`code::UNAVAILABLE`]. Also a group store that fails.
    Unavailable,
    /// An error without a code of its own: [`code::UNKNOWN`].
    Unknown,
    /// An error with a code of the application.
    Application,
}

impl ErrorKind {
    /// Returns the kind of a code.
    pub(super) fn of(code: &str) -> Self {
        match code {
            code::BAD_REQUEST => Self::BadRequest,
            code::NOT_BOUND => Self::NotBound,
            code::NOT_FOUND => Self::NotFound,
            code::TIMEOUT | code::CLIENT_TIMEOUT => Self::Timeout,
            code::TOO_MANY => Self::RateLimited,
            code::CLOSED => Self::Closed,
            code::INTERNAL => Self::Internal,
            code::UNAVAILABLE => Self::Unavailable,
            code if !code.starts_with(code::PREFIX) => Self::Application,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_kind() {
        let kinds = [
            (code::UNKNOWN, ErrorKind::Unknown),
            (code::BAD_REQUEST, ErrorKind::BadRequest),
            (code::NOT_BOUND, ErrorKind::NotBound),
            (code::NOT_FOUND, ErrorKind::NotFound),
            (code::TIMEOUT, ErrorKind::Timeout),
            (code::TOO_MANY, ErrorKind::RateLimited),
            (code::CLOSED, ErrorKind::Closed),
            (code::INTERNAL, ErrorKind::Internal),
            (code::UNAVAILABLE, ErrorKind::Unavailable),
            (code::CLIENT_TIMEOUT, ErrorKind::Timeout),
            ("PIT-999", ErrorKind::Unknown),
            ("CHAT-001", ErrorKind::Application),
        ];
        for (code, kind) in kinds {
            assert_eq!(ErrorKind::of(code), kind, "{code}");
        }
    }
}
