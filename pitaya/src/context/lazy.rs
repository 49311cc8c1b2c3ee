//! The context of a call that no code has read yet.

use std::sync::OnceLock;
use std::time::Duration;

use super::key_mark::KeyMark;
use super::metadata::{Values, checked_timeout, new_request_id, reserved};
use crate::error::Result;

/// The text of a JSON object, as nearly all calls have one: strings by name, without escapes and without white space. It
/// has been looked through, and can be read at any time.
pub(super) struct LazyValues {
    text: Box<str>,
    timeout: Option<Duration>,
    key_mark: Option<KeyMark>,
    request_id: RequestId,
    values: OnceLock<Values>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequestId {
    /// The text has one.
    Came,
    /// It is missing.
    None,
    /// The text has no id; one is generated when the text is parsed.
    New,
}

impl LazyValues {
    /// Scans an encoded context. Returns `None` if it is not such an object: it may be another object, or invalid.
    ///
    /// # Errors
    /// As of [`checked_timeout`].
    pub(super) fn scan(bytes: &[u8]) -> Result<Option<Self>> {
        // Escapes, or what has to be escaped. All bytes are looked at, many at a time.
        if bytes.iter().fold(false, |found, byte| found | (*byte == b'\\') | (*byte < b' ')) {
            return Ok(None);
        }
        let Ok(text) = str::from_utf8(bytes) else { return Ok(None) };
        let (mut timeout, mut key_mark, mut request_id) = (None, None, RequestId::None);
        let mut pairs = Pairs::of(text);
        for (key, value) in &mut pairs {
            match key {
                reserved::TIMEOUT => timeout = Some(value),
                reserved::KEY => key_mark = KeyMark::parse(value),
                reserved::REQUEST_ID => {
                    request_id = if value.is_empty() { RequestId::None } else { RequestId::Came };
                }
                _ => {}
            }
        }
        if !pairs.is_whole() {
            return Ok(None);
        }
        let timeout = timeout.map(checked_timeout).transpose()?;
        Ok(Some(Self { text: text.into(), timeout, key_mark, request_id, values: OnceLock::new() }))
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(super) fn key_mark(&self) -> Option<KeyMark> {
        self.key_mark
    }

    pub(super) fn values(&self) -> &Values {
        self.values.get_or_init(|| {
            let pairs = Pairs::of(&self.text);
            let mut values: Values = pairs.map(|(key, value)| (key.to_owned(), value.into())).collect();
            if self.request_id == RequestId::New {
                values.insert(reserved::REQUEST_ID.to_owned(), new_request_id().into());
            }
            values
        })
    }

    /// Sets a new request id if it is missing.
    pub(super) fn ensure_request_id(&mut self) {
        if self.request_id == RequestId::None {
            self.request_id = RequestId::New;
            self.values = OnceLock::new();
        }
    }
}

/// The pairs of such an object, up to its end or to where it is not one.
struct Pairs<'a> {
    rest: &'a str,
    /// The text before the next pair.
    before: &'static str,
}

impl<'a> Pairs<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text, before: "{\"" }
    }

    /// Whether nothing is left but the end of the object.
    fn is_whole(&self) -> bool {
        self.rest == if self.before == "{\"" { "{}" } else { "}" }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = string(self.rest.strip_prefix(self.before)?)?;
        let (value, rest) = string(rest.strip_prefix(":\"")?)?;
        (self.rest, self.before) = (rest, ",\"");
        Some((key, value))
    }
}

/// A string behind its first quotation mark, and what is behind its last.
fn string(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| byte == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}
