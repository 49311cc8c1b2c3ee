//! Applies the messages of other servers to the sessions of this server: pushes, kicks, announcements of binds.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::outbound::Outbound;
use super::protos::{BindMsg, KickAnswer, KickMsg, OrderedBroadcast, Place, Push};
use super::recoded_push::LastRecoded;
use super::response::{self, ACK};
use crate::error::{Error, Result, code, text};
use crate::serialize::{Body, Serializer, recode};
use crate::session::{CloseReason, FormattedPush, FrontendSession, Pool, log_failed};
use crate::util::panic::catch_panic;

/// The sessions of this server, as other servers reach them.
pub(super) struct LocalSessions {
    pool: Arc<Pool>,
    outbound: Arc<Outbound>,
    recoded: LastRecoded,
}

impl LocalSessions {
    pub(super) fn new(pool: Arc<Pool>, outbound: Arc<Outbound>) -> Self {
        Self { pool, outbound, recoded: LastRecoded::default() }
    }

    pub(super) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Pushes to a user. Returns the answer.
    pub(super) fn push(&self, body: Bytes) -> Bytes {
        let result = Push::decode(body).map_err(|error| self.decode_error("push", &error)).and_then(|push| {
            let session = self.by_uid(&push.uid);
            let own = session.as_ref().ok().and_then(|session| session.own_serializer());
            let framed = |body: &Bytes| {
                self.pool.frame_push(&push.route, body).map_err(|error| self.decode_error("push", &error))
            };
            let packet = match own.filter(|_| !push.raw) {
                None => framed(&push.data)?,
                Some(own) => {
                    let recode = || self.recode(&push.route, &push.data, own);
                    let body = self.recoded.get_or(&push.route, &push.data, own, recode);
                    framed(&body.inspect_err(|error| log_failed(&self.pool, &push.route, own, error))?)?
                }
            };
            let own_serializer = own.is_some();
            session?.push(&push.route, &packet, own_serializer)
        });
        response::write(result.map(|()| ACK), false)
    }

    /// Kicks a user. Returns the answer.
    pub(super) fn kick(&self, body: Bytes) -> Bytes {
        let kicked =
            KickMsg::decode(body).map_err(|error| self.decode_error("kick", &error)).is_ok_and(|kick| {
                self.by_uid(&kick.user_id).is_ok_and(|session| session.kick(CloseReason::Kicked))
            });
        KickAnswer { kicked }.encode_to_vec().into()
    }

    /// Returns the body of a push, which came in the server's serializer, in another one.
    fn recode(&self, route: &str, body: &Bytes, to: &Serializer) -> Result<Bytes> {
        let server = &self.pool.settings().serializer;
        catch_panic(route, || recode::push(route, &Body::shared(body), server, to))?
            .map_err(|error| Error::new(code::UNSUPPORTED_SERIALIZER, error.to_string()))
    }

    /// Handles the announcement of a bind.
    pub(super) fn bound(&self, body: Bytes) {
        match BindMsg::decode(body) {
            Ok(news) => drop(self.end_replaced(&news)),
            Err(error) => drop(self.decode_error("binding", &error)),
        }
    }

    /// Pushes to the local ones of the users, or kicks them.
    pub(super) fn broadcast(&self, body: Bytes) {
        let it = match OrderedBroadcast::decode(body) {
            Ok(it) => it,
            Err(error) => return drop(self.decode_error("broadcast", &error)),
        };
        let sessions = it.uids.iter().filter_map(|uid| self.pool.by_uid(uid));
        if it.kick {
            for session in sessions {
                session.kick(CloseReason::Kicked);
            }
        } else {
            let recode = |serializer: &Serializer| match it.raw {
                true => Ok(it.data.clone()),
                false => self.recode(&it.route, &it.data, serializer),
            };
            let mut push = FormattedPush::new(&self.pool, &it.route, &it.data, &recode);
            for session in sessions {
                // A session that does not accept it applies the outbox policy, which counts it.
                if let Err(error) = push.send(&session) {
                    drop(self.decode_error("broadcast", &error));
                    break;
                }
            }
        }
        if let Some(place) = it.place {
            self.outbound.order.received.handled(place);
        }
    }

    /// Ends the session of a user that was bound on another frontend. Returns the session, if there was one.
    ///
    /// # Errors
    /// Returns the local bind if it is the later one. Its session stays.
    pub(super) fn end_replaced(&self, news: &BindMsg) -> Result<Option<Arc<FrontendSession>>, BindMsg> {
        let replaced = self.outbound.apply_remote_bind(news)?;
        Ok(replaced.and_then(|replaced| self.pool.kick_replaced(&replaced)))
    }

    /// Waits until a message of another server has been handled, so that what follows comes after it.
    pub(super) async fn wait_until_handled(&self, place: Place) {
        self.outbound.wait_until_handled(place).await;
    }

    pub(super) fn by_id(&self, id: i64) -> Result<Arc<FrontendSession>> {
        let found = u64::try_from(id).ok().and_then(|id| self.pool.by_id(id));
        found.ok_or_else(|| not_found(&format!("id {id}")))
    }

    pub(super) fn by_uid(&self, uid: &str) -> Result<Arc<FrontendSession>> {
        self.pool.by_uid(uid).ok_or_else(|| not_found(&format!("user `{uid}`")))
    }

    /// Counts a message that cannot be decoded. Returns the error for a sender that waits.
    fn decode_error(&self, what: &'static str, error: &dyn std::fmt::Display) -> Error {
        self.outbound.metrics.unreadable(what, error);
        Error::new(code::BAD_REQUEST, format!("cannot decode {what}: {error}"))
    }
}

/// Go Pitaya's answer has no metadata, so the log has the details.
fn not_found(whose: &str) -> Error {
    let detail = format!("no session with {whose} is open on this server: the client has gone");
    Error::new(code::UNKNOWN, text::SESSION_NOT_FOUND).with_source(detail)
}
