//! Recodes forwarded messages and their replies, for clients with a serializer of their own.
//!
//! The server that handles a message knows one serializer, that of all servers. So the frontend recodes the message
//! before it forwards it, and the reply before it sends it. It knows the types of a route if its program links the
//! crate that defines them.

use bytes::Bytes;

use crate::component::ClientTypes;
use crate::error::{Error, Result, code};
use crate::serialize::recode::{RecodeFn, untyped};
use crate::serialize::{Body, CodecError, Serializer};
use crate::session::FrontendSession;
use crate::util::throttle::throttled;

/// Returns a message of a client in the server's serializer.
///
/// # Errors
/// `PIT-400` for a body that cannot be decoded; `PIT-415` if the types of the route are unknown and one of the
/// serializers needs them.
pub(super) fn message(
    session: &FrontendSession,
    own: &Serializer,
    route: &str,
    body: &Body<'_>,
) -> Result<Bytes> {
    let server = &session.pool().settings().serializer;
    let recode = function(session, own, route, |types| types.message)?;
    let failed =
        |error: CodecError| Error::new(code::BAD_REQUEST, error.to_string()).with_source(error.into_inner());
    recode(body, own, server).map_err(failed)
}

/// Returns a reply for a client in the client's serializer.
///
/// # Errors
/// `PIT-000` for a reply that is not of the linked type; `PIT-415` as for [`message`].
pub(super) fn reply(session: &FrontendSession, own: &Serializer, route: &str, body: &Bytes) -> Result<Bytes> {
    let server = &session.pool().settings().serializer;
    let recode = function(session, own, route, |types| types.reply)?;
    recode(&Body::shared(body), server, own).map_err(|error| Error::internal(error.into_inner()))
}

fn function(
    session: &FrontendSession,
    own: &Serializer,
    route: &str,
    part: impl FnOnce(ClientTypes) -> RecodeFn,
) -> Result<RecodeFn> {
    let known = ClientTypes::of(route).map(part);
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
