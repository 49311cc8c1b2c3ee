//! An echo over TCP with the framing of Pitaya and nothing else. The framework is measured against it.
//!
//! `bare-tcp ADDR` answers a handshake, ignores the ack, and answers each request with its own body. One write
//! answers all that one read brought; nothing is allocated for a request.

use std::io;

use pitaya_bench::bare::answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).ok_or_else(|| io::Error::other("usage: bare-tcp ADDR"))?;
    let listener = TcpListener::bind(address).await?;
    eprintln!("ready");
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream));
    }
}

async fn serve(mut stream: TcpStream) {
    let (mut input, mut filled, mut output) = (vec![0; 4096], 0, Vec::with_capacity(4096));
    loop {
        match stream.read(&mut input[filled..]).await {
            Ok(0) | Err(_) => return,
            Ok(n) => filled += n,
        }
        let mut at = 0;
        while let Some(end) = packet_end(&input[at..filled]) {
            if answer(&input[at..at + end], &mut output).is_none() {
                return;
            }
            at += end;
        }
        input.copy_within(at..filled, 0);
        filled -= at;
        if filled == input.len() {
            input.resize(filled * 2, 0);
        }
        if !output.is_empty() && stream.write_all(&output).await.is_err() {
            return;
        }
        output.clear();
    }
}

/// Where the first packet ends, if all of it is there.
fn packet_end(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c, ..] = *bytes else { return None };
    let end = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
    (end <= bytes.len()).then_some(end)
}
