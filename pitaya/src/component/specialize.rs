//! Specialization for generated code: probes that compile for every type.
//!
//! Stable Rust has no specialization, but method resolution prefers an inherent item to the item of a trait. Each probe
//! is a struct such as [`ArgProbe<T>`], with two sources for one name:
//!
//! - an inherent item with a bound: `impl<T: Message> ArgProbe<T> { pub const IS_MESSAGE: bool = true; }`
//! - an item of a trait in [`fallback`], which every probe implements: `const IS_MESSAGE: bool = false;`
//!
//! `<ArgProbe<Join>>::IS_MESSAGE` is the inherent constant if `Join` is a message, and the fallback if it is not. This
//! works only for a type that is written out. In a generic function the fallback would always win, so the macros emit
//! these expressions at each place. The technique is a form of [autoref-based specialization][autoref].
//!
//! Its purpose is one compile error for one mistake. [`assert`](super::assert) reports a type that does not implement
//! what it must, at the place where the user wrote it. Everything else that is generated for the type still compiles.
//!
//! [autoref]: https://github.com/dtolnay/case-studies/blob/master/autoref-specialization/README.md

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;

use super::arg::{HeldHandlerArg, HeldRemoteArg, Slot};
use super::build::{BuildFn, ComponentLifecycle, LifecycleFn};
use super::invoke::MaybeReady;
use super::method::{MessageType, ReplyType};
use super::{
    Call, Component, Extract, Handler, HandlerArg, HandlerCall, Kind, Lifecycle, Remote, RemoteArg,
    RemoteCall, Reply, Rpc, TimerReply, via,
};
use crate::error::{Error, ErrorCodes, IntoError, Result};
use crate::route::Route;
use crate::serialize::{Body, Message};
use crate::services::Services;

/// Tells whether an argument is a message or an extractor.
#[derive(Debug)]
pub struct ArgProbe<T>(PhantomData<fn() -> T>);

impl<T: Message> ArgProbe<T> {
    /// The schema and the code of a message.
    pub const SCHEMA: Option<MessageType> = Some(MessageType::of::<T>());
    /// Whether the type is a message.
    pub const IS_MESSAGE: bool = true;
}

impl<T: Extract<Handler>> ArgProbe<T> {
    /// Whether the type is an extractor of handlers.
    pub const EXTRACTS_FROM_HANDLER: bool = true;
}

impl<T: Extract<Remote>> ArgProbe<T> {
    /// Whether the type is an extractor of remotes.
    pub const EXTRACTS_FROM_REMOTE: bool = true;
}

/// Makes an argument from a call.
#[derive(Debug)]
pub struct ArgDecode<T, M>(PhantomData<fn() -> (T, M)>);

impl<T: HandlerArg<M>, M> ArgDecode<T, M> {
    /// Decodes a message; an extractor runs later.
    #[inline]
    pub fn handler(call: &HandlerCall, body: &Body<'_>) -> HeldHandlerArg<T::Held, T, M> {
        super::arg::handler_arg(call, body)
    }

    /// Checks that the app can provide the argument.
    ///
    /// # Errors
    /// The app lacks something that the extractor needs.
    pub fn handler_needs(services: &Services) -> Result<()> {
        T::needs(services)
    }
}

impl<T: RemoteArg<M>, M> ArgDecode<T, M> {
    /// Decodes a message; an extractor runs later.
    #[inline]
    pub fn remote(call: &RemoteCall, body: &Body<'_>) -> HeldRemoteArg<T::Held, T, M> {
        super::arg::remote_arg(call, body)
    }

    /// Checks that the app can provide the argument.
    ///
    /// # Errors
    /// The app lacks something that the extractor needs.
    pub fn remote_needs(services: &Services) -> Result<()> {
        T::needs(services)
    }
}

/// Handles what a method returns.
#[derive(Debug)]
pub struct ReplyProbe<R>(PhantomData<fn() -> R>);

impl<R: Reply> ReplyProbe<R> {
    /// The type of the reply; `None` for a notify-only method.
    pub const SCHEMA: Option<ReplyType> = if R::NOTIFY { None } else { Some(ReplyType::of::<R>()) };

    /// Ends the call of a handler.
    #[inline]
    pub fn finish_handler<'a>(call: &'a HandlerCall, reply: Result<R>) -> MaybeReady<'a, ()>
    where
        R: 'a,
    {
        call.finish(reply)
    }

    /// Ends the call of a remote.
    #[inline]
    pub fn finish_remote<'a>(call: &'a RemoteCall, reply: Result<R>) -> MaybeReady<'a, Bytes>
    where
        R: 'a,
    {
        call.finish(reply)
    }
}

/// Tells the codes of an error inside of another.
#[derive(Debug)]
pub struct ErrorProbe<E>(PhantomData<fn() -> E>);

impl<E: IntoError> ErrorProbe<E> {
    /// The codes of the type.
    pub const CODES: ErrorCodes = E::CODES;
}

/// Handles what a timer returns.
#[derive(Debug)]
pub struct TimerProbe<R>(PhantomData<fn() -> R>);

impl<R: TimerReply> TimerProbe<R> {
    /// Returns the error of a run.
    ///
    /// # Errors
    /// The error of the method.
    pub fn finish(reply: R) -> Result<()> {
        reply.into_result()
    }
}

/// Tells whether the app can build a type, and whether the type has a [`Lifecycle`].
///
/// A type that the app cannot build may still be registered by hand, so it is an error at start and not of the compiler.
#[derive(Debug)]
pub struct ComponentProbe<S>(PhantomData<fn() -> S>);

impl<S: Component> ComponentProbe<S> {
    /// Builds the component.
    pub const BUILD: Option<BuildFn<S>> =
        Some(BuildFn(|services| Ok(Arc::new(S::build(services)?)), PhantomData));
}

impl<S: Lifecycle> ComponentProbe<S> {
    /// Returns the lifecycle of the component.
    pub const LIFECYCLE: Option<LifecycleFn<S>> = Some(LifecycleFn(
        |instance| {
            let instance: Arc<S> = Arc::clone(instance).downcast().ok()?;
            Some(Arc::new(ComponentLifecycle(instance)))
        },
        PhantomData,
    ));
}

/// Calls a remote from a typed client.
#[derive(Debug)]
pub struct TypedCall<'a, Req, Rep>(pub &'a Rpc, pub &'a Route<Req, Rep>);

impl<Req: Message, Rep: Message> TypedCall<'_, Req, Rep> {
    /// Calls the remote.
    pub fn call(&self, request: &Req) -> impl Future<Output = Result<Rep>> + Send {
        self.0.call(self.1, request)
    }
}

/// Enqueues a call of a remote from a typed client.
#[cfg(feature = "worker")]
#[derive(Debug)]
pub struct TypedJob<'a, Req, Rep>(pub &'a super::ReliableRpc, pub &'a Route<Req, Rep>);

#[cfg(feature = "worker")]
impl<Req: Message, Rep: Message> TypedJob<'_, Req, Rep> {
    /// Enqueues the call.
    pub fn call(&self, request: &Req) -> impl Future<Output = Result<crate::worker::JobId>> + Send {
        self.0.call(self.1, request)
    }
}

/// Makes the initial value of session data.
#[derive(Debug)]
pub struct DefaultValue<D>(PhantomData<fn() -> D>);

impl<D: Default> DefaultValue<D> {
    /// Returns the default.
    pub fn value() -> D {
        D::default()
    }
}

/// Whether a field has its default, and so may be left out.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The items for types that do not implement what a probe asks for.
///
/// Most of them never run, because [`assert`](super::assert) already stops the compilation.
#[allow(missing_docs)]
pub(super) mod fallback {
    use super::{Any, BuildFn, Bytes, Call, Error, Future, HandlerCall, Kind, LifecycleFn, MaybeReady};
    use super::{
        Body, ErrorCodes, MessageType, PhantomData, RemoteCall, ReplyType, Result, Services, Slot, via,
    };

    pub trait ArgProbe {
        const SCHEMA: Option<MessageType> = None;
        const IS_MESSAGE: bool = false;
        const EXTRACTS_FROM_HANDLER: bool = false;
        const EXTRACTS_FROM_REMOTE: bool = false;
    }

    impl<T> ArgProbe for super::ArgProbe<T> {}

    pub trait ArgDecode<T> {
        fn handler(_call: &HandlerCall, _body: &Body<'_>) -> Invalid<T> {
            Invalid(PhantomData)
        }
        fn remote(_call: &RemoteCall, _body: &Body<'_>) -> Invalid<T> {
            Invalid(PhantomData)
        }
        /// # Errors
        /// Never.
        fn handler_needs(_services: &Services) -> Result<()> {
            Ok(())
        }
        /// # Errors
        /// Never.
        fn remote_needs(_services: &Services) -> Result<()> {
            Ok(())
        }
    }

    impl<T> ArgDecode<T> for super::ArgDecode<T, via::Message> {}

    pub trait ReplyProbe<R> {
        const SCHEMA: Option<ReplyType> = None;

        fn finish_handler(call: &HandlerCall, _reply: Result<R>) -> MaybeReady<'_, ()> {
            call.finish(Err::<(), _>(invalid()))
        }
        fn finish_remote(call: &RemoteCall, _reply: Result<R>) -> MaybeReady<'_, Bytes> {
            call.finish(Err::<(), _>(invalid()))
        }
    }

    impl<R> ReplyProbe<R> for super::ReplyProbe<R> {}

    pub trait ErrorProbe {
        const CODES: ErrorCodes = ErrorCodes::Open;
    }

    impl<E> ErrorProbe for super::ErrorProbe<E> {}

    pub trait TimerProbe<R> {
        /// # Errors
        /// Never.
        fn finish(_reply: R) -> Result<()> {
            Ok(())
        }
    }

    impl<R> TimerProbe<R> for super::TimerProbe<R> {}

    pub trait ComponentProbe<S> {
        const BUILD: Option<BuildFn<S>> = None;
        const LIFECYCLE: Option<LifecycleFn<S>> = None;
    }

    impl<S> ComponentProbe<S> for super::ComponentProbe<S> {}

    pub trait TypedCall<Req, Rep> {
        fn call(&self, _request: &Req) -> impl Future<Output = Result<Rep>> + Send {
            async { Err(invalid()) }
        }
    }

    impl<Req, Rep> TypedCall<Req, Rep> for super::TypedCall<'_, Req, Rep> {}

    #[cfg(feature = "worker")]
    pub trait TypedJob<Req> {
        fn call(&self, _request: &Req) -> impl Future<Output = Result<crate::worker::JobId>> + Send {
            async { Err(invalid()) }
        }
    }

    #[cfg(feature = "worker")]
    impl<Req, Rep> TypedJob<Req> for super::TypedJob<'_, Req, Rep> {}

    pub trait DefaultValue<D> {
        /// # Panics
        /// Always, but it never runs: `#[session]` requires `Default`.
        fn value() -> D {
            unreachable!("session data without a default does not compile")
        }
    }

    impl<D> DefaultValue<D> for super::DefaultValue<D> {}

    /// An argument whose type is neither a message nor an extractor.
    #[derive(Debug)]
    pub struct Invalid<T>(PhantomData<fn() -> T>);

    impl<T> Invalid<T> {
        pub fn resolve<K: Kind>(
            self,
            _call: &mut Call<K>,
        ) -> impl Future<Output = Result<T>> + Send + use<T, K> {
            async { Err(invalid()) }
        }
    }

    impl<T> Slot for Invalid<T> {
        fn is_message(&self) -> bool {
            false
        }
        fn check(&mut self, _validate: bool) -> Result<()> {
            Ok(())
        }
        fn take(&mut self) -> Option<Box<dyn Any + Send>> {
            None
        }
        fn put(&mut self, _value: Box<dyn Any + Send>) {}
    }

    fn invalid() -> Error {
        Error::internal("a type of this method does not compile")
    }
}
