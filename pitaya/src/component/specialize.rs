//! For generated code: what it asks of types without failing.
//!
//! The compiler should say once that a type does not fit, at the place where the user wrote it: that is what
//! [`super::assert`] is for. What generated code does with the type besides must not fail a second time. It asks an
//! inherent item that exists only for types that fit; for the others, name resolution goes on to a trait with items
//! of the same names, which every type implements.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;

use bytes::Bytes;

use super::arg::{HeldHandlerArg, HeldRemoteArg, Slot};
use super::invoke::MaybeReady;
use super::{
    Call, Extract, Handler, HandlerArg, HandlerCall, Kind, Remote, RemoteArg, RemoteCall, Reply, Rpc, via,
};
use crate::error::{Error, Result};
use crate::route::Route;
use crate::serialize::{Body, Message, Schema};
use crate::services::Services;

/// What a type is, among the arguments of a method.
#[derive(Debug)]
pub struct ArgProbe<T>(PhantomData<fn() -> T>);

impl<T: Message> ArgProbe<T> {
    /// Its schema, if it is a message.
    pub const MESSAGE: Option<&'static Schema> = Some(T::SCHEMA);
    /// Whether it is a message.
    pub const IS_MESSAGE: bool = true;
}

impl<T: Extract<Handler>> ArgProbe<T> {
    /// Whether it is an extractor of handlers.
    pub const EXTRACTS_FROM_HANDLER: bool = true;
}

impl<T: Extract<Remote>> ArgProbe<T> {
    /// Whether it is an extractor of remotes.
    pub const EXTRACTS_FROM_REMOTE: bool = true;
}

/// The argument of a method.
#[derive(Debug)]
pub struct ArgDecode<T, M>(PhantomData<fn() -> (T, M)>);

impl<T: HandlerArg<M>, M> ArgDecode<T, M> {
    /// Decodes it, if it is a message.
    #[inline]
    pub fn handler(call: &HandlerCall, body: &Body<'_>) -> HeldHandlerArg<T::Held, T, M> {
        super::arg::handler_arg(call, body)
    }

    /// Checks that the app has what it needs.
    ///
    /// # Errors
    /// What is missing.
    pub fn handler_needs(services: &Services) -> Result<()> {
        T::needs(services)
    }
}

impl<T: RemoteArg<M>, M> ArgDecode<T, M> {
    /// Decodes it, if it is a message.
    #[inline]
    pub fn remote(call: &RemoteCall, body: &Body<'_>) -> HeldRemoteArg<T::Held, T, M> {
        super::arg::remote_arg(call, body)
    }

    /// Checks that the app has what it needs.
    ///
    /// # Errors
    /// What is missing.
    pub fn remote_needs(services: &Services) -> Result<()> {
        T::needs(services)
    }
}

/// What a method returns.
#[derive(Debug)]
pub struct ReplyProbe<R>(PhantomData<fn() -> R>);

impl<R: Reply> ReplyProbe<R> {
    /// Whether nothing is ever answered.
    pub const NOTIFY: bool = R::NOTIFY;

    /// The schema of the reply; `None` for notify-only methods.
    pub fn schema() -> Option<&'static Schema> {
        (!R::NOTIFY).then_some(<R::Ok as Message>::SCHEMA)
    }

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

/// A call of a typed client.
#[derive(Debug)]
pub struct TypedCall<'a, Req, Rep>(pub &'a Rpc, pub &'a Route<Req, Rep>);

impl<Req: Message, Rep: Message> TypedCall<'_, Req, Rep> {
    /// Calls the remote.
    pub fn call(&self, request: &Req) -> impl Future<Output = Result<Rep>> + Send {
        self.0.call(self.1, request)
    }
}

/// Session data as it begins.
#[derive(Debug)]
pub struct DefaultValue<D>(PhantomData<fn() -> D>);

impl<D: Default> DefaultValue<D> {
    /// The default.
    pub fn value() -> D {
        D::default()
    }
}

/// The first that is there.
pub fn first(schemas: &[Option<&'static Schema>]) -> Option<&'static Schema> {
    schemas.iter().copied().flatten().next()
}

/// Whether a value is what an absent field means.
pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The other answers. What they do is never run: the type they are for does not compile.
#[allow(missing_docs)]
pub(super) mod fallback {
    use super::*;

    pub trait ArgProbeFallback {
        const MESSAGE: Option<&'static Schema> = None;
        const IS_MESSAGE: bool = false;
        const EXTRACTS_FROM_HANDLER: bool = false;
        const EXTRACTS_FROM_REMOTE: bool = false;
    }

    impl<T> ArgProbeFallback for ArgProbe<T> {}

    pub trait ArgDecodeFallback<T> {
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

    impl<T> ArgDecodeFallback<T> for ArgDecode<T, via::Message> {}

    pub trait ReplyProbeFallback<R> {
        const NOTIFY: bool = true;

        fn schema() -> Option<&'static Schema> {
            None
        }
        fn finish_handler(call: &HandlerCall, _reply: Result<R>) -> MaybeReady<'_, ()> {
            call.finish(Err::<(), _>(never()))
        }
        fn finish_remote(call: &RemoteCall, _reply: Result<R>) -> MaybeReady<'_, Bytes> {
            call.finish(Err::<(), _>(never()))
        }
    }

    impl<R> ReplyProbeFallback<R> for ReplyProbe<R> {}

    pub trait TypedCallFallback<Req, Rep> {
        fn call(&self, _request: &Req) -> impl Future<Output = Result<Rep>> + Send {
            async { Err(never()) }
        }
    }

    impl<Req, Rep> TypedCallFallback<Req, Rep> for TypedCall<'_, Req, Rep> {}

    pub trait DefaultValueFallback<D> {
        /// # Panics
        /// Always: see the trait's docs.
        fn value() -> D {
            unreachable!("session data without a default does not compile")
        }
    }

    impl<D> DefaultValueFallback<D> for DefaultValue<D> {}

    /// An argument that is none.
    #[derive(Debug)]
    pub struct Invalid<T>(PhantomData<fn() -> T>);

    impl<T> Invalid<T> {
        pub fn give<K: Kind>(
            self,
            _call: &mut Call<K>,
        ) -> impl Future<Output = Result<T>> + Send + use<T, K> {
            async { Err(never()) }
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

    fn never() -> Error {
        Error::internal("a type that does not fit was compiled")
    }
}
