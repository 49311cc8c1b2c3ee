//! Default host of addresses.

use std::borrow::Cow;

/// Reads `:2379` as `localhost:2379`, as Go does. Any other text is returned unchanged.
///
/// `text` is an address without scheme and credentials. All addresses of `localhost`, of both families, are tried.
pub(crate) fn with_host(text: &str) -> Cow<'_, str> {
    match text.strip_prefix(':') {
        // `::1` is an IPv6 address.
        Some(port) if port.starts_with(|first: char| first.is_ascii_digit()) => {
            format!("localhost:{port}").into()
        }
        _ => text.into(),
    }
}

#[cfg(test)]
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
