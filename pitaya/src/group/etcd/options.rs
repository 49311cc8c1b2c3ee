//! The options of a group store in etcd.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::etcd::shown_all;
use crate::util::redact;

/// Options of an [`EtcdStore`](super::EtcdStore).
///
/// ```
/// use pitaya::group::EtcdGroupOptions;
///
/// let options = EtcdGroupOptions { prefix: "game-7/".into(), ..EtcdGroupOptions::default() };
/// assert_eq!(options.endpoints, ["localhost:2379"]);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdGroupOptions {
    /// Addresses of etcd: `host:port`, optionally after `http://` or `https://`.
    ///
    /// One is used at a time, and the next one when it fails. `:2379` and `localhost` mean `localhost:2379`. All
    /// addresses of a name are tried. The addresses of members that join later are not learned. `https://` needs the
    /// feature `tls`.
    pub endpoints: Vec<String>,
    /// The user. Sent only if the password is not empty.
    pub user: String,
    /// The user's password. Never appears in a log, an error or `Debug`.
    pub pass: String,
    /// The prefix of every key. A slash at its end is a part of it.
    pub prefix: String,
    /// The timeout of a connection attempt.
    pub dial_timeout: Duration,
    /// The timeout of one operation, connecting included.
    pub transaction_timeout: Duration,
    /// PEM file of CA certificates that replaces the system roots. If set, endpoints without a scheme use `https://`.
    /// Needs the feature `tls`.
    pub ca_file: Option<PathBuf>,
}

impl Default for EtcdGroupOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["localhost:2379".into()],
            user: String::new(),
            pass: String::new(),
            prefix: "pitaya/".into(),
            dial_timeout: Duration::from_secs(5),
            transaction_timeout: Duration::from_secs(5),
            ca_file: None,
        }
    }
}

impl EtcdGroupOptions {
    /// Reads the keys `pitaya.groups.etcd.…` of a configuration, and the user of the discovery.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        Self {
            endpoints: config.groups.etcd.endpoints.clone(),
            user: config.etcd.user.clone(),
            pass: config.etcd.pass.clone(),
            prefix: config.groups.etcd.prefix.clone(),
            dial_timeout: config.groups.etcd.dial_timeout,
            transaction_timeout: config.groups.etcd.transaction_timeout,
            ca_file: config.groups.etcd.tls_ca_file.clone(),
        }
    }
}

impl fmt::Debug for EtcdGroupOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = shown_all(&self.endpoints, self.ca_file.is_some());
        f.debug_struct("EtcdGroupOptions")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("pass", &redact::secret(&self.pass))
            .field("prefix", &self.prefix)
            .field("dial_timeout", &self.dial_timeout)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options of a group store take over the configuration.
    #[test]
    fn password_is_never_printed() {
        let mut config = Config::default();
        config.etcd.user = "bob".into();
        config.etcd.pass = "hunter2".into();
        config.groups.etcd.endpoints = vec!["http://bob:hunter2@c:3".into()];
        let options = EtcdGroupOptions::from_config(&config);
        let printed = format!("{options:?}");
        assert!(printed.contains("bob") && !printed.contains("hunter2"), "{printed}");
        let plain = EtcdGroupOptions::from_config(&Config::default());
        assert_eq!(plain, EtcdGroupOptions::default());
    }
}
