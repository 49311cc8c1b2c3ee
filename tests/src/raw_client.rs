//! A client that speaks bytes: it can do what no proper client would.

use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use pitaya::app::Running;
use pitaya::wire::message::{self, Kind as MessageKind};
use pitaya::wire::packet::{self, Kind};
use pitaya::wire::{Compression, Dictionary};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::soon;

/// The smallest handshake.
pub const HANDSHAKE: &[u8] = b"\x01\x00\x00\x02{}";
/// The ack.
pub const ACK: &[u8] = b"\x02\x00\x00\x00";
/// A heartbeat.
pub const HEARTBEAT: &[u8] = b"\x03\x00\x00\x00";

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// The answer to a request.
    Response {
        /// The id of the request.
        id: u64,
        /// Whether it is an error.
        error: bool,
        /// The body, inflated.
        body: Bytes,
    },
    /// A push.
    Push {
        /// Its route.
        route: String,
        /// The body, inflated.
        body: Bytes,
    },
    /// A heartbeat.
    Heartbeat,
    /// A handshake reply.
    Handshake(Bytes),
    /// A kick.
    Kick,
}

impl Got {
    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        let body: &[u8] = match self {
            Self::Response { body, .. } | Self::Push { body, .. } | Self::Handshake(body) => body,
            Self::Heartbeat | Self::Kick => b"",
        };
        std::str::from_utf8(body).expect("a text")
    }
}

/// A raw client over any stream.
#[derive(Debug)]
pub struct RawClient<S = TcpStream> {
    /// The stream itself, for what must be done by hand.
    pub stream: S,
    read: BytesMut,
    ids: u64,
}

impl RawClient<TcpStream> {
    /// Connects, and says nothing yet.
    ///
    /// # Panics
    /// If no server listens.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = soon("a connection", TcpStream::connect(address)).await.expect("a server listens");
        stream.set_nodelay(true).expect("nodelay");
        Self::over(stream)
    }

    /// Connects to the first acceptor of an app, with handshake and ack.
    pub async fn of(app: &Running) -> Self {
        Self::ready(app.socket_addrs()[0]).await
    }

    /// Connects, with handshake and ack.
    pub async fn ready(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address).await;
        raw.handshake().await;
        raw
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawClient<S> {
    /// A client over a stream that is open.
    pub fn over(stream: S) -> Self {
        Self { stream, read: BytesMut::new(), ids: 0 }
    }

    /// Handshake and ack. Returns the reply's body.
    ///
    /// # Panics
    /// If the reply is no handshake.
    pub async fn handshake(&mut self) -> Bytes {
        self.send(HANDSHAKE).await;
        let got = self.next().await;
        let Some(Got::Handshake(reply)) = got else { panic!("not a handshake reply: {got:?}") };
        self.send(ACK).await;
        reply
    }

    /// Sends bytes; a server that has closed already is no failure.
    pub async fn send(&mut self, bytes: &[u8]) {
        // The server may close while we write: what it answers is what the tests look at.
        let _ = soon("the server to take bytes", self.stream.write_all(bytes)).await;
    }

    /// Sends a packet.
    ///
    /// # Panics
    /// If the body is too large for one.
    pub async fn packet(&mut self, kind: Kind, body: &[u8]) {
        let mut out = BytesMut::new();
        packet::encode(kind, body, &mut out).expect("a packet");
        self.send(&out).await;
    }

    /// Sends a request. Returns its id.
    ///
    /// # Panics
    /// If the route is too long.
    pub async fn request(&mut self, route: &str, body: impl AsRef<[u8]>) -> u64 {
        self.ids += 1;
        let bytes = request(self.ids, route, body.as_ref());
        self.send(&bytes).await;
        self.ids
    }

    /// Sends a notify.
    ///
    /// # Panics
    /// If the route is too long.
    pub async fn notify(&mut self, route: &str, body: impl AsRef<[u8]>) {
        let bytes = notify(route, body.as_ref());
        self.send(&bytes).await;
    }

    /// Sends a request and waits for its answer; pushes and heartbeats that come before are dropped.
    ///
    /// # Panics
    /// If the connection closes before.
    pub async fn call(&mut self, route: &str, body: impl AsRef<[u8]>) -> Got {
        let wanted = self.request(route, body).await;
        loop {
            match self.next().await {
                Some(got @ Got::Response { id, .. }) if id == wanted => return got,
                Some(_) => {}
                None => panic!("closed before the answer to {route}"),
            }
        }
    }

    /// Does the same as [`call`](Self::call), and returns the body as text.
    pub async fn ask(&mut self, route: &str, body: impl AsRef<[u8]>) -> String {
        self.call(route, body).await.text().to_owned()
    }

    /// The next message that is not a heartbeat; `None` once the server has closed.
    pub async fn next(&mut self) -> Option<Got> {
        loop {
            match self.any().await {
                Some(Got::Heartbeat) => {}
                other => return other,
            }
        }
    }

    /// The next message, heartbeats too; `None` once the server has closed.
    ///
    /// # Panics
    /// If the server sends what is no message.
    pub async fn any(&mut self) -> Option<Got> {
        soon("the server", async {
            loop {
                if let Some(got) = self.parse() {
                    return Some(got);
                }
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) => {
                        assert!(self.read.is_empty(), "closed in the middle of a packet: {:?}", self.read);
                        return None;
                    }
                    Ok(_) => {}
                    Err(error) if reset(&error) => return None,
                    Err(error) => panic!("reading: {error}"),
                }
            }
        })
        .await
    }

    /// The next push, whatever comes before it: its route and its body as text.
    ///
    /// # Panics
    /// If the server closes before.
    pub async fn pushed(&mut self) -> (String, String) {
        loop {
            match self.next().await {
                Some(Got::Push { route, body }) => {
                    return (route, String::from_utf8_lossy(&body).into_owned());
                }
                Some(_) => {}
                None => panic!("closed before the push"),
            }
        }
    }

    /// Waits for the server to close, and sees that it kicked us.
    ///
    /// # Panics
    /// If it did not.
    pub async fn kicked(&mut self) {
        let got = self.closed().await;
        assert!(got.contains(&Got::Kick), "{got:?}");
    }

    /// Waits for the server to close. Returns what came before.
    pub async fn closed(&mut self) -> Vec<Got> {
        let mut all = Vec::new();
        while let Some(got) = self.next().await {
            all.push(got);
        }
        all
    }

    fn parse(&mut self) -> Option<Got> {
        let (got, used) = {
            let (packet, used) =
                packet::split(&self.read, packet::MAX_BODY).expect("a packet of the server")?;
            let got = match packet.kind {
                Kind::Handshake => Got::Handshake(Bytes::copy_from_slice(packet.body)),
                Kind::Heartbeat => Got::Heartbeat,
                Kind::Kick => Got::Kick,
                Kind::Data => decode(packet.body),
                Kind::HandshakeAck => panic!("an ack from the server"),
            };
            (got, used)
        };
        self.read.advance(used);
        Some(got)
    }
}

fn reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
    )
}

fn decode(bytes: &[u8]) -> Got {
    let message = message::decode(bytes).expect("a message of the server");
    let body = Bytes::from(message.plain_body(64 << 20).expect("a body").into_owned());
    match message.kind {
        MessageKind::Response => Got::Response { id: message.id, error: message.error, body },
        MessageKind::Push => {
            let message::Route::Name(route) = message.route else { panic!("a coded push: {message:?}") };
            Got::Push { route: String::from_utf8_lossy(route).into_owned(), body }
        }
        other => panic!("a {other:?} from the server"),
    }
}

/// The bytes of a request.
///
/// # Panics
/// If the route is too long.
pub fn request(id: u64, route: &str, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    message::encode_request(&mut out, id, route, body, &Dictionary::default(), &Compression::Off)
        .expect("a request");
    out.freeze()
}

/// The bytes of a notify.
///
/// # Panics
/// If the route is too long.
pub fn notify(route: &str, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    message::encode_notify(&mut out, route, body, &Dictionary::default(), &Compression::Off)
        .expect("a notify");
    out.freeze()
}
