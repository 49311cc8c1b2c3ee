//! Upgrades over real sockets.

mod messages;
mod writes;

use std::sync::atomic::AtomicBool;
use std::{future::poll_fn, net::SocketAddr};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_websockets::{ClientBuilder, CloseCode, Message, WebSocketStream};

use super::*;
#[cfg(feature = "tls")]
use crate::acceptor::Tls;
use crate::acceptor::{
    PacketStream, Readiness,
    tests::{DEADLINE, accept, connect, listen},
};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Returns an upgrade request with additional headers.
fn request(more: &str) -> String {
    format!(
        "GET /any/path?x=1 HTTP/1.1\r\nHost: game.example\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

/// Returns the status of a rejected request, and the whole answer of the server.
async fn exchange(mut acceptor: WebSocket, sent: &[u8]) -> (Option<u16>, String) {
    let address = listen(&mut acceptor).await;
    exchange_at(acceptor, address, sent).await
}

async fn exchange_at(mut acceptor: WebSocket, address: SocketAddr, sent: &[u8]) -> (Option<u16>, String) {
    let mut client = connect(address).await;
    let opening = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
    client.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if client.read_buf(&mut answer).await.unwrap() == 0 {
            break;
        }
    }
    drop(client);
    let status = match opening.await.unwrap() {
        Ok(_) => None,
        Err(OpenError::Upgrade { status, .. } | OpenError::Probe { status }) => Some(status),
        Err(other) => panic!("{other}"),
    };
    (status, String::from_utf8(answer).unwrap())
}

fn any() -> WebSocket {
    WebSocket::new("127.0.0.1:0")
}

#[tokio::test]
async fn a_good_request_is_upgraded_on_any_path() {
    let (refused, answer) = exchange(any(), request("").as_bytes()).await;
    assert_eq!(refused, None);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    // the example of RFC 6455, section 1.3
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let (mut client, mut server) = tokio::io::duplex(1);
    let rules = Rules { max_head: 8192, ..Rules::default() };
    let upgrading = tokio::spawn(async move { upgrade(&mut server, &rules, &AtomicBool::new(false)).await });
    client.write_all(request("").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    upgrading.await.unwrap().unwrap();
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_version_we_speak() {
    let good = request("");
    for (status, sent) in [
        (405, good.replace("GET", "POST")),
        (405, good.replace("GET", "HEAD")),
        (405, good.replace("GET", "GpET")),
        (405, good.replace("GET", "get")),
        (405, "OPTIONS / HTTP/1.1\r\n\r\n".into()),
        (426, good.replace("Upgrade: websocket", "Upgrade: h2c")),
        (400, good.replace("keep-alive, Upgrade", "close")),
        (400, good.replace("Version: 13", "Version: 8")),
        (400, good.replace(KEY, "short")),
        (400, request(&format!("Sec-WebSocket-Key: {KEY}\r\n"))),
        (400, request("Sec-WebSocket-Version: 13\r\n")),
        (400, good.replace("HTTP/1.1", "HTTP/1.0")),
        (400, good.replace("Host:", "Ho st:")),
        (400, format!("{good}early data")),
        (400, "\u{16}\u{3}\u{1}\r\n\r\n".into()),
        (400, "\r\n\r\n".into()),
    ] {
        let (refused, answer) = exchange(any(), sent.as_bytes()).await;
        assert_eq!(refused, Some(status), "{sent}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("Sec-Websocket-Version: 13\r\n"), "{answer}");
    }
}

/// [`exchange`] with an acceptor that listens with these options.
async fn exchange_with(
    mut acceptor: WebSocket,
    options: ListenOptions,
    sent: &[u8],
) -> (Option<u16>, String) {
    let address = acceptor.listen(&options).await.unwrap().socket.unwrap();
    exchange_at(acceptor, address, sent).await
}

#[tokio::test]
async fn a_head_may_have_64_kib_and_the_limit_can_be_set() {
    for (limit, options) in [
        (64 << 10, ListenOptions::default()),
        (2048, ListenOptions { max_head: 2048, ..ListenOptions::default() }),
    ] {
        let most = limit - request("X: \r\n").len();
        let longest = request(&format!("X: {}\r\n", "x".repeat(most)));
        assert_eq!(longest.len(), limit);
        assert_eq!(exchange_with(any(), options.clone(), longest.as_bytes()).await.0, None);
        let longer = request(&format!("X: {}\r\n", "x".repeat(most + 1)));
        let (refused, answer) = exchange_with(any(), options, longer.as_bytes()).await;
        assert_eq!(refused, Some(431));
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn a_head_may_have_200_headers() {
    let own = request("").matches("\r\n").count() - 2;
    let with = |more: usize| request(&"Cookie: a=b\r\n".repeat(more)).into_bytes();
    assert_eq!(exchange(any(), &with(200 - own)).await.0, None);
    assert_eq!(exchange(any(), &with(201 - own)).await.0, Some(431));
}

#[tokio::test]
async fn list_headers_may_have_several_lines() {
    let good = request("");
    for sent in [
        good.replace("Connection: keep-alive, Upgrade", "Connection: keep-alive\r\nconnection: upgrade"),
        good.replace("Connection: keep-alive, Upgrade", "Connection: upgrade\r\nConnection: keep-alive"),
        good.replace("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: WebSocket"),
        good.replace("Upgrade: websocket", "Upgrade: h2c, websocket"),
    ] {
        assert_eq!(exchange(any(), sent.as_bytes()).await.0, None, "{sent}");
    }
    let game = || any().subprotocols(["game.v2", "game.v1"]);
    for (offered, chosen) in [
        ("Sec-WebSocket-Protocol: token\r\nSec-WebSocket-Protocol: game.v1\r\n", Some("game.v1")),
        ("Sec-WebSocket-Protocol: game.v1, game.v2\r\n", Some("game.v2")),
        ("Sec-WebSocket-Protocol: GAME.V2\r\n", None),
        ("", None),
    ] {
        let (refused, answer) = exchange(game(), request(offered).as_bytes()).await;
        let line = chosen.map(|name| format!("\r\nSec-WebSocket-Protocol: {name}\r\n"));
        assert_eq!(refused, None);
        assert!(line.map_or(!answer.contains("Protocol:"), |line| answer.contains(&line)), "{answer}");
    }
}

#[tokio::test]
async fn a_subprotocol_that_is_no_token_fails_the_start() {
    for bad in ["", "a b", "a,b", "a\r\nb"] {
        let error = any().subprotocols([bad]).listen(&ListenOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("token"), "{error}");
    }
}

#[tokio::test]
async fn probes_are_told_whether_the_server_is_ready() {
    let not_ready = || ListenOptions { ready: Readiness::new(async || false), ..ListenOptions::default() };
    let moved = || ListenOptions { probe: "/health".into(), ..ListenOptions::default() };
    let none = || ListenOptions { probe: "".into(), ..ListenOptions::default() };
    for (options, sent, status) in [
        (ListenOptions::default(), "GET / HTTP/1.1\r\nHost: game.example\r\n\r\n", 200),
        (ListenOptions::default(), "GET /?x HTTP/1.0\r\n\r\n", 200),
        (ListenOptions::default(), "HEAD / HTTP/1.1\r\n\r\n", 200),
        (ListenOptions::default(), "GET /health HTTP/1.1\r\n\r\n", 426),
        (ListenOptions::default(), "HEAD /health HTTP/1.1\r\n\r\n", 426),
        (not_ready(), "GET / HTTP/1.1\r\n\r\n", 503),
        (not_ready(), "HEAD / HTTP/1.1\r\n\r\n", 503),
        (moved(), "GET /health HTTP/1.1\r\n\r\n", 200),
        (moved(), "GET / HTTP/1.1\r\n\r\n", 426),
        (none(), "GET / HTTP/1.1\r\n\r\n", 426),
    ] {
        let mut acceptor = any();
        let address = acceptor.listen(&options).await.unwrap().socket.unwrap();
        let mut client = connect(address).await;
        let opening = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap(); // up to the close
        drop(client);
        let error = opening.await.unwrap().unwrap_err();
        assert_eq!(matches!(error, OpenError::Probe { .. }), status != 426, "{error}");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{sent} {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let expected = if sent.starts_with("HEAD") { 0 } else { length.parse().unwrap() };
        assert_eq!(body.len(), expected, "{answer}");
        assert_eq!(head.contains("Upgrade: websocket"), status == 426, "{answer}");
    }
}

#[tokio::test]
async fn opened_connection_has_request_and_client() {
    let mut acceptor = any().trusted_proxies(["127.0.0.1", "10.0.0.0/8"]).subprotocols(["game"]);
    let mut client = connect(listen(&mut acceptor).await).await;
    let more = "Cookie: id=7\r\nSec-WebSocket-Protocol: a, game\r\nX-Forwarded-For: 6.6.6.6\r\n\
                X-Forwarded-For: 203.0.113.7, 10.0.0.1\r\n";
    client.write_all(request(more).as_bytes()).await.unwrap();
    let opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
    assert_eq!(opened.peer.address(), "203.0.113.7:0");
    assert!(opened.socket_peer.address().starts_with("127.0.0.1:"));
    let request = opened.peer.upgrade().unwrap();
    assert_eq!((request.path(), request.query_param("x").as_deref()), ("/any/path", Some("1")));
    assert_eq!((request.header("cookie"), request.subprotocol()), (Some("id=7"), Some("game")));
}

#[tokio::test]
async fn nobody_is_trusted_unless_listed() {
    let mut acceptor = any();
    let mut client = connect(listen(&mut acceptor).await).await;
    client
        .write_all(request("X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n").as_bytes())
        .await
        .unwrap();
    let opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
    assert_eq!(opened.peer.address(), opened.socket_peer.address());
}

#[tokio::test]
async fn origins_are_any_by_default_and_else_as_listed() {
    let from = |origin: &str| request(&format!("Origin: {origin}\r\n")).into_bytes();
    let listed =
        || any().origins(["https://game.example/", "http://localhost:3000", "https://*.example.com:443"]);
    assert_eq!(exchange(listed(), &from("https://game.example:443")).await.0, None);
    assert_eq!(exchange(listed(), &from("https://a.b.example.com")).await.0, None);
    assert_eq!(exchange(any().origins(["*"]), &from("null")).await.0, None);
    let two = request("Origin: https://game.example\r\nOrigin: https://evil.example\r\n");
    assert_eq!(exchange(listed(), two.as_bytes()).await.0, Some(403));
    assert_eq!(exchange(any(), &from("https://evil.example")).await.0, None);
    assert_eq!(exchange(listed(), &from("HTTPS://Game.example")).await.0, None);
    assert_eq!(exchange(listed(), request("").as_bytes()).await.0, None);
    for bad in ["https://evil.example", "http://game.example", "http://localhost", "null"] {
        assert_eq!(exchange(listed(), &from(bad)).await.0, Some(403), "{bad}");
    }
}

#[tokio::test]
async fn an_origin_that_can_never_match_fails_the_start() {
    for (origin, write) in
        [("game.example", "https://game.example"), ("https://game.example/play", "https://game.example")]
    {
        let error = any().origins([origin]).listen(&ListenOptions::default()).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("`{origin}`")) && error.contains(&format!("write `{write}`")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn configured_origins_apply_without_builder() {
    let options =
        ListenOptions { origins: Arc::new(["https://game.example".into()]), ..ListenOptions::default() };
    let sent = request("Origin: https://evil.example\r\n");
    for (mut acceptor, welcome) in [(any(), false), (any().origins([""; 0]), true)] {
        let listening = acceptor.listen(&options).await.unwrap();
        let mut client = connect(listening.socket.unwrap()).await;
        client.write_all(sent.as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let opened = accept(&mut acceptor).await.open(DEADLINE).await;
        assert_eq!(opened.is_ok(), welcome);
    }
}

/// Connects a real client, and returns both ends.
async fn pair(acceptor: &mut WebSocket) -> (WebSocketStream<TcpStream>, Box<dyn PacketStream>) {
    let address = listen(acceptor).await;
    pair_at(acceptor, address).await
}

async fn pair_at(
    acceptor: &mut WebSocket,
    address: SocketAddr,
) -> (WebSocketStream<TcpStream>, Box<dyn PacketStream>) {
    let stream = connect(address).await;
    let opening = tokio::spawn(accept(acceptor).await.open(DEADLINE));
    let client = ClientBuilder::new().uri(&format!("ws://{address}/")).unwrap();
    let (client, _) = client.connect_on(stream).await.unwrap();
    let Link::Packets(server) = opening.await.unwrap().unwrap().link else {
        panic!("expected packets");
    };
    (client, server)
}

async fn recv(server: &mut dyn PacketStream) -> Option<io::Result<Bytes>> {
    poll_fn(|cx| server.poll_recv(cx)).await
}

async fn flush(server: &mut dyn PacketStream) {
    poll_fn(|cx| server.poll_flush(cx)).await.unwrap();
}

#[tokio::test]
async fn stalled_upgrade_does_not_block_the_next() {
    let mut acceptor = any();
    let address = listen(&mut acceptor).await;
    let mut slow = connect(address).await;
    slow.write_all(b"GET / HT").await.unwrap();
    let stalled = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));
    let _served = pair_at(&mut acceptor, address).await;
    assert!(!stalled.is_finished());
    stalled.abort();
}

#[tokio::test]
async fn a_proxy_header_may_come_before_the_upgrade() {
    let mut acceptor = any().proxy_protocol(true).trusted_proxies(["127.0.0.1"]);
    let mut client = connect(listen(&mut acceptor).await).await;
    let header = "PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n";
    let sent = [header, &request("")].concat();
    client.write_all(sent.as_bytes()).await.unwrap();
    let opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
    assert_eq!(opened.peer.address(), "203.0.113.7:40520");
    assert!(matches!(opened.link, Link::Packets(_)));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn with_certificates_it_is_wss() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_pem();
    let tls = Tls::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).unwrap();
    let mut acceptor = any().tls(tls);
    let listening = acceptor.listen(&ListenOptions::default()).await.unwrap();
    assert_eq!(listening.label, "wss");
    let stream = connect(listening.socket.unwrap()).await;
    let opening = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));

    let mut roots = tokio_rustls::rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = tokio_rustls::rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect("localhost".try_into().unwrap(), stream)
        .await
        .unwrap();
    let client = ClientBuilder::new().uri("wss://localhost/").unwrap();
    let (mut client, _) = client.connect_on(stream).await.unwrap();
    let Link::Packets(mut server) = opening.await.unwrap().unwrap().link else {
        panic!("expected packets");
    };
    client.send(Message::binary("over wss")).await.unwrap();
    assert_eq!(recv(&mut *server).await.unwrap().unwrap(), "over wss");
}
