//! An echo over WebSocket, on the same library, with the framing of Pitaya. The framework is measured against it.
//!
//! `bare-ws ADDR` answers a handshake, ignores the ack, and answers each request with its own body, one packet a
//! message. All that one read brought is taken first, because asking the library for a message also flushes; then
//! one write answers it.

use std::io;

use futures_util::{FutureExt, SinkExt, StreamExt};
use pitaya_bench::bare::answer;
use tokio::net::{TcpListener, TcpStream};
use tokio_websockets::{Message, ServerBuilder};

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

/// Serves one client until it disconnects or breaks the protocol.
async fn serve(stream: TcpStream) -> Option<()> {
    let (_, mut socket) = ServerBuilder::new().accept(stream).await.ok()?;
    let mut answers = Vec::new();
    loop {
        let mut next = Some(socket.next().await);
        while let Some(message) = next {
            let message = message?.ok()?;
            if message.is_binary() || message.is_text() {
                let packet = message.as_payload();
                let mut output = Vec::with_capacity(packet.len() + 1);
                answer(packet, &mut output)?;
                if !output.is_empty() {
                    answers.push(Message::binary(output));
                }
            }
            next = socket.next().now_or_never();
        }
        for answer in answers.drain(..) {
            socket.feed(answer).await.ok()?;
        }
        socket.flush().await.ok()?;
    }
}
