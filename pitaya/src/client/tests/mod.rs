//! The client against a server of bytes: every test says what the other side sends, and when.

mod handshake;
mod life;
mod net;
mod pushes;
mod reconnect;
mod requests;

use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

use super::{Builder, Client, ConnectError};
use crate::serialize::{Codecs, Message, Push, Schema};
use crate::wire::handshake::{Reply, Request};
use crate::wire::packet::{self, Kind, MAX_BODY};
use crate::wire::{Compression, Dictionary, message};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Say {
    text: String,
}

impl Message for Say {
    const CODECS: Codecs<Self> = Codecs::serde();
    const SCHEMA: &'static Schema = &Schema::new("Say", "", &[]);
}

impl Push for Say {
    const ROUTE: &'static str = "onSay";
}

fn say(text: &str) -> Say {
    Say { text: text.to_owned() }
}

fn reply() -> Reply {
    Reply {
        code: 200,
        heartbeat_seconds: 30,
        dictionary: Dictionary::default(),
        serializer: "json".to_owned(),
        schema_matches: None,
        payload: None,
    }
}

fn dictionary(entries: &[(&str, u16)]) -> Dictionary {
    Dictionary::new(entries.iter().map(|(r, c)| ((*r).to_owned(), *c))).unwrap()
}

/// A message of the client, read to the end.
#[derive(Debug, PartialEq)]
struct Got {
    kind: message::Kind,
    id: u64,
    route: String,
    coded: bool,
    compressed: bool,
    body: Vec<u8>,
}

/// The other side of a connection.
struct Server<S = DuplexStream> {
    stream: S,
    input: BytesMut,
    dictionary: Dictionary,
    compression: Compression,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Server<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            dictionary: Dictionary::default(),
            compression: Compression::Off,
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet, or `None` at the end of the stream.
    async fn packet(&mut self) -> Option<(Kind, Bytes)> {
        loop {
            if let Some((packet, used)) = packet::split(&self.input, MAX_BODY).unwrap() {
                let got = (packet.kind, Bytes::copy_from_slice(packet.body));
                self.input.advance(used);
                return Some(got);
            }
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                assert!(self.input.is_empty(), "a cut packet");
                return None;
            }
        }
    }

    async fn message(&mut self) -> Got {
        let (kind, bytes) = self.packet().await.unwrap();
        assert_eq!(kind, Kind::Data);
        let got = message::decode(&bytes).unwrap();
        Got {
            kind: got.kind,
            id: got.id,
            route: String::from_utf8(self.dictionary.resolve(got.route).unwrap().to_vec()).unwrap(),
            coded: matches!(got.route, message::Route::Code(_)),
            compressed: got.compressed,
            body: got.plain_body(MAX_BODY).unwrap().into_owned(),
        }
    }

    async fn respond(&mut self, id: u64, body: &[u8]) {
        let mut out = BytesMut::new();
        message::encode_response(&mut out, id, false, body, &self.compression).unwrap();
        self.send(&out).await;
    }

    async fn fail(&mut self, id: u64, body: &[u8]) {
        let mut out = BytesMut::new();
        message::encode_response(&mut out, id, true, body, &self.compression).unwrap();
        self.send(&out).await;
    }

    fn pushed(&self, route: &str, body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        message::encode_push(&mut out, route, body, &self.dictionary, &self.compression).unwrap();
        out
    }

    async fn push(&mut self, route: &str, body: &[u8]) {
        let out = self.pushed(route, body);
        self.send(&out).await;
    }

    /// Answers a request with another one's answer in between, so that everything sent before has surely arrived.
    async fn echo_one(&mut self) {
        let got = self.message().await;
        self.respond(got.id, &got.body).await;
    }

    async fn welcome(&mut self, reply: &Reply, compression: bool) -> Request {
        let (kind, body) = self.packet().await.unwrap();
        assert_eq!(kind, Kind::Handshake);
        self.dictionary = reply.dictionary.clone();
        self.send(&reply.encode(compression).unwrap()).await;
        Request::parse(&body).unwrap()
    }

    async fn acked(&mut self) {
        assert_eq!(self.packet().await.unwrap(), (Kind::HandshakeAck, Bytes::new()));
    }
}

/// Connects while `serve` plays the server's part.
async fn connecting<T>(
    builder: &Builder,
    serve: impl AsyncFnOnce(&mut Server) -> T,
) -> (Result<Client, ConnectError>, Server, T) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let mut server = Server::new(far);
    let (client, served) = tokio::join!(builder.connect_stream(near), serve(&mut server));
    (client, server, served)
}

async fn connected_with(builder: &Builder, reply: Reply) -> (Client, Server) {
    let (client, server, ()) = connecting(builder, async |server| {
        server.welcome(&reply, false).await;
        server.acked().await;
    })
    .await;
    (client.unwrap(), server)
}

async fn connected() -> (Client, Server) {
    connected_with(&Client::builder(), reply()).await
}

/// Asks for something and gets it: what the server sent before has been seen by now.
async fn round_trip(client: &Client, server: &mut Server) {
    let (answer, ()) = tokio::join!(client.request_raw("a.b", Bytes::from_static(b"{}")), server.echo_one());
    assert_eq!(answer.unwrap(), "{}");
}

fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn long_json() -> Vec<u8> {
    json!({ "text": "x".repeat(1000) }).to_string().into_bytes()
}
