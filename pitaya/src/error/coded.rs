//! Errors with `#[derive(PitayaError)]`, and how they are found among the sources of others.

use std::error::Error as StdError;

use super::{BoxError, Error, IntoError, code, text};

/// The code and metadata of a variant, or the error that it forwards.
#[doc(hidden)]
#[derive(Debug)]
pub enum Coded<'a> {
    /// A code, and metadata.
    Code(&'static str, Vec<(&'static str, String)>),
    /// The error inside has them.
    Inner(&'a (dyn StdError + 'static)),
}

/// The codes that errors of a type may have, as data. For generated code.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum ErrorCodes {
    /// Any code.
    Open,
    /// Those of the variants.
    Of(&'static [VariantCode]),
}

/// The code of a variant.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum VariantCode {
    /// Its own code, with the documentation and the keys of the metadata.
    Own(&'static str, &'static str, &'static [&'static str]),
    /// The code of the error that it forwards.
    Inner(ErrorCodes),
}

/// The trait that `#[derive(PitayaError)]` implements.
#[doc(hidden)]
pub trait CodedError: StdError + Send + Sync + 'static {
    /// Returns the code and metadata of the variant.
    fn coded(&self) -> Coded<'_>;
}

/// Converts a derived error, without its source.
fn convert<E: CodedError>(error: &E) -> Error {
    match error.coded() {
        Coded::Code(code, metadata) => {
            let error = Error::new(code, error.to_string());
            metadata.into_iter().fold(error, |error, (key, value)| error.with_metadata(key, value))
        }
        Coded::Inner(inner) => find(inner).unwrap_or_else(|| {
            let mut hidden = Error::new(code::UNKNOWN, text::INTERNAL);
            hidden.0.public = false;
            hidden
        }),
    }
}

/// Converts a derived error, which becomes the source.
#[doc(hidden)]
pub fn coded<E: CodedError>(error: E) -> Error {
    convert(&error).with_source(BoxError::from(error))
}

/// Recognizes a derived error behind a `dyn Error`. The macro submits one for each type.
#[doc(hidden)]
#[derive(Debug)]
pub struct ErrorRecognizer {
    convert: fn(&(dyn StdError + 'static)) -> Option<Error>,
    /// The codes of the type.
    pub(crate) codes: ErrorCodes,
}

impl ErrorRecognizer {
    /// Recognizes `E`.
    pub const fn of<E: CodedError + IntoError>() -> Self {
        Self { convert: |error| error.downcast_ref::<E>().map(convert), codes: E::CODES }
    }
}

inventory::collect!(ErrorRecognizer);

/// Returns the first error with a code, which may be `error` or one of its sources.
pub(super) fn find(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.without_source());
        }
        if let Some(found) = inventory::iter::<ErrorRecognizer>().find_map(|r| (r.convert)(error)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}
