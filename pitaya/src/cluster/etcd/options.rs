//! The options of discovery over etcd.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::key;
use crate::config::Config;
use crate::etcd::{Access, shown_all};
use crate::util::redact;

/// How to reach etcd, and how to register there. The defaults are those of Go Pitaya.
///
/// ```
/// use pitaya::cluster::EtcdOptions;
///
/// let options = EtcdOptions {
///     endpoints: vec!["etcd-1:2379".into(), "etcd-2:2379".into()],
///     user: "game".into(),
///     pass: "secret".into(),
///     ..EtcdOptions::default()
/// };
/// assert_eq!(options.prefix, "pitaya/");
/// assert!(!format!("{options:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdOptions {
    /// Addresses of etcd: `host:port`, optionally with `http://` or `https://` before it. One is used at a time, and
    /// the next one when it fails. `:2379` is `localhost:2379`, and so is `localhost`. All addresses of a name are
    /// tried.
    /// The client addresses of members that join later are not learned. `https://` needs the feature `tls`.
    pub endpoints: Vec<String>,
    /// The user; sent only if the password is not empty either.
    pub user: String,
    /// The user's password. Logs, errors and `Debug` do not contain it.
    pub pass: String,
    /// The timeout of a connection, and of each request on it.
    pub dial_timeout: Duration,
    /// The prefix of every key. A slash at its end is a part of it.
    pub prefix: String,
    /// How long a lost server stays listed, in whole seconds, at least one. etcd may make it longer. The server keeps
    /// its lease alive three times in that time.
    pub heartbeat_ttl: Duration,
    /// The interval between two reads of the whole list, which correct missed changes. Zero turns them off.
    pub sync_interval: Duration,
    /// The timeout of [`leave`](crate::cluster::Discovery::leave), and of
    /// [`is_ready`](crate::cluster::Discovery::is_ready).
    pub revoke_timeout: Duration,
    /// How long [`leave`](crate::cluster::Discovery::leave) waits afterwards, so that other servers see it.
    pub shutdown_delay: Duration,
    /// The timeout of one whole try to register: the connection, the lease and the key.
    pub grant_lease_timeout: Duration,
    /// How often the first registration is retried before [`join`](crate::cluster::Discovery::join) fails. Later
    /// registrations are retried without a limit.
    pub max_retries: u32,
    /// The longest time from the start of a failed try to the next one, unless that try took longer itself. The first
    /// retries follow faster. Jitter shortens each pause, so that the servers of a cluster do not reconnect together.
    pub retry_interval: Duration,
    /// Types of servers to ignore, except the own server.
    pub blacklist: Vec<String>,
    /// A PEM file of CA certificates that replaces the system roots, for `https://` endpoints. If it is set, an
    /// endpoint without a scheme is `https://`. Needs the feature `tls`.
    pub ca_file: Option<PathBuf>,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["localhost:2379".into()],
            user: String::new(),
            pass: String::new(),
            dial_timeout: Duration::from_secs(5),
            prefix: "pitaya/".into(),
            heartbeat_ttl: Duration::from_secs(60),
            sync_interval: Duration::from_secs(120),
            revoke_timeout: Duration::from_secs(5),
            shutdown_delay: Duration::from_millis(300),
            grant_lease_timeout: Duration::from_secs(60),
            max_retries: 15,
            retry_interval: Duration::from_secs(5),
            blacklist: Vec::new(),
            ca_file: None,
        }
    }
}

impl EtcdOptions {
    /// Reads the keys `pitaya.cluster.sd.etcd.…` of a configuration.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            endpoints: config.etcd.endpoints.clone(),
            user: config.etcd.user.clone(),
            pass: config.etcd.pass.clone(),
            dial_timeout: config.etcd.dial_timeout,
            prefix: config.etcd.prefix.clone(),
            heartbeat_ttl: config.etcd.heartbeat_ttl,
            sync_interval: config.etcd.sync_interval,
            revoke_timeout: config.etcd.revoke_timeout,
            shutdown_delay: config.etcd.shutdown_delay,
            grant_lease_timeout: config.etcd.grant_lease.timeout,
            max_retries: config.etcd.grant_lease.max_retries,
            retry_interval: config.etcd.grant_lease.retry_interval,
            blacklist: config.etcd.server_types_blacklist.clone(),
            ca_file: config.etcd.tls_ca_file.clone(),
        }
    }

    /// Returns the address of an endpoint, with its scheme.
    #[cfg(test)]
    pub(super) fn url(&self, endpoint: usize) -> String {
        self.access().url(endpoint)
    }

    /// Returns that address without credentials.
    pub(super) fn shown(&self, endpoint: usize) -> String {
        self.access().shown(endpoint)
    }

    /// Returns how to reach etcd.
    pub(super) fn access(&self) -> Access {
        Access {
            endpoints: self.endpoints.clone(),
            endpoints_key: "pitaya.cluster.sd.etcd.endpoints",
            user: self.user.clone(),
            pass: self.pass.clone(),
            ca_file: self.ca_file.clone(),
            dial_timeout: self.dial_timeout,
            prefix: self.prefix.clone(),
        }
    }

    /// Returns the prefix of the keys of all servers.
    pub(super) fn servers_prefix(&self) -> String {
        format!("{}{}", self.prefix, key::SERVERS)
    }
}

impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = shown_all(&self.endpoints, self.ca_file.is_some());
        f.debug_struct("EtcdOptions")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("pass", &redact::secret(&self.pass))
            .field("dial_timeout", &self.dial_timeout)
            .field("prefix", &self.prefix)
            .field("heartbeat_ttl", &self.heartbeat_ttl)
            .field("sync_interval", &self.sync_interval)
            .field("revoke_timeout", &self.revoke_timeout)
            .field("shutdown_delay", &self.shutdown_delay)
            .field("grant_lease_timeout", &self.grant_lease_timeout)
            .field("max_retries", &self.max_retries)
            .field("retry_interval", &self.retry_interval)
            .field("blacklist", &self.blacklist)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_original() {
        let options = EtcdOptions::default();
        assert_eq!(options.url(0), "http://localhost:2379");
        assert_eq!(options.servers_prefix(), "pitaya/servers/");
        assert_eq!(options.access().health_key(), "pitaya/health-check");
        assert_eq!(options.heartbeat_ttl.as_secs(), 60);
        assert_eq!(options.access().credentials(), None);
    }

    #[test]
    fn file_and_environment_set_etcd_certificates() {
        assert_eq!(EtcdOptions::from_config(&Config::default()), EtcdOptions::default());
        let text = "pitaya.cluster.sd.etcd.tls.cafile = '/etc/ca.pem'";
        let read = |env| EtcdOptions::from_config(&Config::parse_with(text, env).unwrap()).ca_file;
        assert_eq!(read(vec![]), Some("/etc/ca.pem".into()));
        let env = vec![("PITAYA_CLUSTER_SD_ETCD_TLS_CAFILE".into(), "/etc/other.pem".into())];
        assert_eq!(read(env), Some("/etc/other.pem".into()));
    }

    #[test]
    fn endpoint_is_shown_without_password() {
        let options = EtcdOptions {
            endpoints: vec!["a:1".into(), "https://b:2".into(), "http://bob:hunter2@c:3".into()],
            ..EtcdOptions::default()
        };
        assert_eq!((options.url(0), options.url(1)), ("http://a:1".into(), "https://b:2".into()));
        assert_eq!(options.shown(2), "http://***@c:3");
        assert_eq!(options.url(9), "http://", "there is none, which is an error later, not a panic");
        let options = EtcdOptions { ca_file: Some("ca.pem".into()), ..options };
        assert_eq!((options.url(0), options.url(1)), ("https://a:1".into(), "https://b:2".into()));
    }

    #[test]
    fn no_password_is_printed() {
        let options = EtcdOptions {
            endpoints: vec!["http://bob:hunter2@c:3".into()],
            user: "bob".into(),
            pass: "hunter2".into(),
            ..EtcdOptions::default()
        };
        let printed = format!("{options:?}");
        assert!(
            printed.contains("bob") && printed.contains("***") && !printed.contains("hunter2"),
            "{printed}"
        );
    }

    #[test]
    fn user_is_sent_only_with_password() {
        for (user, pass, sent) in [("", "", false), ("u", "", false), ("", "p", false), ("u", "p", true)] {
            let options = EtcdOptions { user: user.into(), pass: pass.into(), ..EtcdOptions::default() };
            assert_eq!(options.access().credentials().is_some(), sent, "{user}/{pass}");
        }
    }
}
