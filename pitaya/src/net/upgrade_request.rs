//! The HTTP request that opened a WebSocket connection.

use std::fmt;

/// The HTTP request of a WebSocket connection: path, query, headers and the chosen subprotocol.
///
/// [`Session::upgrade`](crate::session::Session::upgrade) returns it, for example to an authentication hook. The
/// client, or a proxy in front of this server, wrote all of it. `Debug` shows the path and the names of the headers only,
/// because queries and headers often carry tokens.
///
/// # Example
/// ```
/// use pitaya::acceptor::UpgradeRequest;
///
/// let request = UpgradeRequest::new("/play?token=a%20b")
///     .with_header("Cookie", "id=7")
///     .with_subprotocol("game.v2");
/// assert_eq!(request.path(), "/play");
/// assert_eq!(request.query_param("token").as_deref(), Some("a b"));
/// assert_eq!(request.header("cookie"), Some("id=7"));
/// assert_eq!(request.subprotocol(), Some("game.v2"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// The target, then a line `name:value` for each header. It is one text to save memory per connection.
    text: String,
    subprotocol: Option<Box<str>>,
}

impl UpgradeRequest {
    /// Returns a request for a target such as `/play?token=x`, for custom acceptors and tests.
    pub fn new(target: impl AsRef<str>) -> Self {
        Self { text: one_line(target.as_ref()), subprotocol: None }
    }

    /// Adds a header line. Line breaks in it become spaces.
    #[must_use]
    pub fn with_header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.add(name.as_ref(), value.as_ref());
        self
    }

    /// Sets the subprotocol that the server chose.
    #[must_use]
    pub fn with_subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocol = Some(name.into().into());
        self
    }

    /// Adds a header line.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.text.push('\n');
        self.text.push_str(&one_line(name));
        self.text.push(':');
        self.text.push_str(&one_line(value));
    }

    /// Frees the memory that was reserved for more headers.
    #[cfg(feature = "websocket")]
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
    }

    fn target(&self) -> &str {
        let target = self.text.lines().next().unwrap_or_default();
        // A proxy may send the absolute form, `ws://host/path`.
        match target.split_once("://") {
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                rest.find(['/', '?']).map_or("/", |at| &rest[at..])
            }
            _ => target,
        }
    }

    /// Returns the path as the client sent it, such as `/play`. Escapes like `%20` are not decoded.
    pub fn path(&self) -> &str {
        match self.target().split(['?', '#']).next() {
            None | Some("") => "/",
            Some(path) => path,
        }
    }

    /// Returns the text after the `?` of the target, not decoded.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Returns the decoded value of the first query parameter of this name. `+` and `%20` are spaces.
    pub fn query_param(&self, name: &str) -> Option<String> {
        let pairs = self.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(found, _)| decoded(found) == name).map(|(_, value)| decoded(value))
    }

    /// Returns the value of the first header line of this name, which is case-insensitive.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_lines(name).next()
    }

    /// Returns the values of all header lines of this name, in their order. A list header may have several.
    pub fn header_lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns all header lines as name and value, in their order. Bytes that are not UTF-8 are replaced.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.text.lines().skip(1).filter_map(|line| line.split_once(':'))
    }

    /// Returns the subprotocol that the server chose among the client's offers.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }
}

impl fmt::Debug for UpgradeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("UpgradeRequest")
            .field("path", &self.path())
            .field("headers", &names)
            .field("subprotocol", &self.subprotocol)
            .finish_non_exhaustive()
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Decodes a part of a query. A `%` without two hexadecimal digits is kept.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = match behind.first_chunk() {
            Some([high, low]) if first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        rest = if escaped.is_some() { &behind[2..] } else { behind };
        bytes.push(match (escaped, first) {
            (Some((high, low)), _) => high << 4 | low,
            (None, b'+') => b' ',
            (None, byte) => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_target_has_a_path_and_a_query() {
        for (target, path, query) in [
            ("/", "/", None),
            ("/a/b?c=d?e", "/a/b", Some("c=d?e")),
            ("?x=1", "/", Some("x=1")),
            ("", "/", None),
            ("ws://game.example:1/a?b", "/a", Some("b")),
            ("http://game.example", "/", None),
            ("http://game.example?x", "/", Some("x")),
            ("/a?to=http://b/c", "/a", Some("to=http://b/c")),
            ("*", "*", None),
        ] {
            let request = UpgradeRequest::new(target);
            assert_eq!((request.path(), request.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn query_parameters_are_decoded() {
        let request = UpgradeRequest::new("/?a=1&b=x%20y+z&b=2&c&%64=%e4%zz%4&=e");
        for (name, value) in [
            ("a", Some("1")),
            ("b", Some("x y z")),
            ("c", Some("")),
            ("d", Some("\u{fffd}%zz%4")),
            ("", Some("e")),
            ("f", None),
        ] {
            assert_eq!(request.query_param(name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn headers_are_found_in_any_case_and_keep_their_order() {
        let request =
            UpgradeRequest::new("/").with_header("X-A", "1").with_header("b", "x:y").with_header("x-a", "2");
        assert_eq!(request.header("X-a"), Some("1"));
        assert_eq!(request.header_lines("x-A").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(request.headers().collect::<Vec<_>>(), [("X-A", "1"), ("b", "x:y"), ("x-a", "2")]);
        assert_eq!(UpgradeRequest::new("/").with_header("a", "1\r\nb:2").header("b"), None);
    }

    #[test]
    fn debug_output_shows_no_values() {
        let request = UpgradeRequest::new("/play?token=hunter2")
            .with_header("Authorization", "hunter2")
            .with_header("Sec-WebSocket-Protocol", "game, hunter2");
        let shown = format!("{request:?}");
        assert!(
            shown.contains("/play") && shown.contains("Authorization") && !shown.contains("hunter2"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn any_target_and_headers_can_be_read(target in ".{0,40}", name in ".{0,20}", value in ".{0,20}") {
            let request = UpgradeRequest::new(&target).with_header(&name, &value);
            let _ = (request.path(), request.query(), request.query_param(&name), request.header(&name));
            prop_assert!(request.headers().count() <= 1);
        }
    }
}
