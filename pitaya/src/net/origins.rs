//! The origins that may connect: patterns for the `Origin` header.

use std::str::FromStr;

/// One entry of `pitaya.acceptor.ws.origins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// `*`: any origin.
    Any,
    /// `null`: a page without an origin, such as a sandboxed one.
    Null,
    /// `scheme://host:port`.
    Pages(Pages),
}

/// Scheme, hosts and ports, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pages {
    scheme: String,
    host: Host,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// All names with this ending, which begins with a dot.
    Below(String),
    Is(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Any,
    /// The port of the pattern, or the default of the scheme; `None` without either.
    Is(Option<u16>),
}

/// Returns the default port of a scheme, which browsers leave out.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// Splits an origin into scheme, host and port; `None` if it is invalid.
fn split(origin: &str) -> Option<(&str, &str, Option<&str>)> {
    let (scheme, rest) = origin.split_once("://")?;
    // An IPv6 address has brackets and colons.
    let (host, port) = match rest.rfind(':') {
        Some(at) if !rest[at..].contains(']') => (&rest[..at], Some(&rest[at + 1..])),
        _ => (rest, None),
    };
    Some((scheme, host, port))
}

fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

impl FromStr for Pattern {
    type Err = String;

    /// Parses a pattern. The error of a pattern that no `Origin` can match says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim().to_ascii_lowercase();
        let wrong =
            |why: &str, write: &str| Err(format!("`{text}` matches no origin: {why}; write `{write}`"));
        if trimmed == "*" {
            return Ok(Self::Any);
        }
        if trimmed == "null" {
            return Ok(Self::Null);
        }
        if trimmed.is_empty() {
            return wrong("it is empty", "*");
        }
        let Some((scheme, rest)) = trimmed.split_once("://") else {
            let host = trimmed.trim_start_matches("//").trim_end_matches('/');
            return wrong("it has no scheme", &format!("https://{host}"));
        };
        if matches!(scheme, "ws" | "wss") {
            let page = if scheme == "ws" { "http" } else { "https" };
            return wrong("an origin is that of the page", &format!("{page}://{rest}"));
        }
        let starts = scheme.starts_with(|c: char| c.is_ascii_lowercase());
        if !starts || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) {
            return wrong("the scheme is not a word", &format!("https://{rest}"));
        }
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(end) = place.find(['/', '?', '#']) {
            return wrong("an origin has no path", &format!("{scheme}://{}", &place[..end]));
        }
        if let Some((_, host)) = place.rsplit_once('@') {
            return wrong("an origin has no user", &format!("{scheme}://{host}"));
        }
        if !place.is_ascii() {
            return wrong("browsers send names in ASCII", &format!("{scheme}://xn--…"));
        }
        let origin = format!("{scheme}://{place}");
        let Some((_, host, port)) = split(&origin) else {
            return wrong("it has no host", &format!("{scheme}://game.example"));
        };
        let example = format!("{scheme}://{host}");
        let port = match port {
            None => Port::Is(default_port(scheme)),
            Some("*") => Port::Any,
            Some(digits) => match number(digits) {
                Some(port) if port > 0 => Port::Is(Some(port)),
                _ => return wrong("the port is not a number of 1 to 65535 or `*`", &example),
            },
        };
        let host = match host.strip_prefix('*') {
            Some("") => Host::Any,
            Some(rest) if is_name(rest.strip_prefix('.').unwrap_or_default()) => Host::Below(rest.to_owned()),
            Some(rest) => {
                let name: String =
                    rest.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).collect();
                return wrong(
                    "`*` stands for whole names before a dot",
                    &format!("{scheme}://*.{}", name.trim_matches('.')),
                );
            }
            // `file://` is the origin of some web views, without a host.
            None if host.is_empty() && scheme == "file" => Host::Is(String::new()),
            None if is_name(host) || is_literal(host) => Host::Is(host.to_owned()),
            None => return wrong("the host is not a name", &format!("{scheme}://game.example")),
        };
        Ok(Self::Pages(Pages { scheme: scheme.to_owned(), host, port }))
    }
}

fn is_name(host: &str) -> bool {
    !host.is_empty()
        && host.split('.').all(|label| !label.is_empty())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

/// Returns whether a host is an IPv6 address in brackets.
fn is_literal(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(any(feature = "websocket", test))]
impl Pattern {
    /// Returns whether an `Origin` header matches.
    pub(crate) fn matches(&self, origin: &[u8]) -> bool {
        let pages = match self {
            Self::Any => return true,
            Self::Null => return origin.eq_ignore_ascii_case(b"null"),
            Self::Pages(pages) => pages,
        };
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let origin = origin.trim().to_ascii_lowercase();
        let Some((scheme, host, port)) = split(&origin) else { return false };
        let port = match port {
            None => default_port(scheme),
            Some(digits) => match number(digits) {
                Some(port) => Some(port),
                None => return false,
            },
        };
        scheme == pages.scheme
            && (pages.port == Port::Any || pages.port == Port::Is(port))
            && match &pages.host {
                Host::Any => true,
                Host::Is(name) => host == name,
                Host::Below(end) => host.len() > end.len() && host.ends_with(end.as_str()),
            }
    }
}

/// Parses all patterns of a list.
pub(crate) fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Pattern>, String> {
    texts.iter().map(|text| text.as_ref().parse()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, origin: &str) -> bool {
        pattern.parse::<Pattern>().unwrap_or_else(|error| panic!("{error}")).matches(origin.as_bytes())
    }

    #[test]
    fn an_origin_matches_by_scheme_host_and_port() {
        for (pattern, yes, no) in [
            ("*", &["https://a.example", "null", "file://"][..], &[][..]),
            (
                "https://a.example",
                &["https://a.example", "HTTPS://A.Example", "https://a.example:443"],
                &[
                    "http://a.example",
                    "https://b.example",
                    "https://a.example:444",
                    "https://xa.example",
                    "null",
                ],
            ),
            ("https://a.example/", &["https://a.example"], &["https://a.example.evil"]),
            (
                "https://A.example:443",
                &["https://a.example", "https://a.example:443"],
                &["https://a.example:80"],
            ),
            ("http://a.example:80/", &["http://a.example"], &["https://a.example"]),
            (
                "http://localhost:3000",
                &["http://localhost:3000"],
                &["http://localhost", "http://localhost:30000"],
            ),
            (
                "http://localhost:*",
                &["http://localhost", "http://localhost:3000"],
                &["http://localhost:x", "https://localhost"],
            ),
            (
                "https://*.example.com",
                &["https://a.example.com", "https://a.b.example.com:443"],
                &[
                    "https://example.com",
                    "https://evilexample.com",
                    "https://a.example.com.evil",
                    "http://a.example.com",
                    "https://.example.com.evil",
                ],
            ),
            ("https://*.example.com:8443", &["https://a.example.com:8443"], &["https://a.example.com"]),
            ("https://*", &["https://any.example"], &["http://any.example"]),
            ("http://[::1]:3000", &["http://[::1]:3000"], &["http://[::1]"]),
            ("null", &["null"], &["https://null"]),
            ("file://", &["file://"], &["https://"]),
            ("capacitor://localhost", &["capacitor://localhost"], &["capacitor://localhost:1"]),
        ] {
            for origin in yes {
                assert!(matches(pattern, origin), "{pattern} {origin}");
            }
            for origin in no {
                assert!(!matches(pattern, origin), "{pattern} {origin}");
            }
        }
    }

    #[test]
    fn what_can_never_match_is_refused_with_what_to_write() {
        for (pattern, write) in [
            ("", "`*`"),
            ("game.example", "`https://game.example`"),
            ("*.example.com", "`https://*.example.com`"),
            ("//game.example/", "`https://game.example`"),
            ("localhost:3000", "`https://localhost:3000`"),
            ("wss://game.example", "`https://game.example`"),
            ("ws://game.example:1", "`http://game.example:1`"),
            ("https://game.example/play", "`https://game.example`"),
            ("https://game.example?x", "`https://game.example`"),
            ("https://ann@game.example", "`https://game.example`"),
            ("https://game.example:port", "`https://game.example`"),
            ("https://game.example:0", "`https://game.example`"),
            ("https://*game.example", "`https://*.game.example`"),
            ("https://*.*.example", "`https://*.example`"),
            ("https://a.*.example", "`https://game.example`"),
            ("https://bücher.example", "`https://xn--…`"),
            ("https://", "`https://game.example`"),
            ("https://a b", "`https://game.example`"),
            ("https://game..example", "`https://game.example`"),
            ("://game.example", "`https://game.example`"),
            ("https://::1", "`https://game.example`"),
        ] {
            let error = pattern.parse::<Pattern>().expect_err(pattern);
            assert!(error.starts_with(&format!("`{pattern}` ")) && error.contains(write), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_without_stars_matches_itself(text in "(https?|app)://[a-z0-9.-]{1,12}(:[0-9]{1,5})?/?") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert!(pattern.matches(text.trim_end_matches('/').as_bytes()), "{}", text);
            }
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}", origin in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(pattern) = text.parse::<Pattern>() {
                let _ = pattern.matches(&origin);
            }
            let _ = matches("https://*.example.com:*", &String::from_utf8_lossy(&origin));
        }
    }
}
