//! How etcd is reached.

use std::path::PathBuf;
use std::time::Duration;

use crate::util::host::with_host;
use crate::util::redact;

/// The key that health checks read. No server writes it.
pub const HEALTH_CHECK: &str = "health-check";

/// Addresses, credentials and certificates of one etcd cluster.
pub(crate) struct Access {
    /// `host:port`, `http://host:port` or `https://host:port`.
    pub(crate) endpoints: Vec<String>,
    /// The configuration key of the endpoints, for error texts.
    pub(crate) endpoints_key: &'static str,
    pub(crate) user: String,
    pub(crate) pass: String,
    /// A PEM file of CA certificates. `None` for the system roots.
    pub(crate) ca_file: Option<PathBuf>,
    /// The timeout of a TCP connection.
    pub(crate) dial_timeout: Duration,
    /// The prefix of every key.
    pub(crate) prefix: String,
}

impl Access {
    /// Returns the address of an endpoint, with its scheme.
    pub(crate) fn url(&self, endpoint: usize) -> String {
        full_url(self.endpoints.get(endpoint).map_or("", String::as_str), self.ca_file.is_some())
    }

    /// Returns that address without a password.
    pub(crate) fn shown(&self, endpoint: usize) -> String {
        shown(&self.url(endpoint))
    }

    /// Returns the user and the password, if both are set.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        (!self.user.is_empty() && !self.pass.is_empty()).then_some((&self.user, &self.pass))
    }

    /// Returns the key that health checks read.
    pub(crate) fn health_key(&self) -> String {
        format!("{}{}", self.prefix, HEALTH_CHECK)
    }
}

/// The port of an address without scheme and port.
const PORT: u16 = 2379;

/// Returns the address as a URL.
///
/// The scheme is `https://` with `tls` and `http://` without, if the address has none. A port alone is one of `localhost`.
fn full_url(address: &str, tls: bool) -> String {
    let address = address.trim();
    let (scheme, rest) = match address.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, address),
    };
    // A password may contain anything but a comma.
    let (credentials, place) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
    let place = with_host(place);
    match scheme {
        Some(scheme) => format!("{scheme}://{credentials}{place}"),
        None => {
            let scheme = if tls { "https" } else { "http" };
            let port = if has_port(&place) { String::new() } else { format!(":{PORT}") };
            format!("{scheme}://{credentials}{place}{port}")
        }
    }
}

/// Whether an address without a scheme has a port. An invalid address gets none, so that its error shows it unchanged.
fn has_port(place: &str) -> bool {
    let behind = place.rsplit_once(']').map_or(place, |(_, behind)| behind);
    place.is_empty() || behind.contains([':', '/', ' '])
}

/// Returns the URLs of addresses, without credentials.
pub(crate) fn shown_all(addresses: &[String], tls: bool) -> Vec<String> {
    addresses.iter().map(|address| shown(&full_url(address, tls))).collect()
}

/// Returns a URL without credentials.
fn shown(url: &str) -> String {
    redact::address(url).into_owned()
}

#[cfg(test)]
mod tests {
    use super::full_url;

    #[test]
    fn an_address_may_lack_scheme_host_or_port() {
        for (address, plain, tls) in [
            ("a:1", "http://a:1", "https://a:1"),
            (" a:1 ", "http://a:1", "https://a:1"),
            (":2379", "http://localhost:2379", "https://localhost:2379"),
            ("http://:2379", "http://localhost:2379", "http://localhost:2379"),
            ("https://ann:p@ss@:2379", "https://ann:p@ss@localhost:2379", "https://ann:p@ss@localhost:2379"),
            ("localhost", "http://localhost:2379", "https://localhost:2379"),
            ("[::1]", "http://[::1]:2379", "https://[::1]:2379"),
            ("[::1]:1", "http://[::1]:1", "https://[::1]:1"),
            ("https://a", "https://a", "https://a"),
            ("not a host", "http://not a host", "https://not a host"),
            ("", "http://", "https://"),
        ] {
            assert_eq!((full_url(address, false), full_url(address, true)), (plain.into(), tls.into()));
        }
    }
}
