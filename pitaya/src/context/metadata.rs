//! The context values that travel with a call (`docs/cluster.md`, "Context").

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::key_mark::KeyMark;
use super::lazy::LazyValues;
use crate::error::{Error, Result, code, text};
use crate::go_duration;
use crate::wire::{json, utf8};

/// The keys of the framework. Applications have any other, and cannot set these.
pub mod reserved {
    /// The id of the server that calls.
    pub const PEER_ID: &str = "peer.id";
    /// Its type.
    pub const PEER_SERVICE: &str = "peer.service";
    /// The id by which all calls that one client message led to are recognised.
    pub const REQUEST_ID: &str = "request.id";
    /// The time the caller waits, as a duration in Go's format: always a string.
    pub const TIMEOUT: &str = "reqTimeout";
    /// The key of the call, as a number, by which a server that drains knows what it has. Each hop has its own.
    pub const KEY: &str = "pitaya.key";
    /// The route of the call, for metrics. Each hop has its own; we do not send it.
    pub const ROUTE: &str = "req-route";
    /// When the call began, for metrics. Each hop has its own; we do not send it.
    pub const START_TIME: &str = "req-start-time";
    /// The span of the caller: an object of strings.
    pub const SPAN: &str = "otel-span";

    /// All of them.
    pub(crate) const ALL: [&str; 8] =
        [PEER_ID, PEER_SERVICE, REQUEST_ID, TIMEOUT, KEY, ROUTE, START_TIME, SPAN];
}

/// Context values, as one JSON object. Copied, never shared: what a callee or a later call adds is not seen here.
/// A copy costs nothing until one of the two changes.
///
/// Each has a valid `reqTimeout` or none: reading refuses anything else, and only a [`Duration`] can be set.
///
/// ```
/// use pitaya::context::Metadata;
///
/// let mut context = Metadata::decode(br#"{"peer.id":"room-1","tenant":7}"#)?;
/// assert_eq!(context.get::<u32>("tenant")?, Some(7));
/// context.insert("tenant", 8)?;
/// assert_eq!(context.encode(), r#"{"peer.id":"room-1","tenant":8}"#);
/// # Ok::<(), pitaya::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Metadata(Option<Arc<Inner>>);

/// Most handlers read no context value, so a context is parsed on first use.
enum Inner {
    Parsed(Values),
    Lazy(LazyValues),
}

pub(super) type Values = BTreeMap<String, Value>;

static EMPTY: Values = Values::new();

impl Metadata {
    /// Returns a context without values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes the context of a request.
    ///
    /// # Errors
    /// All `PIT-500`: `no context found` if there are no bytes; JSON that is broken, `null` or no object; a
    /// `reqTimeout` that is no string, or no duration.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::new(code::INTERNAL, text::NO_CONTEXT));
        }
        if let Some(lazy) = LazyValues::scan(bytes)? {
            return Ok(Self(Some(Arc::new(Inner::Lazy(lazy)))));
        }
        let values: Values = serde_json::from_str(&utf8::mend_json(bytes))
            .map_err(|error| broken(&format!("is no JSON object: {error}")))?;
        match values.get(reserved::TIMEOUT) {
            None => {}
            Some(Value::String(text)) => drop(checked_timeout(text)?),
            Some(_) => return Err(broken(&format!("has a `{}` that is no string", reserved::TIMEOUT))),
        }
        Ok(Self::of(values))
    }

    /// Encodes the values for a request: JSON with sorted keys, as Go Pitaya writes it. Returns no bytes if there are no
    /// values, which a callee would refuse; [`for_call`](Self::for_call) always sets some.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let values = self.values();
        if values.is_empty() {
            return Bytes::new();
        }
        let mut out = Vec::with_capacity(128);
        // JSON values can always be written, and a `Vec` takes them all.
        let written = json::write(&mut out, values);
        debug_assert!(written.is_ok(), "{written:?}");
        out.into()
    }

    /// Returns a value, decoded; `None` if the key is missing.
    ///
    /// Go Pitaya reads numbers as floating point, so a whole number beyond 2⁵³ is not exact after such a server.
    ///
    /// # Errors
    /// `PIT-500`, with the key: the value is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.values().get(key) else { return Ok(None) };
        T::deserialize(value).map(Some).map_err(|error| {
            Error::new(code::INTERNAL, format!("the context value `{key}` has another type"))
                .with_source(error)
        })
    }

    /// Sets a value, for every call that is made with this context from now on and for those that they lead to.
    ///
    /// # Errors
    /// `PIT-500`: the key is one of the [`reserved`] ones, or the value has no JSON form.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Serialize) -> Result<()> {
        let key = key.into();
        if reserved::ALL.contains(&&*key) {
            return Err(Error::new(
                code::INTERNAL,
                format!("the context key `{key}` is the framework's own; choose another"),
            ));
        }
        let value = serde_json::to_value(value).map_err(|error| {
            Error::new(code::INTERNAL, format!("the context value `{key}` has no JSON form"))
                .with_source(error)
        })?;
        self.set(&key, value);
        Ok(())
    }

    /// The span of the caller: an object of strings.
    #[cfg(feature = "otel")]
    pub(crate) fn span(&self) -> Option<&serde_json::Map<String, Value>> {
        self.values().get(reserved::SPAN)?.as_object()
    }

    /// Sets the span of the caller.
    #[cfg(feature = "otel")]
    pub(crate) fn set_span(&mut self, span: serde_json::Map<String, Value>) {
        self.set(reserved::SPAN, Value::Object(span));
    }

    /// Removes a value, and says whether it was there. The [`reserved`] ones stay.
    pub fn remove(&mut self, key: &str) -> bool {
        !reserved::ALL.contains(&key)
            && self.values().contains_key(key)
            && self.change(|values| values.remove(key).is_some())
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values().keys().map(String::as_str)
    }

    /// The id of the server that called.
    #[must_use]
    pub fn peer_id(&self) -> Option<&str> {
        self.text(reserved::PEER_ID)
    }

    /// The type of the server that called.
    #[must_use]
    pub fn peer_service(&self) -> Option<&str> {
        self.text(reserved::PEER_SERVICE)
    }

    /// Returns the id of the client message that led to this call; `None` if it is missing or empty.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.text(reserved::REQUEST_ID).filter(|id| !id.is_empty())
    }

    /// Sets that id: where a client's message enters the cluster, and where a call came without one.
    pub fn set_request_id(&mut self, id: impl Into<String>) {
        self.set(reserved::REQUEST_ID, Value::String(id.into()));
    }

    /// Sets a new id if it is missing. The id is generated on first use.
    pub(crate) fn ensure_request_id(&mut self) {
        if let Some(Inner::Lazy(lazy)) = self.0.as_mut().and_then(Arc::get_mut) {
            lazy.ensure_request_id();
        } else if self.request_id().is_none() {
            self.set_request_id(new_request_id());
        }
    }

    /// How long the caller waits; `None` if it does not say, and then without a limit. A time of zero or less has
    /// expired.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        match self.0.as_deref()? {
            Inner::Lazy(lazy) => lazy.timeout(),
            Inner::Parsed(_) => checked_timeout(self.text(reserved::TIMEOUT)?).ok(),
        }
    }

    /// Returns the mark of a keyed call.
    pub(crate) fn key_mark(&self) -> Option<KeyMark> {
        match self.0.as_deref()? {
            Inner::Lazy(lazy) => lazy.key_mark(),
            Inner::Parsed(_) => self.text(reserved::KEY).and_then(KeyMark::parse),
        }
    }

    /// The context of a call that a server, `peer_id` of type `peer_service`, makes while it handles the call that has this one, or that begins with an
    /// empty one.
    ///
    /// It has every value of this one, the request's id among them, says who calls and that it waits for `timeout`,
    /// which is to be what remains ([`super::Deadline::within`]). Values of one hop only (route, start) are left out,
    /// and so is a span of a shape that makes callees lose the whole context.
    #[must_use]
    pub fn for_call(&self, peer_id: &str, peer_service: &str, timeout: Duration) -> Self {
        let mut values: Values = self.travelling().map(|(key, value)| (key.clone(), value.clone())).collect();
        for (key, value) in [
            (reserved::PEER_ID, peer_id.to_owned()),
            (reserved::PEER_SERVICE, peer_service.to_owned()),
            (reserved::TIMEOUT, go_duration::text(timeout)),
        ] {
            values.insert(key.to_owned(), Value::String(value));
        }
        Self::of(values)
    }

    /// The values that do not belong to this hop only.
    pub(super) fn travelling(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values().iter().filter(|(key, value)| match key.as_str() {
            reserved::ROUTE | reserved::START_TIME | reserved::KEY => false,
            reserved::SPAN => value.is_object(),
            reserved::REQUEST_ID => value.is_string(),
            _ => true,
        })
    }

    /// Whether there was never anything in it.
    pub(super) fn is_new(&self) -> bool {
        self.0.is_none()
    }

    fn of(values: Values) -> Self {
        Self((!values.is_empty()).then(|| Arc::new(Inner::Parsed(values))))
    }

    fn values(&self) -> &Values {
        match self.0.as_deref() {
            None => &EMPTY,
            Some(Inner::Parsed(values)) => values,
            Some(Inner::Lazy(lazy)) => lazy.values(),
        }
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut Values) -> T) -> T {
        let mut values = match self.0.take().map(Arc::try_unwrap) {
            Some(Ok(Inner::Parsed(values))) => values,
            Some(Ok(Inner::Lazy(lazy))) => lazy.values().clone(),
            Some(Err(shared)) => Self(Some(shared)).values().clone(),
            None => Values::new(),
        };
        let result = change(&mut values);
        *self = Self::of(values);
        result
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.values().get(key)?.as_str()
    }

    fn set(&mut self, key: &str, value: Value) {
        self.change(|values| drop(values.insert(key.to_owned(), value)));
    }
}

impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.values() == other.values()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metadata").field(self.values()).finish()
    }
}

/// A new id for a client's message: 22 letters and digits.
///
/// ```
/// let id = pitaya::context::new_request_id();
/// assert!(id.len() == 22 && id.bytes().all(|c| c.is_ascii_alphanumeric()));
/// ```
#[must_use]
pub fn new_request_id() -> String {
    let mut random = fastrand::Rng::new();
    let mut id = String::with_capacity(22);
    id.extend(std::iter::repeat_with(|| random.alphanumeric()).take(22));
    id
}

/// Parses a `reqTimeout`. A negative one means that no time is left.
pub(super) fn checked_timeout(text: &str) -> Result<Duration> {
    let nanos = go_duration::parse(text).map_err(|error| Error::new(code::INTERNAL, error.to_string()))?;
    Ok(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
}

fn broken(why: &str) -> Error {
    Error::new(code::INTERNAL, format!("the context {why}"))
}
