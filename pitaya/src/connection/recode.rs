//! Recodes forwarded messages and their replies, for clients with a serializer of their own.
//!
//! The server that handles a message knows one serializer, that of all servers. So the frontend recodes the message
//! before it forwards it, and the reply before it sends it. It knows the types of a route if its program links the
//! crate that defines them.

use bytes::Bytes;

use crate::component::ClientTypes;
use crate::error::{Error, Result, code};
use crate::serialize::recode::{RecodeFn, untyped};
use crate::serialize::{Body, CodecError, Schema, Serializer};
use crate::session::{FrontendSession, Recoded};
use crate::util::panic::catch_panic;
use crate::util::throttle::throttled;

/// Returns a message of a client in the server's serializer.
///
/// # Errors
/// `PIT-400` for a body that cannot be decoded, or that grows and is then longer than `pitaya.limit.inflated`, and for a
/// request whose reply has no form in the client's serializer; `PIT-415` if the types of the route are unknown and one of
/// the serializers needs them. A panic of the type's code is an error too. Failures are counted.
pub(super) fn message(
    session: &FrontendSession,
    own: &Serializer,
    route: &str,
    body: &Body<'_>,
    is_request: bool,
) -> Result<Bytes> {
    let recoding = &session.pool().settings().recoding;
    let recoded = recode_message(session, own, route, body, is_request);
    let before = body.as_slice().len();
    recoded.and_then(|body| recoding.check(body, before)).inspect_err(|_| recoding.failed(Recoded::Message))
}

fn recode_message(
    session: &FrontendSession,
    own: &Serializer,
    route: &str,
    body: &Body<'_>,
    is_request: bool,
) -> Result<Bytes> {
    let server = &session.pool().settings().serializer;
    let types = ClientTypes::of(route);
    if let Some(reply) = types.and_then(|types| types.reply_schema).filter(|_| is_request) {
        check_reply(own, reply)?;
    }
    let recode = function(session, own, route, types.map(|types| types.message))?;
    let failed =
        |error: CodecError| Error::new(code::BAD_REQUEST, error.to_string()).with_source(error.into_inner());
    catch_panic(route, || recode(body, own, server))?.map_err(failed)
}

/// Fails if a serializer has no form of a reply, so that the handler need not run.
///
/// # Errors
/// `PIT-400`.
#[cold]
pub(super) fn check_reply(own: &Serializer, reply: &Schema) -> Result<()> {
    if matches!(own, Serializer::Protobuf) && !reply.proto {
        let name = reply.name;
        return Err(Error::new(code::BAD_REQUEST, format!("the reply `{name}` has no Protobuf form")));
    }
    Ok(())
}

/// Returns a reply for a client in the client's serializer.
///
/// # Errors
/// `PIT-000` for a reply that is not of the linked type; `PIT-415` as for [`message`]. A panic of the type's code is an
/// error too. Failures are counted.
pub(super) fn reply(session: &FrontendSession, own: &Serializer, route: &str, body: &Bytes) -> Result<Bytes> {
    let failed = |_: &Error| session.pool().settings().recoding.failed(Recoded::Reply);
    recode_reply(session, own, route, body).inspect_err(failed)
}

fn recode_reply(session: &FrontendSession, own: &Serializer, route: &str, body: &Bytes) -> Result<Bytes> {
    let server = &session.pool().settings().serializer;
    let recode = function(session, own, route, ClientTypes::of(route).map(|types| types.reply))?;
    catch_panic(route, || recode(&Body::shared(body), server, own))?
        .map_err(|error| Error::internal(error.into_inner()))
}

fn function(
    session: &FrontendSession,
    own: &Serializer,
    route: &str,
    known: Option<RecodeFn>,
) -> Result<RecodeFn> {
    known.or_else(|| untyped(&session.pool().settings().serializer, own)).ok_or_else(|| {
        let serializer = own.name();
        throttled!(
            session.pool().log(),
            warn,
            "routes without types",
            route,
            serializer,
            "refused a call: link the crate of the route's messages into this frontend, so that it can recode them"
        );
        Error::new(
            code::UNSUPPORTED_SERIALIZER,
            format!("route `{route}` cannot be called with the serializer `{serializer}`"),
        )
    })
}
