//! Compile-time checks of the user's types, at the places where they are written. For generated code.

use super::{FromServices, HandlerArg, RemoteArg, Reply, TimerReply};
use crate::error::Result;
use crate::services::Services;

/// Requires a type that a handler may take.
pub const fn handler_argument<T: HandlerArg<M>, M>() {}

/// Requires a type that a remote may take.
pub const fn remote_argument<T: RemoteArg<M>, M>() {}

/// Requires that an argument is the message. The macro guessed so from its name.
///
/// # Panics
/// The type is an extractor. The panic is a compile error at the type.
#[track_caller]
pub const fn message(is_extractor: bool) {
    assert!(
        !is_extractor,
        "this argument is an extractor, but it would be the message of the route: mark it `#[extract]`"
    );
}

/// Requires that an argument is an extractor. The macro guessed so from its name or its `#[extract]`.
///
/// # Panics
/// The type is a message. The panic is a compile error at the type.
#[track_caller]
pub const fn extractor(is_message: bool) {
    assert!(
        !is_message,
        "this argument is a message, but it would be an extractor: remove `#[extract]`, or rename the type"
    );
}

/// Requires a type that a handler or a remote may return.
pub const fn reply<R: Reply>() {}

/// Requires a type that a timer may return.
pub const fn timer<R: TimerReply>() {}

/// Takes a field of a component from the app.
///
/// # Errors
/// The app has no such value; the error names the field.
pub fn component_field<T: FromServices>(services: &Services, component: &str, field: &str) -> Result<T> {
    super::build::field(services, component, field)
}

/// Checks the rules of a message.
///
/// # Errors
/// The message violates a rule.
pub fn message_rules<T: crate::validate::Rules>(message: &T) -> Result<()> {
    message.check()
}
