//! The errors of group stores.

use crate::error::{BoxError, Error, code, text};

/// The error of a store. As an [`Error`] each has the code `PIT-000` and the text of the variant.
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
        let text = match error {
            GroupError::Exists => text::GROUP_EXISTS,
            GroupError::NotFound => text::GROUP_NOT_FOUND,
            GroupError::MemberExists => text::MEMBER_EXISTS,
            GroupError::MemberNotFound => text::MEMBER_NOT_FOUND,
            GroupError::NoTtl => text::GROUP_TTL_NOT_FOUND,
            GroupError::Store(source) => return Self::internal(source),
        };
        Self::new(code::UNKNOWN, text)
    }
}
