//! Asks the frontend of a session to change it, for a call that the frontend forwarded.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use super::Server;
use super::outbound::Outbound;
use super::protos::{KickMsg, Session as ProtoSession};
use super::request::sys;
use super::selection::Selection;
use crate::error::{Error, Result, code, text};
use crate::peers::{FrontendCall, SessionRequest};

impl Outbound {
    pub(super) async fn request_session(
        &self,
        call: &FrontendCall,
        request: SessionRequest<'_>,
    ) -> Result<()> {
        let session_msg = |session, uid: &str, data| {
            let id = i64::try_from(session).unwrap_or(i64::MAX);
            ProtoSession { id, uid: uid.to_owned(), data }.encode_to_vec()
        };
        let (route, body) = match request {
            SessionRequest::Bind { session, uid } => {
                (sys::BIND_SESSION, session_msg(session, uid, Bytes::new()))
            }
            SessionRequest::ReplaceData { session, uid, data } => {
                (sys::PUSH_SESSION, session_msg(session, uid, data))
            }
            SessionRequest::Kick { uid } => (sys::KICK, KickMsg { user_id: uid.to_owned() }.encode_to_vec()),
            SessionRequest::Push { uid, route, body } => {
                return self.push_to_session(&self.frontend(call).await?, &uid, route, body).await;
            }
        };
        self.call_frontend(call, route, body).await
    }

    /// Calls the frontend. The frontend runs the call after all messages that were published to it during this call.
    async fn call_frontend(&self, call: &FrontendCall, route: &str, mut body: Vec<u8>) -> Result<()> {
        self.order.sent.place_call(&mut body, call.since, &call.frontend_id);
        let server = Selection::fixed(self.frontend(call).await?);
        let timeout = self.call_timeout(None, call.current.deadline);
        self.call_server(&server, route, &body, &call.current, timeout).await.map(drop)
    }

    async fn frontend(&self, call: &FrontendCall) -> Result<Arc<Server>> {
        let listed = match self.transport.needs_listed_servers() {
            true => self.servers.wait_for(&call.frontend_id).await,
            false => self.servers.get(&call.frontend_id),
        };
        listed.or_else(|| newcomer(call)).ok_or_else(|| {
            // Go Pitaya's answer has no metadata, so the log has the details.
            let detail = format!(
                "the frontend `{}` of the session has stopped or was never known here",
                call.frontend_id
            );
            Error::new(code::UNKNOWN, text::NO_SERVER_WITH_ID).with_source(detail)
        })
    }
}

/// Returns a frontend that forwarded its first messages before discovery listed it here. The call has its type and id.
fn newcomer(call: &FrontendCall) -> Option<Arc<Server>> {
    let metadata = &call.current.metadata;
    let server_type = metadata.peer_service().filter(|_| metadata.peer_id() == Some(&*call.frontend_id))?;
    Some(Arc::new(Server::new(server_type, &*call.frontend_id).frontend(true)))
}
