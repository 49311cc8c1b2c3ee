//! Where the compiler says that a type of yours does not fit: generated code calls these, and does nothing with them.

use super::{FromServices, HandlerArg, RemoteArg, Reply, TimerReply};
use crate::error::Result;
use crate::services::Services;

/// A type can be an argument of a handler.
pub const fn handler_argument<T: HandlerArg<M>, M>() {}

/// A type can be an argument of a remote.
pub const fn remote_argument<T: RemoteArg<M>, M>() {}

/// A type can be what a handler or a remote returns.
pub const fn reply<R: Reply>() {}

/// A type can be what a timer returns.
pub const fn timer<R: TimerReply>() {}

/// A field of a component, from the services of the app.
///
/// # Errors
/// What the field has against it, with its name.
pub fn component_field<T: FromServices>(services: &Services, component: &str, field: &str) -> Result<T> {
    super::build::field(services, component, field)
}

/// A message with rules obeys them.
///
/// # Errors
/// The rules that it breaks.
pub fn message_rules<T: crate::validate::Rules>(message: &T) -> Result<()> {
    message.check()
}
