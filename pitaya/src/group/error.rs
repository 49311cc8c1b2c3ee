//! What a store of groups may answer instead.

use crate::error::{BoxError, Error, code, text};

/// Why a store did not do what it was asked. As an [`Error`] each is `PIT-000` with the text of the variant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There is a group of this name already.
    #[error("{}", text::GROUP_EXISTS)]
    Exists,
    /// There is no group of this name, or no longer.
    #[error("{}", text::GROUP_NOT_FOUND)]
    NotFound,
    /// The user is in the group already.
    #[error("{}", text::MEMBER_EXISTS)]
    MemberExists,
    /// The user is not in the group.
    #[error("{}", text::MEMBER_NOT_FOUND)]
    MemberNotFound,
    /// The group was made without a time to live, so there is none to renew.
    #[error("{}", text::GROUP_TTL_NOT_FOUND)]
    NoTtl,
    /// The store itself failed; only the log sees how.
    #[error("the store of the groups failed")]
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
