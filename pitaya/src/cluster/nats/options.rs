//! The options of a NATS transport.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{self, Addresses, Login};
use crate::config::Config;
use crate::util::redact;

/// How to reach the brokers. Every option has a default:
///
/// ```
/// use pitaya::cluster::NatsOptions;
///
/// let options = NatsOptions { addresses: "nats://one:4222,nats://two:4222".into(), ..NatsOptions::default() };
/// ```
///
/// Its [`Debug`] output has no secrets.
#[derive(Clone)]
pub struct NatsOptions {
    /// The brokers of one cluster, separated by commas. The default is `nats://localhost:4222`. The scheme `tls://`
    /// requires TLS. The default scheme is `nats://`, the default port 4222. `:4222` is `localhost:4222`. All addresses
    /// of a name are tried.
    ///
    /// An address may have credentials: `nats://user:password@host`, `nats://token@host`. Special characters are
    /// percent-encoded, `%40` for `@`. All addresses have the same credentials, or none has any.
    pub addresses: String,
    /// The user, unless the addresses have one.
    pub user: Option<String>,
    /// The password of that user.
    pub password: Option<String>,
    /// The token, unless the addresses have one.
    pub token: Option<String>,
    /// A file with a JWT and the seed of a key, as `nsc` writes it. It is read for each connection. It needs the
    /// feature `nats-creds`.
    pub credentials_file: Option<PathBuf>,
    /// How the connection is encrypted.
    pub tls: NatsTls,
    /// The timeout of one connection; 2 s. The lookup of the host name comes on top.
    pub connection_timeout: Duration,
    /// How often the first connection is retried before the start of the app fails; 15. Refused credentials are not
    /// retried. A connection that is lost later is retried without a limit.
    pub first_connect_retries: u32,
    /// The pause between two tries; 1 s.
    pub reconnect_wait: Duration,
    /// The random addition to the pause, so that servers do not reconnect together; up to 100 ms.
    pub reconnect_jitter: Duration,
    /// The ping interval of an idle connection; 2 min, but at least every 1.5 s.
    ///
    /// A frozen broker or a dead machine shows only by silence. With Go Pitaya's 2 min the detection took up to 8 min,
    /// in which every call timed out. A ping costs as much as one small message.
    pub ping_interval: Duration,
    /// How many pings may be unanswered; 3. One more and the connection counts as lost: after 6 s of silence, with the
    /// defaults.
    pub max_pings_outstanding: u32,
    /// How often the broker is asked for the other brokers of its cluster; 2 s. A broker that requires TLS is asked 15
    /// times less often, because each question takes a TLS handshake. Zero turns it off: only the brokers in
    /// [`addresses`](Self::addresses) are tried.
    ///
    /// Each question opens a connection, and closes it after the broker's first line. The last 32 brokers are kept,
    /// until they have not been named for five minutes. They use the same credentials and TLS options. Where TLS is
    /// required, or all addresses have the scheme `tls://`, learned brokers are reached by TLS only.
    pub discovery_interval: Duration,
    /// How many requests this server may have in progress; 65 536. Further requests get `PIT-503` immediately, and are
    /// counted. As many calls of this server may wait, or as many as [`pushes`](Self::pushes) if that is more: further
    /// calls fail with `PIT-503` immediately.
    pub messages: usize,
    /// How many pushes to one user may wait; 65 536. The client has one limit for all subscriptions, the greater of
    /// this and [`messages`](Self::messages). Further messages are dropped and counted.
    pub pushes: usize,
}

impl NatsOptions {
    /// Reads the keys `pitaya.cluster.rpc.client.nats.…` and
    /// `pitaya.cluster.rpc.server.nats.buffer.messages` of a configuration.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            addresses: config.nats.connect.clone(),
            connection_timeout: config.nats.connection_timeout,
            // -1 means no limit.
            first_connect_retries: u32::try_from(config.nats.max_reconnection_retries).unwrap_or(u32::MAX),
            reconnect_wait: config.nats.reconnect_wait,
            reconnect_jitter: config.nats.reconnect_jitter,
            ping_interval: config.nats.ping_interval,
            max_pings_outstanding: config.nats.max_pings_outstanding,
            discovery_interval: config.nats.discovery_interval,
            messages: config.nats.buffer_messages,
            credentials_file: config.nats.credentials_file.clone(),
            tls: NatsTls {
                required: config.nats.tls.required,
                ca_file: config.nats.tls.ca_file.clone(),
                cert_file: config.nats.tls.cert_file.clone(),
                key_file: config.nats.tls.key_file.clone(),
            },
            ..Self::default()
        }
    }
}

/// The encryption of the connection. A broker that requires TLS gets it in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NatsTls {
    /// Whether a broker without TLS is refused; also by the scheme `tls://` for one broker.
    pub required: bool,
    /// A PEM file of CA certificates that replaces the system roots. It is read for each connection.
    pub ca_file: Option<PathBuf>,
    /// The client certificate, with its chain, in PEM.
    pub cert_file: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub key_file: Option<PathBuf>,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self {
            addresses: "nats://localhost:4222".to_owned(),
            user: None,
            password: None,
            token: None,
            credentials_file: None,
            tls: NatsTls::default(),
            connection_timeout: Duration::from_secs(2),
            first_connect_retries: 15,
            reconnect_wait: Duration::from_secs(1),
            reconnect_jitter: Duration::from_millis(100),
            ping_interval: Duration::from_secs(120),
            max_pings_outstanding: 3,
            discovery_interval: Duration::from_secs(2),
            messages: 65_536,
            pushes: 65_536,
        }
    }
}

/// An invalid option.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the NATS option `{option}` {why}")]
pub struct BadNatsOption {
    /// Its name.
    pub option: &'static str,
    /// Why it is invalid.
    pub why: String,
}

impl NatsOptions {
    /// The longest ping interval.
    const LONGEST_PING: Duration = Duration::from_millis(1500);
    /// The largest accepted number of messages.
    const MOST: usize = 1 << 28;

    /// How long a broker may be silent before the connection counts as lost.
    pub(super) fn silence_limit(&self) -> Duration {
        let ping = self.ping_interval.clamp(Duration::from_millis(10), Self::LONGEST_PING);
        ping.saturating_mul(self.max_pings_outstanding.saturating_add(1))
    }

    /// Parses the addresses, and checks the other options.
    pub(super) fn check(&self) -> Result<Addresses, BadNatsOption> {
        let bad = |option, why: &str| Err(BadNatsOption { option, why: why.to_owned() });
        for (option, value) in [("messages", self.messages), ("pushes", self.pushes)] {
            if !(1..=Self::MOST).contains(&value) {
                return bad(option, "is to be between 1 and 268435456");
            }
        }
        for (option, value) in
            [("connection_timeout", self.connection_timeout), ("ping_interval", self.ping_interval)]
        {
            if value.is_zero() {
                return bad(option, "is to be more than nothing");
            }
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            return bad("tls", "has a certificate without a key, or a key without a certificate");
        }
        if self.credentials_file.is_some() && !cfg!(feature = "nats-creds") {
            return bad("credentials_file", "needs the feature `nats-creds` of pitaya");
        }
        let mut addresses =
            address::parse(&self.addresses).map_err(|why| BadNatsOption { option: "addresses", why })?;
        match (addresses.login.is_some(), &self.user, &self.token) {
            (true, None, None) | (false, None, None) => {}
            (false, Some(user), None) => {
                let password = self.password.clone().unwrap_or_default();
                addresses.login = Some(Login::User { user: user.clone(), password });
            }
            (false, None, Some(token)) => addresses.login = Some(Login::Token(token.clone())),
            _ => return bad("user", "is given besides a token, or besides credentials in the addresses"),
        }
        Ok(addresses)
    }
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "***");
        f.debug_struct("NatsOptions")
            .field("addresses", &redact::list(&self.addresses))
            .field("user", &hidden(&self.user))
            .field("password", &hidden(&self.password))
            .field("token", &hidden(&self.token))
            .field("credentials_file", &self.credentials_file)
            .field("tls", &self.tls)
            .field("connection_timeout", &self.connection_timeout)
            .field("first_connect_retries", &self.first_connect_retries)
            .field("reconnect_wait", &self.reconnect_wait)
            .field("reconnect_jitter", &self.reconnect_jitter)
            .field("ping_interval", &self.ping_interval)
            .field("max_pings_outstanding", &self.max_pings_outstanding)
            .field("discovery_interval", &self.discovery_interval)
            .field("messages", &self.messages)
            .field("pushes", &self.pushes)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_out_the_options_have_no_secrets() {
        let options = NatsOptions {
            addresses: "nats://ann:secret@one,nats://ann:secret@two".into(),
            user: Some("secret".into()),
            password: Some("secret".into()),
            token: Some("secret".into()),
            ..NatsOptions::default()
        };
        let text = format!("{options:?} {options:#?}");
        assert!(!text.contains("secret") && text.contains("nats://***@one,nats://***@two"), "{text}");
    }

    #[test]
    fn file_and_environment_set_nats_security() {
        assert_eq!(NatsOptions::from_config(&Config::default()).tls, NatsTls::default());
        let text = "
            [pitaya.cluster.rpc.client.nats]
            credentialsfile = '/etc/server.creds'
            tls = { cafile = '/etc/ca.pem', certfile = '/etc/cert.pem', keyfile = '/etc/old.pem' }";
        let env = [("TLS_REQUIRED", "true"), ("TLS_KEYFILE", "/etc/key.pem")];
        let name = |name| format!("PITAYA_CLUSTER_RPC_CLIENT_NATS_{name}").into();
        let config = Config::parse_with(text, env.map(|(key, value)| (name(key), value.into()))).unwrap();
        let options = NatsOptions::from_config(&config);
        assert_eq!(options.credentials_file, Some("/etc/server.creds".into()));
        let tls = NatsTls {
            required: true,
            ca_file: Some("/etc/ca.pem".into()),
            cert_file: Some("/etc/cert.pem".into()),
            key_file: Some("/etc/key.pem".into()),
        };
        assert_eq!(options.tls, tls);
    }

    #[test]
    fn an_option_that_cannot_be_is_named() {
        let good = NatsOptions::default;
        let bad = [
            ("addresses", NatsOptions { addresses: String::new(), ..good() }),
            ("messages", NatsOptions { messages: 0, ..good() }),
            ("pushes", NatsOptions { pushes: usize::MAX, ..good() }),
            ("connection_timeout", NatsOptions { connection_timeout: Duration::ZERO, ..good() }),
            ("ping_interval", NatsOptions { ping_interval: Duration::ZERO, ..good() }),
            ("user", NatsOptions { user: Some("a".into()), token: Some("b".into()), ..good() }),
            ("user", NatsOptions { addresses: "a:b@one".into(), user: Some("a".into()), ..good() }),
            (
                "tls",
                NatsOptions { tls: NatsTls { key_file: Some("k".into()), ..NatsTls::default() }, ..good() },
            ),
        ];
        for (option, options) in bad {
            assert_eq!(options.check().err().expect(option).option, option);
        }
        assert!(good().check().is_ok());
    }

    /// For every ping interval.
    #[test]
    fn silent_broker_is_dropped_within_seconds() {
        let mut options = NatsOptions::default();
        assert_eq!(options.silence_limit(), Duration::from_secs(6));
        options.ping_interval = Duration::from_millis(100);
        assert_eq!(options.silence_limit(), Duration::from_millis(400));
        options.max_pings_outstanding = u32::MAX;
        assert!(options.silence_limit() > Duration::from_secs(1_000_000));
    }
}
