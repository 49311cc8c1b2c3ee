//! What handlers and remotes may return.

use crate::error::{IntoError, Result};
use crate::serialize::Message;

/// What a handler or a remote returns: `Result<T, E>`, `Result<Option<T>, E>`, or nothing.
///
/// A method that returns nothing at all is notify-only: a request to it is refused. `Ok(None)` is the error
/// `reply must not be null`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the reply of a handler or a remote",
    label = "not a reply",
    note = "return `Result<T>` where `T` is a message (annotate it with `#[pitaya::message]`), or nothing for a notify-only method"
)]
pub trait Reply: Send {
    /// The message that the caller gets.
    type Ok: Message;
    /// Whether nothing is ever answered.
    const NOTIFY: bool;
    /// The reply, with an error that travels.
    ///
    /// # Errors
    /// The method's own.
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

    #[inline]
    fn into_result(self) -> Result<Option<T>> {
        self.map(Some).map_err(E::into_error)
    }
}

impl<T: Message, E: IntoError + Send> Reply for Result<Option<T>, E> {
    type Ok = T;
    const NOTIFY: bool = false;

    #[inline]
    fn into_result(self) -> Result<Option<T>> {
        self.map_err(E::into_error)
    }
}
