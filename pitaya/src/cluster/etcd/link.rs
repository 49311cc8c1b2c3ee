//! A connection to one endpoint of etcd, and the requests that are made on it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Client, ConnectOptions, Error as EtcdError, GetOptions, GetResponse, PutOptions, WatchOptions,
    WatchStream,
};

use super::EtcdOptions;
use super::machine::{Answer, Fault};

/// How often a quiet connection is asked whether it still is one. etcd takes more than one ping in five seconds for
/// abuse.
const PING: Duration = Duration::from_secs(6);

/// How long it may take to say so. A connection whose other end has vanished is noticed after both times.
const PONG: Duration = Duration::from_secs(3);

/// The largest answer that is read: a list of some hundred thousand servers.
const LARGEST: usize = 64 << 20;

/// The numbers of gRPC for what etcd answers.
mod status {
    pub(super) const INVALID_ARGUMENT: i32 = 3;
    pub(super) const NOT_FOUND: i32 = 5;
    pub(super) const PERMISSION_DENIED: i32 = 7;
    pub(super) const FAILED_PRECONDITION: i32 = 9;
    pub(super) const UNAUTHENTICATED: i32 = 16;
}

/// One connection. It does not mend itself: after a failure another one is made.
#[derive(Clone)]
pub(super) struct Link {
    /// Some kilobytes, which are not to be copied for each request.
    client: Arc<Client>,
    options: Arc<EtcdOptions>,
    endpoint: usize,
}

impl Link {
    /// Connects, says who we are, and sees that etcd answers.
    ///
    /// One endpoint a connection: the client's own choice among several may choose one that is down for each request.
    pub(super) async fn connect(options: Arc<EtcdOptions>, endpoint: usize) -> Result<Self, Fault> {
        let url = options.url(endpoint);
        let plain = ConnectOptions::new()
            .with_connect_timeout(options.dial_timeout)
            .with_keep_alive(PING, PONG)
            .with_keep_alive_while_idle(false)
            // A member that is cut off from the others says so, instead of being silent for ever.
            .with_require_leader(true);
        let plain = with_tls(plain, &url, &options, endpoint)?;
        let named = match options.credentials() {
            Some((user, pass)) => plain.clone().with_user(user, pass),
            None => plain.clone(),
        };
        let client = match Client::connect([&url], Some(named)).await {
            // As the original: a user is no mistake where none is asked for.
            Err(error) if is_without_users(&error) => {
                tracing::warn!("etcd asks for no user; `pitaya.cluster.sd.etcd.user` is not used");
                Client::connect([&url], Some(plain)).await
            }
            connected => connected,
        };
        let client = client.map_err(|error| explain(&options, endpoint, &error))?;
        let link = Self { client: Arc::new(client), options, endpoint };
        link.ready().await?;
        Ok(link)
    }

    /// Sees whether etcd answers.
    pub(super) async fn ready(&self) -> Result<(), Fault> {
        match self.client.kv_client().get(self.options.health_key(), None).await {
            Ok(_) => Ok(()),
            // Not to be allowed to read this key is an answer too.
            Err(error) if code(&error) == Some(status::PERMISSION_DENIED) => Ok(()),
            Err(error) => Err(self.explain(&error)),
        }
    }

    pub(super) async fn grant(&self) -> Answer {
        match self.client.lease_client().grant(self.options.ttl_seconds(), None).await {
            Ok(granted) => {
                let ttl = Duration::from_secs(u64::try_from(granted.ttl()).unwrap_or(0));
                Answer::Granted(granted.id(), ttl.clamp(Duration::from_secs(1), super::LONGEST))
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Keeps a lease alive once. A stream for each of them costs little at this pace, and leaves nothing open that may
    /// silently be dead.
    pub(super) async fn keep(&self, lease: i64) -> Answer {
        match self.client.lease_client().keep_alive(lease).await {
            Ok(_) => Answer::Kept,
            Err(EtcdError::LeaseKeepAliveError(_)) => Answer::LeaseGone,
            Err(error) => self.failed(&error),
        }
    }

    pub(super) async fn put(&self, key: String, value: Vec<u8>, lease: i64) -> Answer {
        let options = PutOptions::new().with_lease(lease);
        match self.client.kv_client().put(key, value, Some(options)).await {
            Ok(put) => match put.header() {
                Some(header) => Answer::Put(header.revision()),
                None => Answer::Failed(self.without_revision()),
            },
            Err(error) if code(&error) == Some(status::NOT_FOUND) => Answer::LeaseGone,
            Err(error) => self.failed(&error),
        }
    }

    /// All entries, and the revision that they are as of.
    pub(super) async fn list(&self) -> Result<(i64, GetResponse), Fault> {
        let mut client = self.client.kv_client().max_decoding_message_size(LARGEST);
        let options = GetOptions::new().with_prefix();
        let list = client.get(self.options.servers_prefix(), Some(options)).await;
        let list = list.map_err(|error| self.explain(&error))?;
        let revision = list.header().map(|header| header.revision());
        Ok((revision.ok_or_else(|| self.without_revision())?, list))
    }

    pub(super) async fn watch(&self, from: i64) -> Result<WatchStream, Fault> {
        let mut client = self.client.watch_client().max_decoding_message_size(LARGEST);
        let options = WatchOptions::new().with_prefix().with_start_revision(from);
        client.watch(self.options.servers_prefix(), Some(options)).await.map_err(|error| self.explain(&error))
    }

    pub(super) async fn revoke(&self, lease: i64) -> Answer {
        match self.client.lease_client().revoke(lease).await {
            Ok(_) => Answer::Revoked,
            Err(error) if code(&error) == Some(status::NOT_FOUND) => Answer::LeaseGone,
            Err(error) => self.failed(&error),
        }
    }

    /// What an error of etcd means here.
    pub(super) fn explain(&self, error: &EtcdError) -> Fault {
        explain(&self.options, self.endpoint, error)
    }

    /// The watch has ended for a reason that etcd gives, or for none.
    pub(super) fn ended(&self, reason: &str) -> Fault {
        let at = self.options.shown(self.endpoint);
        let reason = if reason.is_empty() { "no reason is given" } else { reason };
        Fault { text: format!("etcd at {at} has ended the watch: {reason}"), refused: false }
    }

    /// An answer has no revision, without which nothing can be made of it.
    pub(super) fn without_revision(&self) -> Fault {
        let at = self.options.shown(self.endpoint);
        Fault { text: format!("etcd at {at} gave an answer without a revision; is it etcd?"), refused: false }
    }

    fn failed(&self, error: &EtcdError) -> Answer {
        Answer::Failed(self.explain(error))
    }
}

#[cfg(feature = "tls")]
fn with_tls(
    connect: ConnectOptions,
    url: &str,
    options: &EtcdOptions,
    endpoint: usize,
) -> Result<ConnectOptions, Fault> {
    use etcd_client::{Certificate, TlsOptions};

    if !url.starts_with("https://") {
        return Ok(connect);
    }
    let tls = match &options.ca_file {
        // Small and local, read once a connection: not worth a thread.
        Some(path) => match std::fs::read(path) {
            Ok(pem) => TlsOptions::new().ca_certificate(Certificate::from_pem(pem)),
            Err(error) => {
                let at = options.shown(endpoint);
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
    options: &EtcdOptions,
    endpoint: usize,
) -> Result<ConnectOptions, Fault> {
    if !url.starts_with("https://") {
        return Ok(connect);
    }
    let text =
        format!("etcd at {} needs TLS: build with the feature `tls` of pitaya", options.shown(endpoint));
    Err(Fault { text, refused: true })
}

fn code(error: &EtcdError) -> Option<i32> {
    match error {
        EtcdError::GRpcStatus(status) => Some(status.code() as i32),
        _ => None,
    }
}

fn is_without_users(error: &EtcdError) -> bool {
    code(error) == Some(status::FAILED_PRECONDITION)
        && error.to_string().contains("authentication is not enabled")
}

/// Says what happened, where, and what to do. No text has a password in it: what etcd says has none, and of the
/// address only what may be shown is used.
fn explain(options: &EtcdOptions, endpoint: usize, error: &EtcdError) -> Fault {
    let at = options.shown(endpoint);
    let status = match error {
        EtcdError::GRpcStatus(status) => status,
        EtcdError::InvalidUri(_) | EtcdError::InvalidArgs(_) | EtcdError::TransportError(_) => {
            let why = match error {
                EtcdError::TransportError(error) => innermost(error),
                error => error.to_string(),
            };
            let text = format!(
                "etcd cannot be reached at `{at}`: {why}; an endpoint (`pitaya.cluster.sd.etcd.endpoints`) is \
                 `host:port`, `http://host:port` or `https://host:port`"
            );
            return Fault { text, refused: true };
        }
        error => return Fault { text: format!("etcd at {at} failed: {error}"), refused: false },
    };
    let said = status.message();
    match status.code() as i32 {
        status::INVALID_ARGUMENT | status::PERMISSION_DENIED => {
            let who = match options.credentials() {
                Some((user, _)) => format!("the user `{user}`"),
                None => "us without a user and a password".to_owned(),
            };
            let text = format!(
                "etcd at {at} refuses {who}: {said}; check `pitaya.cluster.sd.etcd.user` and `.pass`, and that the user \
                 may read and write `{}`",
                options.prefix
            );
            Fault { text, refused: true }
        }
        // A token that has run out: the next connection gets a new one.
        status::UNAUTHENTICATED => {
            Fault { text: format!("etcd at {at} wants us to sign in: {said}"), refused: false }
        }
        _ => match status.source() {
            Some(source) => {
                let text = format!(
                    "etcd at {at} cannot be reached: {}; is it running there, and are the endpoints \
                     (`pitaya.cluster.sd.etcd.endpoints`) right?",
                    innermost(source)
                );
                Fault { text, refused: false }
            }
            None => Fault { text: format!("etcd at {at} failed: {said}"), refused: false },
        },
    }
}

/// The error at the bottom: those above it say that something went wrong, it says what.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
