//! One connection: packets out, packets in.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::args::{Args, Transport};
use crate::message;

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const HANDSHAKE: &[u8] = br#"{"sys":{"platform":"mac","libVersion":"0.3.5-release","clientBuildNumber":"20","clientVersion":"2.1"},"user":{}}"#;
const HEARTBEAT: u8 = 3;

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    transport: Transport,
    input: Vec<u8>,
    /// The bytes that were read from the socket and not yet parsed.
    fresh: Range<usize>,
}

impl Connection {
    /// Connects, upgrades where that is the transport, and shakes hands.
    pub(crate) async fn open(args: &Args) -> io::Result<Self> {
        let stream = TcpStream::connect(args.addr).await?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, transport: args.transport, input: vec![0; 2048], fresh: 0..0 };
        if connection.transport == Transport::WebSocket {
            connection.upgrade().await?;
        }
        connection.send(1, HANDSHAKE).await?;
        let reply = connection.packet().await?;
        if reply[0] != 1 || !reply[4..].starts_with(b"{\"code\":200") && reply.get(4) != Some(&0x78) {
            return Err(io::Error::other(format!("no handshake: {}", String::from_utf8_lossy(reply))));
        }
        connection.send(2, b"").await?;
        Ok(connection)
    }

    async fn upgrade(&mut self) -> io::Result<()> {
        self.write(UPGRADE).await?;
        loop {
            let read = &self.input[self.fresh.clone()];
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                if !read.starts_with(b"HTTP/1.1 101") {
                    return Err(io::Error::other("no upgrade"));
                }
                self.fresh.start += end + 4;
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// Writes one packet.
    pub(crate) async fn send(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(body.len() + 18);
        message::packet(self.transport, kind, body, &mut bytes);
        self.write(&bytes).await
    }

    /// Writes packets that are in their frames already.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next packet, header and body; heartbeats are passed over.
    pub(crate) async fn packet(&mut self) -> io::Result<&[u8]> {
        let found = loop {
            match self.next()? {
                Some(packet) if self.input[packet.start] == HEARTBEAT => {}
                Some(packet) => break packet,
                None => self.read().await?,
            }
        };
        Ok(&self.input[found])
    }

    /// Takes a packet out of what has been read, if all of it is there.
    fn next(&mut self) -> io::Result<Option<Range<usize>>> {
        let read = &self.input[self.fresh.clone()];
        let skip = match self.transport {
            Transport::Tcp => 0,
            Transport::WebSocket => match *read {
                [0x82, ..126, ..] => 2,
                [0x82, 126, ..] => 4,
                [0x82, 127, ..] => 10,
                [] | [0x82] => return Ok(None),
                [other, ..] => return Err(io::Error::other(format!("a frame that begins with {other:#x}"))),
            },
        };
        let Some(&[_, a, b, c]) = read.get(skip..skip + 4) else { return Ok(None) };
        let end = skip + 4 + u32::from_be_bytes([0, a, b, c]) as usize;
        if end > read.len() {
            return Ok(None);
        }
        let packet = self.fresh.start + skip..self.fresh.start + end;
        self.fresh.start = packet.end;
        Ok(Some(packet))
    }

    /// Reads once. Parsed bytes make room for new ones.
    async fn read(&mut self) -> io::Result<()> {
        if self.fresh.is_empty() {
            self.fresh = 0..0;
        } else if self.fresh.end == self.input.len() {
            self.input.copy_within(self.fresh.clone(), 0);
            self.fresh = 0..self.fresh.len();
            if self.fresh.end == self.input.len() {
                self.input.resize(self.input.len() * 2, 0);
            }
        }
        match self.stream.read(&mut self.input[self.fresh.end..]).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.fresh.end += n;
                Ok(())
            }
        }
    }

    /// Says that nothing more will come, and waits until the server has closed too.
    pub(crate) async fn leave(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        loop {
            match self.stream.read(&mut self.input).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
