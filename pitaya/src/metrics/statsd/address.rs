//! The address of a StatsD server.

use std::path::PathBuf;

/// The port of a host without one.
const PORT: u16 = 8125;

/// The configured address of a StatsD server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Udp { host: String, port: u16 },
    Unix(PathBuf),
}

/// The error of an invalid address of a StatsD server.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatsdError {
    /// The address is empty, and no environment variable sets it.
    #[error("no address: set `pitaya.metrics.statsd.host`, or the variable DD_AGENT_HOST")]
    Missing,
    /// The port is not a number.
    #[error("invalid address {address:?}: write `host:port`, `host` or `unix:///path`")]
    Invalid {
        /// The address.
        address: String,
    },
}

impl Address {
    /// Parses an address. The environment replaces an empty one.
    pub(super) fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, StatsdError> {
        let text = text.trim();
        if text.is_empty() {
            let host = env("DD_AGENT_HOST").ok_or(StatsdError::Missing)?;
            return match env("DD_DOGSTATSD_PORT") {
                Some(port) if !host.contains("://") => Self::udp(&host, Some(&port)),
                _ => Self::parse(&host, &|_| None),
            };
        }
        if let Some(path) = text.strip_prefix("unix://") {
            return match path {
                path if cfg!(unix) && path.starts_with('/') => Ok(Self::Unix(path.into())),
                _ => Err(invalid(text)),
            };
        }
        if text.contains("://") {
            return Err(invalid(text));
        }
        match text.rsplit_once(':') {
            // An IPv6 address without brackets has no port.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => Self::udp(host, Some(port)),
            _ => Self::udp(text, None),
        }
    }

    fn udp(host: &str, port: Option<&str>) -> Result<Self, StatsdError> {
        let named = host.trim_start_matches('[').trim_end_matches(']');
        let port = match port {
            Some(port) => port.parse().map_err(|_| invalid(&format!("{host}:{port}")))?,
            None => PORT,
        };
        if named.is_empty() || named.contains(['/', '@', ' ']) || port == 0 {
            return Err(invalid(host));
        }
        Ok(Self::Udp { host: named.to_owned(), port })
    }
}

fn invalid(address: &str) -> StatsdError {
    StatsdError::Invalid { address: crate::util::redact::address(address).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(host: &str, port: u16) -> Result<Address, StatsdError> {
        Ok(Address::Udp { host: host.to_owned(), port })
    }

    #[test]
    fn addresses_have_the_forms_of_the_original() {
        let none = |_: &str| None;
        for (text, address) in [
            ("localhost:9125", udp("localhost", 9125)),
            ("statsd.games", udp("statsd.games", 8125)),
            ("10.0.0.1", udp("10.0.0.1", 8125)),
            ("::1", udp("::1", 8125)),
            ("[::1]:9125", udp("::1", 9125)),
            ("", Err(StatsdError::Missing)),
        ] {
            assert_eq!(Address::parse(text, &none), address, "{text}");
        }
        #[cfg(unix)]
        assert_eq!(Address::parse("unix:///run/dd.sock", &none), Ok(Address::Unix("/run/dd.sock".into())));
        for text in ["host:", "host:x", "host:70000", "host:0", ":9125", "http://host:1", "unix://", "a b:1"]
        {
            let error = Address::parse(text, &none).unwrap_err();
            assert!(matches!(error, StatsdError::Invalid { .. }), "{text}: {error}");
        }
    }

    #[test]
    fn an_empty_address_is_taken_from_the_environment() {
        let host = |name: &str| (name == "DD_AGENT_HOST").then(|| "agent".to_owned());
        assert_eq!(Address::parse("", &host), udp("agent", 8125));
        let both = |name: &str| Some(if name == "DD_AGENT_HOST" { "agent" } else { "99" }.to_owned());
        assert_eq!(Address::parse("", &both), udp("agent", 99));
        assert_eq!(Address::parse("host:1", &both), udp("host", 1));
    }
}
