//! A connection to one endpoint of etcd.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error as EtcdError, KvClient, LeaseClient, WatchClient};

use super::fault::{explain, is_without_users, wants_sign_in};
use super::{Access, Fault, code, status};

/// The ping interval of a quiet connection. etcd treats more than one ping in five seconds as abuse.
const PING: Duration = Duration::from_secs(6);

/// The timeout of a ping. A vanished peer is noticed after both times.
const PONG: Duration = Duration::from_secs(3);

/// The largest accepted answer, in bytes.
const LARGEST: usize = 64 << 20;

/// A connection to one endpoint. It signs in again when etcd refuses its token. After any other failure its owner opens
/// another one.
#[derive(Clone)]
pub(crate) struct Connection {
    /// Some kilobytes, which a clone for each request must not copy.
    client: Arc<Client>,
    access: Arc<Access>,
    endpoint: usize,
}

impl Connection {
    /// Connects, signs in, and checks that etcd answers.
    ///
    /// One endpoint per connection, because the client's balancer may pick an endpoint that is down for each request.
    pub(crate) async fn connect(access: Arc<Access>, endpoint: usize) -> Result<Self, Fault> {
        let url = access.url(endpoint);
        let plain = ConnectOptions::new()
            .with_connect_timeout(access.dial_timeout)
            .with_keep_alive(PING, PONG)
            .with_keep_alive_while_idle(false)
            // A simple token expires, and only a refusal shows it.
            .with_auto_token_refresh(true)
            // A partitioned member then answers with an error instead of no answer.
            .with_require_leader(true);
        let plain = with_tls(plain, &url, &access, endpoint)?;
        let named = match access.credentials() {
            Some((user, pass)) => plain.clone().with_user(user, pass),
            None => plain.clone(),
        };
        let client = match Client::connect([&url], Some(named)).await {
            // As in Go Pitaya, a user is not an error where etcd has no authentication.
            Err(error) if is_without_users(&error) => {
                tracing::warn!("etcd has no authentication: ignoring `pitaya.cluster.sd.etcd.user`");
                Client::connect([&url], Some(plain)).await
            }
            connected => connected,
        };
        let client = client.map_err(|error| explain(&access, endpoint, &error))?;
        let connection = Self { client: Arc::new(client), access, endpoint };
        connection.ready().await?;
        Ok(connection)
    }

    /// Checks that etcd answers.
    pub(crate) async fn ready(&self) -> Result<(), Fault> {
        match self.client.kv_client().get(self.access.health_key(), None).await {
            Ok(_) => Ok(()),
            // A refused read of this key is an answer too.
            Err(error) if code(&error) == Some(status::PERMISSION_DENIED) => Ok(()),
            Err(error) => Err(self.explain(&error)),
        }
    }

    pub(crate) fn kv(&self) -> KvClient {
        self.client.kv_client().max_decoding_message_size(LARGEST)
    }

    pub(crate) fn leases(&self) -> LeaseClient {
        self.client.lease_client()
    }

    pub(crate) fn watches(&self) -> WatchClient {
        self.client.watch_client().max_decoding_message_size(LARGEST)
    }

    /// Keeps a lease alive once. A stream per call is cheap at this rate, and leaves no stream open that may be dead.
    pub(crate) async fn keep_alive(&self, lease: i64) -> Result<(), EtcdError> {
        match self.leases().keep_alive(lease).await {
            // The refusal arrives on the stream, where the client does not sign in again by itself.
            Err(EtcdError::GRpcStatus(status)) if wants_sign_in(status.code() as i32, status.message()) => {
                self.client.refresh_token().await?;
                self.leases().keep_alive(lease).await.map(drop)
            }
            kept => kept.map(drop),
        }
    }

    /// Returns the address, without a password.
    pub(crate) fn shown(&self) -> String {
        self.access.shown(self.endpoint)
    }

    /// Returns the meaning of an error of etcd.
    pub(crate) fn explain(&self, error: &EtcdError) -> Fault {
        explain(&self.access, self.endpoint, error)
    }
}

#[cfg(feature = "tls")]
fn with_tls(
    connect: ConnectOptions,
    url: &str,
    access: &Access,
    endpoint: usize,
) -> Result<ConnectOptions, Fault> {
    use etcd_client::{Certificate, TlsOptions};

    if !url.starts_with("https://") {
        return Ok(connect);
    }
    let tls = match &access.ca_file {
        // A small local file, read once per connection, needs no thread.
        Some(path) => match std::fs::read(path) {
            Ok(pem) => TlsOptions::new().ca_certificate(Certificate::from_pem(pem)),
            Err(error) => {
                let at = access.shown(endpoint);
                let text = format!(
                    "the certificates for etcd at {at} cannot be read from {}: {error}",
                    path.display()
                );
                return Err(Fault { text, refused: true });
            }
        },
        None => TlsOptions::new().with_native_roots(),
    };
    Ok(connect.with_tls(tls))
}

#[cfg(not(feature = "tls"))]
fn with_tls(
    connect: ConnectOptions,
    url: &str,
    access: &Access,
    endpoint: usize,
) -> Result<ConnectOptions, Fault> {
    if !url.starts_with("https://") {
        return Ok(connect);
    }
    let text =
        format!("etcd at {} needs TLS: build with the feature `tls` of pitaya", access.shown(endpoint));
    Err(Fault { text, refused: true })
}
