//! Addresses of servers.

use std::fmt;
use std::str::FromStr;

/// The address of a server, with its transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `host:port` or `tcp://host:port`.
    Tcp(String),
    /// `tls://host:port`. The certificate must be for `host`.
    Tls { authority: String, host: String },
    /// `ws://host:port/path`.
    Ws(String),
    /// `wss://host:port/path`.
    Wss(String),
}

impl Address {
    pub(crate) fn has_tls(&self) -> bool {
        matches!(self, Self::Tls { .. } | Self::Wss(_))
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match scheme {
            "ws" => return Ok(Self::Ws(text.to_owned())),
            "wss" => return Ok(Self::Wss(text.to_owned())),
            "tcp" | "tls" => {}
            _ => return Err(format!("unknown scheme `{scheme}`: use tcp, tls, ws or wss")),
        }
        let wrong = || format!("`{text}` is not HOST:PORT");
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(wrong());
        }
        let authority = authority.to_owned();
        Ok(match scheme {
            // An IPv6 address has brackets, which a certificate has not.
            "tls" => Self::Tls { host: host.trim_matches(['[', ']']).to_owned(), authority },
            _ => Self::Tcp(authority),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(authority) => write!(f, "tcp://{authority}"),
            Self::Tls { authority, .. } => write!(f, "tls://{authority}"),
            Self::Ws(url) | Self::Wss(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_names_its_transport() {
        let parsed = |text: &str| text.parse::<Address>();
        assert_eq!(parsed("localhost:3250").unwrap().to_string(), "tcp://localhost:3250");
        assert_eq!(parsed("tcp://[::1]:1/").unwrap(), Address::Tcp("[::1]:1".to_owned()));
        assert_eq!(
            parsed("tls://[::1]:1").unwrap(),
            Address::Tls { authority: "[::1]:1".to_owned(), host: "::1".to_owned() }
        );
        assert_eq!(parsed("ws://a:1/x").unwrap(), Address::Ws("ws://a:1/x".to_owned()));
        assert!(parsed("wss://a").unwrap().has_tls());
        for text in ["", "localhost", ":1", "a:b", "a:70000", "http://a:1", "tls://a"] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
