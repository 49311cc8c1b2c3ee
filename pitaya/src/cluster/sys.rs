//! The remotes of every server, by which backends call the frontend of a session.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prost::Message as _;

use super::node::Node;
use super::protos::{After, BindMsg, KickMsg, Session as ProtoSession};
use super::request::{session_data, sys};
use super::response::{KICKED, NESTED_ACK};
use crate::error::{Error, Result, code, text};
use crate::session::{CloseReason, FrontendSession, Pool};

/// Serves a call of one of these remotes. Returns `None` for another route. They have no limit of concurrency, because
/// waiting handlers need their answers.
///
/// The future is boxed, so that it does not enlarge those of all remotes.
pub(super) fn serve<'a>(
    node: &'a Arc<Node>,
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
            node.wait_until_handled(place).await;
        }
        let pool = &node.pool;
        match short {
            sys::BIND_SESSION => bind(pool, body).await,
            sys::PUSH_SESSION => replace_data(pool, body),
            sys::BOUND => bound(node, body).await,
            _ => kick(pool, body),
        }
    }))
}

async fn bind(pool: &Pool, body: &Bytes) -> Result<Bytes> {
    let asked = decode::<ProtoSession>(body)?;
    find(pool, asked.id)?.bind(&asked.uid).await?;
    Ok(NESTED_ACK)
}

fn replace_data(pool: &Pool, body: &Bytes) -> Result<Bytes> {
    let asked = decode::<ProtoSession>(body)?;
    let core = find(pool, asked.id)?;
    if !asked.data.is_empty() {
        core.data().replace(session_data(&asked.data)?);
    }
    Ok(NESTED_ACK)
}

fn kick(pool: &Pool, body: &Bytes) -> Result<Bytes> {
    let asked = decode::<KickMsg>(body)?;
    let core = pool.by_uid(&asked.user_id).ok_or_else(|| not_found(&format!("user `{}`", asked.user_id)))?;
    core.kick(CloseReason::Kicked); // a session that is closing already ends anyway
    Ok(KICKED)
}

/// Answers when the user's sessions have ended here, or after `pitaya.session.replace.timeout`. The answer is empty, or
/// the local bind if it is the later one.
async fn bound(node: &Arc<Node>, body: &Bytes) -> Result<Bytes> {
    let news = decode::<BindMsg>(body)?;
    match node.apply_remote_bind(&news) {
        Ok(older) => {
            node.pool.wait_for_ending(&news.uid, older, None).await;
            Ok(Bytes::new())
        }
        Err(later) => Ok(later.encode_to_vec().into()),
    }
}

fn decode<M: prost::Message + Default>(body: &Bytes) -> Result<M> {
    M::decode(body.clone())
        .map_err(|error| Error::new(code::BAD_REQUEST, error.to_string()).with_source(error))
}

fn find(pool: &Pool, id: i64) -> Result<Arc<FrontendSession>> {
    let found = u64::try_from(id).ok().and_then(|id| pool.by_id(id));
    found.ok_or_else(|| not_found(&format!("id {id}")))
}

/// Go Pitaya's answer has no metadata, so the log has the details.
pub(super) fn not_found(whose: &str) -> Error {
    let detail = format!("no session with {whose} is open on this server: the client has gone");
    Error::new(code::UNKNOWN, text::SESSION_NOT_FOUND).with_source(detail)
}
