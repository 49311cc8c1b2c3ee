//! Methods that timers call: what `#[every]` writes down, and how an app runs it.

use std::any::{Any, TypeId};
use std::marker::PhantomData;
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

/// The component of a timer, by its type. For generated code.
///
/// # Errors
/// `PIT-000` for a component of another type, which no registration can bring about.
#[doc(hidden)]
pub fn timed<S: 'static>(component: &(dyn Any + Send + Sync)) -> Result<&S> {
    component.downcast_ref().ok_or_else(|| Error::internal("a timer of another component"))
}

/// What a method with `#[every]` may return: nothing, or `Result<(), E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a timer returns",
    label = "nobody receives this",
    note = "return nothing, or `Result<()>`, whose error is logged"
)]
pub trait TimerReply: Send {
    /// Returns the error.
    ///
    /// # Errors
    /// The method's own.
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

/// What a run of a timer returned. For generated code.
#[doc(hidden)]
#[derive(Debug)]
pub struct Tick<R>(PhantomData<fn() -> R>);

impl<R: TimerReply> Tick<R> {
    /// Returns the error.
    ///
    /// # Errors
    /// The method's own.
    pub fn ended(reply: R) -> Result<()> {
        reply.into_result()
    }
}

/// For types that do not fit, which are reported elsewhere.
#[doc(hidden)]
pub trait Timed<R> {
    /// # Errors
    /// Never.
    fn ended(_reply: R) -> Result<()> {
        Ok(())
    }
}

impl<R> Timed<R> for Tick<R> {}

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
