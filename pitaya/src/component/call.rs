//! One call, as extractors and generated code see it.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::arg::Slot;
use super::reply::Reply;
use super::{Context, Entry};
use crate::error::{Error, Result, code, text};
use crate::pipeline::{Incoming, Outgoing, Pipeline, as_bytes};
use crate::serialize::{CodecError, ErrorPayload, Format, Message, rpc};
use crate::services::Services;
use crate::session::{CallId, Core, Refused, Session};
use crate::wire::message;

/// A kind of call: [`Handler`] or [`Remote`].
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    #[doc(hidden)]
    type Caller: Send + Sync;
}

/// A client calls: there is a session.
#[derive(Debug, Clone, Copy)]
pub enum Handler {}

/// A server calls: there is none.
#[derive(Debug, Clone, Copy)]
pub enum Remote {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Handler {}
    impl Sealed for super::Remote {}
}

impl Kind for Handler {
    type Caller = Client;
}

impl Kind for Remote {
    type Caller = Peer;
}

/// Who called a handler.
#[doc(hidden)]
pub struct Client {
    core: Arc<Core>,
    call: CallId,
    mid: u64,
    reply_to: ReplyTo,
}

/// Who called a remote.
#[doc(hidden)]
pub struct Peer {
    services: Arc<Services>,
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
    /// To whoever awaits the call, as bytes.
    Caller,
}

/// What a handler's call needs to begin.
pub(crate) struct CallInfo {
    pub(crate) core: Arc<Core>,
    pub(crate) call: CallId,
    pub(crate) mid: u64,
    pub(crate) reply_to: ReplyTo,
    pub(crate) entry: Arc<Entry>,
}

/// One call. Extractors of users read it; handlers see what extractors make of it.
pub struct Call<K: Kind> {
    caller: K::Caller,
    entry: Arc<Entry>,
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
    /// The reply, for whoever awaits the call.
    Body(Bytes),
    /// The error; a client that wanted to know has it in its outbox.
    Failed(Error),
}

impl Done {
    pub(crate) fn sent() -> Self {
        Self { outcome: Outcome::Sent }
    }
}

impl<K: Kind> Call<K> {
    /// The route that was called.
    pub fn route(&self) -> &str {
        self.entry.route()
    }

    /// The context, as an argument has it.
    pub fn context(&self) -> Context {
        Context::new(Arc::clone(&self.entry.route))
    }

    fn pipeline(&self) -> &Pipeline {
        &self.entry.pipeline
    }

    async fn run_before(&mut self, args: &mut [&mut dyn Slot], session: Option<Session>) -> Result<()> {
        let mut message = None;
        for arg in args.iter_mut() {
            arg.check(self.entry.pipeline.validate)?;
            if arg.is_message() {
                message = Some(arg);
            }
        }
        if self.pipeline().before.is_empty() {
            return Ok(());
        }
        let value = message.as_mut().and_then(|arg| arg.take());
        let incoming = Incoming::new(self.context(), session, value);
        let value = self.pipeline().run_before(incoming).await?;
        if let (Some(arg), Some(value)) = (message, value) {
            arg.put(value);
        }
        Ok(())
    }

    async fn run_after<M: Message>(
        &self,
        reply: Result<Option<M>>,
        session: Option<Session>,
    ) -> Result<Result<Option<M>, Bytes>> {
        let boxed = reply.map(|value| match value {
            Some(value) => Box::new(value) as Box<dyn Any + Send>,
            None => Box::new(()),
        });
        let outgoing = Outgoing::new(self.context(), session, boxed);
        let value = self.pipeline().run_after(outgoing).await?;
        Ok(match value.downcast::<M>() {
            Ok(value) => Ok(Some(*value)),
            Err(value) if value.is::<()>() => Ok(None),
            Err(value) => Err(as_bytes(value)?),
        })
    }
}

impl Call<Handler> {
    pub(crate) fn new(info: CallInfo) -> Self {
        let CallInfo { core, call, mid, reply_to, entry } = info;
        Self { caller: Client { core, call, mid, reply_to }, entry }
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

    /// For generated code: decode errors, rules and the hooks before.
    #[doc(hidden)]
    #[inline]
    pub async fn before(&mut self, args: &mut [&mut dyn Slot]) -> Result<()> {
        if self.entry.pipeline.before.is_empty() {
            let validate = self.entry.pipeline.validate;
            return args.iter_mut().try_for_each(|arg| arg.check(validate));
        }
        let session = self.session();
        self.run_before(args, Some(session)).await
    }

    /// For generated code: the hooks after, and the reply into the outbox.
    #[doc(hidden)]
    pub async fn finish<R: Reply>(self, reply: Result<R>) -> Done {
        let reply = reply.and_then(Reply::into_result);
        let reply = if self.entry.pipeline.after.is_empty() {
            reply.map(Ok)
        } else {
            let session = self.session();
            self.run_after::<R::Ok>(reply, Some(session)).await
        };
        let reply = match reply {
            Ok(Ok(None)) if !R::NOTIFY => Err(Error::new(code::UNKNOWN, text::NULL_REPLY)),
            other => other,
        };
        let client = &self.caller;
        let outcome = match client.reply_to {
            ReplyTo::Nobody => match reply {
                Ok(_) => Outcome::Sent,
                Err(error) => Outcome::Failed(error),
            },
            ReplyTo::Client => client.reply(reply).await,
            ReplyTo::Caller => client.body(reply),
        };
        Done { outcome }
    }
}

type Encoded<M> = Result<Result<Option<M>, Bytes>>;

impl Client {
    async fn reply<M: Message>(&self, reply: Encoded<M>) -> Outcome {
        match reply {
            Err(error) => {
                self.send_error(&error).await;
                Outcome::Failed(error)
            }
            Ok(value) => match self.send_value(&value).await {
                Ok(()) => Outcome::Sent,
                Err(error) => {
                    let error = Error::new(code::UNKNOWN, error.to_string()).with_source(error.into_inner());
                    self.send_error(&error).await;
                    Outcome::Failed(error)
                }
            },
        }
    }

    /// Writes the value straight into the outbox; waits for room if need be.
    async fn send_value<M: Message>(&self, value: &Result<Option<M>, Bytes>) -> Result<(), CodecError> {
        let settings = self.core.pool().settings();
        loop {
            let sent =
                self.core.encode(|out| {
                    message::encode_response_with(out, self.mid, false, &settings.compression, |out| {
                        match value {
                            Ok(Some(value)) => settings.format.encode(value, out),
                            Ok(None) => Ok(()),
                            Err(bytes) => {
                                out.extend_from_slice(bytes);
                                Ok(())
                            }
                        }
                    })
                });
            match sent {
                Ok(encoded) => return encoded,
                Err(Refused::Full) => poll_fn(|cx| self.core.poll_room(cx, 1)).await,
                Err(_) => return Ok(()), // the session is closed: nobody is there to answer
            }
        }
    }

    async fn send_error(&self, error: &Error) {
        send_error(&self.core, self.mid, error).await;
    }

    fn body<M: Message>(&self, reply: Encoded<M>) -> Outcome {
        let format = &self.core.pool().settings().format;
        body(reply, |value, out| format.encode(value, out))
    }
}

/// Answers a request with an error; waits for room if need be.
pub(crate) async fn send_error(core: &Core, mid: u64, error: &Error) {
    let settings = core.pool().settings();
    let payload = ErrorPayload::of(error, settings.expose_errors);
    loop {
        let sent = core.encode(|out| {
            message::encode_response_with(out, mid, true, &settings.compression, |out| {
                payload.encode_as(&settings.format, out)
            })
        });
        match sent {
            Ok(Ok(())) | Err(Refused::Closed) => return,
            Ok(Err(failed)) => {
                tracing::error!(error = %failed, "an error could not be told to its client");
                return;
            }
            Err(_) => poll_fn(|cx| core.poll_room(cx, 1)).await,
        }
    }
}

fn body<M: Message>(
    reply: Encoded<M>,
    encode: impl FnOnce(&M, &mut BytesMut) -> Result<(), CodecError>,
) -> Outcome {
    match reply {
        Err(error) => Outcome::Failed(error),
        Ok(Err(bytes)) => Outcome::Body(bytes),
        Ok(Ok(None)) => Outcome::Body(Bytes::new()),
        Ok(Ok(Some(value))) => {
            let mut out = BytesMut::new();
            match encode(&value, &mut out) {
                Ok(()) => Outcome::Body(out.freeze()),
                Err(error) => Outcome::Failed(
                    Error::new(code::UNKNOWN, error.to_string()).with_source(error.into_inner()),
                ),
            }
        }
    }
}

impl Call<Remote> {
    pub(crate) fn remote(services: Arc<Services>, entry: Arc<Entry>) -> Self {
        Self { caller: Peer { services }, entry }
    }

    /// The services of the app.
    pub fn services(&self) -> &Services {
        &self.caller.services
    }

    /// For generated code: decode errors, rules and the hooks before.
    #[doc(hidden)]
    pub async fn before(&mut self, args: &mut [&mut dyn Slot]) -> Result<()> {
        self.run_before(args, None).await
    }

    /// For generated code: the hooks after, and the reply as bytes.
    #[doc(hidden)]
    pub async fn finish<R: Reply>(self, reply: Result<R>) -> Done {
        let reply = reply.and_then(Reply::into_result);
        let reply = if self.entry.pipeline.after.is_empty() {
            reply.map(Ok)
        } else {
            self.run_after::<R::Ok>(reply, None).await
        };
        let reply = match reply {
            Ok(Ok(None)) if !R::NOTIFY => Err(Error::new(code::UNKNOWN, text::NULL_REPLY)),
            other => other,
        };
        Done { outcome: body(reply, rpc::encode) }
    }
}

impl<K: Kind> fmt::Debug for Call<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("route", &self.route()).finish_non_exhaustive()
    }
}
