//! A backend's handle of the frontend that has a session.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use prost::Message as _;

use super::Server;
use super::node::Node;
use super::protos::{KickMsg, Session as ProtoSession};
use super::request::sys;
use super::router::Selection;
use crate::context::Current;
use crate::error::{Error, Result, code, text};
use crate::session::{Owner, Pool};

/// The frontend of a session, during one call that it forwarded.
pub(super) struct FrontendProxy {
    node: Arc<Node>,
    id: Box<str>,
    current: Current,
    /// The number of the last message that this server had published when the call started.
    since: u64,
}

impl FrontendProxy {
    pub(super) fn new(node: &Arc<Node>, id: &str, current: Current) -> Self {
        Self { node: Arc::clone(node), id: id.into(), current, since: node.order.sent.latest() }
    }

    fn server(&self) -> Result<Arc<Server>> {
        let known = self.node.servers.get(&self.id);
        known.or_else(|| self.newcomer()).ok_or_else(|| {
            // Go Pitaya's answer has no metadata, so the log has the details.
            let detail =
                format!("the frontend `{}` of the session has stopped or was never known here", self.id);
            Error::new(code::UNKNOWN, text::NO_SERVER_WITH_ID).with_source(detail)
        })
    }

    /// Returns a frontend that forwarded its first messages before discovery listed it here. The call has its type and
    /// id.
    fn newcomer(&self) -> Option<Arc<Server>> {
        let metadata = &self.current.metadata;
        let server_type = metadata.peer_service().filter(|_| metadata.peer_id() == Some(&*self.id))?;
        Some(Arc::new(Server::new(server_type, &*self.id).frontend(true)))
    }

    /// Calls the frontend. The frontend runs the call after all messages that were published to it during this call.
    async fn ask(&self, route: &str, mut body: Vec<u8>) -> Result<()> {
        self.node.order.sent.place_call(&mut body, self.since, &self.id);
        let server = Selection::fixed(self.server()?);
        let timeout = self.node.call_timeout(None, self.current.deadline);
        self.node.call(&server, route, &body, &self.current, timeout).await.map(drop)
    }
}

impl Owner for FrontendProxy {
    fn pool(&self) -> &Arc<Pool> {
        &self.node.pool
    }

    fn bind<'a>(&'a self, session: u64, uid: &'a str) -> BoxFuture<'a, Result<()>> {
        let asked = ProtoSession { id: signed(session), uid: uid.to_owned(), data: Bytes::new() };
        Box::pin(async move { self.ask(sys::BIND_SESSION, asked.encode_to_vec()).await })
    }

    fn replace_data<'a>(&'a self, session: u64, uid: &'a str, data: Bytes) -> BoxFuture<'a, Result<()>> {
        let asked = ProtoSession { id: signed(session), uid: uid.to_owned(), data };
        Box::pin(async move { self.ask(sys::PUSH_SESSION, asked.encode_to_vec()).await })
    }

    fn kick<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<()>> {
        let asked = KickMsg { user_id: uid.to_owned() };
        Box::pin(async move { self.ask(sys::KICK, asked.encode_to_vec()).await })
    }

    fn push<'a>(&'a self, uid: String, route: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let server = self.server()?;
            self.node.push_to_session(&server, &uid, route, body).await
        })
    }
}

fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
