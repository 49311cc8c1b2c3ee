//! From the packets of a client to messages in its lane.

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::call_limits::{self, ConnectionLogs};
use super::input::Packet;
use super::lane::{InboundMessage, Lane};
use super::machine::{Machine, Step};
use super::{ConnectionContext, Refusal, WORK_PER_POLL};
use crate::acceptor::{DropReason, Filter, FilterPacket, Verdict};
use crate::component::Target;
use crate::serialize::Body;
use crate::session::{CloseReason, FrontendSession, Session};
use crate::wire::packet::Kind;
use crate::wire::{handshake as wire, message};

/// Handles what one client sends: filters, the protocol's state machine, the handshake, and the lane.
pub(super) struct PacketHandler {
    pub(super) context: Arc<ConnectionContext>,
    pub(super) session: Arc<FrontendSession>,
    pub(super) machine: Machine,
    pub(super) lane: Lane,
    pub(super) filters: Vec<Box<dyn Filter>>,
    /// The application's authentication, while it runs.
    pub(super) authentication: Option<BoxFuture<'static, Result<(), Refusal>>>,
    call_logs: ConnectionLogs,
}

impl PacketHandler {
    pub(super) fn new(
        context: Arc<ConnectionContext>,
        session: Arc<FrontendSession>,
        filters: Vec<Box<dyn Filter>>,
        accepted: Instant,
    ) -> Self {
        Self {
            machine: Machine::new(context.limits.machine, accepted),
            lane: Lane::new(Arc::clone(&context), Arc::clone(&session)),
            context,
            session,
            filters,
            authentication: None,
            call_logs: None,
        }
    }

    /// Returns whether the next packet may be handled now.
    #[inline]
    pub(super) fn takes_packets(&self) -> bool {
        self.authentication.is_none()
            && !self.lane.is_full()
            && self.lane.work() < WORK_PER_POLL
            && self.session.close_reason().is_none()
    }

    /// Returns whether packets wait for the lane only.
    pub(super) fn waits_for_lane(&self) -> bool {
        self.authentication.is_none() && self.lane.is_full() && self.session.close_reason().is_none()
    }

    /// Handles a packet that was read. Fails with the reason why the connection must close.
    #[inline]
    pub(super) fn handle(
        &mut self,
        packet: Packet<'_>,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        self.machine.partial(false, now);
        if self.filters.is_empty() {
            return self.packet(&packet, false, now, cx);
        }
        let mut refused = false;
        let mut filtered = FilterPacket::new(packet.kind, packet.body.as_slice());
        for filter in &mut self.filters {
            match filter.incoming(&mut filtered, now) {
                Verdict::Pass => {}
                Verdict::Drop(reason) => {
                    self.context.metrics.record_filtered(reason);
                    return Ok(());
                }
                Verdict::Refuse(reason) => {
                    self.context.metrics.record_filtered(reason);
                    refused = packet.kind == Kind::Data;
                    break;
                }
                Verdict::Close => return Err(CloseReason::Protocol),
            }
        }
        let body = Body::borrowed(filtered.body());
        self.packet(&Packet { body, ..packet }, refused, now, cx)
    }

    /// Handles a packet that passed the filters; of a `refused` one a request is answered with an error.
    #[inline]
    fn packet(
        &mut self,
        packet: &Packet<'_>,
        refused: bool,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        match self.machine.packet(packet.kind, now) {
            Step::Nothing => Ok(()),
            Step::Message => self.message(packet, refused, now, cx),
            Step::Handshake => {
                self.handshake(packet.body.as_slice(), cx);
                Ok(())
            }
            Step::Violation(why) => {
                tracing::debug!(session = self.session.id(), why, "protocol violation");
                Err(CloseReason::Protocol)
            }
        }
    }

    // ---- the handshake

    fn handshake(&mut self, body: &[u8], cx: &mut Context<'_>) {
        let request = match wire::Request::parse(body) {
            Ok(request) => Arc::new(request),
            Err(error) => {
                tracing::debug!(session = self.session.id(), %error, "invalid handshake");
                return self.on_auth_result(Err(Refusal::new()));
            }
        };
        if let Err(refusal) = self.context.handshake_policy.validate(self.session.id(), &request) {
            return self.on_auth_result(Err(refusal));
        }
        if let Some(serializer) = self.context.handshake_policy.serializer_named(&request.sys.serializer) {
            self.session.choose_serializer(serializer);
        }
        self.session.set_handshake(Arc::clone(&request));
        let session = Session::new(Arc::clone(&self.session), 0);
        match self.context.handshake_policy.authenticate(session, &request) {
            None => self.on_auth_result(Ok(())),
            Some(authentication) => {
                self.authentication = Some(authentication);
                self.poll_authentication(cx);
            }
        }
    }

    /// Polls the authentication, if one runs.
    pub(super) fn poll_authentication(&mut self, cx: &mut Context<'_>) {
        let Some(authentication) = &mut self.authentication else { return };
        if let Poll::Ready(result) = authentication.as_mut().poll(cx) {
            self.authentication = None;
            self.on_auth_result(result);
        }
    }

    fn on_auth_result(&mut self, result: Result<(), Refusal>) {
        let policy = &self.context.handshake_policy;
        match result {
            Ok(()) => {
                self.machine.handshake_accepted();
                let (own, request) = (self.session.own_serializer(), self.session.handshake());
                self.session.outbox().accept_handshake(&policy.accept(own, request.as_deref()));
            }
            Err(refusal) => {
                self.session.refuse(&policy.refuse(refusal));
            }
        }
    }

    // ---- messages

    #[inline]
    fn message(
        &mut self,
        packet: &Packet<'_>,
        refused: bool,
        now: Instant,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let invalid = |error: &dyn Display| {
            tracing::debug!(%error, "undecodable message");
            CloseReason::Protocol
        };
        let mut message = message::decode(packet.body.as_slice()).map_err(|e| invalid(&e))?;
        let mid = match message.kind {
            message::Kind::Request => message.id,
            message::Kind::Notify => 0,
            message::Kind::Response | message::Kind::Push => {
                return Err(invalid(&"a response or a push from a client"));
            }
        };
        let settings = self.session.pool().settings();
        let route = settings.dictionary.resolve(message.route).map_err(|e| invalid(&e))?;
        let mut target = self.context.resolve(route);
        if let Some(answered) = self.exceeds_limit(&target, refused, now) {
            if mid == 0 || !answered {
                return Ok(());
            }
            target = Target::Unresolved(call_limits::too_many());
            message.compressed = false;
            message.body = &[];
        }
        let read_at = packet.read_at;
        let inbound = InboundMessage { target, mid, read_at, waited: read_at != now };
        let body = packet.body.part(message.body);
        if self.lane.must_queue(&inbound.target) {
            self.lane.enqueue(inbound, body.to_bytes(), message.compressed);
        } else if !message.compressed {
            self.lane.begin(inbound, &body, cx);
        } else if let Some(inflated) = self.context.inflate(&self.session, message.body) {
            self.lane.begin(inbound, &Body::borrowed(&inflated), cx);
        }
        Ok(())
    }

    /// Returns `None` if a message is within all limits; else whether a request is answered.
    #[inline]
    fn exceeds_limit(&mut self, target: &Target, refused: bool, now: Instant) -> Option<bool> {
        if refused {
            return Some(true);
        }
        let limits = self.context.call_limits.as_ref()?;
        let route = match target {
            Target::Local(id) => self.context.entry(*id).route(),
            Target::Remote(route) => route,
            Target::Unresolved(_) => return None,
        };
        let exceeded = limits.exceeded(&mut self.call_logs, &self.session, route, now);
        if exceeded.is_some() {
            self.context.metrics.record_filtered(DropReason::RateLimit);
        }
        exceeded
    }
}
