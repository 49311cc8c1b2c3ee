//! The traits of messages and pushes.

use bytes::Bytes;

use super::recode::{self, RecodeFn};
use super::{BodyForm, Codecs, Schema};
use crate::error::Error;

/// Checks the values of a message's fields.
pub type Rules<T> = fn(&T) -> Result<(), Error>;

/// A value that can be the argument or the reply of a handler or a remote.
///
/// `#[message]` implements it. `()` is the empty message, and [`Bytes`] is a raw body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Pitaya message",
    label = "not a message",
    note = "annotate the type with `#[pitaya::message]`, or use `Bytes` for raw bytes",
    note = "if the type is not yours, wrap it: write `#[message] struct Name {{ value: {Self} }}`",
    note = "see https://docs.rs/pitaya/latest/pitaya/attr.message.html"
)]
pub trait Message: Sized + Send + Sync + 'static {
    /// The code that encodes and decodes this type for each serializer.
    const CODECS: Codecs<Self>;

    /// The fields of this type, as data for documentation and generators.
    const SCHEMA: &'static Schema;

    /// Checks the values of the fields, where the type has rules (`#[message(validate)]`).
    const VALIDATE: Option<Rules<Self>> = None;
}

/// A message that the server sends on its own, with the route that clients listen on.
///
/// `#[message(push = "onChat")]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a push",
    label = "no push route is known for this type",
    note = "give it one: `#[pitaya::message(push = \"onSomething\")]`, or name the route with `push_route`",
    note = "see https://docs.rs/pitaya/latest/pitaya/attr.message.html"
)]
pub trait Push: Message {
    /// The route, any text of 1 to 255 bytes.
    const ROUTE: &'static str;
}

/// A type that is pushed. For generated code; collected at link time.
#[doc(hidden)]
#[derive(Debug)]
pub struct PushType {
    pub(crate) schema: &'static Schema,
    pub(super) recode: RecodeFn,
}

impl PushType {
    /// Describes `T`.
    pub const fn of<T: Push>() -> Self {
        Self { schema: T::SCHEMA, recode: recode::typed::<T> }
    }
}

inventory::collect!(PushType);

impl Message for () {
    const CODECS: Codecs<Self> = Codecs::empty(|| ());
    const SCHEMA: &'static Schema =
        &Schema::of_body("()", "The empty message.", BodyForm::Empty).with_proto();
}

impl Message for Bytes {
    const CODECS: Codecs<Self> = Codecs::raw(|bytes| bytes, |bytes| bytes);
    const SCHEMA: &'static Schema = &Schema::of_body("Bytes", "Raw bytes.", BodyForm::Raw).with_proto();
}
