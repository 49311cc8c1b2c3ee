//! Runs a method: its rules and the hooks before it, the method, the hooks after it and its reply.
//!
//! Most calls have no hooks, and the outbox has room for the reply. They run as a few lines of plain code. The steps
//! that few calls need are boxed, so that they do not enlarge the future of each call.

use std::any::Any;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::arg::Slot;
use super::call::ClientCall;
use super::reply::Reply;
use super::{Call, Handler, Kind, Remote, ReplySink};
use crate::error::{Error, Result, code, text};
use crate::pipeline::{Extensions, HookReply, HookRequest, as_bytes};
use crate::serialize::{CodecError, Message, rpc};
use crate::session::{Session, Side, TrySendError};
use crate::util::panic::panic_error;
use crate::wire::{EncodeError, message};

/// For generated code: a result that is ready, or a future.
#[must_use]
pub enum MaybeReady<'a, T> {
    /// The result. `None` once it was taken.
    Ready(Option<Result<T>>),
    /// A future of the result.
    Pending(BoxFuture<'a, Result<T>>),
}

impl<'a, T> MaybeReady<'a, T> {
    #[inline]
    fn ready(result: Result<T>) -> Self {
        Self::Ready(Some(result))
    }

    #[cold]
    fn pending(future: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self::Pending(Box::pin(future))
    }
}

impl<T: Unpin> Future for MaybeReady<'_, T> {
    type Output = Result<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<Result<T>> {
        match &mut *self {
            Self::Ready(result) => mem::take(result).map_or(task::Poll::Pending, task::Poll::Ready),
            Self::Pending(future) => future.as_mut().poll(cx),
        }
    }
}

/// For generated code: the outcome of a panic in the method or before it.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// Hooks after the method see every end of a call.
    hooks: bool,
}

impl Guard {
    /// Runs a call up to its reply. With hooks after the method a panic is an error that they see. Otherwise it
    /// unwinds to the code that polls the call.
    #[inline]
    pub async fn run<R>(self, work: impl Future<Output = Result<R>>) -> Result<R> {
        if !self.hooks {
            return work.await;
        }
        AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| Err(panic_error("a handler or a remote", &*panic)))
    }
}

/// A reply before it is encoded: the method's own, or bytes of a hook.
enum Value<M> {
    Typed(M),
    Bytes(Bytes),
    /// The method is notify-only.
    Nothing,
}

impl<M: Message> Value<M> {
    /// Returns the reply of a method. It must have one unless the method is notify-only.
    #[inline]
    fn of<R: Reply<Ok = M>>(reply: Option<M>) -> Result<Self> {
        match reply {
            Some(value) => Ok(Self::Typed(value)),
            None if R::NOTIFY => Ok(Self::Nothing),
            None => Err(null()),
        }
    }

    #[inline]
    fn encode(
        &self,
        out: &mut BytesMut,
        encode: impl FnOnce(&M, &mut BytesMut) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        match self {
            Self::Typed(value) => encode(value, out),
            Self::Nothing => Ok(()),
            Self::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

#[cold]
fn null() -> Error {
    Error::new(code::UNKNOWN, text::NULL_REPLY)
}

/// The reply could not be encoded.
#[cold]
fn encode_failed(error: CodecError) -> Error {
    let source = error.into_inner();
    match source.is::<EncodeError>() {
        true => Error::new(code::INTERNAL, source.to_string()).with_source(source),
        false => Error::internal(source),
    }
}

/// Runs the decode errors and the rules, if there are any.
#[inline]
fn check(args: &mut [&mut dyn Slot], rules: bool) -> Result<()> {
    args.iter_mut().try_for_each(|arg| arg.check(rules))
}

impl<K: Kind> Call<K> {
    /// Runs decode errors, rules and the hooks before.
    fn prepare<'a>(
        &'a self,
        args: &'a mut [&'a mut dyn Slot],
        session: impl FnOnce() -> Option<Session>,
    ) -> MaybeReady<'a, ()> {
        let pipeline = &self.entry().pipeline;
        if pipeline.before.is_empty() {
            return MaybeReady::ready(check(args, pipeline.validate));
        }
        MaybeReady::pending(self.run_before(args, session()))
    }

    async fn run_before(&self, args: &mut [&mut dyn Slot], session: Option<Session>) -> Result<()> {
        check(args, self.entry().pipeline.validate)?;
        let message = args.iter_mut().find(|arg| arg.is_message());
        let (message, value) = match message {
            Some(arg) => {
                let value = arg.take();
                (Some(arg), value)
            }
            None => (None, None),
        };
        let mut incoming = HookRequest::new(self.context(), session, value, self.take_extensions());
        let done = self.entry().pipeline.run_before(&mut incoming).await;
        let (value, extensions) = incoming.into_parts();
        *self.extensions() = Some(extensions);
        if let (Some(arg), Some(value)) = (message, value) {
            arg.put(value);
        }
        done
    }

    fn take_extensions(&self) -> Box<Extensions> {
        let extensions = self.extensions().take();
        extensions.unwrap_or_else(|| Box::new(Extensions::new(Arc::clone(K::services(&self.caller)))))
    }

    /// Catches panics if there are hooks after. The time of the call counts from here.
    #[cold]
    fn hooked(&self) -> Guard {
        *self.extensions() = Some(self.take_extensions());
        Guard { hooks: !self.entry().pipeline.after.is_empty() }
    }

    async fn run_after<R: Reply>(
        &self,
        reply: Result<Option<R::Ok>>,
        session: Option<Session>,
    ) -> Result<Value<R::Ok>> {
        let boxed = reply.map(|value| match value {
            Some(value) => Box::new(value) as Box<dyn Any + Send>,
            None => Box::new(()),
        });
        let outgoing = HookReply::new(self.context(), session, boxed, self.take_extensions());
        let value = self.entry().pipeline.run_after(outgoing).await?;
        match value.downcast::<R::Ok>() {
            Ok(value) => Ok(Value::Typed(*value)),
            Err(value) if value.is::<()>() => Value::of::<R>(None),
            Err(value) => Ok(Value::Bytes(as_bytes(value)?)),
        }
    }
}

impl Call<Handler> {
    /// For generated code: catches panics.
    #[doc(hidden)]
    #[inline]
    pub fn guard(&self) -> Guard {
        if self.caller.no_hooks { Guard { hooks: false } } else { self.hooked() }
    }

    /// For generated code: runs decode errors, rules and the hooks before.
    #[doc(hidden)]
    #[inline(always)] // where the arguments are known, little is left of it
    pub fn before<'a>(&'a self, args: &'a mut [&'a mut dyn Slot]) -> MaybeReady<'a, ()> {
        if self.caller.no_hooks {
            return MaybeReady::ready(check(args, false));
        }
        self.prepare(args, || Some(self.session()))
    }

    /// For generated code: runs the hooks after, and writes the reply into the outbox.
    #[doc(hidden)]
    #[inline]
    pub fn finish<'a, R: Reply + 'a>(&'a self, reply: Result<R>) -> MaybeReady<'a, ()> {
        let reply = reply.and_then(R::into_result);
        if !self.caller.no_hooks && !self.entry().pipeline.after.is_empty() {
            let session = self.session();
            return MaybeReady::pending(async move {
                let value = self.run_after::<R>(reply, Some(session)).await?;
                self.caller.answer(value).await
            });
        }
        match reply.and_then(Value::of::<R>) {
            Ok(value) => self.caller.answer(value),
            Err(error) => MaybeReady::ready(Err(error)),
        }
    }
}

impl ClientCall {
    /// Writes the reply into the outbox as soon as it has room.
    #[inline]
    fn answer<M: Message>(&self, value: Value<M>) -> MaybeReady<'_, ()> {
        match self.send(&value) {
            Some(result) => MaybeReady::ready(result),
            None => MaybeReady::pending(async move {
                loop {
                    if let Side::Frontend(session) = &self.scope.session {
                        session.wait_for_capacity(1).await;
                    }
                    if let Some(result) = self.send(&value) {
                        return result;
                    }
                }
            }),
        }
    }

    /// Encodes the reply into its sink; `None` if the outbox is full.
    #[inline]
    fn send<M: Message>(&self, value: &Value<M>) -> Option<Result<()>> {
        match (&self.reply, &self.scope.session) {
            (ReplySink::Outbox(mid), Side::Frontend(session)) => {
                let serializer = session.serializer();
                let compression = session.pool().settings().compression.numbered(self.entry.index());
                let sent = session.encode(|out| {
                    message::encode_response_with(out, *mid, false, compression, |out| {
                        value.encode(out, |value, out| serializer.encode(value, out))
                    })
                });
                match sent {
                    Ok(sent) => Some(sent.map_err(encode_failed)),
                    Err(TrySendError::Full) => None,
                    Err(TrySendError::Closed) => Some(Ok(())), // no client waits for the reply
                }
            }
            (ReplySink::Caller(slot), session) => {
                let serializer = session.serializer();
                let mut out = BytesMut::new();
                let encoded = value.encode(&mut out, |value, out| serializer.encode(value, out));
                Some(encoded.map(|()| slot.put(out.freeze())).map_err(encode_failed))
            }
            (ReplySink::None, _) | (ReplySink::Outbox(_), Side::Backend(_)) => Some(Ok(())),
        }
    }
}

impl Call<Remote> {
    /// For generated code: catches panics.
    #[doc(hidden)]
    pub fn guard(&self) -> Guard {
        if self.entry().no_hooks() { Guard { hooks: false } } else { self.hooked() }
    }

    /// For generated code: runs decode errors, rules and the hooks before.
    #[doc(hidden)]
    pub fn before<'a>(&'a self, args: &'a mut [&'a mut dyn Slot]) -> MaybeReady<'a, ()> {
        self.prepare(args, || None)
    }

    /// For generated code: runs the hooks after, and returns the reply as bytes.
    #[doc(hidden)]
    pub fn finish<'a, R: Reply + 'a>(&'a self, reply: Result<R>) -> MaybeReady<'a, Bytes> {
        let reply = reply.and_then(R::into_result);
        let bytes = |value: Value<R::Ok>| {
            let mut out = BytesMut::new();
            value.encode(&mut out, rpc::encode).map_err(encode_failed)?;
            Ok(out.freeze())
        };
        if !self.entry().pipeline.after.is_empty() {
            return MaybeReady::pending(async move { bytes(self.run_after::<R>(reply, None).await?) });
        }
        MaybeReady::ready(reply.and_then(Value::of::<R>).and_then(bytes))
    }
}
