//! The remotes of every server, by which backends call the frontend of a session.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prost::Message as _;

use super::local_sessions::LocalSessions;
use super::protos::{After, BindMsg, KickMsg, Session as ProtoSession};
use super::request::{session_data, sys};
use super::response::{KICKED, NESTED_ACK};
use crate::error::{Error, Result, code};
use crate::session::CloseReason;

/// Serves a call of one of these remotes. Returns `None` for another route. They have no limit of concurrency, because
/// waiting handlers need their answers.
///
/// The future is boxed, so that it does not enlarge those of all remotes.
pub(super) fn serve<'a>(
    sessions: &'a LocalSessions,
    route: &'a str,
    body: &'a Bytes,
) -> Option<BoxFuture<'a, Result<Bytes>>> {
    // The server type in a route is ignored.
    let short =
        route.strip_prefix("sys.").map(|_| route).or_else(|| route.split_once('.').map(|(_, rest)| rest))?;
    if !matches!(short, sys::BIND_SESSION | sys::PUSH_SESSION | sys::KICK | sys::BOUND) {
        return None;
    }
    Some(Box::pin(async move {
        // An invalid message fails below.
        if let Some(place) = After::decode(body.clone()).ok().and_then(|it| it.after) {
            sessions.wait_until_handled(place).await;
        }
        match short {
            sys::BIND_SESSION => bind(sessions, body).await,
            sys::PUSH_SESSION => replace_data(sessions, body),
            sys::BOUND => bound(sessions, body).await,
            _ => kick(sessions, body),
        }
    }))
}

async fn bind(sessions: &LocalSessions, body: &Bytes) -> Result<Bytes> {
    let asked = decode::<ProtoSession>(body)?;
    sessions.by_id(asked.id)?.bind(&asked.uid).await?;
    Ok(NESTED_ACK)
}

fn replace_data(sessions: &LocalSessions, body: &Bytes) -> Result<Bytes> {
    let asked = decode::<ProtoSession>(body)?;
    let session = sessions.by_id(asked.id)?;
    if !asked.data.is_empty() {
        session.data().replace(session_data(&asked.data)?);
    }
    Ok(NESTED_ACK)
}

fn kick(sessions: &LocalSessions, body: &Bytes) -> Result<Bytes> {
    let asked = decode::<KickMsg>(body)?;
    sessions.by_uid(&asked.user_id)?.kick(CloseReason::Kicked); // a session that is closing already ends anyway
    Ok(KICKED)
}

/// Answers when the user's sessions have ended here, or after `pitaya.session.replace.timeout`. The answer is empty, or
/// the local bind if it is the later one.
async fn bound(sessions: &LocalSessions, body: &Bytes) -> Result<Bytes> {
    let news = decode::<BindMsg>(body)?;
    match sessions.end_replaced(&news) {
        Ok(older) => {
            sessions.pool().wait_for_ending(&news.uid, older, None).await;
            Ok(Bytes::new())
        }
        Err(later) => Ok(later.encode_to_vec().into()),
    }
}

fn decode<M: prost::Message + Default>(body: &Bytes) -> Result<M> {
    M::decode(body.clone())
        .map_err(|error| Error::new(code::BAD_REQUEST, error.to_string()).with_source(error))
}
