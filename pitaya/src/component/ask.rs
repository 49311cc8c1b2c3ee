//! For generated code: what it asks of types without failing.
//!
//! The compiler should say once that a type does not fit, at the place where the user wrote it: that is what
//! [`super::fits`] is for. What generated code does with the type besides must not fail a second time. It asks an
//! inherent item that exists only for types that fit; for the others, name resolution goes on to a trait with items
//! of the same names, which every type implements.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;

use bytes::Bytes;

use super::arg::{HeldHandlerArg, HeldRemoteArg, Slot};
use super::around::Step;
use super::{
    Call, Extract, Handler, HandlerArg, HandlerCall, Kind, Remote, RemoteArg, RemoteCall, Reply, Rpc, via,
};
use crate::error::{Error, Result};
use crate::route::Route;
use crate::serialize::{Body, Message, Schema};
use crate::services::Services;

/// What a type is, among the arguments of a method.
#[derive(Debug)]
pub struct Ask<T>(PhantomData<fn() -> T>);

impl<T: Message> Ask<T> {
    /// Its schema, if it is a message.
    pub const MESSAGE: Option<&'static Schema> = Some(T::SCHEMA);
    /// Whether it is a message.
    pub const IS_MESSAGE: bool = true;
}

impl<T: Extract<Handler>> Ask<T> {
    /// Whether it is an extractor of handlers.
    pub const EXTRACTS_FROM_HANDLER: bool = true;
}

impl<T: Extract<Remote>> Ask<T> {
    /// Whether it is an extractor of remotes.
    pub const EXTRACTS_FROM_REMOTE: bool = true;
}

/// The argument of a method.
#[derive(Debug)]
pub struct Take<T, M>(PhantomData<fn() -> (T, M)>);

impl<T: HandlerArg<M>, M> Take<T, M> {
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

impl<T: RemoteArg<M>, M> Take<T, M> {
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
pub struct Answer<R>(PhantomData<fn() -> R>);

impl<R: Reply> Answer<R> {
    /// Whether nothing is ever answered.
    pub const NOTIFY: bool = R::NOTIFY;

    /// The schema of the reply; `None` for notify-only methods.
    pub fn schema() -> Option<&'static Schema> {
        (!R::NOTIFY).then_some(<R::Ok as Message>::SCHEMA)
    }

    /// Ends the call of a handler.
    #[inline]
    pub fn handled<'a>(call: &'a HandlerCall, reply: Result<R>) -> Step<'a, ()>
    where
        R: 'a,
    {
        call.finish(reply)
    }

    /// Ends the call of a remote.
    #[inline]
    pub fn remoted<'a>(call: &'a RemoteCall, reply: Result<R>) -> Step<'a, Bytes>
    where
        R: 'a,
    {
        call.finish(reply)
    }
}

/// A call of a typed client.
#[derive(Debug)]
pub struct Calling<'a, Req, Rep>(pub &'a Rpc, pub &'a Route<Req, Rep>);

impl<Req: Message, Rep: Message> Calling<'_, Req, Rep> {
    /// Calls the remote.
    pub fn call(&self, request: &Req) -> impl Future<Output = Result<Rep>> + Send {
        self.0.call(self.1, request)
    }
}

/// Session data as it begins.
#[derive(Debug)]
pub struct Initial<D>(PhantomData<fn() -> D>);

impl<D: Default> Initial<D> {
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
pub(super) mod otherwise {
    use super::*;

    pub trait Asked {
        const MESSAGE: Option<&'static Schema> = None;
        const IS_MESSAGE: bool = false;
        const EXTRACTS_FROM_HANDLER: bool = false;
        const EXTRACTS_FROM_REMOTE: bool = false;
    }

    impl<T> Asked for Ask<T> {}

    pub trait Taken<T> {
        fn handler(_call: &HandlerCall, _body: &Body<'_>) -> Unfit<T> {
            Unfit(PhantomData)
        }
        fn remote(_call: &RemoteCall, _body: &Body<'_>) -> Unfit<T> {
            Unfit(PhantomData)
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

    impl<T> Taken<T> for Take<T, via::Message> {}

    pub trait Answered<R> {
        const NOTIFY: bool = true;

        fn schema() -> Option<&'static Schema> {
            None
        }
        fn handled(call: &HandlerCall, _reply: Result<R>) -> Step<'_, ()> {
            call.finish(Err::<(), _>(never()))
        }
        fn remoted(call: &RemoteCall, _reply: Result<R>) -> Step<'_, Bytes> {
            call.finish(Err::<(), _>(never()))
        }
    }

    impl<R> Answered<R> for Answer<R> {}

    pub trait Called<Req, Rep> {
        fn call(&self, _request: &Req) -> impl Future<Output = Result<Rep>> + Send {
            async { Err(never()) }
        }
    }

    impl<Req, Rep> Called<Req, Rep> for Calling<'_, Req, Rep> {}

    pub trait Begun<D> {
        /// # Panics
        /// Always: see the trait's docs.
        fn value() -> D {
            unreachable!("session data without a default does not compile")
        }
    }

    impl<D> Begun<D> for Initial<D> {}

    /// An argument that is none.
    #[derive(Debug)]
    pub struct Unfit<T>(PhantomData<fn() -> T>);

    impl<T> Unfit<T> {
        pub fn give<K: Kind>(
            self,
            _call: &mut Call<K>,
        ) -> impl Future<Output = Result<T>> + Send + use<T, K> {
            async { Err(never()) }
        }
    }

    impl<T> Slot for Unfit<T> {
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
