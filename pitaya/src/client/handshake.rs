//! The client's side of the handshake (docs/protocol.md, "Handshake").

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::close::{CloseReason, Closed, ConnectError};
use super::task::Limits;
use super::transport::Transport;
use crate::serialize::Format;
use crate::wire::handshake::{OK, Reply, Request};
use crate::wire::packet::{self, HANDSHAKE_ACK, Kind, PacketError};

/// The longest heartbeat interval that a client believes: any number may stand in a reply.
const MAX_INTERVAL: u64 = 24 * 60 * 60;

/// Introduces the client and acknowledges the reply; what came behind the reply stays in `input`.
pub(super) async fn shake_hands(
    transport: &mut dyn Transport,
    request: &Request,
    limits: Limits,
    input: &mut BytesMut,
) -> Result<Reply, ConnectError> {
    let body = request.to_json().map_err(|e| ConnectError::User(e.to_string()))?;
    let mut out = BytesMut::new();
    packet::encode(Kind::Handshake, &body, &mut out).map_err(|e| ConnectError::User(e.to_string()))?;
    poll_fn(|cx| transport.poll_write(cx, &mut out)).await?;
    let reply = reply(transport, limits, input).await?;
    if reply.code != OK {
        return Err(ConnectError::Refused { code: reply.code, payload: reply.payload });
    }
    out.extend_from_slice(&HANDSHAKE_ACK);
    poll_fn(|cx| transport.poll_write(cx, &mut out)).await?;
    Ok(reply)
}

async fn reply(
    transport: &mut dyn Transport,
    limits: Limits,
    input: &mut BytesMut,
) -> Result<Reply, ConnectError> {
    loop {
        while let Some((packet, used)) =
            packet::split(input, limits.packet).map_err(|e| ConnectError::Protocol(e.to_string()))?
        {
            match packet.kind {
                Kind::Handshake => {
                    let reply = Reply::parse(packet.body, limits.inflated)?;
                    input.advance(used);
                    return Ok(reply);
                }
                // The original's ticker runs from the accept on, so this may come first.
                Kind::Heartbeat => input.advance(used),
                kind => return Err(ConnectError::Protocol(format!("unexpected packet {kind:?}"))),
            }
        }
        match poll_fn(|cx| transport.poll_read(cx, input)).await {
            Ok(true) => {}
            Ok(false) => {
                return Err(match packet::ended(input) {
                    PacketError::Closed => ConnectError::Closed,
                    cut => ConnectError::Protocol(cut.to_string()),
                });
            }
            Err(error) => {
                let closed = Closed::io(&error);
                let broken = closed.reason == CloseReason::Protocol;
                return Err(if broken { ConnectError::Protocol(closed.detail) } else { error.into() });
            }
        }
    }
}

/// The serializer that both sides speak from now on.
pub(super) fn agree(wish: Option<&Format>, server: &str) -> Result<Format, ConnectError> {
    let known = [Format::Json, Format::Protobuf, Format::MessagePack];
    let found = match wish {
        Some(wish) => (wish.name() == server).then(|| wish.clone()),
        None => known.into_iter().find(|format| format.name() == server),
    };
    found.ok_or_else(|| ConnectError::Serializer {
        server: server.to_owned(),
        client: wish.map(|wish| wish.name().to_owned()),
    })
}

/// How often both sides show a sign of life; a server that names no interval wants none.
pub(super) fn heartbeat(reply: &Reply) -> Option<Duration> {
    let seconds = reply.heartbeat_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(MAX_INTERVAL)))
}
