//! The options of a binding storage in etcd.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Config;
use crate::etcd::{Access, shown_all};
use crate::util::redact;

/// How to reach the etcd of the bindings. The defaults are those of Go Pitaya.
///
/// ```
/// use pitaya::binding::EtcdBindingOptions;
///
/// let options = EtcdBindingOptions { endpoints: vec!["etcd-1:2379".into()], ..EtcdBindingOptions::default() };
/// assert_eq!(options.lease_ttl.as_secs(), 5 * 3600);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct EtcdBindingOptions {
    /// Addresses of etcd: `host:port`, `http://host:port` or `https://host:port`. `https://` needs the feature `tls`.
    pub endpoints: Vec<String>,
    /// The user. Sent only if the password is not empty.
    pub user: String,
    /// The user's password. Never appears in a log, an error or `Debug`.
    pub pass: String,
    /// The prefix of every key. A slash at its end is a part of it.
    pub prefix: String,
    /// The timeout of a connection attempt.
    pub dial_timeout: Duration,
    /// How long the bindings of a killed frontend stay, in whole seconds, at least one.
    pub lease_ttl: Duration,
    /// The timeout of one operation, connecting included.
    pub transaction_timeout: Duration,
    /// PEM file of CA certificates that replaces the system roots. If set, endpoints without a scheme use `https://`.
    /// Needs the feature `tls`.
    pub ca_file: Option<PathBuf>,
}

impl Default for EtcdBindingOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["localhost:2379".into()],
            user: String::new(),
            pass: String::new(),
            prefix: "pitaya/".into(),
            dial_timeout: Duration::from_secs(5),
            lease_ttl: Duration::from_secs(5 * 3600),
            transaction_timeout: Duration::from_secs(5),
            ca_file: None,
        }
    }
}

impl EtcdBindingOptions {
    /// Reads the keys `pitaya.modules.bindingstorage.etcd.…` of a configuration, and the user of the discovery.
    #[must_use]
    pub fn from_config(config: &Config) -> Self {
        let etcd = &config.binding_storage.etcd;
        Self {
            endpoints: etcd.endpoints.clone(),
            user: config.etcd.user.clone(),
            pass: config.etcd.pass.clone(),
            prefix: etcd.prefix.clone(),
            dial_timeout: etcd.dial_timeout,
            lease_ttl: etcd.lease_ttl,
            transaction_timeout: etcd.transaction_timeout,
            ca_file: etcd.tls_ca_file.clone(),
        }
    }

    /// Returns how to reach etcd.
    pub(super) fn access(&self) -> Access {
        Access {
            endpoints: self.endpoints.clone(),
            endpoints_key: "pitaya.modules.bindingstorage.etcd.endpoints",
            user: self.user.clone(),
            pass: self.pass.clone(),
            ca_file: self.ca_file.clone(),
            dial_timeout: self.dial_timeout,
            prefix: self.prefix.clone(),
        }
    }
}

impl fmt::Debug for EtcdBindingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints = shown_all(&self.endpoints, self.ca_file.is_some());
        f.debug_struct("EtcdBindingOptions")
            .field("endpoints", &endpoints)
            .field("user", &self.user)
            .field("pass", &redact::secret(&self.pass))
            .field("prefix", &self.prefix)
            .field("dial_timeout", &self.dial_timeout)
            .field("lease_ttl", &self.lease_ttl)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("ca_file", &self.ca_file)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binding_options_follow_the_configuration() {
        assert_eq!(EtcdBindingOptions::from_config(&Config::default()), EtcdBindingOptions::default());
        let text = "pitaya.modules.bindingstorage.etcd.leasettl = '90s'";
        let env = vec![
            ("PITAYA_MODULES_BINDINGSTORAGE_ETCD_ENDPOINTS".into(), "http://bob:hunter2@c:3".into()),
            ("PITAYA_CLUSTER_SD_ETCD_PASS".into(), "hunter2".into()),
        ];
        let options = EtcdBindingOptions::from_config(&Config::parse_with(text, env).unwrap());
        assert_eq!((options.lease_ttl.as_secs(), &*options.pass), (90, "hunter2"));
        let printed = format!("{options:?}");
        assert!(printed.contains("c:3") && !printed.contains("hunter2"), "{printed}");
    }
}
