//! The contexts of the calls that a server makes, as JSON.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::key_mark::{KeyMark, KeyText};
use super::metadata::{Metadata, reserved};
use crate::go_duration;
use crate::wire::json;

/// A server that calls others.
pub(crate) struct Caller {
    id: Box<str>,
    service: Box<str>,
    /// The beginning of the contexts of its calls, up to where the time stands.
    text: Box<str>,
    usual: Usual,
}

/// The contexts of calls that begin here and wait for as long as most do.
struct Usual {
    timeout: Duration,
    /// Up to the end of the time.
    head: Box<str>,
    whole: Bytes,
}

impl Caller {
    /// `timeout` is the default time that its calls wait.
    pub(crate) fn new(id: &str, service: &str, timeout: Duration) -> Self {
        let json = |text: &str| {
            let mut out = Vec::new();
            let written = json::write(&mut out, text);
            debug_assert!(written.is_ok(), "{written:?}");
            String::from_utf8_lossy(&out).into_owned()
        };
        let text = format!(r#"{{"peer.id":{},"peer.service":{},"reqTimeout":""#, json(id), json(service));
        let head = head(&text, timeout);
        let whole = [&*head, "}"].concat().into();
        let usual = Usual { timeout, head: head.into(), whole };
        Self { id: id.into(), service: service.into(), text: text.into(), usual }
    }

    /// The context of a call that begins here.
    fn beginning(&self, timeout: Duration, request_id: Option<&str>, key: Option<&str>) -> Bytes {
        if let Some(key) = key {
            return self.beginning_with_key(timeout, request_id, key);
        }
        let head = if timeout == self.usual.timeout {
            Cow::Borrowed(&*self.usual.head)
        } else {
            Cow::Owned(head(&self.text, timeout))
        };
        match request_id {
            None if timeout == self.usual.timeout => self.usual.whole.clone(),
            None => [&*head, "}"].concat().into(),
            // A generated id needs no escapes.
            Some(id) => [&*head, r#","request.id":""#, id, "\"}"].concat().into(),
        }
    }
}

impl Caller {
    /// The same for a call with a key. There is nothing to escape in its text.
    fn beginning_with_key(&self, timeout: Duration, request_id: Option<&str>, key: &str) -> Bytes {
        let peer = self.text.strip_suffix(BEFORE_TIME).unwrap_or_default();
        let head = [peer, r#""pitaya.key":""#, key, r#"","#, BEFORE_TIME].concat();
        let head = self::head(&head, timeout);
        match request_id {
            None => [&*head, "}"].concat().into(),
            Some(id) => [&*head, r#","request.id":""#, id, "\"}"].concat().into(),
        }
    }
}

/// The text before a time.
const BEFORE_TIME: &str = r#""reqTimeout":""#;

/// Nor is there in a time.
fn head(text: &str, timeout: Duration) -> String {
    [text, &*go_duration::text(timeout), "\""].concat()
}

/// A context on its way: its values, and instead of some of them these, which are sorted by key.
struct ForCall<'a> {
    context: &'a Metadata,
    own: [(&'static str, Option<&'a str>); 5],
}

impl Serialize for ForCall<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut own = self.own.iter().filter_map(|(key, text)| Some((*key, (*text)?))).peekable();
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.context.travelling() {
            while let Some((before, text)) = own.next_if(|(own, _)| **own < **key) {
                map.serialize_entry(before, text)?;
            }
            if own.peek().is_none_or(|(own, _)| **own != **key) {
                map.serialize_entry(key, value)?;
            }
        }
        for (key, text) in own {
            map.serialize_entry(key, text)?;
        }
        map.end()
    }
}

impl Metadata {
    /// Encodes what [`for_call`](Self::for_call) returns, with this id if it is `Some`, without copying the values.
    pub(crate) fn encode_for_call(
        &self,
        caller: &Caller,
        timeout: Duration,
        request_id: Option<&str>,
        key: Option<KeyMark>,
    ) -> Bytes {
        let key = key.map(KeyMark::text);
        let key = key.as_ref().map(KeyText::as_str);
        if self.is_new() {
            return caller.beginning(timeout, request_id, key);
        }
        let timeout = go_duration::text(timeout);
        let own = [
            (reserved::PEER_ID, Some(&*caller.id)),
            (reserved::PEER_SERVICE, Some(&*caller.service)),
            (reserved::KEY, key),
            (reserved::TIMEOUT, Some(&*timeout)),
            (reserved::REQUEST_ID, request_id),
        ];
        let mut out = Vec::with_capacity(192);
        // JSON values can always be written, and a `Vec` takes them all.
        let written = json::write(&mut out, &ForCall { context: self, own });
        debug_assert!(written.is_ok(), "{written:?}");
        out.into()
    }
}
