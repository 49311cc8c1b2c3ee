//! Several acceptors in one app: TCP, WebSocket, TLS, PROXY headers, wrappers, and a custom one.

use std::net::SocketAddr;
use std::time::Duration;

use pitaya::acceptor::{Acceptor, Filter, FilterPacket, RateLimit, Tcp, Tls, Verdict, WebSocket, wrapper_fn};
use pitaya::client::{self, Client};
use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{self, Arena, OnText, Text, config};
use pitaya_tests::{soon, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

pitaya::link!(pitaya_tests);

fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn talks(client: &Client) {
    let reply = client.request(&Arena::TYPED, &Text { text: "é".into() }).await.unwrap();
    assert_eq!(reply.text, "é");
}

#[tokio::test]
async fn one_app_serves_every_acceptor() {
    let (cert, key) = certificate();
    let tls = Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let server = server::start_with(config(), |builder| {
        builder
            .acceptor(Tcp::new("127.0.0.1:0"))
            .acceptor(Tcp::new("127.0.0.1:0").tls(tls.clone()))
            .acceptor(WebSocket::new("127.0.0.1:0"))
            .acceptor(WebSocket::new("127.0.0.1:0").tls(tls))
    })
    .await;
    let at: Vec<SocketAddr> = server.app.socket_addrs();
    let trust = client::Tls::trust_pem(cert.as_bytes()).unwrap();
    let builder = Client::builder();
    let clients = [
        builder.connect_tcp(at[0]).await.unwrap(),
        builder.connect_tcp(at[1]).await.unwrap(),
        builder.connect_tls(at[2], "localhost", trust.clone()).await.unwrap(),
        builder.connect_ws(&format!("ws://{}/any/path", at[3])).await.unwrap(),
        builder.connect_wss(&format!("wss://localhost:{}/", at[4].port()), trust).await.unwrap(),
    ];
    for (n, client) in clients.iter().enumerate() {
        talks(client).await;
        client.request(&Arena::BIND, &Text { text: format!("u{n}") }).await.unwrap();
        // The same push and kick on every transport.
        let mut pushes = client.pushes::<OnText>();
        let session = server.app.app().sessions().by_uid(&format!("u{n}")).unwrap();
        session.push(&OnText { text: "hello".into() }).await.unwrap();
        assert_eq!(soon("the push", pushes.next()).await.unwrap().text, "hello");
        session.kick().await.unwrap();
        let closed = soon("the kick", client.closed()).await;
        assert!(
            matches!(closed, client::Closed { reason: client::CloseReason::Kicked, .. }),
            "{n}: {closed:?}"
        );
    }
    server.app.stop().await;
}

#[tokio::test]
async fn a_certificate_is_reloaded_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (cert_file, key_file) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let (first, first_key) = certificate();
    std::fs::write(&cert_file, &first).unwrap();
    std::fs::write(&key_file, &first_key).unwrap();
    let tls = Tls::from_pem_files(&cert_file, &key_file).unwrap();
    let handle = tls.clone();
    let server = server::start_with(config(), |b| b.acceptor(Tcp::new("127.0.0.1:0").tls(tls))).await;
    let at = server.app.socket_addrs()[1];
    let trust_first = client::Tls::trust_pem(first.as_bytes()).unwrap();
    let old = Client::builder().connect_tls(at, "localhost", trust_first.clone()).await.unwrap();
    let (second, second_key) = certificate();
    std::fs::write(&cert_file, "garbage").unwrap();
    assert!(handle.reload().is_err(), "a broken file is an error, and the old certificate stays");
    Client::builder().connect_tls(at, "localhost", trust_first.clone()).await.unwrap();
    std::fs::write(&cert_file, &second).unwrap();
    std::fs::write(&key_file, &second_key).unwrap();
    handle.reload().unwrap();
    let trust_second = client::Tls::trust_pem(second.as_bytes()).unwrap();
    talks(&Client::builder().connect_tls(at, "localhost", trust_second).await.unwrap()).await;
    // Trust of its own: a client that was here before may resume its session, which shows no certificate.
    let fresh = client::Tls::trust_pem(first.as_bytes()).unwrap();
    assert!(Client::builder().connect_tls(at, "localhost", fresh).await.is_err());
    talks(&old).await;
    server.app.stop().await;
}

/// In TLS, in the proxy header and in the upgrade.
#[tokio::test]
async fn stalled_setups_close_and_block_no_client() {
    let (cert, key) = certificate();
    let tls = Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let mut config = config();
    config.limit.header_deadline = Duration::from_millis(600);
    let server = server::start_with(config, |builder| {
        builder
            .acceptor(Tcp::new("127.0.0.1:0").tls(tls))
            .acceptor(Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]))
            .acceptor(WebSocket::new("127.0.0.1:0"))
    })
    .await;
    let at = server.app.socket_addrs();
    let mut stalled = Vec::new();
    for (address, bytes) in
        [(at[1], &b"\x16\x03\x01"[..]), (at[2], b"PROXY TCP4 1"), (at[3], b"GET / HTTP/1.1\r\nHost")]
    {
        for _ in 0..5 {
            let mut client = RawClient::connect(address).await;
            client.stream.write_all(bytes).await.unwrap();
            stalled.push(client);
        }
    }
    let trust = client::Tls::trust_pem(cert.as_bytes()).unwrap();
    talks(&Client::builder().connect_tls(at[1], "localhost", trust).await.unwrap()).await;
    talks(&Client::builder().connect_ws(&format!("ws://{}/", at[3])).await.unwrap()).await;
    let mut proxied = RawClient::connect(at[2]).await;
    proxied.send(b"PROXY TCP4 10.1.2.3 10.0.0.1 4000 80\r\n").await;
    proxied.handshake().await;
    assert_eq!(proxied.ask("arena.raw", "through").await, "through");
    for client in &mut stalled {
        let mut rest = Vec::new();
        let _ = soon("the close", tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest)).await;
    }
    server.app.stop().await;
}

/// Instead of TLS or of a proxy header.
#[tokio::test]
async fn garbage_before_the_handshake_is_closed() {
    let (cert, key) = certificate();
    let tls = Tls::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
    let server = server::start_with(config(), |builder| {
        builder
            .acceptor(Tcp::new("127.0.0.1:0").tls(tls))
            .acceptor(Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]))
            .acceptor(WebSocket::new("127.0.0.1:0"))
    })
    .await;
    let at = server.app.socket_addrs();
    for address in &at[1..] {
        let mut client = RawClient::connect(*address).await;
        client.send(pitaya_tests::raw_client::HANDSHAKE).await;
        client.send(&[0xff; 200]).await;
        let mut rest = Vec::new();
        let _ = soon("the close", tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest)).await;
        assert!(!rest.starts_with(b"\x01"), "no handshake reply");
    }
    let mut healthy = RawClient::ready(at[0]).await;
    assert_eq!(healthy.ask("arena.raw", "fine").await, "fine");
    server.app.stop().await;
}

#[tokio::test]
async fn session_has_the_address_of_the_proxy_header() {
    let mut config = config();
    config.acceptor.proxy_protocol = true;
    config.acceptor.trusted_proxies = vec!["127.0.0.1".into()];
    let server = server::start(config).await;
    for (header, expected, version) in [
        (&b"PROXY TCP4 10.1.2.3 10.0.0.1 4000 80\r\n"[..], "10.1.2.3:4000", "ipv4"),
        (b"PROXY TCP6 2001:db8::7 ::1 4000 80\r\n", "[2001:db8::7]:4000", "ipv6"),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x0f\xa0\x00\x50",
            "10.1.2.3:4000",
            "ipv4",
        ),
    ] {
        let mut client = RawClient::connect(server.tcp).await;
        client.send(header).await;
        client.handshake().await;
        client.ask("arena.bind", r#"{"text":"who"}"#).await;
        let session = server.app.app().sessions().by_uid("who").unwrap();
        assert_eq!(session.remote_addr(), expected);
        assert_eq!(session.get::<String>("ipversion").unwrap().as_deref(), Some(version));
    }
    // A balancer's health check is served with the socket's own address.
    let mut local = RawClient::connect(server.tcp).await;
    local.send(b"PROXY UNKNOWN\r\n").await;
    local.handshake().await;
    assert_eq!(local.ask("arena.raw", "healthy").await, "healthy");
    server.app.stop().await;
}

struct Shift(u8);

impl Filter for Shift {
    fn incoming(&mut self, packet: &mut FilterPacket<'_>, _: tokio::time::Instant) -> Verdict {
        // The last byte of a data packet is the last of its body.
        if packet.kind() == Kind::Data
            && let Some(last) = packet.body_mut().last_mut()
        {
            *last = last.wrapping_mul(10).wrapping_add(self.0);
        }
        Verdict::Pass
    }
}

#[tokio::test]
async fn wrappers_change_input_in_their_order() {
    let server = server::start_with(config(), |builder| {
        builder
            .acceptor(Tcp::new("127.0.0.1:0").wrap(wrapper_fn(|_| Shift(1))).wrap(wrapper_fn(|_| Shift(2))))
    })
    .await;
    let mut client = RawClient::ready(server.app.socket_addrs()[1]).await;
    let Got::Response { body, .. } = client.call("arena.raw", [0]).await else { panic!("no answer") };
    assert_eq!(&body[..], [12], "first 0·10+1, then 1·10+2");
    server.app.stop().await;
}

/// Packets above the limit are dropped without an answer.
#[tokio::test]
async fn rate_limit_counts_data_packets_per_connection() {
    let memory_reporter = std::sync::Arc::new(pitaya::metrics::InMemoryReporter::new());
    let reporter = std::sync::Arc::clone(&memory_reporter);
    let limit = RateLimit::new(3, Duration::from_secs(3600)).unwrap();
    let server = server::start_with(config(), |builder| {
        builder.reporter(reporter).acceptor(Tcp::new("127.0.0.1:0").wrap(limit))
    })
    .await;
    let at = server.app.socket_addrs()[1];
    let mut client = RawClient::ready(at).await;
    for _ in 0..5 {
        client.send(pitaya_tests::raw_client::HEARTBEAT).await;
    }
    for n in 0..10 {
        client.request("arena.raw", [n]).await;
    }
    let mut other = RawClient::ready(at).await;
    assert_eq!(other.ask("arena.raw", "free").await, "free");
    server.app.app().sessions().close_all();
    let answered: Vec<_> = client.closed().await;
    assert_eq!(answered.len(), 3, "{answered:?}");
    until("the drops", || memory_reporter.sum("exceeded_rate_limiting", &[]) == 7.0).await;
    server.app.stop().await;
}

#[tokio::test]
async fn an_acceptor_of_a_users_own_serves_a_unix_socket() {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use pitaya::acceptor::{IncomingConnection, Link, ListenOptions, Listening, Peer};
    use tokio::net::{UnixListener, UnixStream};

    struct Unix {
        path: std::path::PathBuf,
        listener: Option<UnixListener>,
    }

    impl Acceptor for Unix {
        fn listen(&mut self, _: &ListenOptions) -> BoxFuture<'_, std::io::Result<Listening>> {
            async {
                self.listener = Some(UnixListener::bind(&self.path)?);
                Ok(Listening::new("unix", self.path.display().to_string()))
            }
            .boxed()
        }
        fn accept(&mut self) -> BoxFuture<'_, std::io::Result<IncomingConnection>> {
            async {
                let Some(listener) = &self.listener else {
                    return Err(std::io::ErrorKind::NotConnected.into());
                };
                let (stream, _) = listener.accept().await?;
                Ok(IncomingConnection::ready(Peer::new("unix"), Link::bytes(stream)))
            }
            .boxed()
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pitaya.sock");
    let acceptor = Unix { path: path.clone(), listener: None };
    let server = server::start_with(config(), |builder| builder.acceptor(acceptor)).await;
    assert_eq!(server.app.addresses()[1], path.display().to_string());
    let mut client = RawClient::over(UnixStream::connect(&path).await.unwrap());
    client.handshake().await;
    assert_eq!(client.ask("arena.raw", "unix").await, "unix");
    server.app.stop().await;
}

/// Its length is limited before the ack and after it.
#[tokio::test]
async fn websocket_message_holds_exactly_one_packet() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_websockets::{ClientBuilder, Message};
    let server =
        server::start_with(config(), |builder| builder.acceptor(WebSocket::new("127.0.0.1:0"))).await;
    let at = server.app.socket_addrs()[1];
    let connect = || async move {
        let uri: http::Uri = format!("ws://{at}/").parse().unwrap();
        let stream = TcpStream::connect(at).await.unwrap();
        ClientBuilder::from_uri(uri).connect_on(stream).await.unwrap().0
    };
    let handshake = || Message::binary(&b"\x01\x00\x00\x02{}"[..]);
    for bad in [
        &b"\x03\x00\x00\x00\x03\x00\x00\x00"[..],
        b"\x03\x00\x00\x00x",
        b"\x02\x00",
        b"\x02\x00\x00\x02\x00",
        b"\x00\x00\x00\x00",
    ] {
        let mut client = connect().await;
        client.send(handshake()).await.unwrap();
        assert!(client.next().await.unwrap().unwrap().is_binary());
        client.send(Message::binary(bad)).await.unwrap();
        let end = soon("the close", client.next()).await;
        assert!(end.is_none_or(|end| end.is_err() || end.unwrap().is_close()), "{bad:?}");
    }
    let mut large = connect().await;
    let mut packet = vec![1, 1, 0, 1];
    packet.resize(4 + 65537, b' ');
    large.send(Message::binary(packet)).await.unwrap();
    let end = soon("the close", large.next()).await;
    assert!(end.is_none_or(|end| end.is_err() || end.unwrap().is_close()), "64 KiB before the ack");
    // After the ack a larger one passes.
    let mut client = connect().await;
    client.send(handshake()).await.unwrap();
    client.next().await;
    client.send(Message::binary(&b"\x02\x00\x00\x00"[..])).await.unwrap();
    let request = pitaya_tests::raw_client::request(1, "arena.raw", &vec![7; 200_000]);
    client.send(Message::binary(request)).await.unwrap();
    let answer = soon("the answer", client.next()).await.unwrap().unwrap();
    assert_eq!(answer.into_payload().len(), 4 + 2 + 200_000);
    until("the bad ones to go", || server.app.app().sessions().count() == 1).await;
    server.app.stop().await;
}

#[tokio::test]
async fn an_acceptor_in_memory_works_too() {
    let (acceptor, dialer) = pitaya::testing::memory_acceptor();
    let server = server::start_with(config(), |builder| builder.acceptor(acceptor)).await;
    let mut client = RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    assert_eq!(client.ask("arena.raw", "memory").await, "memory");
    server.app.stop().await;
}
