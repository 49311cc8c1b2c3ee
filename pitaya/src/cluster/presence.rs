//! One frontend per user: announces binds to the other frontends of the type, and applies theirs
//! (`docs/cluster.md`, "Users anywhere").
//!
//! Each bind has a time and the id of its server. Of two binds of one user, the later pair wins on both sides. The
//! clock never goes back, and is never behind a received bind. So a bind after a received one is later than it,
//! whatever the machines' clocks say, and of two concurrent binds both sides compare the same two pairs. A frontend
//! that was disconnected announces all its binds again. A frontend that receives a bind older than its own announces
//! its own again, because the first announcement may have been lost.
//!
//! A bind completes when the other frontends have ended the user's sessions. Frontends of this library are asked
//! ([`sys::BOUND`]) besides the announcement; others cannot answer.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use prost::Message as _;

use super::binds::RemoteBind;
use super::outbound::Outbound;
use super::protos::BindMsg;
use super::request::sys;
use super::selection::Selection;
use super::server::BROADCASTS;
use super::{Address, Server};
use crate::binding::Replaced;
use crate::context::Current;
use crate::error::{Error, Result, code};
use crate::peers::ReplacedSession;

/// How much longer than its own limit the answer of another frontend may take.
const REPLY_MARGIN: Duration = Duration::from_millis(500);

/// Whether a server can end a session on request ([`sys::BOUND`]).
fn can_end(server: &Server) -> bool {
    server.frontend && server.metadata.contains_key(BROADCASTS)
}

impl Outbound {
    /// Makes the messages to a user reach this server.
    pub(super) async fn serve_user(&self, uid: &str) -> Result<()> {
        let served = self.transport.serve_user(uid).await;
        served.map_err(|error| Error::new(code::UNKNOWN, error.to_string()).with_source(error))
    }

    pub(super) fn insert_bind(&self, uid: &Arc<str>, session: u64) -> i64 {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = self.binds.insert(uid, session, i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        if let Some(keeper) = &self.keeper {
            keeper.bind(uid, session, at);
        }
        at
    }

    /// Applies the bind of a user on another frontend. Returns the session that it replaces here, if there is one.
    ///
    /// # Errors
    /// Returns the local bind if it is the later one. Its session stays.
    pub(super) fn apply_remote_bind(
        self: &Arc<Self>,
        news: &BindMsg,
    ) -> Result<Option<ReplacedSession>, BindMsg> {
        let own = self.own();
        if *news.fid == *own.id || !self.limits.unique {
            return Ok(None);
        }
        match self.binds.apply_remote(&own.id, news) {
            RemoteBind::NotHere => Ok(None),
            RemoteBind::Older(at) => {
                if let Some(keeper) = &self.keeper {
                    keeper.put_again(&news.uid);
                }
                // After the loss of a broker, frontends reconnect one after the other, so the announcement of this
                // bind may have reached none. It is repeated until the server of the older bind has received it. That
                // server does not reply.
                let (outbound, uid) = (Arc::clone(self), news.uid.clone());
                self.local.shared.runner.spawn(async move { outbound.announce_bind(&uid, at).await });
                Err(BindMsg { uid: news.uid.clone(), fid: own.id.to_string(), bound_at: at })
            }
            RemoteBind::Newer(session) => Ok(Some(replaced(session, news))),
        }
    }

    pub(super) async fn announce_bind(&self, uid: &str, bound_at: i64) {
        if !self.limits.unique {
            return; // other servers would kick a session that may stay
        }
        let own = self.own();
        let to = Address::Bindings { server_type: &own.server_type };
        if let Err(error) = self.transport.publish(to, bind_announcement(&own, uid, bound_at)).await {
            // The bind is announced when the connection is back.
            tracing::debug!(uid, %error, "failed to announce a bind");
        }
    }

    /// Waits until the other frontends have ended their sessions of a user. Returns the local session that a later
    /// bind on one of them replaces.
    pub(super) async fn wait_for_remote_sessions(&self, uid: &str, bound_at: i64) -> Option<ReplacedSession> {
        if !self.limits.unique {
            return None;
        }
        let own = self.own();
        let others: Vec<_> = self.servers.look(|view| {
            let of_type = view.of_type(&own.server_type).iter();
            of_type.filter(|server| server.id != own.id && can_end(server)).map(Arc::clone).collect()
        });
        let news = BindMsg { uid: uid.to_owned(), fid: own.id.to_string(), bound_at };
        let news = Bytes::from(news.encode_to_vec());
        let asked = others.into_iter().filter(|server| !self.binds.is_unresponsive(&server.id));
        let mut answers: FuturesUnordered<_> =
            asked.map(|server| self.announce_bind_to(server, uid, news.clone())).collect();
        while let Some(replaced) = answers.next().await {
            if replaced.is_some() {
                return replaced;
            }
        }
        None
    }

    /// Asks a frontend to end its sessions of a user. Returns the local session that a later bind there replaces.
    async fn announce_bind_to(&self, server: Arc<Server>, uid: &str, news: Bytes) -> Option<ReplacedSession> {
        let limit = self.limits.replace + REPLY_MARGIN;
        let id = Arc::clone(&server.id);
        let current = Current::default();
        let answer = self.call_server(&Selection::fixed(server), sys::BOUND, &news, &current, limit).await;
        let silent = answer.as_ref().is_err_and(|error| error.code() == code::TIMEOUT);
        self.binds.record_answer(&id, !silent);
        match answer.map(BindMsg::decode) {
            Ok(Ok(later)) if !later.uid.is_empty() => match self.binds.apply_remote(&self.own().id, &later) {
                RemoteBind::Newer(session) => Some(replaced(session, &later)),
                RemoteBind::Older(_) | RemoteBind::NotHere => None,
            },
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(uid, server = %id, %error, "frontend did not confirm the end of a session");
                None
            }
        }
    }

    /// Announces a bind to the frontend that had the user in the binding storage. If that frontend has a later bind, it
    /// stores the user again. Returns the local session that the later bind replaces.
    pub(super) async fn announce_bind_to_previous(&self, replaced: &Replaced) -> Option<ReplacedSession> {
        let Replaced { uid, bound_at, previous } = replaced;
        let server = self.servers.get(previous).filter(|server| self.limits.unique && can_end(server))?;
        let news = BindMsg { uid: uid.to_string(), fid: self.own().id.to_string(), bound_at: *bound_at };
        self.announce_bind_to(server, uid, news.encode_to_vec().into()).await
    }

    /// Returns the announcements of all local binds.
    pub(super) fn bind_announcements(&self) -> Vec<Bytes> {
        if !self.limits.unique {
            return Vec::new(); // other servers would kick a session that may stay
        }
        let own = self.own();
        self.binds.all().into_iter().map(|(uid, at)| bind_announcement(&own, &uid, at)).collect()
    }

    /// Announces all local binds again, after an outage.
    pub(super) async fn reannounce_binds(&self) {
        for (uid, at) in self.binds.all() {
            self.announce_bind(&uid, at).await;
        }
    }
}

fn bind_announcement(own: &Server, uid: &str, bound_at: i64) -> Bytes {
    BindMsg { uid: uid.to_owned(), fid: own.id.to_string(), bound_at }.encode_to_vec().into()
}

fn replaced(id: u64, news: &BindMsg) -> ReplacedSession {
    ReplacedSession { id, server_id: news.fid.as_str().into() }
}
