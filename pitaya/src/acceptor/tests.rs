//! The acceptors over real sockets: opening, PROXY, stalling clients, wrappers.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::*;
use crate::wire::packet::Kind;

/// Longer than any of these tests takes.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Starts an acceptor on a free port, and says where it is.
pub(super) async fn listen(acceptor: &mut impl Acceptor) -> SocketAddr {
    let listening = acceptor.listen(&ListenOptions::default()).await.unwrap();
    listening.socket.unwrap()
}

pub(super) async fn accept(acceptor: &mut impl Acceptor) -> IncomingConnection {
    acceptor.accept().await.unwrap()
}

/// Opens a byte link.
pub(super) async fn open_bytes(incoming: IncomingConnection) -> (Box<dyn ByteStream>, Peer) {
    let opened = incoming.open(DEADLINE).await.unwrap();
    match opened.link {
        Link::Bytes(stream) => (stream, opened.peer),
        Link::Packets(_) => panic!("expected a byte stream"),
    }
}

pub(super) async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Opens a connection with the PROXY protocol. The client sends this in one piece and stays.
async fn proxied(sent: &[u8]) -> Result<Opened, OpenError> {
    let mut acceptor = Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]);
    let mut client = connect(listen(&mut acceptor).await).await;
    client.write_all(sent).await.unwrap();
    accept(&mut acceptor).await.open(DEADLINE).await
}

async fn read_all(opened: Opened, length: usize) -> Vec<u8> {
    let Link::Bytes(mut stream) = opened.link else {
        panic!("expected a byte stream");
    };
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn tcp_opens_and_carries_bytes_both_ways() {
    let mut acceptor = Tcp::new("127.0.0.1:0");
    let listening = acceptor.listen(&ListenOptions::default()).await.unwrap();
    assert_eq!(listening.label, "tcp");
    let address = listening.socket.unwrap();
    assert_eq!(listening.address, address.to_string());
    assert_ne!(address.port(), 0);

    let mut client = connect(address).await;
    let incoming = accept(&mut acceptor).await;
    let local = client.local_addr().unwrap();
    assert_eq!(incoming.peer().socket(), Some(local));
    let (mut server, peer) = open_bytes(incoming).await;
    assert_eq!(peer.address(), local.to_string());

    let mut buffer = [0; 4];
    client.write_all(b"ping").await.unwrap();
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"ping");
    server.write_all(b"pong").await.unwrap();
    client.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"pong");
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_named() {
    let mut first = Tcp::new("127.0.0.1:0");
    let taken = listen(&mut first).await.to_string();
    for address in [taken.as_str(), "no port", "127.0.0.1:99999"] {
        let mut acceptor = Tcp::new(address);
        let error = acceptor.listen(&ListenOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains(address), "{error}");
    }
}

#[tokio::test]
async fn a_socket_that_listens_already_can_be_handed_over() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut acceptor = Tcp::from_listener(socket);
    assert_eq!(listen(&mut acceptor).await, address);
    let _client = connect(address).await;
    open_bytes(accept(&mut acceptor).await).await;
    let again = acceptor.listen(&ListenOptions::default()).await;
    assert!(again.is_err());
}

#[tokio::test]
async fn accept_before_listen_is_an_error() {
    assert!(Tcp::new("127.0.0.1:0").accept().await.is_err());
}

#[tokio::test]
async fn dropping_the_acceptor_closes_the_port() {
    let mut acceptor = Tcp::new("127.0.0.1:0");
    let address = listen(&mut acceptor).await;
    drop(acceptor);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn proxy_header_sets_client_and_keeps_the_rest() {
    let v2 = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10"[..],
        &[203, 0, 113, 7, 10, 0, 0, 1, 0x9e, 0x48, 0x0c, 0xb2],
        &[0x04, 0, 1, 42],
    ]
    .concat();
    let v1 = b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n".to_vec();
    for header in [v1, v2] {
        let sent = [&header[..], b"\x01\0\0\x02{}\r\n"].concat();
        let opened = proxied(&sent).await.unwrap();
        assert_eq!(opened.peer.address(), "203.0.113.7:40520");
        assert_eq!(read_all(opened, 8).await, b"\x01\0\0\x02{}\r\n");
    }
}

#[tokio::test]
async fn header_without_address_keeps_socket_address() {
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0";
    for header in [&b"PROXY UNKNOWN\r\n"[..], local] {
        let sent = [header, b"rest"].concat();
        let opened = proxied(&sent).await.unwrap();
        assert!(opened.peer.address().starts_with("127.0.0.1:"));
        assert_eq!(read_all(opened, 4).await, b"rest");
    }
}

#[tokio::test]
async fn a_header_may_come_byte_by_byte() {
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\x00\x71\x07\x0a\0\0\x01\x9e\x48\x0c\xb2";
    let v1 = b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n";
    for header in [&v1[..], v2] {
        let mut acceptor = Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]);
        let mut client = connect(listen(&mut acceptor).await).await;
        let incoming = accept(&mut acceptor).await;
        let opening = tokio::spawn(incoming.open(DEADLINE));
        for byte in [header, b"!"].concat() {
            client.write_all(&[byte]).await.unwrap();
            // lets the reader see this byte alone
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        let opened = opening.await.unwrap().unwrap();
        assert_eq!(opened.peer.address(), "203.0.113.7:40520");
        assert_eq!(read_all(opened, 1).await, b"!");
    }
}

#[tokio::test]
async fn missing_or_bad_proxy_header_closes() {
    let long = [b"PROXY TCP6 ".to_vec(), vec![b'f'; 200]].concat();
    for sent in [
        &b"\x01\0\0\x02{}"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"PROXY TCP4 nonsense\r\n",
        b"PROXY\r\n",
        &long,
        b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x08\x01",
        &[&b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8"[..], &[0; 216]].concat(),
    ] {
        let error = proxied(sent).await.unwrap_err();
        let shown = sent.escape_ascii();
        assert!(matches!(error, OpenError::Proxy(_)), "{shown}: {error}");
    }
}

#[tokio::test]
async fn cut_header_is_an_error() {
    for sent in [&b""[..], b"PROXY TCP4 203.0", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb"] {
        let mut acceptor = Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]);
        let mut client = connect(listen(&mut acceptor).await).await;
        client.write_all(sent).await.unwrap();
        client.shutdown().await.unwrap();
        let opened = accept(&mut acceptor).await.open(DEADLINE).await;
        assert!(matches!(opened, Err(OpenError::Proxy(_))));
    }
}

#[tokio::test]
async fn builder_overrides_proxy_configuration() {
    for (configured, built) in [(true, Some(false)), (false, Some(true)), (true, None)] {
        let trusted_proxies = Arc::new(["127.0.0.0/8".to_owned()]);
        let options =
            ListenOptions { proxy_protocol: configured, trusted_proxies, ..ListenOptions::default() };
        let mut acceptor = Tcp::new("127.0.0.1:0");
        if let Some(built) = built {
            acceptor = acceptor.proxy_protocol(built);
        }
        let listening = acceptor.listen(&options).await.unwrap();
        let mut client = connect(listening.socket.unwrap()).await;
        client.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n").await.unwrap();
        let opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
        let is_proxied = opened.peer.address() == "203.0.113.7:40520";
        assert_eq!(is_proxied, built.unwrap_or(configured));
    }
}

#[tokio::test]
async fn proxy_without_trusted_networks_is_refused() {
    for acceptor in [Tcp::new("127.0.0.1:0"), Tcp::new("127.0.0.1:0").trusted_proxies([""; 0])] {
        let mut acceptor = acceptor.proxy_protocol(true);
        let error = acceptor.listen(&ListenOptions::default()).await.unwrap_err().to_string();
        assert!(error.contains("pitaya.acceptor.trustedproxies") && error.contains("0.0.0.0/0"), "{error}");
    }
    let mut acceptor = Tcp::new("127.0.0.1:0").trusted_proxies(["10.0.0.0/8", "balancer"]);
    let error = acceptor.listen(&ListenOptions::default()).await.unwrap_err().to_string();
    assert!(error.contains("`balancer`") && error.contains("write"), "{error}");
}

#[tokio::test]
async fn an_untrusted_peer_cannot_send_a_proxy_header() {
    let mut acceptor = Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["10.0.0.0/8", "::1"]);
    let mut client = connect(listen(&mut acceptor).await).await;
    client.write_all(b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n").await.unwrap();
    let error = accept(&mut acceptor).await.open(DEADLINE).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Untrusted(peer) if peer.address().starts_with("127.0.0.1:")),
        "{error}"
    );
}

#[tokio::test]
async fn an_opened_connection_knows_the_proxy_too() {
    let opened = proxied(b"PROXY TCP4 203.0.113.7 10.0.0.1 40520 3250\r\n").await.unwrap();
    assert_eq!(opened.peer.address(), "203.0.113.7:40520");
    assert!(opened.socket_peer.address().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn stalled_proxy_header_does_not_block_the_next() {
    let mut acceptor = Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]);
    let address = listen(&mut acceptor).await;
    let mut slow = connect(address).await;
    slow.write_all(b"PROXY TC").await.unwrap();
    let stalled = tokio::spawn(accept(&mut acceptor).await.open(DEADLINE));

    let mut quick = connect(address).await;
    quick.write_all(b"PROXY UNKNOWN\r\n").await.unwrap();
    open_bytes(accept(&mut acceptor).await).await;
    assert!(!stalled.is_finished());

    slow.write_all(b"P4 203.0.113.7 10.0.0.1 1 2\r\n").await.unwrap();
    let opened = stalled.await.unwrap().unwrap();
    assert_eq!(opened.peer.address(), "203.0.113.7:1");
}

/// Each filter sees the result of the filter before it.
#[tokio::test]
async fn filters_apply_in_order() {
    let append = |byte: u8| {
        wrapper_fn(move |_: &Peer| {
            move |packet: &mut FilterPacket<'_>, _: Instant| {
                packet.body_mut().push(byte);
                Verdict::Pass
            }
        })
    };
    let mut acceptor = Tcp::new("127.0.0.1:0").wrap(append(b'a')).wrap(append(b'b'));
    let _client = connect(listen(&mut acceptor).await).await;
    let opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
    let mut packet = FilterPacket::new(Kind::Data, b">");
    for mut filter in opened.filters {
        assert_eq!(filter.incoming(&mut packet, Instant::now()), Verdict::Pass);
    }
    assert_eq!(packet.into_changed().unwrap(), b">ab");
}

#[tokio::test]
async fn a_wrapper_knows_the_client_behind_the_balancer() {
    let (seen, mut peers) = tokio::sync::mpsc::unbounded_channel();
    let watch = wrapper_fn(move |peer: &Peer| {
        seen.send(peer.clone()).unwrap();
        |_: &mut FilterPacket<'_>, _: Instant| Verdict::Close
    });
    let mut acceptor: Box<dyn Acceptor> =
        Box::new(Tcp::new("127.0.0.1:0").proxy_protocol(true).trusted_proxies(["127.0.0.1"]).wrap(watch));
    let mut client = connect(listen(&mut acceptor).await).await;
    client.write_all(b"PROXY TCP6 2001:db8::7 2001:db8::1 40520 3250\r\n").await.unwrap();
    let opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
    assert_eq!(opened.filters.len(), 1);
    let peer = peers.recv().await.unwrap();
    assert_eq!(peer.address(), "[2001:db8::7]:40520");
    assert_eq!(peer.ip_version(), "ipv6");
}

/// A user's own acceptor, of connections that never were on a network.
struct Memory(tokio::sync::mpsc::Receiver<tokio::io::DuplexStream>);

impl Acceptor for Memory {
    fn listen(&mut self, _options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        Box::pin(async { Ok(Listening::new("memory", "memory")) })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async {
            let stream = self.0.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
            Ok(IncomingConnection::ready(Peer::new("memory"), Link::bytes(stream)))
        })
    }
}

#[tokio::test]
async fn ones_own_acceptor_can_be_wrapped_too() {
    let (connect, connections) = tokio::sync::mpsc::channel(1);
    let limit = RateLimit::new(1, Duration::from_secs(1)).unwrap();
    let mut acceptor = Memory(connections).wrap(limit);
    let listening = acceptor.listen(&ListenOptions::default()).await.unwrap();
    assert_eq!((listening.label, listening.socket), ("memory", None));

    let (mut client, server) = tokio::io::duplex(64);
    connect.send(server).await.unwrap();
    let mut opened = accept(&mut acceptor).await.open(DEADLINE).await.unwrap();
    let now = Instant::now();
    let mut send = || opened.filters[0].incoming(&mut FilterPacket::new(Kind::Data, b""), now);
    assert_eq!(send(), Verdict::Pass);
    assert_eq!(send(), Verdict::Drop(DropReason::RateLimit));

    client.write_all(b"over the wrapper").await.unwrap();
    let bytes = Bytes::from(read_all(opened, 16).await);
    assert_eq!(bytes, "over the wrapper");
}
