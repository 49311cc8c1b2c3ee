//! Pipelines: hooks before and after every handler, and every remote.
//!
//! A hook before sees the decoded message, and may change or refuse it; a hook after sees the reply or the
//! error, and may change either. They run in the order in which they were added. An error of a hook before
//! ends the call there; the hooks after run all of them, each on what the one before left, whether the call
//! succeeded, failed or panicked. Only a call that is cut off, because it took longer than it may, ends without them.
//!
//! ```
//! use pitaya::pipeline::{Incoming, Outgoing};
//! use pitaya::prelude::*;
//!
//! #[message]
//! struct Say { text: String }
//!
//! async fn trim(call: &mut Incoming) -> Result<()> {
//!     if let Some(say) = call.message_mut::<Say>() {
//!         say.text = say.text.trim().to_owned();
//!     }
//!     Ok(())
//! }
//!
//! async fn log_failures(call: &mut Outgoing) {
//!     if let Some(error) = call.error() {
//!         println!("{} failed: {error}", call.context().route());
//!     }
//! }
//!
//! let app = App::builder().before(trim).after(log_failures);
//! ```

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::component::Context;
use crate::error::{Error, Result};
use crate::session::Session;

/// A call on its way to the method.
pub struct Incoming {
    context: Context,
    session: Option<Session>,
    message: Option<Box<dyn Any + Send>>,
}

impl Incoming {
    pub(crate) fn new(
        context: Context,
        session: Option<Session>,
        message: Option<Box<dyn Any + Send>>,
    ) -> Self {
        Self { context, session, message }
    }

    pub(crate) fn into_message(self) -> Option<Box<dyn Any + Send>> {
        self.message
    }

    /// The route and what else is known of the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The caller's session; `None` in a remote.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether the method takes a message.
    pub fn has_message(&self) -> bool {
        self.message.is_some()
    }

    /// The decoded message, if it is a `T`. A raw handler's is [`Bytes`].
    pub fn message<T: 'static>(&self) -> Option<&T> {
        self.message.as_ref()?.downcast_ref()
    }

    /// The decoded message, to change, if it is a `T`.
    pub fn message_mut<T: 'static>(&mut self) -> Option<&mut T> {
        self.message.as_mut()?.downcast_mut()
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("context", &self.context).finish_non_exhaustive()
    }
}

/// A call on its way back.
pub struct Outgoing {
    context: Context,
    session: Option<Session>,
    reply: Result<Box<dyn Any + Send>>,
}

impl Outgoing {
    pub(crate) fn new(
        context: Context,
        session: Option<Session>,
        reply: Result<Box<dyn Any + Send>>,
    ) -> Self {
        Self { context, session, reply }
    }

    pub(crate) fn into_reply(self) -> Result<Box<dyn Any + Send>> {
        self.reply
    }

    /// The route and what else is known of the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The caller's session; `None` in a remote.
    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The reply, if there is no error and it is a `T`.
    pub fn reply<T: 'static>(&self) -> Option<&T> {
        self.reply.as_ref().ok()?.downcast_ref()
    }

    /// The reply, to change, if there is no error and it is a `T`.
    pub fn reply_mut<T: 'static>(&mut self) -> Option<&mut T> {
        self.reply.as_mut().ok()?.downcast_mut()
    }

    /// The error, if there is one.
    pub fn error(&self) -> Option<&Error> {
        self.reply.as_ref().err()
    }

    /// Replaces the reply or the error by an error.
    pub fn fail(&mut self, error: Error) {
        self.reply = Err(error);
    }

    /// Replaces the reply or the error by a reply: of the type the method returns, or [`Bytes`] that go out
    /// as they are. Any other type makes the call fail with `PIT-000`.
    pub fn succeed<T: Send + 'static>(&mut self, reply: T) {
        self.reply = Ok(Box::new(reply));
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("context", &self.context)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}

/// A hook before. Implemented by every `async fn(&mut Incoming) -> Result<()>`.
pub trait Before: Send + Sync + 'static {
    /// Looks at the call.
    ///
    /// # Errors
    /// An error ends the call: it is what the caller gets.
    fn before<'a>(&'a self, call: &'a mut Incoming) -> BoxFuture<'a, Result<()>>;
}

/// A hook after. Implemented by every `async fn(&mut Outgoing)`.
pub trait After: Send + Sync + 'static {
    /// Looks at the reply.
    fn after<'a>(&'a self, call: &'a mut Outgoing) -> BoxFuture<'a, ()>;
}

/// `async fn(&'a mut T) -> R`, whose future may borrow its argument.
#[doc(hidden)]
pub trait Hook<'a, T: 'a, R>: Fn(&'a mut T) -> Self::Future {
    type Future: Future<Output = R> + Send + 'a;
}

impl<'a, T: 'a, R, F, Fut> Hook<'a, T, R> for F
where
    F: Fn(&'a mut T) -> Fut,
    Fut: Future<Output = R> + Send + 'a,
{
    type Future = Fut;
}

impl<F> Before for F
where
    F: for<'a> Hook<'a, Incoming, Result<()>> + Send + Sync + 'static,
{
    fn before<'a>(&'a self, call: &'a mut Incoming) -> BoxFuture<'a, Result<()>> {
        Box::pin(self(call))
    }
}

impl<F> After for F
where
    F: for<'a> Hook<'a, Outgoing, ()> + Send + Sync + 'static,
{
    fn after<'a>(&'a self, call: &'a mut Outgoing) -> BoxFuture<'a, ()> {
        Box::pin(self(call))
    }
}

/// The hooks of one kind of call, fixed at start.
#[derive(Clone, Default)]
pub(crate) struct Pipeline {
    pub(crate) before: Vec<Arc<dyn Before>>,
    pub(crate) after: Vec<Arc<dyn After>>,
    /// Messages with rules of their own are checked before the hooks run.
    pub(crate) validate: bool,
}

impl Pipeline {
    /// Runs the hooks before, until one refuses.
    pub(crate) async fn run_before(&self, mut call: Incoming) -> Result<Option<Box<dyn Any + Send>>> {
        for hook in &self.before {
            hook.before(&mut call).await?;
        }
        Ok(call.into_message())
    }

    /// Runs all hooks after.
    pub(crate) async fn run_after(&self, mut call: Outgoing) -> Result<Box<dyn Any + Send>> {
        for hook in &self.after {
            hook.after(&mut call).await;
        }
        call.into_reply()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("before", &self.before.len())
            .field("after", &self.after.len())
            .field("validate", &self.validate)
            .finish()
    }
}

/// Bytes in place of a typed reply.
pub(crate) fn as_bytes(reply: Box<dyn Any + Send>) -> Result<Bytes> {
    reply.downcast::<Bytes>().map(|bytes| *bytes).map_err(|_| {
        Error::internal("a hook after put in a reply that is neither of the method's type nor `Bytes`")
    })
}
