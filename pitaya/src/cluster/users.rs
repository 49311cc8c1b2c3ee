//! Pushes to users of other servers, and kicks them.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use prost::Message as _;

use super::outbound::Outbound;
use super::protos::{KickMsg, OrderedBroadcast, Push};
use super::{Address, Server, TransportError, subject};
use crate::error::{Error, Result, code};
use crate::peers::PushBody;

/// The most bytes of uids in one broadcast, so that with a usual body it stays below the 1 MiB limit of brokers. If a
/// broadcast is larger, its users are among the failed ones.
const UIDS: usize = 256 * 1024;

/// How many messages to single users are sent at a time: over gRPC each is a call.
const CONCURRENT: usize = 64;

/// The frontends of a type, if each receives broadcasts.
struct Frontends {
    /// All except this server.
    others: Vec<Arc<Server>>,
    keep_order: bool,
}

impl Outbound {
    /// Pushes to users of other servers. Returns the users for whom it failed.
    pub(super) async fn push_to_users<'a>(
        &self,
        frontend_type: &str,
        uids: Vec<&'a str>,
        route: &str,
        body: PushBody,
    ) -> Vec<&'a str> {
        let frontends = self.frontends(frontend_type);
        let Some(frontends) = frontends else {
            let body = &body;
            let push = |uid: &'a str| async move {
                let sent = self.push_to_user(frontend_type, uid, route, body.clone()).await;
                sent.inspect_err(|error| tracing::debug!(uid, %error, "failed to publish push")).is_ok()
            };
            return failed(uids, push).await;
        };
        self.broadcast(&frontends, uids, |uids| OrderedBroadcast {
            route: route.to_owned(),
            uids,
            data: body.data.clone(),
            raw: body.raw,
            ..OrderedBroadcast::default()
        })
        .await
    }

    /// Kicks users of other servers. Returns the users for whom it failed.
    pub(super) async fn publish_kicks<'a>(&self, frontend_type: &str, uids: Vec<&'a str>) -> Vec<&'a str> {
        if let Some(frontends) = self.frontends(frontend_type).filter(|frontends| frontends.keep_order) {
            let kick = |uids| OrderedBroadcast { uids, kick: true, ..OrderedBroadcast::default() };
            return self.broadcast(&frontends, uids, kick).await;
        }
        let kick = |uid: &'a str| async move {
            let body = KickMsg { user_id: uid.to_owned() }.encode_to_vec();
            let sent = self.transport.publish(Address::Kick { frontend_type, uid }, body.into()).await;
            sent.inspect_err(|error| tracing::debug!(uid, %error, "failed to publish kick")).is_ok()
        };
        failed(uids, kick).await
    }

    /// Returns the frontends for broadcasts to users of a type. `None` if messages must use the users' subjects,
    /// because a frontend of the type receives no broadcasts, or the list may be incomplete and the subjects reach more
    /// frontends.
    fn frontends(&self, frontend_type: &str) -> Option<Frontends> {
        if !self.discovery.is_current() && !self.transport.needs_listed_servers() {
            return None;
        }
        let own = self.own();
        self.servers.look(|view| {
            view.takes_broadcasts(frontend_type).then(|| {
                let all = view.of_type(frontend_type).iter();
                let others = all.filter(|server| server.frontend && server.id != own.id).cloned().collect();
                Frontends { others, keep_order: view.keeps_order(frontend_type) }
            })
        })
    }

    /// Publishes one message about users to all frontends. Returns the users for whom it failed.
    async fn broadcast<'a>(
        &self,
        frontends: &Frontends,
        uids: Vec<&'a str>,
        message: impl Fn(Vec<String>) -> OrderedBroadcast,
    ) -> Vec<&'a str> {
        // A broadcast has no uid in its subject, but the same users must be reachable either way.
        let (uids, mut failed): (Vec<_>, Vec<_>) =
            uids.into_iter().partition(|uid| subject::check(uid).is_ok());
        for part in parts(uids) {
            let message = message(part.iter().map(|uid| (*uid).to_owned()).collect());
            if self.publish_to(&frontends.others, frontends.keep_order, &message).await.is_err() {
                failed.extend(part);
            }
        }
        failed
    }

    async fn publish_to(
        &self,
        frontends: &[Arc<Server>],
        in_order: bool,
        message: &OrderedBroadcast,
    ) -> Result<(), TransportError> {
        if in_order {
            return self.order.sent.publish(&*self.transport, frontends, message).await;
        }
        let bytes = Bytes::from(message.encode_to_vec());
        let mut result = Ok(());
        for server in frontends {
            if let Err(error) = self.transport.publish(Address::Broadcast(server), bytes.clone()).await {
                tracing::debug!(server = %server.id, %error, "failed to publish broadcast");
                result = Err(error);
            }
        }
        result
    }

    async fn push_to_user(
        &self,
        frontend_type: &str,
        uid: &str,
        route: &str,
        PushBody { data, raw }: PushBody,
    ) -> Result<(), TransportError> {
        let push = Push { route: route.to_owned(), uid: uid.to_owned(), data, raw };
        self.transport.publish(Address::Push { frontend_type, uid }, push.encode_to_vec().into()).await
    }

    /// Pushes to a session of a frontend, in order with other pushes to the user.
    pub(super) async fn push_to_session(
        &self,
        frontend: &Arc<Server>,
        uid: &str,
        route: &str,
        body: PushBody,
    ) -> Result<()> {
        let frontend_type = &*frontend.server_type;
        let (takes, in_order) =
            self.servers.look(|view| (view.takes_broadcasts(frontend_type), view.keeps_order(frontend_type)));
        let sent = if takes {
            let uids = vec![uid.to_owned()];
            let PushBody { data, raw } = body;
            let route = route.to_owned();
            let it = OrderedBroadcast { route, uids, data, raw, ..OrderedBroadcast::default() };
            self.publish_to(std::slice::from_ref(frontend), in_order, &it).await
        } else {
            self.push_to_user(frontend_type, uid, route, body).await
        };
        sent.map_err(|why| {
            let code = match why {
                TransportError::TooLarge { .. } => code::BAD_REQUEST,
                TransportError::BadAddress(_) => code::UNKNOWN,
                _ => code::UNAVAILABLE,
            };
            Error::new(code, why.to_string()).with_source(why)
        })
    }
}

/// Sends to each user, to at most [`CONCURRENT`] at a time. Returns those for whom it failed, in their order.
async fn failed<'a, F>(uids: Vec<&'a str>, send: impl Fn(&'a str) -> F) -> Vec<&'a str>
where
    F: Future<Output = bool>,
{
    let sending: Vec<_> = uids.iter().map(|uid| send(uid)).collect();
    let sent: Vec<bool> = stream::iter(sending).buffered(CONCURRENT).collect().await;
    uids.into_iter().zip(sent).filter(|(_, sent)| !sent).map(|(uid, _)| uid).collect()
}

/// Splits a list of uids into parts that fit into one message each.
fn parts(uids: Vec<&str>) -> Vec<Vec<&str>> {
    let mut parts: Vec<Vec<&str>> = Vec::new();
    let mut bytes = UIDS;
    for uid in uids {
        bytes += uid.len() + 4;
        match parts.last_mut() {
            Some(part) if bytes < UIDS => part.push(uid),
            _ => {
                bytes = uid.len() + 4;
                parts.push(vec![uid]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each user's message waits for the next one, so they must be in progress together.
    #[tokio::test]
    async fn users_are_sent_to_together() {
        let together = tokio::sync::Barrier::new(3);
        let send = async |uid: &str| {
            together.wait().await;
            uid != "bob"
        };
        assert_eq!(failed(vec!["ann", "bob", "eve"], send).await, ["bob"]);
    }

    #[test]
    fn user_list_is_cut_into_parts_that_fit() {
        let uids: Vec<String> = (0..100_000).map(|n| format!("player-{n}")).collect();
        let parts = parts(uids.iter().map(String::as_str).collect());
        assert!(parts.len() > 4);
        assert!(parts.iter().all(|part| part.iter().map(|uid| uid.len() + 4).sum::<usize>() <= UIDS));
        assert_eq!(parts.concat(), uids);
        assert!(super::parts(Vec::new()).is_empty());
    }
}
