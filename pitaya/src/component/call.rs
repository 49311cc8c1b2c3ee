//! One call, as extractors and generated code see it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::arg::Slot;
use super::reply::Reply;
use super::{Context, Entry, EntryId, Tables};
use crate::error::{Error, Result, code, text};
use crate::pipeline::{Incoming, Outgoing, as_bytes};
use crate::route::{Handler, Remote};
use crate::serialize::{CodecError, Format, Message, rpc};
use crate::services::Services;
use crate::session::{CallId, Core, Refused, Session};
use crate::wire::{EncodeError, message};

/// A kind of call: [`Handler`] or [`Remote`].
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    #[doc(hidden)]
    type Caller: Send + Sync;
    #[doc(hidden)]
    fn entry(caller: &Self::Caller) -> &Entry;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Handler {}
    impl Sealed for super::Remote {}
}

impl Kind for Handler {
    type Caller = Client;

    #[inline]
    fn entry(caller: &Client) -> &Entry {
        Tables::of(&caller.core).handlers.entry(caller.entry)
    }
}

impl Kind for Remote {
    type Caller = Peer;

    fn entry(caller: &Peer) -> &Entry {
        &caller.entry
    }
}

/// Who called a handler. It shares nothing with other sessions: counting references to what all threads share
/// would cost more than the rest of a short call.
#[doc(hidden)]
pub struct Client {
    core: Arc<Core>,
    call: CallId,
    mid: u64,
    reply_to: ReplyTo,
    entry: EntryId,
}

/// Who called a remote.
#[doc(hidden)]
pub struct Peer {
    services: Arc<Services>,
    entry: Arc<Entry>,
}

/// A call of a client.
pub type HandlerCall = Call<Handler>;
/// A call of a server.
pub type RemoteCall = Call<Remote>;

/// Where the reply of a handler goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// Into the session's outbox.
    Client,
    /// Nowhere: a notify.
    Nobody,
}

/// What a handler's call needs to begin.
pub(crate) struct CallInfo {
    pub(crate) core: Arc<Core>,
    pub(crate) call: CallId,
    pub(crate) mid: u64,
    pub(crate) reply_to: ReplyTo,
    pub(crate) entry: EntryId,
}

/// One call. Extractors of users read it; handlers see what extractors make of it.
pub struct Call<K: Kind> {
    caller: K::Caller,
}

/// How a call ended.
#[derive(Debug)]
pub struct Done {
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// The reply is in the outbox, or was not wanted.
    Sent,
    /// The reply of a remote.
    Body(Bytes),
    /// The error, for whoever awaits the call to pass on.
    Failed(Error),
}

impl Done {
    pub(crate) fn sent() -> Self {
        Self { outcome: Outcome::Sent }
    }

    pub(crate) fn failed(error: Error) -> Self {
        Self { outcome: Outcome::Failed(error) }
    }

    /// The error it ended with, if it did.
    pub(crate) fn error(&self) -> Option<&Error> {
        match &self.outcome {
            Outcome::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// A reply on its way out: the method's own, or bytes of a hook.
enum Value<M> {
    Typed(Option<M>),
    Bytes(Bytes),
}

impl<M: Message> Value<M> {
    fn encode(
        &self,
        out: &mut BytesMut,
        encode: impl FnOnce(&M, &mut BytesMut) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        match self {
            Self::Typed(Some(value)) => encode(value, out),
            Self::Typed(None) => Ok(()),
            Self::Bytes(bytes) => {
                out.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// The reply could not be said.
#[cold]
fn unsayable(error: CodecError) -> Error {
    let source = error.into_inner();
    let code = if source.is::<EncodeError>() { code::INTERNAL } else { code::UNKNOWN };
    Error::new(code, source.to_string()).with_source(source)
}

impl<K: Kind> Call<K> {
    #[inline]
    fn entry(&self) -> &Entry {
        K::entry(&self.caller)
    }

    /// The route that was called.
    pub fn route(&self) -> &str {
        self.entry().route()
    }

    /// The context, as an argument has it.
    pub fn context(&self) -> Context {
        Context::new(Arc::clone(&self.entry().route))
    }

    /// For generated code: the instance whose method is called.
    #[doc(hidden)]
    #[inline]
    pub fn component<S: 'static>(&self) -> Result<&S> {
        self.entry().instance.downcast_ref().ok_or_else(|| Error::internal("a method of another component"))
    }

    /// Decode errors and rules.
    #[inline]
    fn check(&self, args: &mut [&mut dyn Slot]) -> Result<()> {
        let validate = self.entry().pipeline.validate;
        args.iter_mut().try_for_each(|arg| arg.check(validate))
    }

    async fn run_before(&mut self, args: &mut [&mut dyn Slot], session: Option<Session>) -> Result<()> {
        self.check(args)?;
        let message = args.iter_mut().find(|arg| arg.is_message());
        let (message, value) = match message {
            Some(arg) => {
                let value = arg.take();
                (Some(arg), value)
            }
            None => (None, None),
        };
        let incoming = Incoming::new(self.context(), session, value);
        let value = self.entry().pipeline.run_before(incoming).await?;
        if let (Some(arg), Some(value)) = (message, value) {
            arg.put(value);
        }
        Ok(())
    }

    async fn run_after<M: Message>(
        &self,
        reply: Result<Option<M>>,
        session: Option<Session>,
    ) -> Result<Value<M>> {
        let boxed = reply.map(|value| match value {
            Some(value) => Box::new(value) as Box<dyn Any + Send>,
            None => Box::new(()),
        });
        let outgoing = Outgoing::new(self.context(), session, boxed);
        let value = self.entry().pipeline.run_after(outgoing).await?;
        Ok(match value.downcast::<M>() {
            Ok(value) => Value::Typed(Some(*value)),
            Err(value) if value.is::<()>() => Value::Typed(None),
            Err(value) => Value::Bytes(as_bytes(value)?),
        })
    }
}

impl Call<Handler> {
    pub(crate) fn new(info: CallInfo) -> Self {
        let CallInfo { core, call, mid, reply_to, entry } = info;
        Self { caller: Client { core, call, mid, reply_to, entry } }
    }

    /// The session of the client that calls.
    pub fn session<D>(&self) -> Session<D> {
        Session::new(Arc::clone(&self.caller.core), self.caller.call)
    }

    /// The services of the app.
    pub fn services(&self) -> &Services {
        self.caller.core.pool().services()
    }

    pub(crate) fn format(&self) -> &Format {
        &self.caller.core.pool().settings().format
    }

    /// For generated code: decode errors, rules and the hooks before. What few apps have is boxed, so that it
    /// does not size every call.
    #[doc(hidden)]
    #[inline]
    pub async fn before(&mut self, args: &mut [&mut dyn Slot]) -> Result<()> {
        if self.entry().pipeline.before.is_empty() {
            return self.check(args);
        }
        let session = self.session();
        Box::pin(self.run_before(args, Some(session))).await
    }

    /// For generated code: the hooks after, and the reply into the outbox.
    #[doc(hidden)]
    #[inline]
    pub async fn finish<R: Reply>(self, reply: Result<R>) -> Done {
        let reply = reply.and_then(Reply::into_result);
        let reply = if self.entry().pipeline.after.is_empty() {
            reply.map(Value::Typed)
        } else {
            let session = self.session();
            Box::pin(self.run_after::<R::Ok>(reply, Some(session))).await
        };
        let value = match reply {
            Ok(Value::Typed(None)) if !R::NOTIFY => {
                return Done::failed(Error::new(code::UNKNOWN, text::NULL_REPLY));
            }
            Ok(value) => value,
            Err(error) => return Done::failed(error),
        };
        match self.caller.send(&value) {
            Some(done) => done,
            None => Box::pin(self.caller.send_later(value)).await,
        }
    }
}

impl Client {
    /// Writes the reply straight into the outbox; `None` if there is no room now.
    #[inline]
    fn send<M: Message>(&self, value: &Value<M>) -> Option<Done> {
        if self.reply_to == ReplyTo::Nobody {
            return Some(Done::sent());
        }
        let settings = self.core.pool().settings();
        let sent = self.core.encode(|out| {
            message::encode_response_with(out, self.mid, false, &settings.compression, |out| {
                value.encode(out, |value, out| settings.format.encode(value, out))
            })
        });
        match sent {
            Ok(Ok(())) => Some(Done::sent()),
            Ok(Err(error)) => Some(Done::failed(unsayable(error))),
            Err(Refused::Full) => None,
            Err(_) => Some(Done::sent()), // the session is closed: nobody is there to answer
        }
    }

    /// Waits for room, as long as the connection lets it.
    async fn send_later<M: Message>(&self, value: Value<M>) -> Done {
        loop {
            self.core.room(1).await;
            if let Some(done) = self.send(&value) {
                return done;
            }
        }
    }
}

impl Call<Remote> {
    pub(crate) fn remote(services: Arc<Services>, entry: Arc<Entry>) -> Self {
        Self { caller: Peer { services, entry } }
    }

    /// The services of the app.
    pub fn services(&self) -> &Services {
        &self.caller.services
    }

    /// For generated code: decode errors, rules and the hooks before.
    #[doc(hidden)]
    pub async fn before(&mut self, args: &mut [&mut dyn Slot]) -> Result<()> {
        if self.entry().pipeline.before.is_empty() {
            return self.check(args);
        }
        Box::pin(self.run_before(args, None)).await
    }

    /// For generated code: the hooks after, and the reply as bytes.
    #[doc(hidden)]
    pub async fn finish<R: Reply>(self, reply: Result<R>) -> Done {
        let reply = reply.and_then(Reply::into_result);
        let reply = if self.entry().pipeline.after.is_empty() {
            reply.map(Value::Typed)
        } else {
            Box::pin(self.run_after::<R::Ok>(reply, None)).await
        };
        let value = match reply {
            Ok(Value::Typed(None)) if !R::NOTIFY => {
                return Done::failed(Error::new(code::UNKNOWN, text::NULL_REPLY));
            }
            Ok(value) => value,
            Err(error) => return Done::failed(error),
        };
        let mut out = BytesMut::new();
        match value.encode(&mut out, rpc::encode) {
            Ok(()) => Done { outcome: Outcome::Body(out.freeze()) },
            Err(error) => Done::failed(unsayable(error)),
        }
    }
}

impl<K: Kind> fmt::Debug for Call<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("route", &self.route()).finish_non_exhaustive()
    }
}
