//! The return types of handlers and remotes.

use crate::error::{ErrorCodes, IntoError, Result};
use crate::serialize::Message;

/// The return type of a handler or a remote: `Result<T, E>`, `Result<Option<T>, E>`, or nothing.
///
/// A method that returns nothing is notify-only: the server refuses a request to it. `Ok(None)` is the error
/// `reply must not be null`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a handler or a remote",
    label = "not a reply",
    note = "return `Result<T>` where `T` is a message (annotate it with `#[pitaya::message]`), or nothing for a notify-only method",
    note = "see https://docs.rs/pitaya/latest/pitaya/attr.handler.html"
)]
pub trait Reply: Send {
    /// The message that the caller gets.
    type Ok: Message;
    /// Whether the method is notify-only.
    const NOTIFY: bool;
    /// The codes with which the method may fail, for the schema.
    #[doc(hidden)]
    const ERRORS: ErrorCodes = ErrorCodes::Open;
    /// Returns the reply, with an error for the caller.
    ///
    /// # Errors
    /// The error of the method.
    fn into_result(self) -> Result<Option<Self::Ok>>;
}

impl Reply for () {
    type Ok = ();
    const NOTIFY: bool = true;

    fn into_result(self) -> Result<Option<()>> {
        Ok(None)
    }
}

impl<T: Message, E: IntoError + Send> Reply for Result<T, E> {
    type Ok = T;
    const NOTIFY: bool = false;
    const ERRORS: ErrorCodes = E::CODES;

    #[inline]
    fn into_result(self) -> Result<Option<T>> {
        self.map(Some).map_err(E::into_error)
    }
}

impl<T: Message, E: IntoError + Send> Reply for Result<Option<T>, E> {
    type Ok = T;
    const NOTIFY: bool = false;
    const ERRORS: ErrorCodes = E::CODES;

    #[inline]
    fn into_result(self) -> Result<Option<T>> {
        self.map_err(E::into_error)
    }
}
