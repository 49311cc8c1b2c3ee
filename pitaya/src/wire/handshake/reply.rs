//! Writing and reading the server's reply.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use serde::de::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::HandshakeError;
use crate::wire::packet::{self, Kind};
use crate::wire::{Dictionary, json, zlib};

/// The code of an accepted handshake.
pub const OK: u32 = 200;
/// The code of a refused handshake, unless a hook chose another.
pub const REFUSED: u32 = 400;

/// The reply of the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// [`OK`], or the code of the refusal.
    pub code: u32,
    /// Seconds between two heartbeats; see [`whole_seconds`](super::whole_seconds). 0 if the reply has no interval.
    pub heartbeat_seconds: u64,
    /// Routes that may travel as codes.
    pub dictionary: Dictionary,
    /// The name of the serializer of all bodies.
    pub serializer: String,
    /// Whether the client was generated from the schema of the server. `None` unless the client asked.
    pub schema_matches: Option<bool>,
    /// Data for a client that a hook refused; the member `user`, which Go Pitaya never sends.
    pub payload: Option<Value>,
}

impl Reply {
    /// The reply as a whole packet. With `compression` the body is deflated if that makes it strictly shorter: there is no
    /// mark, clients look at its first bytes.
    ///
    /// # Errors
    /// [`HandshakeError::Packet`] if the dictionary is too large for a packet.
    pub fn encode(&self, compression: bool) -> Result<Bytes, HandshakeError> {
        let mut body = Vec::with_capacity(128);
        json::write(&mut body, self)?;
        let (mut deflated, mut out) = (BytesMut::new(), BytesMut::new());
        if compression && zlib::deflate(&body, &mut deflated) {
            packet::encode(Kind::Handshake, &deflated, &mut out)?;
        } else {
            packet::encode(Kind::Handshake, &body, &mut out)?;
        }
        Ok(out.freeze())
    }

    /// Reads the body of a server's handshake packet, deflated or not; `limit` bounds what it may inflate to, in bytes.
    ///
    /// Only `code` must be there. A missing serializer is JSON; a fraction of a heartbeat interval is dropped, but what is
    /// under a second counts as one.
    ///
    /// # Errors
    /// [`HandshakeError::Json`], [`HandshakeError::Inflate`], [`HandshakeError::Dictionary`].
    pub fn parse(body: &[u8], limit: usize) -> Result<Self, HandshakeError> {
        let inflated;
        let body = if zlib::looks_compressed(body) {
            inflated = zlib::inflate(body, limit)?;
            &inflated
        } else {
            body
        };
        let read: Read = serde_json::from_slice(body)?;
        let sys = read.sys.unwrap_or_default();
        Ok(Self {
            code: read.code,
            heartbeat_seconds: sys.heartbeat.map_or(0, seconds),
            dictionary: Dictionary::new(sys.dict.unwrap_or_default())?,
            serializer: sys.serializer.unwrap_or_else(|| "json".to_owned()),
            schema_matches: sys.schema.and_then(|schema| matches(&schema)),
            payload: read.user,
        })
    }
}

/// Whole seconds of a number that a server chose.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and dropping the fraction is what it is for"
)]
fn seconds(heartbeat: f64) -> u64 {
    match heartbeat {
        under if under <= 0.0 => 0,
        fraction if fraction < 1.0 => 1,
        whole => whole as u64,
    }
}

#[derive(serde::Deserialize)]
struct Read {
    code: u32,
    sys: Option<ReadSys>,
    #[serde(default, deserialize_with = "present")]
    user: Option<Value>,
}

#[derive(Default, serde::Deserialize)]
struct ReadSys {
    heartbeat: Option<f64>,
    dict: Option<BTreeMap<String, u16>>,
    serializer: Option<String>,
    /// Of any shape, because a server may use the name for something else.
    schema: Option<Box<RawValue>>,
}

#[derive(serde::Deserialize, serde::Serialize)]
struct SchemaCheck {
    #[serde(rename = "match")]
    matches: bool,
}

fn matches(schema: &RawValue) -> Option<bool> {
    serde_json::from_str(schema.get()).ok().map(|SchemaCheck { matches }| matches)
}

/// A `null` that is there is a payload too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &self.code)?;
        map.serialize_entry("sys", &WriteSys(self))?;
        if let Some(payload) = &self.payload {
            map.serialize_entry("user", payload)?;
        }
        map.end()
    }
}

struct WriteSys<'a>(&'a Reply);

impl Serialize for WriteSys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("dict", &Dict(&self.0.dictionary))?;
        map.serialize_entry("heartbeat", &self.0.heartbeat_seconds)?;
        map.serialize_entry("serializer", &self.0.serializer)?;
        if let Some(matches) = self.0.schema_matches {
            map.serialize_entry("schema", &SchemaCheck { matches })?;
        }
        map.end()
    }
}

struct Dict<'a>(&'a Dictionary);

impl Serialize for Dict<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.sorted())
    }
}
