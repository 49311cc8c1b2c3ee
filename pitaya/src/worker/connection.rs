//! Connections to Redis: TCP or TLS, each step within its time, made again after a loss.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline, Value,
};
use redis::{ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::options::RedisOptions;
use super::tls::Tls;
use crate::error::{Error, Result, code};
use crate::util::host::with_host;
use crate::util::redact;

/// The longest that a connection may take, signing in included.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest that Redis may take to answer a command that does not block.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);
/// Callers share the failure of a connection for this time, so that they do not wait for each other's attempts.
const SHARED_FAILURE: Duration = Duration::from_millis(100);

/// Where Redis is, and how to sign in.
pub(crate) struct Address {
    host: String,
    port: u16,
    settings: RedisConnectionInfo,
    tls: Option<Tls>,
}

impl Address {
    /// Reads the options.
    ///
    /// # Errors
    /// `PIT-500` if the address or a certificate is invalid.
    pub(crate) fn new(options: &RedisOptions) -> Result<Self> {
        let shown = redact::address(&options.url);
        let invalid = |error: &dyn fmt::Display| {
            Error::new(code::INTERNAL, format!("invalid address of Redis `{shown}`: {error}"))
        };
        let url = options.url.trim();
        let (tls, rest) = match url.split_once("://") {
            Some(("rediss", rest)) => (true, rest.to_owned()),
            Some(("redis", rest)) => (options.tls, rest.to_owned()),
            Some((scheme, _)) => return Err(invalid(&format!("unknown scheme `{scheme}`"))),
            None => (options.tls, with_host(url).into_owned()),
        };
        // The scheme of TLS needs a feature of the library that chooses another TLS than this one.
        let info = format!("redis://{rest}").into_connection_info().map_err(|error| invalid(&error))?;
        let ConnectionAddr::Tcp(host, port) = info.addr() else { return Err(invalid(&"no host and port")) };
        let mut settings =
            info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        if !options.user.is_empty() {
            settings = settings.set_username(&options.user);
        }
        if !options.password.is_empty() {
            settings = settings.set_password(&options.password);
        }
        if let Some(database) = options.database {
            settings = settings.set_db(database.into());
        }
        let tls = if tls { Some(Tls::new(options.ca_file.as_deref(), host)?) } else { None };
        Ok(Self { host: host.clone(), port: *port, settings, tls })
    }

    /// Connects and signs in. Redis may take `answer` for each command on the connection.
    pub(crate) async fn connect(&self, answer: Duration) -> RedisResult<Live> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(answer));
        let connect = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            match &self.tls {
                None => {
                    Live::begin(MultiplexedConnection::new_with_config(&self.settings, stream, config)).await
                }
                Some(tls) => {
                    let stream = tls.connect(stream).await?;
                    Live::begin(MultiplexedConnection::new_with_config(&self.settings, stream, config)).await
                }
            }
        };
        timeout(CONNECT, connect)
            .await
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// One connection. It closes when it is dropped.
pub(crate) struct Live {
    connection: MultiplexedConnection,
    /// The task that reads and writes. It ends when the connection is lost.
    driver: AbortHandle,
}

impl Live {
    async fn begin<D: Future<Output = ()> + Send + 'static>(
        connecting: impl Future<Output = RedisResult<(MultiplexedConnection, D)>>,
    ) -> RedisResult<Self> {
        let (connection, driver) = connecting.await?;
        Ok(Self { connection, driver: tokio::spawn(driver).abort_handle() })
    }

    fn is_lost(&self) -> bool {
        self.driver.is_finished()
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, query: &Query) -> RedisResult<T> {
        let mut connection = self.connection.clone();
        match query {
            Query::One(command) => command.query_async(&mut connection).await,
            Query::Many(pipeline) => pipeline.query_async(&mut connection).await,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// One command, or several that are sent together.
pub(crate) enum Query {
    One(Cmd),
    Many(Pipeline),
}

impl From<Cmd> for Query {
    fn from(command: Cmd) -> Self {
        Self::One(command)
    }
}

impl From<Pipeline> for Query {
    fn from(pipeline: Pipeline) -> Self {
        Self::Many(pipeline)
    }
}

/// A connection for commands that do not block. Tasks share it, and it is made again after a loss.
pub(crate) struct Shared {
    address: Address,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    live: Option<std::sync::Arc<Live>>,
    failed: Option<(Instant, String)>,
}

impl Shared {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, state: Mutex::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Asks Redis, once. Connects before if there is no connection.
    ///
    /// # Errors
    /// Redis's own, or that of the connection. Redis may have executed the commands in the latter case.
    ///
    /// # Cancel safety
    /// Commands that were sent are executed.
    pub(crate) async fn query<T: FromRedisValue>(&self, query: impl Into<Query>) -> RedisResult<T> {
        let live = self.live().await?;
        let answer = live.query(&query.into()).await;
        if let Err(error) = &answer
            && (error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error())
        {
            let mut state = self.state.lock().await;
            if state.live.as_ref().is_some_and(|current| std::sync::Arc::ptr_eq(current, &live)) {
                state.live = None;
            }
        }
        answer
    }

    /// Executes commands as one transaction (MULTI), once.
    ///
    /// The library's own transactions are not used, because they overflow if Redis refuses MULTI itself.
    ///
    /// # Errors
    /// As [`query`](Self::query), and the first error of a command.
    ///
    /// # Cancel safety
    /// As [`query`](Self::query).
    pub(crate) async fn transact(&self, commands: &Pipeline) -> RedisResult<()> {
        let mut transaction = redis::pipe();
        transaction.cmd("MULTI").ignore();
        for command in commands.cmd_iter() {
            transaction.add_command(command.clone()).ignore();
        }
        transaction.cmd("EXEC");
        let (answers,): (Value,) = self.query(transaction).await?;
        answers.extract_error().map(drop)
    }

    async fn live(&self) -> RedisResult<std::sync::Arc<Live>> {
        let mut state = self.state.lock().await;
        if let Some(live) = state.live.as_ref().filter(|live| !live.is_lost()) {
            return Ok(std::sync::Arc::clone(live));
        }
        if let Some((at, error)) = &state.failed
            && at.elapsed() < SHARED_FAILURE
        {
            return Err((ErrorKind::Io, "no connection", error.clone()).into());
        }
        state.live = None;
        match self.address.connect(ANSWER).await {
            Ok(live) => {
                let live = std::sync::Arc::new(live);
                *state = State { live: Some(std::sync::Arc::clone(&live)), failed: None };
                Ok(live)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }
}

/// The error of a caller: `PIT-503`, with the text of Redis.
pub(crate) fn unavailable(error: RedisError) -> Error {
    Error::new(code::UNAVAILABLE, format!("Redis: {error}")).with_source(error)
}
