//! The head of an HTTP request, read from bytes.

use http::{Method, StatusCode, Version};

use crate::acceptor::UpgradeRequest;

/// The most header lines of a request.
pub(super) const MAX_HEADERS: usize = 200;

/// A parsed request head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) request: UpgradeRequest,
}

/// Parses a whole head, up to and with its empty line. The cost is linear in its length.
///
/// # Errors
/// The status of the answer, with the reason.
pub(super) fn parse(head: &[u8]) -> Result<Head, (StatusCode, String)> {
    let bad = |why: String| (StatusCode::BAD_REQUEST, why);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let status = parsed.parse(head).map_err(|error| match error {
        httparse::Error::TooManyHeaders => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("the request has more than {MAX_HEADERS} headers"),
        ),
        other => bad(format!("the request is malformed: {other}")),
    })?;
    match status {
        httparse::Status::Partial => return Err(bad("the request ends within its head".into())),
        // The parser accepts a line feed alone as the end of a line, so it may find an earlier empty line than the reader.
        // A proxy that does not would see other headers.
        httparse::Status::Complete(end) if end < head.len() => {
            return Err(bad("a line of the request ends without a carriage return".into()));
        }
        httparse::Status::Complete(_) => {}
    }
    let method = parsed.method.unwrap_or_default();
    let method = Method::from_bytes(method.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request = UpgradeRequest::new(parsed.path.unwrap_or("/"));
    for header in parsed.headers.iter() {
        request.add(header.name, &String::from_utf8_lossy(header.value));
    }
    request.shrink();
    Ok(Head { method, version, request })
}

impl Head {
    /// Returns whether a list header has this element, which is case-insensitive.
    pub(super) fn lists(&self, name: &str, element: &str) -> bool {
        self.elements(name).any(|found| found.eq_ignore_ascii_case(element))
    }

    /// Returns the elements of all lines of a list header.
    pub(super) fn elements(&self, name: &str) -> impl Iterator<Item = &str> {
        self.request
            .header_lines(name)
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|it| !it.is_empty())
    }

    /// Returns the value of a header that must not be repeated.
    pub(super) fn single(&self, name: &str) -> Option<&str> {
        let mut lines = self.request.header_lines(name);
        let first = lines.next()?;
        lines.next().is_none().then_some(first)
    }

    /// Returns whether the client asks for a WebSocket.
    pub(super) fn asks_for_websocket(&self) -> bool {
        self.lists("upgrade", "websocket")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_has_a_method_a_version_and_headers() {
        let head = parse(b"GET /a?b HTTP/1.0\r\nHost: x\r\nX-A:  1 \r\nx-a: \xff,2\r\n\r\n").unwrap();
        assert_eq!((head.method.clone(), head.version), (Method::GET, Version::HTTP_10));
        assert_eq!((head.request.path(), head.request.query()), ("/a", Some("b")));
        assert_eq!(head.request.header("host"), Some("x"));
        assert_eq!(head.elements("X-A").collect::<Vec<_>>(), ["1", "\u{fffd}", "2"]);
        assert!(head.lists("x-a", "2") && head.single("x-a").is_none() && head.single("HOST") == Some("x"));
    }

    #[test]
    fn a_head_ends_where_its_empty_line_is() {
        let head = b"GET / HTTP/1.1\r\nHost: x\r\n\nOrigin: y\r\n\r\n";
        let (status, why) = parse(head).unwrap_err();
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(why.contains("carriage return"), "{why}");
    }

    #[test]
    fn header_count_limit_is_two_hundred() {
        let with = |headers: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(headers));
        assert_eq!(parse(with(MAX_HEADERS).as_bytes()).unwrap().request.headers().count(), MAX_HEADERS);
        let (status, why) = parse(with(MAX_HEADERS + 1).as_bytes()).unwrap_err();
        assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert!(why.contains("200 headers"), "{why}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let _ = parse(&[b"GET / HTTP/1.1\r\n", &bytes[..], b"\r\n\r\n"].concat());
        }
    }
}
