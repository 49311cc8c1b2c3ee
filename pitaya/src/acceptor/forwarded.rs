//! The client's address behind HTTP proxies: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Each proxy appends the address of its peer, so only the last address comes from the last proxy. The headers are read
//! from the right: an address of a trusted network is a proxy, and the first other one is the client. The client may have
//! written everything left of it, which is never read.

use std::net::{IpAddr, SocketAddr};

use crate::net::{Networks, UpgradeRequest};

/// Returns the client's address for a connection of `peer`, or `None` without a trustworthy header.
///
/// The port is 0 if no proxy names it. If both headers name different clients, a client wrote one of them, and neither is
/// trusted.
pub(super) fn client(peer: IpAddr, request: &UpgradeRequest, trusted: &Networks) -> Option<SocketAddr> {
    if !trusted.contain(peer) {
        return None;
    }
    let lines = |name| request.header_lines(name).collect::<Vec<_>>();
    let listed = walk(&lines("x-forwarded-for"), trusted, in_list);
    let forwarded = walk(&lines("forwarded"), trusted, in_forwarded);
    match (listed, forwarded) {
        (Some(listed), Some(forwarded)) => (listed.ip() == forwarded.ip()).then_some(listed),
        (one, other) => one.or(other),
    }
}

/// Reads the elements of a list header from the right, up to the first that is not a trusted proxy.
fn walk(lines: &[&str], trusted: &Networks, read: impl Fn(&str) -> Option<SocketAddr>) -> Option<SocketAddr> {
    let mut last = None;
    for line in lines.iter().rev() {
        let mut rest = Some(*line);
        while let Some(text) = rest {
            let (before, element) = split_last(text);
            rest = before;
            if element.trim().is_empty() {
                continue; // an empty element of a list is allowed, and says nothing
            }
            // An element without an address hides the client: the proxy that wrote it is the last known address.
            let Some(address) = read(element.trim()) else { return last };
            last = Some(address);
            if !trusted.contain(address.ip()) {
                return last;
            }
        }
    }
    last
}

/// Splits a list at its last comma outside of quotes.
///
/// Quotes are counted from the right, so that an unfinished quotation of the client cannot hide an element of a proxy.
fn split_last(text: &str) -> (Option<&str>, &str) {
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate().rev() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return (Some(&text[..at]), &text[at + 1..]),
            _ => {}
        }
    }
    (None, text)
}

/// Returns the address of an element of `X-Forwarded-For`.
fn in_list(element: &str) -> Option<SocketAddr> {
    address(unquoted(element))
}

/// Returns the address of the parameter `for` of an element of `Forwarded`.
fn in_forwarded(element: &str) -> Option<SocketAddr> {
    let mut found = None;
    for parameter in element.split(';') {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None; // given twice: ambiguous
            }
            found = Some(unquoted(value.trim()));
        }
    }
    address(found?)
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Reads `203.0.113.7`, `203.0.113.7:40512`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:40512`.
fn address(text: &str) -> Option<SocketAddr> {
    let socket = text.parse().ok().or_else(|| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        match bare {
            Some(bare) => bare.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
            None => text.parse::<IpAddr>().ok(),
        }
        .map(|ip| SocketAddr::new(ip, 0))
    })?;
    Some(SocketAddr::new(socket.ip().to_canonical(), socket.port()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRUSTED: &[&str] = &["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"];

    /// Returns the client of a request with these header lines. The peer is a trusted proxy.
    fn of(lines: &[(&str, &str)]) -> Option<String> {
        from("127.0.0.1", lines)
    }

    fn from(peer: &str, lines: &[(&str, &str)]) -> Option<String> {
        let lines = lines.iter();
        let request =
            lines.fold(UpgradeRequest::new("/"), |request, (name, value)| request.with_header(name, value));
        let trusted = Networks::parse(TRUSTED).unwrap();
        client(peer.parse().unwrap(), &request, &trusted).map(|address| address.to_string())
    }

    fn xff(line: &str) -> Option<String> {
        of(&[("X-Forwarded-For", line)])
    }

    fn forwarded(line: &str) -> Option<String> {
        of(&[("Forwarded", line)])
    }

    #[test]
    fn the_last_untrusted_address_is_the_client() {
        for (line, client) in [
            ("203.0.113.7", "203.0.113.7:0"),
            ("203.0.113.7:40512", "203.0.113.7:40512"),
            ("6.6.6.6, 203.0.113.7", "203.0.113.7:0"),
            ("6.6.6.6, 203.0.113.7, 10.0.0.1", "203.0.113.7:0"),
            ("203.0.113.7,10.0.0.1,10.0.0.2", "203.0.113.7:0"),
            ("2001:db8::7", "[2001:db8::7]:0"),
            ("[2001:db8::7]:443, fd00::1", "[2001:db8::7]:443"),
            ("\"[2001:db8::7]\"", "[2001:db8::7]:0"),
            ("::ffff:203.0.113.7", "203.0.113.7:0"),
            (" , 203.0.113.7 , ,", "203.0.113.7:0"),
            // all are proxies: the first of them is the client
            ("10.0.0.9, 10.0.0.1", "10.0.0.9:0"),
        ] {
            assert_eq!(xff(line).as_deref(), Some(client), "{line}");
        }
    }

    #[test]
    fn garbage_leaves_the_last_known_proxy() {
        for line in
            ["", " , ", "unknown", "203.0.113.7.1", "203.0.113.7:port", "_hidden", "evil\"", "[::1", "::1]"]
        {
            assert_eq!(xff(line), None, "{line}");
        }
        assert_eq!(xff("203.0.113.7, unknown, 10.0.0.1").as_deref(), Some("10.0.0.1:0"));
    }

    #[test]
    fn lines_of_one_header_are_one_list() {
        let lines = [("X-Forwarded-For", "6.6.6.6"), ("x-forwarded-for", "203.0.113.7, 10.0.0.1")];
        assert_eq!(of(&lines).as_deref(), Some("203.0.113.7:0"));
        let lines = [("X-Forwarded-For", "6.6.6.6, 203.0.113.7"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(of(&lines).as_deref(), Some("203.0.113.7:0"));
    }

    #[test]
    fn forwarded_is_read_by_its_grammar() {
        for (line, client) in [
            ("for=203.0.113.7", "203.0.113.7:0"),
            ("For=\"203.0.113.7:99\";proto=https;by=10.0.0.1", "203.0.113.7:99"),
            ("for=6.6.6.6, proto=http; for=\"[2001:db8::7]:47\" , for=10.0.0.1", "[2001:db8::7]:47"),
            ("for=\"evil, for=203.0.113.7", "203.0.113.7:0"),
            ("for=\"a, for=\"[2001:db8::7]:47\"", "[2001:db8::7]:47"),
        ] {
            assert_eq!(forwarded(line).as_deref(), Some(client), "{line}");
        }
        for line in ["for=unknown", "for=_x", "proto=http", "for=", "203.0.113.7", "for=1.1.1.1;for=2.2.2.2"]
        {
            assert_eq!(forwarded(line), None, "{line}");
        }
    }

    #[test]
    fn headers_of_a_stranger_are_not_read() {
        assert_eq!(from("203.0.113.7", &[("X-Forwarded-For", "6.6.6.6")]), None);
        assert_eq!(from("203.0.113.7", &[("Forwarded", "for=6.6.6.6")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn two_headers_that_disagree_are_not_believed() {
        let same = [("Forwarded", "for=203.0.113.7"), ("X-Forwarded-For", "203.0.113.7:1")];
        assert_eq!(of(&same).as_deref(), Some("203.0.113.7:1"));
        assert_eq!(of(&[("Forwarded", "for=6.6.6.6"), ("X-Forwarded-For", "203.0.113.7")]), None);
    }

    proptest! {
        /// A proxy appends the client. Whatever the client sent before, the answer is the client.
        #[test]
        fn a_client_cannot_change_what_a_proxy_says_of_it(sent in "[ -~]{0,60}", lines in any::<bool>()) {
            let expected = Some("203.0.113.7:0".to_owned());
            if lines {
                prop_assert_eq!(of(&[("X-Forwarded-For", &sent), ("X-Forwarded-For", "203.0.113.7")]), expected.clone());
                prop_assert_eq!(of(&[("Forwarded", &sent), ("Forwarded", "for=203.0.113.7")]), expected);
            } else {
                prop_assert_eq!(xff(&format!("{sent}, 203.0.113.7")), expected.clone());
                prop_assert_eq!(forwarded(&format!("{sent}, for=203.0.113.7")), expected);
            }
        }
    }
}
