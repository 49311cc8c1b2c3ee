//! Removes credentials from addresses before they are shown.
//!
//! Logs, errors, `Debug` output and `--print-config` all call [`list`] or [`address`], so that one rule decides what is a
//! secret. A comma ends an address everywhere, so a password must not contain one (it is written as `%2C`).

use std::borrow::Cow;

/// Replaces a secret.
pub(crate) const HIDDEN: &str = "***";

/// Returns what is shown of a secret: `***`, or nothing if it is empty.
#[cfg(feature = "etcd")]
pub(crate) fn secret(text: &str) -> &'static str {
    if text.is_empty() { "" } else { HIDDEN }
}

/// Redacts every address of a comma-separated list, such as `nats://ann:secret@one:4222,two`.
pub(crate) fn list(text: &str) -> String {
    text.split(',').map(address).collect::<Vec<_>>().join(",")
}

/// Redacts one address: `user:password@`, `token@` and the query become `***`. The scheme, the host and the path stay.
///
/// A text that cannot be split into these parts without doubt is hidden as a whole after its scheme.
pub(crate) fn address(text: &str) -> Cow<'_, str> {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + "://".len()),
        None => ("", text),
    };
    // In a scheme there is neither a password nor a host.
    let (scheme, rest) = if is_scheme(scheme) { (scheme, rest) } else { ("", text) };
    let query = rest.find(['?', '#']);
    let Some(at) = rest.rfind('@') else {
        return match query {
            Some(query) => format!("{scheme}{}?{HIDDEN}", &rest[..query]).into(),
            // `user:pass` in front of a comma of the password: a port has digits only.
            None if !has_plain_port(rest) => format!("{scheme}{HIDDEN}").into(),
            None => text.into(),
        };
    };
    match query {
        // The `?` may belong to the password and the `@` to the query: which one cannot be told.
        Some(query) if query < at => format!("{scheme}{HIDDEN}").into(),
        Some(query) => format!("{scheme}{HIDDEN}@{}?{HIDDEN}", &rest[at + 1..query]).into(),
        None => format!("{scheme}{HIDDEN}@{}", &rest[at + 1..]).into(),
    }
}

/// Whether the text is empty or `name://` with a name of letters, digits, `+`, `-` and `.`.
fn is_scheme(text: &str) -> bool {
    let name = text.trim_start().strip_suffix("://").unwrap_or_default();
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Whether the text is `host`, `host:port` or `[v6]:port`, with or without a path.
fn has_plain_port(text: &str) -> bool {
    let host = text.split('/').next().unwrap_or_default().trim();
    let host = host.rsplit_once(']').map_or(host, |(_, port)| port);
    // A bare IPv6 address has several colons.
    match host.split_once(':') {
        Some((before, port)) if !port.contains(':') => {
            port.chars().all(|c| c.is_ascii_digit()) || before.is_empty() && host.starts_with("::")
        }
        Some(_) => host.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '%')),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn credentials_are_hidden_and_places_are_shown() {
        for (text, shown) in [
            ("nats://localhost:4222", "nats://localhost:4222"),
            ("localhost:4222", "localhost:4222"),
            ("[::1]:4222,::1,two", "[::1]:4222,::1,two"),
            ("ann:hunter2@one:4222", "***@one:4222"),
            ("nats://ann:hunt/er2@one:4222", "nats://***@one:4222"),
            ("t0ken@one:4222", "***@one:4222"),
            ("tls://t0ken@one", "tls://***@one"),
            ("nats://a:b@one:1,nats://c@two:2,three", "nats://***@one:1,nats://***@two:2,three"),
            ("nats://a:b@one:1, c:d@two:2", "nats://***@one:1,***@two:2"),
            ("redis://:p@ss@h:1/0", "redis://***@h:1/0"),
            ("redis://h:1/0?password=hunter2", "redis://h:1/0?***"),
            ("redis://u:x@h:1/0?password=hunter2", "redis://***@h:1/0?***"),
            ("redis://h:1/0?password=p@ss", "redis://***"),
            ("http://ann:p?w@etcd:2379/v3", "http://***"),
            ("nats://ann:hun,ter2@one", "nats://***,***@one"),
            ("https://etcd:2379/prefix", "https://etcd:2379/prefix"),
            ("a secret://b@host", "***@host"),
            ("", ""),
        ] {
            assert_eq!(list(text), shown, "{text}");
        }
    }

    /// `Zq7` stands in each password of these tests, and nowhere else.
    pub(crate) fn secret() -> impl Strategy<Value = String> {
        ("[^,]{0,6}", "[^,]{0,6}").prop_map(|(before, after)| format!("{before}Zq7{after}"))
    }

    proptest! {
        #[test]
        fn no_form_of_an_address_shows_its_secret(
            secret in secret(),
            scheme in prop_oneof![Just(""), Just("nats://"), Just("tls://"), Just("redis+tls://")],
            user in prop_oneof![Just(""), Just("ann"), Just("an/n"), Just("a@n")],
            host in prop_oneof![Just("one"), Just("one:4222"), Just("[::1]:1"), Just("h:1/0"), Just("h?db=1")],
        ) {
            for text in [
                format!("{scheme}{user}:{secret}@{host}"),
                format!("{scheme}{secret}@{host}"),
                format!("{scheme}{host}?password={secret}"),
                format!("{scheme}{user}:x@{host}?password={secret}"),
                format!("{scheme}{host},{scheme}{user}:{secret}@{host},{host}"),
            ] {
                prop_assert!(!list(&text).contains("Zq7"), "{} shown as {}", text, list(&text));
            }
        }

        #[test]
        fn no_text_makes_the_redaction_panic(text in ".{0,40}") {
            let _ = list(&text);
        }
    }
}
