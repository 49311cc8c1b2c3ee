//! The edge of the network: close codes, the upgrade request, proxies, probes, addresses and bounded logs.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pitaya::acceptor::{Tcp, WebSocket};
use pitaya::app::Refusal;
use pitaya::client::{Client, CloseReason, ConnectError};
use pitaya::config::Config;
use pitaya::wire::{close_code, packet, zlib};
use pitaya_tests::log::CapturedLog;
use pitaya_tests::raw_client::{ACK, HANDSHAKE, RawClient};
use pitaya_tests::server::{self, Arena, TestServer, Text, config};
use pitaya_tests::soon;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

pitaya::link!(pitaya_tests);

/// An arena with a WebSocket acceptor behind the TCP one, and its address.
async fn arena_with(config: Config, change: impl FnOnce(WebSocket) -> WebSocket) -> (TestServer, SocketAddr) {
    let acceptor = change(WebSocket::new("127.0.0.1:0"));
    let server = server::start_with(config, |builder| builder.acceptor(acceptor)).await;
    let at = server.app.socket_addrs()[1];
    (server, at)
}

async fn client(at: SocketAddr) -> Client {
    Client::builder().connect_ws(&format!("ws://{at}/")).await.unwrap()
}

/// Why a client was closed, and with which code.
async fn end(client: &Client) -> (CloseReason, Option<u16>) {
    let closed = soon("the close", client.closed()).await;
    (closed.reason, closed.code)
}

#[tokio::test]
async fn a_websocket_client_learns_why_it_was_closed() {
    let (server, at) = arena_with(config(), |it| it).await;
    let kicked = client(at).await;
    let _ = kicked.request(&Arena::KICK, &()).await;
    assert_eq!(end(&kicked).await, (CloseReason::Kicked, Some(close_code::KICKED)));

    let closed = client(at).await;
    let _ = closed.request(&Arena::CLOSE, &()).await;
    assert_eq!(end(&closed).await, (CloseReason::ServerClosed, Some(close_code::NORMAL)));

    let (old, new) = (client(at).await, client(at).await);
    for client in [&old, &new] {
        client.request(&Arena::BIND, &Text { text: "ann".into() }).await.unwrap();
    }
    assert_eq!(end(&old).await, (CloseReason::Replaced, Some(close_code::REPLACED)));

    let session = server.app.app().sessions().by_uid("ann").unwrap();
    // The server's task for the connection does not run meanwhile, so the outbox fills up.
    while session.push_route("onText", &Text { text: "x".into() }).await.is_ok() {}
    assert_eq!(end(&new).await, (CloseReason::TooSlow, Some(close_code::TOO_SLOW)));

    let last = client(at).await;
    server.app.stop().await;
    assert_eq!(end(&last).await, (CloseReason::ServerStopped, Some(close_code::GOING_AWAY)));
}

#[tokio::test]
async fn a_tcp_client_learns_as_much_as_before() {
    let server = server::start(config()).await;
    let connect = async || Client::builder().connect_tcp(server.tcp).await.unwrap();
    let kicked = connect().await;
    let _ = kicked.request(&Arena::KICK, &()).await;
    assert_eq!(end(&kicked).await, (CloseReason::Kicked, None));
    let closed = connect().await;
    let _ = closed.request(&Arena::CLOSE, &()).await;
    assert_eq!(end(&closed).await, (CloseReason::ServerClosed, None));
    server.app.stop().await;
}

async fn by_hand(at: SocketAddr) -> WebSocketStream<TcpStream> {
    let stream = TcpStream::connect(at).await.unwrap();
    let client = ClientBuilder::new().uri(&format!("ws://{at}/")).unwrap();
    client.connect_on(stream).await.unwrap().0
}

/// Sends packets, and returns the code of the close frame that the server answers with.
async fn close_code_of(at: SocketAddr, sent: &[Vec<u8>]) -> u16 {
    let mut socket = by_hand(at).await;
    for packet in sent {
        // The server may have closed at an earlier one.
        let _ = socket.send(Message::binary(packet.clone())).await;
    }
    soon("a close frame", async {
        while let Some(message) = socket.next().await {
            if let Some((code, _)) = message.unwrap().as_close() {
                return code.into();
            }
        }
        panic!("no close frame")
    })
    .await
}

#[tokio::test]
async fn a_close_code_names_what_the_client_did() {
    let mut config = config();
    config.limit.packet_before_ack = 1000;
    config.limit.packet_after_ack = 2000;
    config.limit.inflated = 3000;
    config.limit.handshake_deadline = Duration::from_millis(300);
    let acceptor = WebSocket::new("127.0.0.1:0");
    let server = server::start_with(config, |builder| {
        builder.acceptor(acceptor).authenticate(|_, request| async move {
            if request.user_json().is_some() { Err(Refusal::new()) } else { Ok(()) }
        })
    })
    .await;
    let at = server.app.socket_addrs()[1];
    let ready = [HANDSHAKE.to_vec(), ACK.to_vec()];
    let then = |packet: Vec<u8>| [ready[0].clone(), ready[1].clone(), packet];
    let data = |body: &[u8]| {
        let mut out = bytes::BytesMut::new();
        packet::encode(packet::Kind::Data, body, &mut out).unwrap();
        out.to_vec()
    };
    // a request on a route, whose deflated body inflates to more than is allowed
    let mut deflated = bytes::BytesMut::new();
    assert!(zlib::deflate(&[0; 4000], &mut deflated));
    let bomb = [&[0x10, 1, 9][..], b"arena.raw", &deflated].concat();
    let user = br#"{"user":{}}"#;
    let refused = [&[1, 0, 0, 11][..], user].concat();
    for (what, sent, code) in [
        ("data before the ack", &[data(b"x")][..], close_code::PROTOCOL),
        ("a wrong type", &[b"\x09\0\0\0".to_vec()], close_code::PROTOCOL),
        ("two packets in a message", &then([data(b"x"), data(b"y")].concat()), close_code::PROTOCOL),
        ("a message that cannot be decoded", &then(data(b"\xff")), close_code::PROTOCOL),
        ("a packet too large before the ack", &[vec![1; 1005]], close_code::TOO_LARGE),
        ("a packet too large after the ack", &then(vec![4; 2005]), close_code::TOO_LARGE),
        ("a packet that says it is too large", &[b"\x01\xff\xff\xff".to_vec()], close_code::TOO_LARGE),
        ("a bomb", &then(data(&bomb)), close_code::TOO_LARGE),
        ("a refused handshake", &[refused], close_code::REFUSED),
        ("silence", &[], close_code::TIMEOUT),
    ] {
        assert_eq!(close_code_of(at, sent).await, code, "{what}");
    }
    server.app.stop().await;
}

#[tokio::test]
async fn upgrade_request_reaches_authenticate() {
    let acceptor = WebSocket::new("127.0.0.1:0").subprotocols(["game.v2"]);
    let server = server::start_with(config(), |builder| {
        builder.acceptor(acceptor).authenticate(|session, _| async move {
            let Some(upgrade) = session.upgrade() else { return Err(Refusal::new().with_code(401)) };
            let token = upgrade.query_param("token");
            if upgrade.path() != "/play" || token.as_deref() != Some("a b") {
                return Err(Refusal::new().with_code(403));
            }
            session.bind(upgrade.header("x-user").unwrap_or("nobody")).await.map_err(|_| Refusal::new())
        })
    })
    .await;
    let at = server.app.socket_addrs()[1];
    let builder = Client::builder().ws_header("X-User", "ann").ws_subprotocols(["game.v1", "game.v2"]);
    let client = builder.connect_ws(&format!("ws://{at}/play?token=a%20b")).await.unwrap();
    assert_eq!(client.request(&Arena::WHOAMI, &()).await.unwrap().text, "ann");
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    let upgrade = session.upgrade().unwrap();
    assert_eq!(upgrade.subprotocol(), Some("game.v2"));
    assert_eq!(upgrade.header("host"), Some(at.to_string().as_str()));
    assert_eq!(session.peer_addr(), session.remote_addr());

    let wrong = builder.connect_ws(&format!("ws://{at}/play?token=x")).await;
    assert!(matches!(wrong, Err(ConnectError::Refused { code: 403, .. })));
    let tcp = Client::builder().connect_tcp(server.tcp).await;
    assert!(matches!(tcp, Err(ConnectError::Refused { code: 401, .. })));
    let broken = Client::builder().ws_header("a\r\nb", "x").connect_ws(&format!("ws://{at}/")).await;
    assert!(matches!(broken, Err(ConnectError::Address(_))));
    server.app.stop().await;
}

/// The addresses of the only session: the client's and the peer's.
async fn addresses(server: &TestServer, client: &Client) -> (String, String) {
    client.request(&Arena::BIND, &Text { text: "ann".into() }).await.unwrap();
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    (session.remote_addr().to_owned(), session.peer_addr().to_owned())
}

#[tokio::test]
async fn session_has_the_address_of_trusted_proxies() {
    let mut trusting = config();
    trusting.acceptor.trusted_proxies = vec!["127.0.0.0/8".into(), "10.0.0.0/8".into()];
    for (config, headers, expected) in [
        (&trusting, &[("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 10.0.0.1")][..], Some("203.0.113.7:0")),
        (
            &trusting,
            &[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "203.0.113.7:9")],
            Some("203.0.113.7:9"),
        ),
        (&trusting, &[("Forwarded", "for=\"[2001:db8::7]:9\";proto=https")], Some("[2001:db8::7]:9")),
        (&trusting, &[("X-Forwarded-For", "garbage")], None),
        (&trusting, &[], None),
        (&config(), &[("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")], None),
    ] {
        let (server, at) = arena_with(config.clone(), |it| it).await;
        let builder =
            headers.iter().fold(Client::builder(), |builder, (name, value)| builder.ws_header(name, value));
        let client = builder.connect_ws(&format!("ws://{at}/")).await.unwrap();
        let (remote, peer) = addresses(&server, &client).await;
        assert!(peer.starts_with("127.0.0.1:"), "{peer}");
        assert_eq!(remote, expected.map_or(peer, str::to_owned), "{headers:?}");
        server.app.stop().await;
    }
}

#[tokio::test]
async fn a_proxy_protocol_needs_a_list_of_trusted_networks() {
    let mut config = config();
    config.acceptor.proxy_protocol = true;
    let started = server::builder(config.clone(), &Arc::default()).start().await;
    let error = started.unwrap_err().to_string();
    assert!(error.contains("pitaya.acceptor.trustedproxies"), "{error}");

    // Another network is trusted: this peer is turned away, whatever it sends.
    config.acceptor.trusted_proxies = vec!["10.0.0.0/8".into()];
    let server = server::start(config).await;
    for sent in [&b"PROXY TCP4 203.0.113.7 10.0.0.1 1 2\r\n\x01\0\0\x02{}"[..], HANDSHAKE] {
        let mut stranger = RawClient::connect(server.tcp).await;
        let _ = stranger.stream.write_all(sent).await; // it may be closed already
        let mut answer = Vec::new();
        let _ = soon("the close", stranger.stream.read_to_end(&mut answer)).await;
        assert_eq!(answer, b"");
    }
    assert_eq!(server.app.app().sessions().count(), 0);
    server.app.stop().await;
}

/// Sends the head of a request, and returns all that is answered until the server closes the connection.
async fn answer_to(at: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn a_probe_is_answered_while_the_app_is_ready() {
    let (server, at) = arena_with(config(), |it| it).await;
    for method in ["GET", "HEAD"] {
        let answer = answer_to(at, &format!("{method} / HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    server.app.stop().await;
}

#[tokio::test]
async fn a_draining_server_answers_503() {
    let mut config = config();
    config.session.drain.period = Duration::from_millis(10);
    let (server, at) = arena_with(config, |it| it).await;
    let (last, tcp) = (client(at).await, server.tcp);
    let running = Arc::new(server.app);
    let draining = {
        let running = Arc::clone(&running);
        tokio::spawn(async move { running.drain().await })
    };
    soon("the TCP acceptor to close", async {
        while TcpStream::connect(tcp).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for (head, body) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nnot ready\n"),
        ("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n"),
        (UPGRADE, "\r\n\r\nthe server is stopping\n"),
    ] {
        // The WebSocket acceptor begins to refuse in a task of its own.
        let answer = soon("503", async {
            loop {
                let answer = answer_to(at, head).await;
                if !answer.starts_with("HTTP/1.1 200 ") {
                    return answer;
                }
            }
        })
        .await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}: {answer}");
        assert!(answer.ends_with(body), "{head}: {answer}");
    }
    assert!(!draining.is_finished());
    assert_eq!(running.app().sessions().count(), 1, "the session that was there stays");
    drop(last);
    soon("the drain", draining).await.unwrap();
    let running = Arc::into_inner(running).unwrap();
    running.stop().await;
    assert!(TcpStream::connect(at).await.is_err(), "the port is closed after the stop");
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn hostless_addresses_bind_both_families() {
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let server = server::start_with(config(), |builder| {
        builder.acceptor(Tcp::new(":0")).acceptor(WebSocket::new(":0")).acceptor(Tcp::new("localhost:0"))
    })
    .await;
    let ports: Vec<u16> = server.app.socket_addrs()[1..].iter().map(SocketAddr::port).collect();
    for ip in [Ipv4Addr::LOCALHOST.into(), std::net::IpAddr::from(Ipv6Addr::LOCALHOST)] {
        if ip.is_ipv6() && !has_ipv6 {
            continue;
        }
        Client::builder().connect_tcp((ip, ports[0])).await.unwrap();
        Client::builder().connect_ws(&format!("ws://{}/", SocketAddr::new(ip, ports[1]))).await.unwrap();
    }
    Client::builder().connect_tcp(("localhost", ports[2])).await.unwrap();
    Client::builder().connect_tcp((Ipv4Addr::LOCALHOST, ports[2])).await.unwrap();
    server.app.stop().await;
}

#[tokio::test]
async fn refused_connections_write_few_log_lines() {
    const STRANGERS: usize = 500;
    let log = CapturedLog::start(tracing::Level::WARN);
    let mut config = config();
    config.limit.connections = 1;
    let server = server::start(config).await;
    let _first = RawClient::ready(server.tcp).await;
    let begun = std::time::Instant::now();
    for _ in 0..STRANGERS {
        RawClient::connect(server.tcp).await.closed().await;
    }
    let intervals = usize::try_from(begun.elapsed().as_secs() / 10).unwrap() + 1;
    server.app.stop().await;
    let log = log.lines();
    let lines: Vec<_> = log.iter().filter(|line| line.contains("refused")).collect();
    assert!(lines[0].contains("refused a connection") && lines[0].contains("127.0.0.1:"), "{lines:?}");
    assert!(lines.len() <= 2 * intervals + 1, "{lines:?}");
    let suppressed = lines
        .iter()
        .filter_map(|line| line.split_once("suppressed="))
        .map(|(_, rest)| rest.split(' ').next().unwrap().parse::<usize>().unwrap());
    let written = lines.iter().filter(|line| line.contains("refused a connection")).count();
    assert_eq!(written + suppressed.sum::<usize>(), STRANGERS, "{lines:?}");
}

/// An answer to an upgrade with many headers, as gateways add them.
#[tokio::test]
async fn a_client_takes_long_answers_to_its_upgrade() {
    let (server, at) = arena_with(config(), |it| it).await;
    let gateway = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gateway.local_addr().unwrap();
    let relay = tokio::spawn(async move {
        for more in ["X-A: b\r\n".repeat(190), format!("X-A: {}\r\n", "b".repeat(32 << 10))] {
            let (mut near, _) = gateway.accept().await.unwrap();
            let mut far = TcpStream::connect(at).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                near.read_buf(&mut head).await.unwrap();
            }
            far.write_all(&head).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\n") {
                far.read_buf(&mut answer).await.unwrap();
            }
            answer.truncate(answer.len() - 2);
            near.write_all(&[&answer[..], more.as_bytes(), b"\r\n"].concat()).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    for _ in 0..2 {
        let client = client(address).await;
        let reply = client.request(&Arena::TYPED, &Text { text: "through".into() }).await.unwrap();
        assert_eq!(reply.text, "through");
    }
    relay.await.unwrap();
    server.app.stop().await;
}
