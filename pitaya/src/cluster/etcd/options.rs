//! What is to be known about etcd before it can be reached.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::key;
use crate::config::Config;
use crate::etcd::Access;

/// How etcd is reached, and how the own server keeps itself known there. The defaults are those of the original.
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
    /// Addresses of etcd: `host:port`, optionally with `http://` or `https://` before it. One is used at a time; the next
    /// one is used when it fails. `:2379` is `localhost:2379`, and so is `localhost`. Of a name all addresses are tried.
    /// The client addresses of members that join later are not learned. `https://` needs the feature `tls`.
    pub endpoints: Vec<String>,
    /// The user; sent only if the password is not empty either.
    pub user: String,
    /// The user's password. It is in no log, no error and no `Debug`.
    pub pass: String,
    /// The longest that a connection, and each request on it, may take.
    pub dial_timeout: Duration,
    /// What every key begins with; a slash at its end is a part of it.
    pub prefix: String,
    /// How long a server that is lost stays known, in whole seconds, at least one; etcd may make it longer. The lease
    /// is kept alive three times in that time.
    pub heartbeat_ttl: Duration,
    /// The time between two readings of the whole list, which correct what should not have happened. Zero for none.
    pub sync_interval: Duration,
    /// The longest that [`leave`](crate::cluster::Discovery::leave) waits for etcd, and that
    /// [`is_ready`](crate::cluster::Discovery::is_ready) does.
    pub revoke_timeout: Duration,
    /// How long [`leave`](crate::cluster::Discovery::leave) waits then, so that others have seen it.
    pub shutdown_delay: Duration,
    /// The longest that one try to register may take as a whole: the connection, the lease and the key.
    pub grant_lease_timeout: Duration,
    /// How often the first registration is tried again before
    /// [`join`](crate::cluster::Discovery::join) fails. Later ones are tried for as long as it takes.
    pub max_retries: u32,
    /// The longest time from the beginning of a try that failed to the next, unless that try took longer itself. The
    /// first ones follow faster, and chance shortens each, so that the servers of a cluster do not come all at once.
    pub retry_interval: Duration,
    /// Types of servers that are as if they were not there, except the own server.
    pub blacklist: Vec<String>,
    /// A file with the certificates, in PEM, of the authorities that `https://` endpoints are trusted by. Without one,
    /// those of the system are. An endpoint without a scheme is `https://` if there is one. Needs the feature `tls`.
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
    /// What the keys `pitaya.cluster.sd.etcd.…` of a configuration say.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            endpoints: config.etcd_endpoints.clone(),
            user: config.etcd_user.clone(),
            pass: config.etcd_pass.clone(),
            dial_timeout: config.etcd_dial_timeout,
            prefix: config.etcd_prefix.clone(),
            heartbeat_ttl: config.etcd_heartbeat_ttl,
            sync_interval: config.etcd_sync_interval,
            revoke_timeout: config.etcd_revoke_timeout,
            shutdown_delay: config.etcd_shutdown_delay,
            grant_lease_timeout: config.etcd_grant_lease_timeout,
            max_retries: config.etcd_grant_lease_max_retries,
            retry_interval: config.etcd_grant_lease_retry_interval,
            blacklist: config.etcd_server_types_blacklist.clone(),
            ca_file: config.etcd_tls_ca_file.clone(),
        }
    }

    /// The address of an endpoint, with its scheme.
    #[cfg(test)]
    pub(super) fn url(&self, endpoint: usize) -> String {
        self.access().url(endpoint)
    }

    /// That address as it may be shown: somebody may have put a password into it.
    pub(super) fn shown(&self, endpoint: usize) -> String {
        self.access().shown(endpoint)
    }

    /// How etcd is reached.
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

    /// What the keys of all servers begin with.
    pub(super) fn servers_prefix(&self) -> String {
        format!("{}{}", self.prefix, key::SERVERS)
    }

    /// The time to live that a lease is asked for, in seconds.
    pub(super) fn ttl_seconds(&self) -> i64 {
        i64::try_from(self.heartbeat_ttl.as_secs()).unwrap_or(i64::MAX).max(1)
    }
}

impl fmt::Debug for EtcdOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<String> = (0..self.endpoints.len()).map(|endpoint| self.shown(endpoint)).collect();
        f.debug_struct("EtcdOptions")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("pass", &if self.pass.is_empty() { "" } else { "***" })
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
        assert_eq!(options.ttl_seconds(), 60);
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

    #[test]
    fn a_time_to_live_is_whole_seconds_and_at_least_one() {
        for (ttl, seconds) in [(0, 1), (999, 1), (1000, 1), (2900, 2)] {
            let options = EtcdOptions { heartbeat_ttl: Duration::from_millis(ttl), ..EtcdOptions::default() };
            assert_eq!(options.ttl_seconds(), seconds);
        }
    }
}
