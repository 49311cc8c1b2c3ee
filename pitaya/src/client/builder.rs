//! The builder of a client: its handshake, its limits, and how it connects.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::close::ConnectError;
use super::handshake::{agree, heartbeat, shake_hands};
use super::schema_check::SchemaCheck;
use super::shared::{Agreed, Shared};
use super::task::{Limits, Task};
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::transport::{Bytes, Transport};
#[cfg(feature = "websocket")]
use super::websocket::{Address, Wishes, upgrade};
use super::{Client, Reconnect};
use crate::schema::Schema;
use crate::serialize::Serializer;
use crate::wire::handshake::{Request, Sys};
use crate::wire::packet::MAX_BODY;
use crate::wire::{Compression, Compressor};

/// Messages that wait for the connection's task. Beyond them callers wait.
const OUTGOING: usize = 64;
/// Routes whose compression back-off is remembered, with 8 bytes each.
const BACKOFF_ROUTES: usize = 64;

/// Connects clients with one of its `connect_…` methods. [`Client::builder`] returns it.
///
/// A builder can connect any number of clients.
///
/// # Cancel safety
/// Dropping the future of a `connect_…` method closes its connection.
#[derive(Clone, Debug)]
pub struct Builder {
    sys: Sys,
    user: Result<Option<Map<String, Value>>, String>,
    serializer: Option<Serializer>,
    compression: Compression,
    request_timeout: Duration,
    connect_timeout: Duration,
    push_queue: usize,
    limits: Limits,
    schema_check: SchemaCheck,
    #[cfg(feature = "websocket")]
    wishes: Result<Wishes, String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sys: Sys {
                platform: "rust".to_owned(),
                lib_version: env!("CARGO_PKG_VERSION").to_owned(),
                ..Sys::default()
            },
            user: Ok(None),
            serializer: None,
            compression: Compression::Off,
            request_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            push_queue: 1024,
            limits: Limits { packet: MAX_BODY, inflated: MAX_BODY },
            schema_check: SchemaCheck::default(),
            #[cfg(feature = "websocket")]
            wishes: Ok(Wishes::default()),
        }
    }
}

impl Builder {
    /// Sets the user data of the handshake. It must serialize as a JSON object, or as `null` for none.
    ///
    /// Other data makes connecting fail with [`ConnectError::User`].
    ///
    /// ```
    /// use pitaya::client::Client;
    /// let builder = Client::builder().handshake_user(serde_json::json!({ "token": "x" }));
    /// ```
    #[must_use]
    pub fn handshake_user(mut self, user: impl Serialize) -> Self {
        self.user = match serde_json::to_value(user) {
            Ok(Value::Object(user)) => Ok(Some(user)),
            Ok(Value::Null) => Ok(None),
            Ok(other) => Err(format!("not a JSON object: {other}")),
            Err(error) => Err(error.to_string()),
        };
        self
    }

    /// Sets the platform in the handshake; `rust` by default.
    #[must_use]
    pub fn platform(mut self, platform: impl Into<String>) -> Self {
        self.sys.platform = platform.into();
        self
    }

    /// Sets the version of the program in the handshake; empty by default.
    #[must_use]
    pub fn client_version(mut self, version: impl Into<String>) -> Self {
        self.sys.client_version = version.into();
        self
    }

    /// Sets the build number in the handshake; empty by default.
    #[must_use]
    pub fn client_build_number(mut self, number: impl Into<String>) -> Self {
        self.sys.client_build_number = number.into();
        self
    }

    /// Sets the version of the client library in the handshake; that of this crate by default.
    #[must_use]
    pub fn lib_version(mut self, version: impl Into<String>) -> Self {
        self.sys.lib_version = version.into();
        self
    }

    /// Sets the serializer of this client, which the handshake names. By default the server chooses one of the three
    /// built-in ones.
    ///
    /// Connecting fails with [`ConnectError::Serializer`] if the server does not offer it. A custom serializer must be
    /// set here.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Into<Serializer>) -> Self {
        self.serializer = Some(serializer.into());
        self
    }

    /// Sends the hash of this schema in the handshake, and logs one warning if the server has another schema.
    ///
    /// A server answers if it has a schema by [`app::Builder::schema`](crate::app::Builder::schema). After a mismatch
    /// the client works as usual, and [`Client::schema_matches`] returns `Some(false)`. Without this method nothing is
    /// sent. A program that links all handlers of the server [exports](crate::schema::export) its own schema, another
    /// one reads the server's file:
    ///
    /// ```no_run
    /// use pitaya::client::Client;
    /// use pitaya::schema::{ExportOptions, export};
    /// let builder = Client::builder().schema(&export(&ExportOptions::new("chat"))?);
    /// # Ok::<(), pitaya::Error>(())
    /// ```
    #[must_use]
    pub fn schema(mut self, schema: &Schema) -> Self {
        self.schema_check = SchemaCheck::new(schema);
        self
    }

    /// Sets whether sent bodies are deflated if that makes them shorter; off by default.
    ///
    /// Deflated bodies of the server are always accepted.
    #[must_use]
    pub fn compress(mut self, yes: bool) -> Self {
        self.compression = if yes { Compression::default() } else { Compression::Off };
        self
    }

    /// Sets the time limit of a request, and of a notify that waits for room; 5 seconds by default.
    ///
    /// See also [`Client::with_request_timeout`].
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Sets the time limit for connecting, with TLS, upgrade and handshake; 10 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the bound of each queue of pushes; 1024 by default, at least 1. See [`Client`](Client#pushes).
    #[must_use]
    pub fn push_queue(mut self, pushes: usize) -> Self {
        self.push_queue = pushes;
        self
    }

    /// Sets the longest packet of the server, in bytes without its header; 16777215 by default and at most.
    ///
    /// A longer packet ends the connection.
    #[must_use]
    pub fn max_packet(mut self, bytes: usize) -> Self {
        self.limits.packet = bytes.min(MAX_BODY);
        self
    }

    /// Sets the longest body of the server after inflation, in bytes; 16777215 by default.
    ///
    /// A longer body ends the connection.
    #[must_use]
    pub fn max_inflated(mut self, bytes: usize) -> Self {
        self.limits.inflated = bytes;
        self
    }

    /// Adds a header to the request of a WebSocket connection, such as `Authorization`.
    ///
    /// An invalid name or value makes connecting fail with [`ConnectError::Address`].
    #[cfg(feature = "websocket")]
    #[cfg_attr(docsrs, doc(cfg(feature = "websocket")))]
    #[must_use]
    pub fn ws_header(mut self, name: &str, value: &str) -> Self {
        let header = http::HeaderName::from_bytes(name.as_bytes())
            .map_err(|error| format!("header `{}`: {error}", name.escape_debug()))
            .and_then(|name| match http::HeaderValue::from_str(value) {
                Ok(mut value) => {
                    value.set_sensitive(true); // `Debug` of this builder does not show it
                    Ok((name, value))
                }
                Err(error) => Err(format!("value of header `{name}`: {error}")),
            });
        match (&mut self.wishes, header) {
            (Ok(wishes), Ok(header)) => wishes.headers.push(header),
            (Ok(_), Err(error)) => self.wishes = Err(error),
            (Err(_), _) => {} // the first mistake is reported
        }
        self
    }

    /// Sets the subprotocols that a WebSocket connection offers, the preferred one first.
    ///
    /// A name that is not a token of HTTP makes connecting fail with [`ConnectError::Address`].
    #[cfg(feature = "websocket")]
    #[cfg_attr(docsrs, doc(cfg(feature = "websocket")))]
    #[must_use]
    pub fn ws_subprotocols<P: Into<String>>(mut self, names: impl IntoIterator<Item = P>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        // The names of headers are tokens too.
        let bad = names.iter().find(|name| http::HeaderName::from_bytes(name.as_bytes()).is_err());
        match (&mut self.wishes, bad) {
            (Ok(wishes), None) => wishes.subprotocols = names,
            (Ok(_), Some(bad)) => self.wishes = Err(format!("subprotocol `{}`", bad.escape_debug())),
            (Err(_), _) => {}
        }
        self
    }

    /// Makes a client that connects again by itself. `dial` connects with one of the `connect_…` methods of the builder
    /// that it gets.
    ///
    /// ```
    /// use pitaya::client::Client;
    /// let how = Client::builder()
    ///     .reconnecting(|builder| async move { builder.connect_tcp("127.0.0.1:3250").await });
    /// ```
    pub fn reconnecting<F, Fut>(self, dial: F) -> Reconnect
    where
        F: Fn(Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Client, ConnectError>> + Send + 'static,
    {
        Reconnect::new(self, dial)
    }

    /// Returns the time limits of a request and of connecting.
    pub(super) fn timeouts(&self) -> (Duration, Duration) {
        (self.request_timeout, self.connect_timeout)
    }

    #[cfg(feature = "websocket")]
    fn wishes(&self) -> Result<&Wishes, ConnectError> {
        self.wishes.as_ref().map_err(|error| ConnectError::Address(error.clone()))
    }

    /// Connects over TCP.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect_tcp(&self, address: impl ToSocketAddrs) -> Result<Client, ConnectError> {
        self.in_time(async { Ok(Box::new(Bytes(tcp(address).await?)) as _) }).await
    }

    /// Connects over TLS on TCP. The server's certificate must be for `server_name`.
    ///
    /// # Errors
    /// [`ConnectError`].
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub async fn connect_tls(
        &self,
        address: impl ToSocketAddrs,
        server_name: &str,
        tls: impl Into<Tls>,
    ) -> Result<Client, ConnectError> {
        let tls = tls.into();
        self.in_time(async {
            let stream = tls.connect(server_name, tcp(address).await?).await?;
            Ok(Box::new(Bytes(stream)) as _)
        })
        .await
    }

    /// Connects over WebSocket to `ws://host:port/path`; without a port, to 80.
    ///
    /// # Errors
    /// [`ConnectError`].
    #[cfg(feature = "websocket")]
    #[cfg_attr(docsrs, doc(cfg(feature = "websocket")))]
    pub async fn connect_ws(&self, url: &str) -> Result<Client, ConnectError> {
        let (address, wishes) = (Address::parse(url, "ws", 80)?, self.wishes()?);
        self.in_time(async {
            let stream = tcp((address.host.as_str(), address.port)).await?;
            Ok(Box::new(upgrade(stream, &address, wishes, self.limits.packet).await?) as _)
        })
        .await
    }

    /// Connects over WebSocket on TLS to `wss://host:port/path`; without a port, to 443.
    ///
    /// The server's certificate must be for that host.
    ///
    /// # Errors
    /// [`ConnectError`].
    #[cfg(all(feature = "websocket", feature = "tls"))]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "websocket", feature = "tls"))))]
    pub async fn connect_wss(&self, url: &str, tls: impl Into<Tls>) -> Result<Client, ConnectError> {
        let (tls, address, wishes) = (tls.into(), Address::parse(url, "wss", 443)?, self.wishes()?);
        self.in_time(async {
            let stream = tcp((address.host.as_str(), address.port)).await?;
            let stream = tls.connect(&address.host, stream).await?;
            Ok(Box::new(upgrade(stream, &address, wishes, self.limits.packet).await?) as _)
        })
        .await
    }

    /// Connects over a stream of bytes, such as a Unix socket or a pipe in memory.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Client, ConnectError> {
        self.in_time(async { Ok(Box::new(Bytes(stream)) as _) }).await
    }

    async fn in_time(
        &self,
        open: impl Future<Output = Result<Box<dyn Transport>, ConnectError>>,
    ) -> Result<Client, ConnectError> {
        let connect = async { self.introduce(open.await?).await };
        match tokio::time::timeout(self.connect_timeout, connect).await {
            Ok(connected) => connected,
            Err(_) => Err(ConnectError::Timeout(self.connect_timeout)),
        }
    }

    async fn introduce(&self, mut transport: Box<dyn Transport>) -> Result<Client, ConnectError> {
        let user = self.user.clone().map_err(ConnectError::User)?;
        let mut request = Request::default();
        request.sys = self.sys.clone();
        self.schema_check.hash().clone_into(&mut request.sys.schema);
        if let Some(serializer) = &self.serializer {
            serializer.name().clone_into(&mut request.sys.serializer);
        }
        if let Some(user) = user {
            request = request.with_user(&user).map_err(|error| ConnectError::User(error.to_string()))?;
        }
        let mut input = BytesMut::new();
        let reply = shake_hands(&mut *transport, &request, self.limits, &mut input).await?;
        let shared = Arc::new(Shared::new(Agreed {
            serializer: agree(self.serializer.as_ref(), &reply.serializer)?,
            schema_matches: self.schema_check.read(reply.schema_matches),
            heartbeat: heartbeat(&reply),
            dictionary: reply.dictionary,
            compression: Compressor::new(self.compression, BACKOFF_ROUTES),
            push_queue: self.push_queue,
        }));
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let stop = CancellationToken::new();
        let task = Task {
            transport,
            shared: Arc::clone(&shared),
            limits: self.limits,
            input,
            output: BytesMut::new(),
            outgoing,
            stop: Box::pin(stop.clone().cancelled_owned()),
        };
        tokio::spawn(task.run());
        let last = Arc::new(stop.clone().drop_guard());
        Ok(Client { shared, sender, stop, _last: last, request_timeout: self.request_timeout })
    }
}

async fn tcp(address: impl ToSocketAddrs) -> Result<TcpStream, ConnectError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?; // so that the system does not delay a request
    Ok(stream)
}
