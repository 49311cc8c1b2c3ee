//! HTTP/2 as single frames, as a library would not send them.

use std::io;
use std::net::SocketAddr;

use pitaya_tests::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) body: Vec<u8>,
}

/// One end of a connection.
pub(crate) struct Http2(TcpStream);

impl Http2 {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(to).await.expect("it listens");
        stream.write_all(PREFACE).await.expect("it reads");
        let mut http = Self(stream);
        http.send(SETTINGS, 0, 0, &[]).await.expect("it reads");
        http
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).expect("a short body").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.0.write_all(&[&head, body].concat()).await
    }

    /// Sends the headers of a request.
    pub(crate) async fn begin(&mut self, stream: u32, path: &str) {
        self.send(HEADERS, END_HEADERS, stream, &request(path)).await.expect("it reads");
    }

    pub(crate) async fn begin_and_reset(&mut self, stream: u32) -> io::Result<()> {
        self.send(HEADERS, END_HEADERS, stream, &request("/protos.Pitaya/Call")).await?;
        self.send(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await
    }

    pub(crate) async fn data(&mut self, stream: u32, body: &[u8], flags: u8) {
        self.send(DATA, flags, stream, body).await.expect("it reads");
    }

    /// Reads the next frame, `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut body = vec![0; length as usize];
        self.0.read_exact(&mut body).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, body })
    }

    /// Waits until a stream or the connection has ended.
    pub(crate) async fn ends(&mut self, stream: u32) {
        let end = async {
            while let Some(frame) = self.next().await {
                let of_stream = frame.stream == stream
                    && (frame.kind == RST_STREAM || frame.kind == HEADERS && frame.flags & END_STREAM != 0);
                if of_stream || frame.kind == GOAWAY {
                    return;
                }
            }
        };
        soon("the end of a stream", end).await;
    }
}

/// Encodes the headers of a call, without compression.
fn request(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // :method POST, :scheme http
    for (name, value) in
        [(":path", path), (":authority", "x"), ("content-type", "application/grpc"), ("te", "trailers")]
    {
        literal(&mut block, name, value);
    }
    block
}

/// Adds a header that no table keeps.
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(length @ ..127) => block.push(length),
            _ => {
                // An integer of HPACK: 127, then the rest in groups of 7 bits.
                block.push(127);
                let mut rest = text.len() - 127;
                while rest >= 128 {
                    block.push(u8::try_from(rest % 128).expect("7 bits") | 128);
                    rest /= 128;
                }
                block.push(u8::try_from(rest).expect("7 bits"));
            }
        }
        block.extend_from_slice(text.as_bytes());
    }
}

/// Serves a connection in a way that a caller does not expect.
pub(crate) async fn stranger(mut stream: TcpStream, what: &str) {
    match what {
        "closes" => return,
        "garbage" => {
            let _ = stream.write_all(&[b'x'; 1000]).await;
            return;
        }
        "silence" => return std::future::pending().await,
        _ => {}
    }
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await.expect("the preface");
    let mut http = Http2(stream);
    http.send(SETTINGS, 0, 0, &[]).await.expect("it reads");
    while let Some(Frame { kind, flags, stream, body }) = http.next().await {
        if kind == SETTINGS && flags & ACK == 0 {
            http.send(SETTINGS, ACK, 0, &[]).await.expect("it reads");
        }
        let is_request = kind == DATA && flags & END_STREAM != 0;
        if !is_request || what == "no answer" {
            continue;
        }
        assert!(body.len() >= 5 || body.is_empty(), "{body:?}");
        let mut head = vec![0x88]; // :status 200
        literal(&mut head, "content-type", "application/grpc");
        http.send(HEADERS, END_HEADERS, stream, &head).await.expect("it reads");
        if what == "announces" {
            // The head of a message of 1 GiB.
            http.data(stream, &[0, 0x40, 0, 0, 0], 0).await;
            continue;
        }
        if what == "empty" {
            http.data(stream, &[0; 5], 0).await;
        }
        let mut trailers = Vec::new();
        literal(&mut trailers, "grpc-status", "0");
        http.send(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await.expect("it reads");
    }
}
