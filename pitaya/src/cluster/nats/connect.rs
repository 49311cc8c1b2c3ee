//! Opens one connection to one of the brokers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_nats::rustls::{ClientConfig, crypto::ring};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, ServerAddr};

use super::address::Login;
use super::error::ConnectFailure;
use super::options::{NatsOptions, NatsTls};
use super::signals::Signals;
use crate::util::pem;

/// How long the client waits before it reconnects by itself. By then the old subscriptions have ended. Otherwise
/// messages could arrive over the old and the new connection.
const AGAIN: Duration = Duration::from_millis(100);

/// Connects to the first of `servers`, in any order, that answers.
///
/// The client gives up after a lost connection and one try of each broker. Until then waiting calls may still get their
/// answers. The framework replaces the connection itself, because the client would send messages that were queued at
/// the loss, hours later, and could not be stopped.
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
        // The client allows two unanswered pings, and gives up when the third is due.
        .ping_interval((options.silence_limit() / 3).max(Duration::from_millis(1)))
        .subscription_capacity(options.messages.max(options.pushes))
        // Subjects of this server are checked where they are made, and reply subjects come from a broker.
        .skip_subject_validation(true)
        .max_reconnects(servers.len())
        // Learned brokers are among `servers`.
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
    // Always set: a broker may require TLS by itself, and the client would look for a default provider.
    client = client.tls_client_config(tls(&options.tls)?);
    // A name may have several addresses, such as `::1` and `127.0.0.1`, and a name lookup has no timeout of its own.
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
    // The check of the options refuses this.
    std::future::ready(Ok(client)).await
}

/// Returns the TLS configuration, with an explicit provider. The client would use the process default, and panic if two
/// crates enable different ones.
fn tls(tls: &NatsTls) -> Result<ClientConfig, ConnectFailure> {
    let bad = |what: &str, error: &dyn std::fmt::Display| {
        ConnectFailure::Permanent(format!("TLS: {what}: {error}"))
    };
    let unreadable = |error: String| ConnectFailure::Permanent(format!("TLS: {error}"));
    let roots = pem::roots(tls.ca_file.as_deref()).map_err(unreadable)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("protocol versions", &error))?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) else {
        return Ok(config.with_no_client_auth());
    };
    let chain = pem::certificates_of(cert).map_err(unreadable)?;
    let own = pem::private_key_of(key).map_err(unreadable)?;
    config.with_client_auth_cert(chain, own).map_err(|error| bad("our certificate and its key", &error))
}
