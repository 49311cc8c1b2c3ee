//! Delivers the messages that are not requests: pushes, kicks, bindings, broadcasts.

use std::sync::Arc;

use super::connection::Connection;
use super::subscriptions::Subscriptions;
use crate::cluster::receive::{MessageKind, deliver, fit_to_limit};
use crate::cluster::{Receiver, Server};

/// The messages of a user's subscriptions, in the order of polling. Pushes first: of a waiting push and a waiting kick,
/// the push is handled first.
pub(super) const USER: &[MessageKind] = &[MessageKind::Push, MessageKind::Kick];
/// The messages of a server's other subscriptions.
pub(super) const SERVER: &[MessageKind] = &[MessageKind::Bound, MessageKind::Broadcast];

/// The server and the receiver of messages.
#[derive(Clone)]
pub(super) struct MessageHandler {
    pub(super) own: Arc<Server>,
    pub(super) receiver: Arc<dyn Receiver>,
}

impl MessageHandler {
    /// Delivers messages until the subscriptions end.
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
                // Boxed, because senders rarely wait for a reply and each user has such a task.
                let _ = Box::pin(connection.publish(reply, answer)).await;
            }
        }
    }
}
