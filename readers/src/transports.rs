//! Readers of PROXY headers, HTTP upgrades and WebSocket frames.

use std::future::poll_fn;

use pitaya::__fuzz as hidden;
use pitaya::acceptor::PacketStream;

use crate::pieces::{Pieces, block_on, piece_of};
use crate::{Reader, Shape, ignore};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(crate) const PROXY: Reader = Reader {
    name: "proxy_header",
    read: |input| ignore(hidden::proxy_header(input)),
    check: |input| {
        let Ok(Some(address)) = hidden::proxy_header(input) else { return };
        if input.starts_with(b"PROXY ") {
            let text = String::from_utf8_lossy(input);
            assert!(
                text.ends_with("\r\n") && text.contains(&format!(" {} ", address.port())),
                "{address}: {text}"
            );
        } else {
            assert!(input.starts_with(SIGNATURE));
            let port = address.port().to_be_bytes();
            assert!(input[16..].windows(2).any(|bytes| bytes == port), "{address}");
        }
    },
    examples: &[
        b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n",
        b"PROXY TCP6 2001:db8::7 2001:db8::1 40520 3250\r\n",
        b"PROXY UNKNOWN a b c\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\x9e\x48\x0c\xb2",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x11\xcb\0\x71\x07\x0a\0\0\x01\x9e\x48\x0c\xb2\x04\0\x02\x01\x02",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ],
    shapes: &[
        Shape::Made("many extensions", |len| v2(len, b"\x04\0\0")),
        Shape::Made("one extension", |len| v2(len, b"\x04\xff\xff")),
        Shape::Repeated { before: b"PROXY UNKNOWN", piece: b" a", after: b"\r\n" },
        Shape::Repeated { before: b"PROXY TCP4 ", piece: b"1", after: b"\r\n" },
        Shape::Repeated { before: b"PROXY TCP6 ", piece: b":1", after: b" ::1 1 2\r\n" },
        Shape::Repeated { before: b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1", piece: b" ", after: b"\r\n" },
    ],
    fragments: &[b" ", b"1", b":", b".", b"TCP4", b"\r", b"\xff"],
    frame: (b"PROXY ", b"\r\n"),
    longest: 2_064,
    per_byte: 200,
};

/// A v2 header of `len` bytes with these extensions.
fn v2(len: usize, extension: &[u8]) -> Vec<u8> {
    let mut rest = vec![203, 0, 113, 7, 10, 0, 0, 1, 0x9e, 0x48, 0x0c, 0xb2];
    while rest.len() + 16 + extension.len() <= len {
        rest.extend_from_slice(extension);
    }
    let mut out = SIGNATURE.to_vec();
    out.extend([0x21, 0x11]);
    out.extend(u16::try_from(rest.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(rest);
    out
}

pub(crate) const UPGRADE: Reader = Reader {
    name: "upgrade_head",
    read: |input| ignore(upgrade(input, 7)),
    check: |input| {
        // Bytes after a head are refused only if they arrive with the head.
        let end = input.windows(4).position(|at| at == b"\r\n\r\n").map_or(input.len(), |at| at + 4);
        // A head that fills the first read exactly leaves the rest to the next one.
        if end < input.len() && end != 1024 {
            assert!(!upgrade(input, usize::MAX), "data behind the head");
        }
        let input = &input[..end];
        let whole = upgrade(input, usize::MAX);
        assert_eq!(whole, upgrade(input, piece_of(input)), "in pieces");
        if whole {
            let lower = input.to_ascii_lowercase();
            assert!(input.starts_with(b"GET ") && input.ends_with(b"\r\n\r\n"));
            assert!(lower.windows(17).any(|name| name == b"sec-websocket-key"));
        }
    },
    examples: &[
        b"GET /chat?x=1 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://game.example\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01",
    ],
    shapes: &[
        Shape::Repeated { before: HEAD, piece: b"a: b\r\n", after: b"\r\n" },
        Shape::Repeated { before: HEAD, piece: b"Connection: upgrade\r\n", after: b"\r\n" },
        Shape::Repeated { before: b"GET /", piece: b"x", after: b" HTTP/1.1\r\n\r\n" },
        Shape::Repeated { before: HEAD, piece: b"x", after: b": y\r\n\r\n" },
        Shape::Repeated { before: b"GET / HTTP/1.1\r\nConnection: a", piece: b", a", after: b"\r\n\r\n" },
        Shape::Repeated { before: b"GET / HTTP/1.1\r\n", piece: b"\r", after: b"" },
        Shape::Made("many headers", |len| {
            let mut out = HEAD.to_vec();
            let mut at = 0;
            while out.len() + 12 < len {
                at += 1;
                out.extend(format!("a{at}: b\r\n").bytes());
            }
            out.extend(b"\r\n");
            out
        }),
    ],
    fragments: &[b"a: b\r\n", b"Host: x\r\n", b"\r\n", b" ", b":", b"x", b"Upgrade: websocket\r\n", b"Sec-WebSocket-Key: x\r\n", b"\xff"],
    frame: (b"GET / HTTP/1.1\r\n", b"\r\n"),
    longest: 8 << 10,
    per_byte: 2_500,
};

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// Whether a client that sends this speaks WebSocket afterwards.
fn upgrade(input: &[u8], piece: usize) -> bool {
    block_on(hidden::websocket(Pieces::new(input, piece), LONGEST_PACKET)).is_ok()
}

const LONGEST_PACKET: usize = 32 << 10;

pub(crate) const WEBSOCKET: Reader = Reader {
    name: "websocket_frames",
    read: |input| ignore(messages(input, 4096)),
    check: |input| {
        let whole = messages(input, usize::MAX);
        assert_eq!(whole, messages(input, piece_of(input)), "in pieces");
        for message in &whole.0 {
            assert!(message.len() <= LONGEST_PACKET + 4);
        }
    },
    examples: &[
        b"\x82\x84\0\0\0\0\x03\0\0\0",
        b"\x02\x82\0\0\0\0\x03\0\x80\x82\0\0\0\0\0\0\x89\x80\0\0\0\0\x88\x80\0\0\0\0",
        b"\x81\xfe\0\x7e\x01\x02\x03\x04",
    ],
    shapes: &[
        Shape::Repeated { before: b"", piece: b"\x82\x84\0\0\0\0\x03\0\0\0", after: b"" },
        Shape::Repeated { before: b"", piece: b"\x89\x80\0\0\0\0", after: b"" },
        Shape::Repeated { before: b"\x02\x80\0\0\0\0", piece: b"\0\x80\0\0\0\0", after: b"" },
        Shape::Repeated {
            before: b"\x02\x81\0\0\0\0x",
            piece: b"\0\x81\0\0\0\0x",
            after: b"\x80\x80\0\0\0\0",
        },
        Shape::Repeated {
            before: b"\x01\x81\0\0\0\0x",
            piece: b"\0\x82\0\0\0\0\xc3\xa9",
            after: b"\x80\x80\0\0\0\0",
        },
        Shape::Repeated { before: b"\x82\xff\0\0\0\0\0\0\x7f\xff\x01\x02\x03\x04", piece: b"x", after: b"" },
    ],
    fragments: &[
        b"\x82\x81\0\0\0\0x",
        b"\x02\x80\0\0\0\0",
        b"\0\x80\0\0\0\0",
        b"\x89\x80\0\0\0\0",
        b"\x80\x80\0\0\0\0",
        b"\x01\x81\0\0\0\0\xff",
    ],
    frame: (b"", b""),
    longest: 32 << 10,
    per_byte: 1_300,
};

/// All messages of a stream of frames, and whether an error ends it.
fn messages(frames: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let mut bytes = HEAD.to_vec();
    bytes.extend_from_slice(b"\r\n");
    // The head comes alone: nothing may follow it before it was answered.
    let stream = Pieces::after(&bytes, frames, piece);
    block_on(async {
        let Ok(mut packets) = hidden::websocket(stream, LONGEST_PACKET).await else {
            panic!("the head is good")
        };
        let mut found = Vec::new();
        loop {
            match poll_fn(|cx| packets.poll_recv(cx)).await {
                Some(Ok(message)) => found.push(message.to_vec()),
                Some(Err(_)) => return (found, true),
                None => return (found, false),
            }
        }
    })
}
