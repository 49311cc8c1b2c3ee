//! What comes besides requests: pushes, kicks, bindings, broadcasts.

use std::sync::Arc;

use super::connection::Connection;
use super::subscriptions::Subscriptions;
use crate::cluster::receive::{MessageKind, deliver, fit_to_limit};
use crate::cluster::{Receiver, Server};

/// What a user's subscriptions bring, in their order. Pushes first: of a push and a kick that wait, both published on
/// the user's subjects, the push is handled first.
pub(super) const USER: &[MessageKind] = &[MessageKind::Push, MessageKind::Kick];
/// What the other subscriptions of a server bring.
pub(super) const SERVER: &[MessageKind] = &[MessageKind::Bound, MessageKind::Broadcast];

/// Whom messages are for.
#[derive(Clone)]
pub(super) struct MessageHandler {
    pub(super) own: Arc<Server>,
    pub(super) receiver: Arc<dyn Receiver>,
}

impl MessageHandler {
    /// Hands over what comes, until the subscriptions end.
    pub(super) async fn take(
        self,
        mut subscriptions: Subscriptions,
        connection: Arc<Connection>,
        kinds: &'static [MessageKind],
    ) {
        tokio::select! {
            () = connection.start.cancelled() => {}
            () = connection.signals.lost.cancelled() => {}
        }
        while let Some((place, message)) = subscriptions.next().await {
            let Some(kind) = kinds.get(place) else { continue };
            let answer = deliver(&*self.receiver, *kind, message.payload);
            if let Some(reply) = message.reply {
                let (answer, _) = fit_to_limit(answer, connection.client.max_payload());
                // boxed, since hardly anybody waits, and each user has a task of this
                let _ = Box::pin(connection.publish(reply, answer)).await;
            }
        }
    }
}
