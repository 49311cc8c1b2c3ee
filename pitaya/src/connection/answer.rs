//! Answers of the connection itself: errors, and the replies of other servers.

use crate::error::{Error, Result, code};
use crate::serialize::ErrorPayload;
use crate::session::{FrontendSession, TrySendError};
use crate::util::throttle::throttled;
use crate::wire::message;

/// Answers a request with an error. Returns `false` if the outbox has no room now.
pub(super) fn try_send_error(session: &FrontendSession, mid: u64, error: &Error) -> bool {
    let settings = session.pool().settings();
    let payload = ErrorPayload::of(error, settings.expose_errors);
    let sent = session.encode(|out| {
        message::encode_response_with(out, mid, true, settings.compression.mode(), |out| {
            payload.encode_as(session.serializer(), out)
        })
    });
    match sent {
        Ok(Ok(())) | Err(TrySendError::Closed) => true,
        Ok(Err(failed)) => {
            throttled!(
                session.pool().log(),
                error,
                "unencodable errors",
                error = %failed,
                "failed to encode an error for a client"
            );
            true
        }
        Err(TrySendError::Full) => false,
    }
}

/// Answers a request with an error when the outbox has room.
pub(super) async fn send_error(session: &FrontendSession, mid: u64, error: &Error) {
    loop {
        session.wait_for_capacity(1).await;
        if try_send_error(session, mid, error) {
            return;
        }
    }
}

/// Answers a request with a body that is encoded already, when the outbox has room.
pub(super) async fn send_reply(session: &FrontendSession, route: &str, mid: u64, body: &[u8]) -> Result<()> {
    let compression = session.pool().settings().compression.named(route, body.len());
    loop {
        match session.encode(|out| message::encode_response(out, mid, false, body, compression)) {
            Ok(sent) => return sent.map_err(|error| Error::new(code::INTERNAL, error.to_string())),
            Err(TrySendError::Full) => session.wait_for_capacity(1).await,
            Err(TrySendError::Closed) => return Ok(()),
        }
    }
}
