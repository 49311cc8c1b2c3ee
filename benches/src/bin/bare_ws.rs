//! What the framework is measured against over WebSocket: an echo with the same framing, on the same library.
//!
//! `bare-ws ADDR` answers a handshake, ignores the ack, and answers each request with its own body, one packet a
//! message. All that one read brought is taken first, because asking the library for a message also flushes; then
//! one write answers it.

use std::io;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Message, ServerBuilder};

const REPLY: &[u8] =
    b"\x01\0\0\x41{\"code\":200,\"sys\":{\"dict\":{},\"heartbeat\":30,\"serializer\":\"json\"}}";

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).ok_or_else(|| io::Error::other("usage: bare-ws ADDR"))?;
    let listener = TcpListener::bind(address).await?;
    eprintln!("ready");
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

/// Serves one client until it goes or breaks the protocol; who of the two is nobody's business here.
async fn serve(stream: TcpStream) -> Option<()> {
    let (_, mut socket) = ServerBuilder::new().accept(stream).await.ok()?;
    let mut answers = Vec::new();
    loop {
        let mut next = Some(socket.next().await);
        while let Some(message) = next {
            let message = message?.ok()?;
            if message.is_binary() || message.is_text() {
                answers.extend(answer(message.as_payload())?);
            }
            next = socket.next().now_or_never();
        }
        for answer in answers.drain(..) {
            socket.feed(answer).await.ok()?;
        }
        socket.flush().await.ok()?;
    }
}

/// The answer to one packet, if it has one; nothing for what is no packet of ours.
fn answer(packet: &[u8]) -> Option<Option<Message>> {
    match *packet.first()? {
        1 => Some(Some(Message::binary(REPLY))),
        4 => {
            let message = packet.get(4..)?;
            let id_end = 2 + message.get(1..)?.iter().position(|byte| byte & 0x80 == 0)?;
            let body = message.get(id_end + 1 + usize::from(*message.get(id_end)?)..)?;
            let length = u32::try_from(id_end + body.len()).ok()?.to_be_bytes();
            let mut output = Vec::with_capacity(4 + id_end + body.len());
            output.extend_from_slice(&[4, length[1], length[2], length[3], 4]);
            output.extend_from_slice(&message[1..id_end]);
            output.extend_from_slice(body);
            Some(Some(Message::binary(output)))
        }
        2 | 3 => Some(None),
        _ => None,
    }
}
