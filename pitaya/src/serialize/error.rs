//! Why a value cannot be encoded or decoded.

use std::fmt;

use crate::error::BoxError;
use crate::wire::EncodeError;

/// Why a value cannot be encoded or decoded. The text is that of the serializer.
#[derive(Debug)]
pub struct CodecError(BoxError);

impl CodecError {
    /// An error with the given text or source.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }

    pub(crate) fn into_inner(self) -> BoxError {
        self.0
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for CodecError {}

impl From<EncodeError> for CodecError {
    fn from(error: EncodeError) -> Self {
        Self::new(error)
    }
}
