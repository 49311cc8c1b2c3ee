//! The future of a push through a session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::coop;
use tokio::time::Instant;

use super::outbox::{PushKey, TrySendError};
use super::{CallId, FrontendSession};
use crate::error::{Error, Result, code, text};

/// The future of [`Session::push`](super::Session::push) and [`Session::push_route`](super::Session::push_route).
///
/// Nothing is sent before it is polled. It is cancel safe: if it is dropped, the message was either sent or not. It
/// is a type and not an `async fn`, so that the compiler reports a message that is not a push once.
#[must_use = "a push is sent only when its future is awaited"]
pub struct Pushing<'a>(Step<'a>);

enum Step<'a> {
    Failed(Error),
    Start { session: &'a FrontendSession, call: CallId, route: &'a str, packet: Bytes, own_serializer: bool },
    Offer(Offer<'a>),
    Back(BoxFuture<'a, Result<()>>),
    Done,
}

/// A packet of a running call, which waits while the outbox is full.
struct Offer<'a> {
    session: &'a FrontendSession,
    key: PushKey,
    packet: Bytes,
    own_serializer: bool,
    /// Yields to other tasks now and then, so that a handler that only pushes does not block its thread.
    has_budget: bool,
    /// When the outbox was found full.
    full_since: Option<Instant>,
}

impl<'a> Pushing<'a> {
    /// A push of an encoded packet by the frontend; `own_serializer` tells whether it is in the session's own serializer.
    pub(super) fn packet(
        session: &'a FrontendSession,
        call: CallId,
        route: &'a str,
        packet: Result<Bytes>,
        own_serializer: bool,
    ) -> Self {
        Self(match packet {
            Ok(packet) => Step::Start { session, call, route, packet, own_serializer },
            Err(error) => Step::Failed(error),
        })
    }

    /// A push by a backend, through the frontend of the session.
    pub(super) fn forwarded(push: Result<BoxFuture<'a, Result<()>>>) -> Self {
        Self(push.map_or_else(Step::Failed, Step::Back))
    }
}

impl Future for Pushing<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let step = &mut self.0;
        loop {
            let result = match step {
                Step::Offer(offer) => ready!(offer.poll(cx)),
                Step::Back(future) => ready!(future.as_mut().poll(cx)),
                Step::Start { .. } | Step::Failed(_) | Step::Done => {
                    match std::mem::replace(step, Step::Done) {
                        Step::Start { session, call, route, packet, own_serializer }
                            if session.is_running(call) =>
                        {
                            let key = PushKey::of_route(route);
                            *step = Step::Offer(Offer {
                                session,
                                key,
                                packet,
                                own_serializer,
                                has_budget: false,
                                full_since: None,
                            });
                            continue;
                        }
                        Step::Start { session, route, packet, own_serializer, .. } => {
                            session.push(route, &packet, own_serializer)
                        }
                        Step::Failed(error) => Err(error),
                        // A future that is ready is polled again by mistake only.
                        _ => return Poll::Pending,
                    }
                }
            };
            *step = Step::Done;
            return Poll::Ready(result);
        }
    }
}

impl Offer<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if !self.has_budget {
            ready!(coop::poll_proceed(cx)).made_progress();
            self.has_budget = true;
        }
        loop {
            if let Some(since) = self.full_since {
                ready!(self.session.poll_capacity(cx, self.packet.len(), since));
                self.full_since = None;
            }
            match self.session.try_send(&self.packet, self.key, self.own_serializer) {
                Err(TrySendError::Full) => self.full_since = Some(Instant::now()),
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TrySendError::Closed) => {
                    return Poll::Ready(Err(Error::new(code::CLOSED, text::BROKEN_PIPE)));
                }
            }
        }
    }
}

impl fmt::Debug for Pushing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pushing").finish_non_exhaustive()
    }
}
