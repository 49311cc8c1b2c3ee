//! What comes besides requests: pushes, kicks, bindings, broadcasts.

use std::sync::Arc;

use super::intake::Intake;
use super::link::Link;
use crate::cluster::answering::{Kind, deliver, fitting};
use crate::cluster::{Receiver, Server};

/// What a user's subscriptions bring, in their order. Pushes first: of a push and a kick that wait, both published on
/// the user's subjects, the push is handled first.
pub(super) const USER: &[Kind] = &[Kind::Push, Kind::Kick];
/// What the other subscriptions of a server bring.
pub(super) const SERVER: &[Kind] = &[Kind::Bound, Kind::Broadcast];

/// Whom messages are for.
#[derive(Clone)]
pub(super) struct Taker {
    pub(super) own: Arc<Server>,
    pub(super) receiver: Arc<dyn Receiver>,
}

impl Taker {
    /// Hands over what comes, until the intake ends.
    pub(super) async fn take(self, mut intake: Intake, link: Arc<Link>, kinds: &'static [Kind]) {
        tokio::select! {
            () = link.go.cancelled() => {}
            () = link.signals.gone.cancelled() => {}
        }
        while let Some((place, message)) = intake.next().await {
            let Some(kind) = kinds.get(place) else { continue };
            let answer = deliver(&*self.receiver, *kind, message.payload);
            if let Some(reply) = message.reply {
                let (answer, _) = fitting(answer, link.client.max_payload());
                // boxed, since hardly anybody waits, and each user has a task of this
                let _ = Box::pin(link.publish(reply, answer)).await;
            }
        }
    }
}
