//! The cluster as sessions, users and groups reach it.

use std::sync::Arc;

use futures_util::future::{BoxFuture, join};

use super::outbound::Outbound;
use crate::error::Result;
use crate::peers::{FrontendCall, Peers, PushBody, ReplacedSession, Role, SessionRequest};

impl Peers for Outbound {
    fn server_id(&self) -> Arc<str> {
        Arc::clone(&self.own().id)
    }

    fn role(&self) -> Role {
        let own = self.own();
        if own.frontend { Role::Frontend(Arc::clone(&own.server_type)) } else { Role::Backend }
    }

    fn kicks_replaced(&self) -> bool {
        self.limits.unique
    }

    fn before_bind<'a>(&'a self, uid: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.serve_user(uid))
    }

    fn record_bind(&self, uid: &Arc<str>, session: u64) -> i64 {
        self.insert_bind(uid, session)
    }

    fn after_bind<'a>(&'a self, uid: &'a str, bound_at: i64) -> BoxFuture<'a, Option<ReplacedSession>> {
        Box::pin(async move {
            let replaced = async {
                self.announce_bind(uid, bound_at).await;
                self.wait_for_remote_sessions(uid, bound_at).await
            };
            match &self.keeper {
                Some(keeper) => join(replaced, keeper.stored(uid)).await.0,
                None => replaced.await,
            }
        })
    }

    fn unbound(&self, uid: &str, session: u64) {
        self.binds.remove(uid, session);
        self.transport.forget_user(uid);
        if let Some(keeper) = &self.keeper {
            keeper.leave(uid, session);
        }
    }

    fn request<'a>(
        &'a self,
        call: &'a FrontendCall,
        request: SessionRequest<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.request_session(call, request))
    }

    fn push_users<'a>(
        &'a self,
        frontend_type: &'a str,
        uids: Vec<&'a str>,
        route: &'a str,
        body: PushBody,
    ) -> BoxFuture<'a, Vec<&'a str>> {
        Box::pin(self.push_to_users(frontend_type, uids, route, body))
    }

    fn kick_users<'a>(&'a self, frontend_type: &'a str, uids: Vec<&'a str>) -> BoxFuture<'a, Vec<&'a str>> {
        Box::pin(self.publish_kicks(frontend_type, uids))
    }
}
