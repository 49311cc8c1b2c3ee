//! Makes one connection to one of the brokers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};

use super::address::Login;
use super::options::{NatsOptions, NatsTls};
use super::signals::Signals;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectFailure {
    /// Trying again may help.
    #[error("{0}")]
    Transient(String),
    /// It will not: a file is missing, or the broker refuses who we are.
    #[error("{0}")]
    Permanent(String),
}

/// How long the client waits before it makes, by itself, a lost connection again. In that time what takes in over it
/// has ended; otherwise messages could come over it and over the one that takes its place.
const AGAIN: Duration = Duration::from_millis(100);

/// Connects to the first of `servers`, in any order, that answers.
///
/// The client is told to give up when it has lost the connection and tried the brokers it knows once; that is how it
/// ends. Until then calls that wait may still get their answers. To go on is ours: the client would send what was
/// queued when the connection was lost whenever it is back, hours later, and could not be told to stop trying.
pub(super) async fn connect(
    options: &NatsOptions,
    login: Option<&Login>,
    servers: &[ServerAddr],
    name: &str,
    signals: &Arc<Signals>,
) -> Result<Client, ConnectFailure> {
    let (heard, watched) = (Arc::clone(signals), Arc::clone(signals));
    let mut client = ConnectOptions::new()
        .name(name)
        .connection_timeout(options.connection_timeout)
        // the client bears two pings without an answer, and gives up when the third is due
        .ping_interval((options.silence_limit() / 3).max(Duration::from_millis(1)))
        .subscription_capacity(options.messages.max(options.pushes))
        // ours are checked where they are made, and those of answers came from a broker
        .skip_subject_validation(true)
        .max_reconnects(servers.len())
        // those that a broker names are among `servers`
        .ignore_discovered_servers()
        .reconnect_delay_callback(move |_| if watched.was_connected() { AGAIN } else { Duration::ZERO })
        .require_tls(options.tls.required)
        .event_callback(move |event| {
            heard.on_event(event);
            std::future::ready(())
        });
    match login {
        Some(Login::User { user, password }) => {
            client = client.user_and_password(user.clone(), password.clone());
        }
        Some(Login::Token(token)) => client = client.token(token.clone()),
        None => {}
    }
    if let Some(file) = &options.credentials_file {
        client = with_credentials(client, file).await?;
    }
    // In any case: a broker may demand TLS though nobody here does, and the client would look for a provider then.
    client = client.tls_client_config(tls(&options.tls)?);
    // Of one server several addresses may be tried, such as `::1` and `127.0.0.1`; and looking up a name takes as
    // long as the system lets it.
    let tries = u32::try_from(servers.len()).unwrap_or(u32::MAX).saturating_mul(2).saturating_add(1);
    let longest = options.connection_timeout.saturating_mul(tries);
    match tokio::time::timeout(longest, client.connect(servers)).await {
        Ok(Ok(client)) => {
            signals.set_connected();
            Ok(client)
        }
        Ok(Err(error)) => Err(match error.kind() {
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation => ConnectFailure::Permanent(error.to_string()),
            _ => ConnectFailure::Transient(error.to_string()),
        }),
        Err(_) => Err(ConnectFailure::Transient(format!("no connection within {longest:?}"))),
    }
}

#[cfg(feature = "nats-creds")]
async fn with_credentials(client: ConnectOptions, file: &Path) -> Result<ConnectOptions, ConnectFailure> {
    client.credentials_file(file).await.map_err(|error| {
        ConnectFailure::Permanent(format!("the credentials file `{}`: {error}", file.display()))
    })
}

#[cfg(not(feature = "nats-creds"))]
async fn with_credentials(client: ConnectOptions, _: &Path) -> Result<ConnectOptions, ConnectFailure> {
    // refused where the options are checked
    std::future::ready(Ok(client)).await
}

/// The configuration of TLS, with a named provider. The client would use the default provider of the process, and panic
/// if there is none because crates of the program enable two.
fn tls(tls: &NatsTls) -> Result<ClientConfig, ConnectFailure> {
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        ConnectFailure::Permanent(format!("TLS: {what}: {error}"))
    };
    let mut roots = RootCertStore::empty();
    match &tls.ca_file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| bad(&file.display().to_string(), &error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("protocol versions", &error))?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) else {
        return Ok(config.with_no_client_auth());
    };
    let own = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(&key.display().to_string(), &error))?;
    config
        .with_client_auth_cert(certificates(cert)?, own)
        .map_err(|error| bad("our certificate and its key", &error))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, ConnectFailure> {
    let bad = |error: &dyn std::fmt::Display| {
        ConnectFailure::Permanent(format!("TLS: `{}`: {error}", file.display()))
    };
    let all: Vec<_> = CertificateDer::pem_file_iter(file)
        .map_err(|error| bad(&error))?
        .collect::<Result<_, _>>()
        .map_err(|error| bad(&error))?;
    if all.is_empty() { Err(bad(&"has no certificate")) } else { Ok(all) }
}
