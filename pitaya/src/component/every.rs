//! The timers of components, which `#[every]` declares.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::build::{ComponentType, Instance};
use crate::error::{Error, IntoError, Result};
use crate::timer::Timers;
use crate::util::throttle::{GLOBAL, throttled};

/// A method that a timer calls. For generated code.
#[doc(hidden)]
pub struct Every {
    /// The type and the method, for the log.
    pub name: &'static str,
    /// The interval in nanoseconds.
    pub nanos: u64,
    /// Calls the method of a component.
    pub run: for<'a> fn(&'a (dyn Any + Send + Sync)) -> BoxFuture<'a, Result<()>>,
}

/// The timers of one block. For generated code; collected at link time.
#[doc(hidden)]
pub struct TimerBlock {
    /// The server type that runs them; `None`: every server that has the component.
    pub server: Option<&'static str>,
    /// The component.
    pub component: fn() -> ComponentType,
    /// The methods.
    pub timers: &'static [Every],
}

inventory::collect!(TimerBlock);

impl TimerBlock {
    pub(super) fn id(&self) -> TypeId {
        (self.component)().id
    }
}

/// Returns the component of a timer by its type. For generated code.
///
/// # Errors
/// `PIT-000` for a component of another type, which no registration causes.
#[doc(hidden)]
pub fn component_of<S: 'static>(component: &(dyn Any + Send + Sync)) -> Result<&S> {
    component.downcast_ref().ok_or_else(|| Error::internal("a timer of another component"))
}

/// The return type of a timer: nothing, or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "a timer cannot return `{Self}`",
    label = "no caller receives this",
    note = "return nothing, or `Result<()>`, whose error is logged",
    note = "see https://docs.rs/pitaya/latest/pitaya/attr.timers.html"
)]
pub trait TimerReply: Send {
    /// Returns the error.
    ///
    /// # Errors
    /// The error of the method.
    fn into_result(self) -> Result<()>;
}

impl TimerReply for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl<E: IntoError + Send> TimerReply for Result<(), E> {
    fn into_result(self) -> Result<()> {
        self.map_err(E::into_error)
    }
}

/// Starts a timer for a method of a component.
pub(crate) fn start(timers: &Timers, instance: &Instance, every: &'static Every) -> Result<()> {
    let instance = Arc::clone(instance);
    timers.every_named(every.name, Duration::from_nanos(every.nanos), move || {
        let instance = Arc::clone(&instance);
        async move {
            if let Err(error) = (every.run)(&*instance).await {
                let source = std::error::Error::source(&error);
                throttled!(GLOBAL, error, "failed timers", timer = every.name, %error, source, "a timer failed");
            }
        }
    })?;
    Ok(())
}
