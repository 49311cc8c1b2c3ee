//! A client of any transport that does what no proper client would.

use std::net::SocketAddr;
use std::time::Duration;

use pitaya_tests::raw_client::{ACK, HANDSHAKE, request};
use pitaya_tests::{soon, ws};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::bench_server::{BenchServer, Door};

/// The header that opens the door of the balancer.
pub(crate) const PROXY_HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n";

/// The segments of a network. Those of loopback are so long that the system keeps megabytes for each connection.
const SEGMENT: u32 = 1460;

async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    SockRef::from(&socket).set_tcp_mss(SEGMENT).expect("segments of this length");
    socket.set_nodelay(true).expect("nodelay");
    soon("a connection", socket.connect(address)).await.expect("a server listens")
}

/// How far a client has come when it begins to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It has connected and said nothing.
    Connected,
    /// The transport is there: TLS, the upgrade, the PROXY header.
    Opened,
    /// The handshake is answered, the ack is not sent.
    Handshaken,
    /// Messages flow.
    Ready,
    /// It is in the group that receives every broadcast.
    Joined,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct BadClient {
    stream: Box<dyn Stream>,
    /// Each thing it says is a WebSocket message.
    framed: bool,
}

impl BadClient {
    /// Comes to this stage as a proper client does; `None` if the server closes on the way.
    pub(crate) async fn arrive(server: &BenchServer, door: Door, stage: Stage) -> Option<Self> {
        let mut tcp = connect(server.at(door)).await;
        let mut framed = false;
        let stream: Box<dyn Stream> = match door {
            _ if stage == Stage::Connected => Box::new(tcp),
            Door::Tcp => Box::new(tcp),
            Door::Proxy => {
                tcp.write_all(PROXY_HEADER).await.ok()?;
                Box::new(tcp)
            }
            Door::Ws => {
                ws::upgrade(&mut tcp, "/").await.ok()?;
                framed = true;
                Box::new(tcp)
            }
            Door::Tls => {
                let name = "localhost".try_into().expect("a name");
                Box::new(soon("TLS", server.tls.connect(name, tcp)).await.ok()?)
            }
        };
        let mut client = Self { stream, framed };
        let on_the_way = async {
            (stage < Stage::Handshaken
                || client.say(HANDSHAKE).await && client.hear(r#""serializer":"json"}}"#).await)
                && (stage < Stage::Ready || client.say(ACK).await)
                && (stage < Stage::Joined
                    || client.say(&request(1, "bench.fan.join", b"")).await && client.hear("{}").await)
        };
        on_the_way.await.then_some(client)
    }

    /// From now on what it says goes out as it is, whatever the transport.
    pub(crate) fn unframed(mut self) -> Self {
        self.framed = false;
        self
    }

    /// Sends bytes. Returns false if the server has closed the connection.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> bool {
        let framed = if self.framed { ws::frame(bytes) } else { bytes.to_vec() };
        let said = async {
            self.stream.write_all(&framed).await?;
            self.stream.flush().await
        };
        soon("the server to take bytes", said).await.is_ok()
    }

    /// Waits for these words. Returns whether they came before the server closed.
    pub(crate) async fn hear(&mut self, words: &str) -> bool {
        let mut heard = Vec::new();
        soon(words, async {
            while !heard.windows(words.len()).any(|at| at == words.as_bytes()) {
                if !self.stream.read_buf(&mut heard).await.is_ok_and(|count| count > 0) {
                    return false;
                }
            }
            true
        })
        .await
    }

    /// Waits for the server to close. Returns what it said before. The name is the test's.
    pub(crate) async fn ended(&mut self, name: &str) -> Vec<u8> {
        let mut heard = Vec::new();
        // A reset is an end too.
        let _ = soon(name, self.stream.read_to_end(&mut heard)).await;
        heard
    }

    /// Says a byte a second until the server closes. Returns what it said before.
    pub(crate) async fn trickle(&mut self, name: &str) -> Vec<u8> {
        let (mut from, mut to) = tokio::io::split(&mut self.stream);
        let mut heard = Vec::new();
        let trickle = async {
            let mut second = tokio::time::interval(Duration::from_secs(1));
            loop {
                second.tick().await;
                if to.write_all(b"x").await.is_err() || to.flush().await.is_err() {
                    // What was said before the close is still to be read.
                    return std::future::pending::<()>().await;
                }
            }
        };
        let end = soon(name, from.read_to_end(&mut heard));
        tokio::select! {
            _ = end => {}
            () = trickle => {}
        }
        heard
    }

    /// Says it again and again and reads nothing, until the server closes.
    pub(crate) async fn insist(&mut self, bytes: &[u8]) {
        while self.say(bytes).await {}
    }
}
