//! The client's side of the handshake (docs/protocol.md, "Handshake").

use std::future::poll_fn;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::close::{CloseReason, Closed, ConnectError};
use super::task::Limits;
use super::transport::Transport;
use crate::serialize::Serializer;
use crate::wire::handshake::{OK, Reply, Request};
use crate::wire::packet::{self, HANDSHAKE_ACK, Kind, PacketError};

/// The longest heartbeat interval. A reply may have any number.
const MAX_INTERVAL: u64 = 24 * 60 * 60;

/// Does the handshake and acknowledges the reply. Bytes after the reply stay in `input`.
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
                // The ticker of Go Pitaya runs from the accept on, so that a heartbeat may come first.
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
                return Err(match closed.reason {
                    CloseReason::Protocol => ConnectError::Protocol(closed.detail),
                    CloseReason::ServerClosed => ConnectError::Closed,
                    _ => error.into(),
                });
            }
        }
    }
}

/// Returns the serializer of the connection.
pub(super) fn agree(wish: Option<&Serializer>, server: &str) -> Result<Serializer, ConnectError> {
    let known = [Serializer::Json, Serializer::Protobuf, Serializer::MessagePack];
    let found = match wish {
        Some(wish) => (wish.name() == server).then(|| wish.clone()),
        None => known.into_iter().find(|serializer| serializer.name() == server),
    };
    found.ok_or_else(|| ConnectError::Serializer {
        server: server.to_owned(),
        client: wish.map(|wish| wish.name().to_owned()),
    })
}

/// Returns the heartbeat interval; `None` if the server names none.
pub(super) fn heartbeat(reply: &Reply) -> Option<Duration> {
    let seconds = reply.heartbeat_seconds;
    (seconds > 0).then(|| Duration::from_secs(seconds.min(MAX_INTERVAL)))
}
