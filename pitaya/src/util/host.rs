//! The name of this machine, and the default host of addresses.

#[cfg(any(feature = "etcd", feature = "nats", feature = "worker"))]
use std::borrow::Cow;

/// Reads `:2379` as `localhost:2379`, as Go does. Any other text is returned unchanged.
///
/// `text` is an address without scheme and credentials. All addresses of `localhost`, of both families, are tried.
#[cfg(any(feature = "etcd", feature = "nats", feature = "worker"))]
pub(crate) fn with_host(text: &str) -> Cow<'_, str> {
    match text.strip_prefix(':') {
        // `::1` is an IPv6 address.
        Some(port) if port.starts_with(|first: char| first.is_ascii_digit()) => {
            format!("localhost:{port}").into()
        }
        _ => text.into(),
    }
}

/// Returns the name of this machine. Empty if unknown.
#[cfg(unix)]
pub(crate) fn name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns the name of this machine. Empty if unknown.
#[cfg(not(unix))]
pub(crate) fn name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

#[cfg(all(test, any(feature = "etcd", feature = "nats", feature = "worker")))]
mod tests {
    use super::with_host;

    #[test]
    fn only_a_port_alone_gets_a_host() {
        for (text, read) in [
            (":2379", "localhost:2379"),
            (":2379/path", "localhost:2379/path"),
            ("localhost:2379", "localhost:2379"),
            ("0.0.0.0:2379", "0.0.0.0:2379"),
            ("[::1]:2379", "[::1]:2379"),
            ("::1", "::1"),
            (":port", ":port"),
            (":", ":"),
            ("", ""),
        ] {
            assert_eq!(with_host(text), read);
        }
    }
}
