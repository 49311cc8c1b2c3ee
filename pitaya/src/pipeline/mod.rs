//! Pipelines: hooks before and after every handler, and every remote.
//!
//! A hook before sees the decoded message, and may change or refuse it; a hook after sees the reply or the
//! error, and may change either. They run in the order in which they were added. An error of a hook before
//! ends the call there; the hooks after run all of them, each on what the one before left, whether the call
//! succeeded, failed or panicked. Only a call that is aborted at its time limit ends without them.
//!
//! ```
//! use std::time::Duration;
//!
//! use pitaya::pipeline::{HookRequest, HookReply};
//! use pitaya::prelude::*;
//!
//! #[message]
//! struct Say { text: String }
//!
//! async fn trim(call: &mut HookRequest) -> Result<()> {
//!     if let Some(say) = call.message_mut::<Say>() {
//!         say.text = say.text.trim().to_owned();
//!     }
//!     Ok(())
//! }
//!
//! async fn log_slow(call: &mut HookReply) {
//!     if call.elapsed() > Duration::from_millis(50) {
//!         println!("{} took {:?}", call.context().route(), call.elapsed());
//!     }
//! }
//!
//! let app = App::builder().before(trim).after(log_slow);
//! ```
//!
//! A hook with its own fields is a type that implements [`Before`] or [`After`]. Hooks of one call share values with
//! [`insert`](HookRequest::insert), and read the state of the app with [`state`](HookRequest::state).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::services::{FromServices, Services, State};
use crate::session::Session;

/// The values that the hooks of one call share, from the first hook before to the last one after.
pub(crate) struct Extensions {
    started: Instant,
    values: Vec<Box<dyn Any + Send + Sync>>,
    services: Arc<Services>,
}

impl Extensions {
    pub(crate) fn new(services: Arc<Services>) -> Self {
        Self { started: Instant::now(), values: Vec::new(), services }
    }

    fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        match self.values.iter_mut().find_map(|known| known.downcast_mut::<T>()) {
            Some(known) => *known = value,
            None => self.values.push(Box::new(value)),
        }
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.values.iter().find_map(|value| value.downcast_ref())
    }
}

/// A call before it reaches the method.
pub struct HookRequest {
    context: Context,
    session: Option<Session>,
    message: Option<Box<dyn Any + Send>>,
    extensions: Box<Extensions>,
}

impl HookRequest {
    pub(crate) fn new(
        context: Context,
        session: Option<Session>,
        message: Option<Box<dyn Any + Send>>,
        extensions: Box<Extensions>,
    ) -> Self {
        Self { context, session, message, extensions }
    }

    pub(crate) fn into_parts(self) -> (Option<Box<dyn Any + Send>>, Box<Extensions>) {
        (self.message, self.extensions)
    }

    /// Inserts a value for later hooks of this call, hooks after included, and for extractors
    /// ([`Call::extension`](crate::component::Call::extension)). A second value of one type replaces the first.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.extensions.insert(value);
    }

    /// Returns a value that an earlier hook inserted.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// Returns the time since the call began.
    pub fn elapsed(&self) -> Duration {
        self.extensions.started.elapsed()
    }

    /// Returns a value that was given to the app with [`Builder::state`](crate::app::Builder::state).
    ///
    /// # Errors
    /// `PIT-500` if the app has no value of this type.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<State<T>> {
        State::from_services(&self.extensions.services)
    }

    /// Returns the route and the context of the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the session of the client; `None` in a remote.
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

impl fmt::Debug for HookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookRequest").field("context", &self.context).finish_non_exhaustive()
    }
}

/// The reply or the error of a call.
pub struct HookReply {
    context: Context,
    session: Option<Session>,
    reply: Result<Box<dyn Any + Send>>,
    extensions: Box<Extensions>,
}

impl HookReply {
    pub(crate) fn new(
        context: Context,
        session: Option<Session>,
        reply: Result<Box<dyn Any + Send>>,
        extensions: Box<Extensions>,
    ) -> Self {
        Self { context, session, reply, extensions }
    }

    /// Inserts a value for later hooks.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.extensions.insert(value);
    }

    /// Returns a value that an earlier hook inserted; also a hook before.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.extensions.get()
    }

    /// Returns the time since the call began, its hooks included.
    pub fn elapsed(&self) -> Duration {
        self.extensions.started.elapsed()
    }

    /// Returns a value that was given to the app with [`Builder::state`](crate::app::Builder::state).
    ///
    /// # Errors
    /// `PIT-500` if the app has no value of this type.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<State<T>> {
        State::from_services(&self.extensions.services)
    }

    pub(crate) fn into_reply(self) -> Result<Box<dyn Any + Send>> {
        self.reply
    }

    /// Returns the route and the context of the call.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the session of the client; `None` in a remote.
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

impl fmt::Debug for HookReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookReply")
            .field("context", &self.context)
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}

/// A hook before. Implemented by every `async fn(&mut HookRequest) -> Result<()>`.
#[doc(alias = "middleware")]
pub trait Before: Send + Sync + 'static {
    /// Looks at the call.
    ///
    /// # Errors
    /// An error ends the call: it is what the caller gets.
    fn before<'a>(&'a self, call: &'a mut HookRequest) -> BoxFuture<'a, Result<()>>;
}

/// A hook after. Implemented by every `async fn(&mut HookReply)`.
#[doc(alias = "middleware")]
pub trait After: Send + Sync + 'static {
    /// Looks at the reply.
    fn after<'a>(&'a self, call: &'a mut HookReply) -> BoxFuture<'a, ()>;
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
    F: for<'a> Hook<'a, HookRequest, Result<()>> + Send + Sync + 'static,
{
    fn before<'a>(&'a self, call: &'a mut HookRequest) -> BoxFuture<'a, Result<()>> {
        Box::pin(self(call))
    }
}

impl<F> After for F
where
    F: for<'a> Hook<'a, HookReply, ()> + Send + Sync + 'static,
{
    fn after<'a>(&'a self, call: &'a mut HookReply) -> BoxFuture<'a, ()> {
        Box::pin(self(call))
    }
}

/// The hooks of one kind of call, fixed at start.
#[derive(Clone, Default)]
pub(crate) struct Pipeline {
    pub(crate) before: Vec<Arc<dyn Before>>,
    pub(crate) after: Vec<Arc<dyn After>>,
    /// Whether messages with validation rules are checked before the hooks run.
    pub(crate) validate: bool,
}

impl Pipeline {
    /// Runs the hooks before, until one refuses.
    pub(crate) async fn run_before(&self, call: &mut HookRequest) -> Result<()> {
        for hook in &self.before {
            hook.before(call).await?;
        }
        Ok(())
    }

    /// Runs all hooks after.
    pub(crate) async fn run_after(&self, mut call: HookReply) -> Result<Box<dyn Any + Send>> {
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
