//! The arguments of handlers and remotes: extractors, and at most one message.
//!
//! A marker parameter that the compiler infers distinguishes them: a type is an argument `via` a message or `via` an
//! extractor.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;

use super::{Call, Handler, HandlerCall, Kind, Remote, RemoteCall};
use crate::error::{Error, Result, code};
use crate::serialize::{Body, CodecError, Message, rpc};
use crate::services::Services;

/// The ways in which a type is an argument.
pub mod via {
    /// By extraction from the call.
    #[derive(Debug, Clone, Copy)]
    pub enum Extractor {}
    /// By decoding the body.
    #[derive(Debug, Clone, Copy)]
    pub enum Message {}
}

/// An argument made from the call instead of its body.
///
/// Implement it for your types, for one kind of call or for both. It is async, so an extractor may load a player.
///
/// ```
/// use std::sync::Arc;
///
/// use pitaya::component::{Call, Extract, Handler};
/// use pitaya::prelude::*;
///
/// struct Uid(Arc<str>);
///
/// impl Extract<Handler> for Uid {
///     async fn extract(call: &mut Call<Handler>) -> Result<Self> {
///         call.session::<()>().require_uid().map(Self)
///     }
/// }
///
/// #[derive(Component)] struct Entry;
///
/// #[handler]
/// impl Entry {
///     // The mark tells the macro which argument is the message without seeing their types.
///     pub async fn leave(&self, #[extract] uid: Uid) {
///         println!("{} leaves", uid.0);
///     }
/// }
/// ```
pub trait Extract<K: Kind>: Sized + Send + 'static {
    /// Makes the argument. An error ends the call, and the caller gets it.
    ///
    /// # Errors
    /// The extractor refuses the call.
    fn extract(call: &mut Call<K>) -> impl Future<Output = Result<Self>> + Send;

    /// Checks, when the app starts, that it has what [`extract`](Self::extract) takes from it.
    ///
    /// The default checks nothing. The app does not start if this fails: the error then names the route and the
    /// argument. Return the error of [`FromServices::from_services`](super::FromServices::from_services), which says
    /// what to write:
    ///
    /// ```
    /// use pitaya::component::{Call, Extract, FromServices, Handler};
    /// use pitaya::prelude::*;
    /// use pitaya::services::Services;
    ///
    /// struct Db;
    /// struct Player(State<Db>);
    ///
    /// impl Extract<Handler> for Player {
    ///     async fn extract(call: &mut Call<Handler>) -> Result<Self> {
    ///         State::from_services(call.services()).map(Self)
    ///     }
    ///
    ///     fn check(services: &Services) -> Result<()> {
    ///         State::<Db>::from_services(services).map(drop)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// The app lacks something that the extractor needs.
    fn check(services: &Services) -> Result<()> {
        let _ = services;
        Ok(())
    }
}

/// For generated code: an argument between decoding and the call.
#[doc(hidden)]
pub trait Slot: Send {
    fn is_message(&self) -> bool;
    fn check(&mut self, validate: bool) -> Result<()>;
    fn take(&mut self) -> Option<Box<dyn Any + Send>>;
    fn put(&mut self, value: Box<dyn Any + Send>);
}

macro_rules! arguments {
    (
        $(#[$doc:meta])* $arg:ident, $call:ident, $kind:ident, $held:ident, $hold:ident,
        |$decode_call:ident, $decode_body:ident| $decode:expr
    ) => {
        $(#[$doc])*
        pub trait $arg<M>: Sized + Send + 'static {
            #[doc(hidden)]
            const IS_MESSAGE: bool;
            #[doc(hidden)]
            type Held: Send;
            #[doc(hidden)]
            fn hold(call: &$call, body: &Body<'_>) -> Self::Held;
            #[doc(hidden)]
            fn needs(_services: &Services) -> Result<()> {
                Ok(())
            }
            #[doc(hidden)]
            fn check(_held: &mut Self::Held, _validate: bool) -> Result<()> {
                Ok(())
            }
            #[doc(hidden)]
            fn take(_held: &mut Self::Held) -> Option<Box<dyn Any + Send>> {
                None
            }
            #[doc(hidden)]
            fn put(_held: &mut Self::Held, _value: Box<dyn Any + Send>) {}
            #[doc(hidden)]
            fn resolve(held: Self::Held, call: &mut $call) -> impl Future<Output = Result<Self>> + Send;
        }

        impl<T: Extract<$kind>> $arg<via::Extractor> for T {
            const IS_MESSAGE: bool = false;
            type Held = ();

            fn needs(services: &Services) -> Result<()> {
                <T as Extract<$kind>>::check(services)
            }

            #[inline]
            fn hold(_call: &$call, _body: &Body<'_>) {}

            #[inline]
            fn resolve((): (), call: &mut $call) -> impl Future<Output = Result<Self>> + Send {
                T::extract(call)
            }
        }

        impl<T: Message> $arg<via::Message> for T {
            const IS_MESSAGE: bool = true;
            type Held = Result<Option<T>>;

            #[inline]
            fn hold($decode_call: &$call, $decode_body: &Body<'_>) -> Self::Held {
                let decoded: Result<T, CodecError> = $decode;
                decoded.map(Some).map_err(undecodable)
            }

            #[inline]
            fn check(held: &mut Self::Held, validate: bool) -> Result<()> {
                match held {
                    Ok(Some(message)) if validate => T::VALIDATE.map_or(Ok(()), |rules| rules(message)),
                    Ok(_) => Ok(()),
                    Err(_) => std::mem::replace(held, Ok(None)).map(drop),
                }
            }

            fn take(held: &mut Self::Held) -> Option<Box<dyn Any + Send>> {
                let message = held.as_mut().ok()?.take()?;
                Some(Box::new(message))
            }

            fn put(held: &mut Self::Held, value: Box<dyn Any + Send>) {
                *held = Ok(value.downcast().ok().map(|value| *value));
            }

            #[inline]
            async fn resolve(held: Self::Held, _call: &mut $call) -> Result<Self> {
                held?.ok_or_else(|| Error::internal("a hook before the method removed the message"))
            }
        }

        /// The type of what is held is a parameter of its own and not `T::Held`: the future of a call holds this, and
        /// the compiler checks that a future is `Send` for every lifetime of a trait object in `T`, where it could not
        /// name
        /// `T::Held`.
        #[doc(hidden)]
        #[allow(missing_debug_implementations)] // it holds what may have none
        pub struct $held<H, T, M>(H, PhantomData<fn() -> (T, M)>);

        #[inline]
        pub(super) fn $hold<T: $arg<M>, M>(call: &$call, body: &Body<'_>) -> $held<T::Held, T, M> {
            $held(T::hold(call, body), PhantomData)
        }

        impl<H, T: $arg<M, Held = H>, M> $held<H, T, M> {
            #[doc(hidden)]
            #[inline]
            pub fn resolve(self, call: &mut $call) -> impl Future<Output = Result<T>> + Send + use<'_, H, T, M> {
                T::resolve(self.0, call)
            }
        }

        impl<H: Send, T: $arg<M, Held = H>, M> Slot for $held<H, T, M> {
            fn is_message(&self) -> bool {
                T::IS_MESSAGE
            }
            #[inline]
            fn check(&mut self, validate: bool) -> Result<()> {
                T::check(&mut self.0, validate)
            }
            fn take(&mut self) -> Option<Box<dyn Any + Send>> {
                T::take(&mut self.0)
            }
            fn put(&mut self, value: Box<dyn Any + Send>) {
                T::put(&mut self.0, value);
            }
        }
    };
}

arguments! {
    /// An argument of a handler: an extractor or a message.
    ///
    /// Implemented for every [`Message`] and every [`Extract<Handler>`](Extract).
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be an argument of a handler",
        label = "neither an extractor nor a message",
        note = "a handler takes extractors (`Session<_>`, `Context`, `State<_>`, …) and at most one message, by value",
        note = "to receive `{Self}` as the message, annotate it with `#[pitaya::message]`",
        note = "if the type is not yours, wrap it: write `#[message] struct Name {{ value: {Self} }}`",
        note = "to make `{Self}` from the call, implement `Extract<Handler>` for it and mark the argument `#[extract]`",
        note = "see https://docs.rs/pitaya/latest/pitaya/attr.handler.html"
    )]
    HandlerArg, HandlerCall, Handler, HeldHandlerArg, handler_arg,
    |call, body| call.decode(body)
}

arguments! {
    /// An argument of a remote: an extractor or a message.
    ///
    /// Implemented for every [`Message`] and every [`Extract<Remote>`](Extract).
    #[diagnostic::on_unimplemented(
        message = "`{Self}` cannot be an argument of a remote",
        label = "neither an extractor of remotes nor a message",
        note = "a remote is called by a server, so there is no client's `Session`: send what it needs, such as the uid, in the message",
        note = "a remote takes extractors (`Context`, `State<_>`, …) and at most one message, by value",
        note = "to receive `{Self}` as the message, annotate it with `#[pitaya::message]`",
        note = "if the type is not yours, wrap it: write `#[message] struct Name {{ value: {Self} }}`",
        note = "see https://docs.rs/pitaya/latest/pitaya/attr.remote.html"
    )]
    RemoteArg, RemoteCall, Remote, HeldRemoteArg, remote_arg,
    |_call, body| rpc::decode(body)
}

fn undecodable(error: CodecError) -> Error {
    Error::new(code::BAD_REQUEST, error.to_string()).with_source(error.into_inner())
}

impl<D: 'static> Extract<Handler> for crate::session::Session<D> {
    #[inline]
    async fn extract(call: &mut Call<Handler>) -> Result<Self> {
        Ok(call.session())
    }
}

impl<K: Kind> Extract<K> for super::Context {
    async fn extract(call: &mut Call<K>) -> Result<Self> {
        Ok(call.context())
    }
}
