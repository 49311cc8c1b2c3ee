//! How etcd is reached.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::key;
use crate::redact;

/// Addresses, credentials and certificates of one etcd cluster.
pub(crate) struct Access {
    /// `host:port`, `http://host:port` or `https://host:port`.
    pub(crate) endpoints: Vec<String>,
    /// The configuration key of the endpoints, for error texts.
    pub(crate) endpoints_key: &'static str,
    pub(crate) user: String,
    pub(crate) pass: String,
    /// Certificates of authorities, in PEM. None for those of the system.
    pub(crate) ca_file: Option<PathBuf>,
    /// The longest that a TCP connection may take.
    pub(crate) dial_timeout: Duration,
    /// What every key begins with.
    pub(crate) prefix: String,
}

impl Access {
    /// The address of an endpoint, with its scheme.
    pub(crate) fn url(&self, endpoint: usize) -> String {
        with_scheme(self.endpoints.get(endpoint).map_or("", String::as_str), self.ca_file.is_some())
    }

    /// That address without a password.
    pub(crate) fn shown(&self, endpoint: usize) -> String {
        shown(&self.url(endpoint))
    }

    /// The user and the password, if both are set.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        (!self.user.is_empty() && !self.pass.is_empty()).then_some((&self.user, &self.pass))
    }

    /// The key that is read to see whether etcd answers.
    pub(crate) fn health_key(&self) -> String {
        format!("{}{}", self.prefix, key::HEALTH_CHECK)
    }
}

/// The address with `https://` or `http://` before it, if it has no scheme.
pub(crate) fn with_scheme(address: &str, tls: bool) -> String {
    let address = address.trim();
    if address.contains("://") {
        return address.to_owned();
    }
    format!("{}://{address}", if tls { "https" } else { "http" })
}

/// A URL without the credentials that somebody may have put into it.
pub(crate) fn shown(url: &str) -> String {
    redact::address(url).into_owned()
}
