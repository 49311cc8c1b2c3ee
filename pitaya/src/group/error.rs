//! The errors of group stores.

use crate::error::{BoxError, Error, ErrorKind, code, text};

/// The error of a store. As an [`Error`] each has the code `PIT-000`, the text of the variant and an [`ErrorKind`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A group of this name exists already.
    #[error("{}", text::GROUP_EXISTS)]
    Exists,
    /// No group of this name exists, or its time to live is over.
    #[error("{}", text::GROUP_NOT_FOUND)]
    NotFound,
    /// The user is a member already.
    #[error("{}", text::MEMBER_EXISTS)]
    MemberExists,
    /// The user is not a member.
    #[error("{}", text::MEMBER_NOT_FOUND)]
    MemberNotFound,
    /// The group has no time to live to renew.
    #[error("{}", text::GROUP_TTL_NOT_FOUND)]
    NoTtl,
    /// The store failed. As an [`Error`] it is `PIT-000`, and only the log shows the source.
    #[error("the group store failed")]
    Store(#[source] BoxError),
}

impl From<GroupError> for Error {
    fn from(error: GroupError) -> Self {
        let (text, kind) = match error {
            GroupError::Exists => (text::GROUP_EXISTS, ErrorKind::AlreadyExists),
            GroupError::NotFound => (text::GROUP_NOT_FOUND, ErrorKind::NotFound),
            GroupError::MemberExists => (text::MEMBER_EXISTS, ErrorKind::AlreadyExists),
            GroupError::MemberNotFound => (text::MEMBER_NOT_FOUND, ErrorKind::NotFound),
            GroupError::NoTtl => (text::GROUP_TTL_NOT_FOUND, ErrorKind::NotFound),
            GroupError::Store(source) => {
                let error = Self::internal(source);
                // An error of the application keeps its code, and so its kind.
                let failed = error.code() == code::UNKNOWN;
                return if failed { error.with_kind(ErrorKind::Unavailable) } else { error };
            }
        };
        Self::new(code::UNKNOWN, text).with_kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_a_kind() {
        let kinds = [
            (GroupError::Exists, ErrorKind::AlreadyExists),
            (GroupError::NotFound, ErrorKind::NotFound),
            (GroupError::MemberExists, ErrorKind::AlreadyExists),
            (GroupError::MemberNotFound, ErrorKind::NotFound),
            (GroupError::NoTtl, ErrorKind::NotFound),
            (GroupError::Store("refused".into()), ErrorKind::Unavailable),
        ];
        for (variant, kind) in kinds {
            let error = Error::from(variant).with_metadata("group", "lobby");
            assert_eq!((error.code(), error.kind()), (code::UNKNOWN, kind), "{error}");
            assert_eq!(error.without_source().kind(), kind);
        }
        let own = Error::from(GroupError::Store(Error::new("CHAT-1", "closed").into()));
        assert_eq!((own.code(), own.kind()), ("CHAT-1", ErrorKind::Application));
    }
}
