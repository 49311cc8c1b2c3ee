//! Jobs as they are stored in Redis: Go Pitaya's JSON, with three optional fields of this library.

use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::date;
use super::fields::Fields;
use super::keys::QUEUE;
use super::options::Retry;
use crate::wire::json;

/// The idempotency key.
const KEY: &str = "idempotency_key";
/// The longest that one run may take, in seconds.
const TIMEOUT: &str = "timeout";
/// When the job has to be done, in seconds since 1970.
const DEADLINE: &str = "deadline";

/// A job to be written.
pub(crate) struct Draft<'a, A> {
    pub(crate) id: &'a str,
    pub(crate) route: &'a str,
    pub(crate) metadata: Option<&'a Fields>,
    pub(crate) arg: A,
    /// Whether the remote replies, which Go's worker reads.
    pub(crate) replies: bool,
    pub(crate) enqueued_at: f64,
    pub(crate) at: Option<f64>,
    pub(crate) retry: Retry,
    pub(crate) key: Option<&'a str>,
    pub(crate) timeout: Option<f64>,
    pub(crate) deadline: Option<f64>,
}

impl<A: Serialize> Draft<'_, A> {
    /// Encodes the job. The bytes are those that Go Pitaya writes, if none of this library's fields is set.
    pub(crate) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(512);
        json::write(&mut out, self)?;
        Ok(out)
    }
}

impl<A: Serialize> Serialize for Draft<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Args<'a, A> {
            route: &'a str,
            metadata: Option<std::collections::BTreeMap<&'a String, &'a Value>>,
            arg: &'a A,
            reply: Option<Empty>,
        }
        #[derive(Serialize)]
        struct Empty {}
        #[derive(Serialize)]
        struct RetryOptions {
            exp: u32,
            min_delay: u32,
            max_delay: u32,
            max_rand: u32,
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("queue", QUEUE)?;
        map.serialize_entry("class", "")?;
        let args = Args {
            route: self.route,
            metadata: self.metadata.map(|metadata| metadata.iter().collect()),
            arg: &self.arg,
            reply: self.replies.then_some(Empty {}),
        };
        map.serialize_entry("args", &args)?;
        map.serialize_entry("jid", self.id)?;
        map.serialize_entry("enqueued_at", &self.enqueued_at)?;
        if self.retry.enabled {
            map.serialize_entry("retry", &true)?;
        }
        if self.retry.max > 0 {
            map.serialize_entry("retry_max", &self.retry.max)?;
        }
        if let Some(at) = self.at {
            map.serialize_entry("at", &at)?;
        }
        let Retry { exponent: exp, min_delay, max_delay, max_random: max_rand, .. } = self.retry;
        map.serialize_entry("retry_options", &RetryOptions { exp, min_delay, max_delay, max_rand })?;
        map.serialize_entry("connection_options", &CONNECTION)?;
        for (name, time) in [(TIMEOUT, self.timeout), (DEADLINE, self.deadline)] {
            if let Some(time) = time {
                map.serialize_entry(name, &time)?;
            }
        }
        if let Some(key) = self.key {
            map.serialize_entry(KEY, key)?;
        }
        map.end()
    }
}

/// Go's worker writes the options of a connection into every job, and Pitaya leaves them empty.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Connection {
    address: &'static str,
    password: &'static str,
    database: &'static str,
    #[serde(rename = "ProcessID")]
    process_id: &'static str,
    namespace: &'static str,
    pool_size: u32,
    pool_interval: u32,
    dial_options: (),
}

const CONNECTION: Connection = Connection {
    address: "",
    password: "",
    database: "",
    process_id: "",
    namespace: "",
    pool_size: 0,
    pool_interval: 0,
    dial_options: (),
};

/// A job that was read from Redis.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) fields: Fields,
}

/// The call that a job describes.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) route: &'a str,
    pub(crate) metadata: Option<&'a Fields>,
    pub(crate) arg: Option<&'a Value>,
}

impl Job {
    /// Reads a job.
    ///
    /// # Errors
    /// The reason, if the text is no job.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| format!("invalid JSON: {error}"))?;
        match value {
            Value::Object(fields) => Ok(Self { fields }),
            _ => Err("the job is no JSON object".to_owned()),
        }
    }

    /// Returns the call. Names of arguments match in any case, as in Go.
    ///
    /// # Errors
    /// The missing part of the job.
    pub(crate) fn call(&self) -> Result<Call<'_>, String> {
        let args = self.fields.get("args").and_then(Value::as_object).ok_or("`args` is no object")?;
        let route = field(args, "Route").and_then(Value::as_str).ok_or("`args` has no route")?;
        Ok(Call {
            route,
            metadata: field(args, "Metadata").and_then(Value::as_object),
            arg: field(args, "Arg").filter(|arg| !arg.is_null()),
        })
    }

    /// The id, for logs; empty if the job has none.
    pub(crate) fn id(&self) -> &str {
        self.text("jid").unwrap_or_default()
    }

    pub(crate) fn queue(&self) -> &str {
        self.text("queue").unwrap_or_default()
    }

    /// The idempotency key.
    pub(crate) fn key(&self) -> Option<&str> {
        self.text(KEY).filter(|key| !key.is_empty())
    }

    /// The longest that one run may take, in seconds.
    pub(crate) fn timeout(&self) -> Option<f64> {
        self.fields.get(TIMEOUT)?.as_f64().filter(|seconds| *seconds > 0.0)
    }

    /// When the job has to be done, in seconds since 1970.
    pub(crate) fn deadline(&self) -> Option<f64> {
        self.fields.get(DEADLINE)?.as_f64()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    /// Encodes the job as Go's worker does after a failure: keys sorted.
    pub(crate) fn encode(&self) -> Bytes {
        json::object(&self.fields)
    }
}

/// Encodes a text that is no job for the set of dead jobs, with the reason.
pub(crate) fn unreadable(text: &[u8], queue: &str, error: &str, now: SystemTime) -> Bytes {
    let mut fields = Fields::new();
    fields.insert("queue".into(), queue.into());
    fields.insert("error_message".into(), error.into());
    fields.insert("failed_at".into(), date::stamp(now).into());
    fields.insert("text".into(), String::from_utf8_lossy(text).into());
    json::object(&fields)
}

/// Returns a random id of 24 hexadecimal digits.
pub(crate) fn new_id() -> String {
    // The random bytes of the operating system, because ids of several processes must not meet.
    uuid::Uuid::new_v4().as_bytes()[..12].iter().fold(String::with_capacity(24), |mut id, byte| {
        let _ = write!(id, "{byte:02x}");
        id
    })
}

/// Finds a field by its exact name, or else by a name that Go takes for it.
pub(crate) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object
        .get(name)
        .or_else(|| object.iter().find(|(other, _)| json::names_match(other, name)).map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Go's decoder takes two letters beyond ASCII for one of ASCII.
    #[test]
    fn fields_are_found_as_go_finds_them() {
        for (key, name) in [("message", "message"), ("Message", "message"), ("me\u{17f}sage", "message")] {
            let object = Map::from_iter([(key.to_owned(), 1.into())]);
            assert_eq!(field(&object, name), Some(&json!(1)), "{key}");
        }
        assert_eq!(field(&Map::from_iter([("massage".to_owned(), 1.into())]), "message"), None);
    }

    fn draft(id: &str) -> Draft<'_, Value> {
        Draft {
            id,
            route: "room.r.echo",
            metadata: None,
            arg: Value::Null,
            replies: false,
            enqueued_at: 5.0,
            at: None,
            retry: Retry::never(),
            key: None,
            timeout: None,
            deadline: None,
        }
    }

    #[test]
    fn an_id_is_24_hexadecimal_digits() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        assert!(
            one.len() == 24 && one.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
            "{one}"
        );
    }

    #[test]
    fn own_fields_are_written_only_if_they_are_set() {
        let plain = String::from_utf8(draft("1").encode().unwrap()).unwrap();
        assert!(plain.contains(r#""enqueued_at":5,"retry_options""#), "{plain}");
        assert!(plain.ends_with(r#""DialOptions":null}}"#), "{plain}");
        let own = Draft {
            key: Some("order-1"),
            timeout: Some(1.5),
            deadline: Some(9.0),
            at: Some(7.25),
            ..draft("1")
        };
        let job = Job::parse(&own.encode().unwrap()).unwrap();
        assert_eq!((job.key(), job.timeout(), job.deadline()), (Some("order-1"), Some(1.5), Some(9.0)));
        assert_eq!(job.fields["at"], json!(7.25));
    }

    #[test]
    fn what_is_no_call_says_why() {
        for (text, reason) in [
            (&b"\xff"[..], "invalid JSON"),
            (b"{", "invalid JSON"),
            (b"[1]", "no JSON object"),
            (br#""text""#, "no JSON object"),
            (b"{}", "`args` is no object"),
            (br#"{"args":[]}"#, "`args` is no object"),
            (br#"{"args":{"Arg":{}}}"#, "no route"),
            (br#"{"args":{"Route":5}}"#, "no route"),
        ] {
            let said = Job::parse(text).and_then(|job| job.call().map(|_| ())).unwrap_err();
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn names_of_arguments_match_in_any_case() {
        let job = Job::parse(br#"{"args":{"route":"a.b.c","ARG":{"x":1},"metadata":{"k":"v"}}}"#).unwrap();
        let call = job.call().unwrap();
        assert_eq!((call.route, call.arg), ("a.b.c", Some(&json!({"x": 1}))));
        assert_eq!(call.metadata.unwrap()["k"], "v");
    }
}
