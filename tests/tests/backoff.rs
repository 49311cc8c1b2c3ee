//! A route whose bodies do not shrink is sent uncompressed for a while, whichever way its bodies come.
//! The process's compressor counts its runs, so this file holds one test only.

use bytes::{Buf, BytesMut};
use pitaya::config::Config;
use pitaya::wire::zlib::{self, deflate_calls};
use pitaya::wire::{message, packet};
use pitaya_tests::raw_client::{ACK, HANDSHAKE, request};
use pitaya_tests::server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A client that sees which bodies were compressed.
struct Peer {
    stream: TcpStream,
    read: BytesMut,
    id: u64,
}

impl Peer {
    async fn packet(&mut self) -> BytesMut {
        loop {
            let whole = packet::split(&self.read, packet::MAX_BODY).unwrap().map(|(_, used)| used);
            if let Some(used) = whole {
                let mut packet = self.read.split_to(used);
                packet.advance(packet::HEADER);
                return packet;
            }
            assert!(self.stream.read_buf(&mut self.read).await.unwrap() > 0, "closed");
        }
    }

    /// Has a body echoed; returns whether it came back compressed.
    async fn echo(&mut self, body: &[u8]) -> bool {
        self.id += 1;
        self.stream.write_all(&request(self.id, "arena.raw", body)).await.unwrap();
        let packet = self.packet().await;
        let answer = message::decode(&packet).unwrap();
        assert_eq!((answer.id, answer.error), (self.id, false));
        assert_eq!(answer.plain_body(1 << 20).unwrap(), body);
        if answer.compressed {
            assert!(zlib::looks_compressed(answer.body) && answer.body.len() < body.len());
        }
        answer.compressed
    }
}

#[tokio::test]
async fn bodies_that_do_not_shrink_are_left_alone() {
    let server = server::start(Config::default()).await;
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    stream.write_all(&[HANDSHAKE, ACK].concat()).await.unwrap();
    let mut peer = Peer { stream, read: BytesMut::new(), id: 0 };
    peer.packet().await;
    let mut random = fastrand::Rng::with_seed(1);
    let mut noise = || -> Vec<u8> { std::iter::repeat_with(|| random.u8(..)).take(200).collect() };
    let text = b"a body that shrinks, a body that shrinks, ".repeat(5);

    // 8 in a row, then one after 16, 32, 64 and so on, up to one of 1025.
    let before = deflate_calls();
    for _ in 0..3000 {
        assert!(!peer.echo(&noise()).await);
    }
    assert_eq!(deflate_calls() - before, 15);

    // The route is tried again and again, so text is compressed at last, and from then on always.
    let mut left_alone = 0;
    while !peer.echo(&text).await {
        left_alone += 1;
    }
    assert!(left_alone <= 1024, "{left_alone}");
    for at in 0..50 {
        assert!(peer.echo(&text).await);
        if at % 4 == 0 {
            assert!(!peer.echo(&noise()).await, "noise among text is tried, and sent as it is");
        }
    }
    server.app.stop().await;
}
