//! The bodies of messages as text: JSON that a user writes, and JSON that a user reads.

use std::collections::BTreeMap;

use bytes::Bytes;
use pitaya_schema::{Method, Scalar, Schema, Type};
use serde_json::Value;
use serde_json::value::RawValue;

use super::msgpack;
use super::oneof;
use super::protobuf::{Protobuf, full_name};
use super::shape::Shape;

/// A body that the server sent, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// JSON, as the server wrote it or converted from its serializer.
    Json(String),
    /// Text that is no JSON, or bytes with escapes.
    Other(String),
}

impl Body {
    fn of_text(bytes: &[u8]) -> Self {
        match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(json) => Self::Json(json.get().to_owned()),
            Err(_) => Self::of_bytes(bytes),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(char::is_control) => Self::Other(text.to_owned()),
            _ => Self::Other(bytes.escape_ascii().to_string()),
        }
    }
}

/// Converts bodies between JSON and the server's serializer, by the schema where it needs one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contract {
    schema: Schema,
    protobuf: Option<Protobuf>,
    /// The Protobuf messages of pushes that the schema does not have.
    pushes: BTreeMap<String, String>,
}

impl Contract {
    pub(crate) fn new(schema: Schema) -> Self {
        Self { schema, ..Self::default() }
    }

    /// Returns the contract of a schema file. Fails if its Protobuf messages contradict each other.
    pub(crate) fn of_schema(schema: Schema) -> Result<Self, String> {
        let protobuf = (!schema.types.is_empty()).then(|| Protobuf::of_schema(&schema)).transpose()?;
        Ok(Self { protobuf, ..Self::new(schema) })
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn set_protobuf(&mut self, protobuf: Protobuf) {
        self.protobuf = Some(protobuf);
    }

    /// Names the Protobuf message of a push route.
    pub(crate) fn name_push(&mut self, route: String, message: String) {
        self.pushes.insert(route, message);
    }

    /// Adds the pushes that were named in another contract.
    pub(crate) fn keep_pushes_of(&mut self, other: &Self) {
        self.pushes.clone_from(&other.pushes);
    }

    /// Encodes a body for the server's serializer. Without text the body is empty.
    pub(crate) fn encode(&self, serializer: &str, route: &str, text: Option<&str>) -> Result<Bytes, String> {
        let Some(text) = text else { return Ok(Bytes::new()) };
        let method = find(&self.schema, route);
        let ty = method.and_then(|method| method.message.as_ref());
        if is_raw(ty) {
            return Ok(Bytes::copy_from_slice(text.as_bytes()));
        }
        match serializer {
            "json" if method.is_some() => {
                let json: &RawValue = serde_json::from_str(text).map_err(|error| no_json(&error))?;
                Ok(Bytes::copy_from_slice(json.get().as_bytes()))
            }
            // A handler that the schema does not know may take raw bytes.
            "json" => Ok(Bytes::copy_from_slice(text.as_bytes())),
            "msgpack" => {
                let value: Value = serde_json::from_str(text).map_err(|error| no_json(&error))?;
                msgpack::encode(&value, ty, &self.schema)
            }
            "protobuf" => {
                let protobuf = self.protobuf.as_ref().ok_or(NO_PROTOBUF)?;
                match ty {
                    Some(ty @ Type::Named(name)) => {
                        let name = full_name(&self.schema, name);
                        if !oneof::differs(&self.schema) {
                            return protobuf.encode(&name, text);
                        }
                        let value = serde_json::from_str(text).map_err(|error| no_json(&error))?;
                        let value = oneof::to_protobuf(&self.schema, Some(Shape::Type(ty)), value)?;
                        protobuf.encode(&name, &value.to_string())
                    }
                    _ => Err(format!("the message of `{route}` is not known")),
                }
            }
            other => Err(format!("the server speaks `{other}`, which this program does not write")),
        }
    }

    /// Reads the body of an answer.
    pub(crate) fn decode_answer(&self, serializer: &str, route: &str, body: &[u8]) -> Body {
        let ty = find(&self.schema, route).and_then(|method| method.reply.as_ref());
        let name = ty.and_then(|ty| self.message_name(ty));
        self.decode(serializer, ty, name.as_deref(), body)
    }

    /// Reads the body of a push.
    pub(crate) fn decode_push(&self, serializer: &str, route: &str, body: &[u8]) -> Body {
        let ty = self.schema.pushes.get(route).map(|push| &push.message);
        let name = ty.and_then(|ty| self.message_name(ty)).or_else(|| self.pushes.get(route).cloned());
        self.decode(serializer, ty, name.as_deref(), body)
    }

    fn message_name(&self, ty: &Type) -> Option<String> {
        match ty {
            Type::Named(name) => Some(full_name(&self.schema, name)),
            _ => None,
        }
    }

    /// Reads a body. One that does not fit is shown as bytes.
    fn decode(&self, serializer: &str, ty: Option<&Type>, name: Option<&str>, body: &[u8]) -> Body {
        if is_raw(ty) {
            return Body::of_bytes(body);
        }
        let json = match (serializer, &self.protobuf, name) {
            ("json", ..) => return Body::of_text(body),
            ("msgpack", ..) => msgpack::decode(body),
            ("protobuf", Some(protobuf), Some(name)) => {
                protobuf.decode(name, body).and_then(|json| self.unions_from_protobuf(ty, json))
            }
            _ => return Body::of_bytes(body),
        };
        json.map_or_else(|_| Body::of_bytes(body), Body::Json)
    }

    /// Returns the JSON of the schema for the JSON of Protobuf.
    fn unions_from_protobuf(&self, ty: Option<&Type>, json: String) -> Result<String, String> {
        if !oneof::differs(&self.schema) {
            return Ok(json);
        }
        let value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
        let value = oneof::from_protobuf(&self.schema, ty.map(Shape::Type), value)?;
        Ok(value.to_string())
    }
}

/// The error of a request to a Protobuf server without a schema.
const NO_PROTOBUF: &str =
    "the server speaks Protobuf: the messages must be known by a schema or by the documentation";

fn is_raw(ty: Option<&Type>) -> bool {
    ty == Some(&Type::Scalar(Scalar::Bytes))
}

fn no_json(error: &serde_json::Error) -> String {
    format!("the data is not JSON: {error}")
}

/// Returns the handler that a client's route means.
///
/// A client may name a server type for a handler that servers of every type have, and may omit its frontend's type.
pub(crate) fn find<'a>(schema: &'a Schema, route: &str) -> Option<&'a Method> {
    let handlers = &schema.handlers;
    handlers.get(route).or_else(|| match route.splitn(3, '.').collect::<Vec<_>>()[..] {
        [_, service, method] => handlers.get(&format!("{service}.{method}")),
        [_, _] => {
            let mut same = handlers
                .iter()
                .filter(|(full, _)| full.split_once('.').is_some_and(|(_, rest)| rest == route));
            same.next().filter(|_| same.next().is_none()).map(|(_, method)| method)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::from_json(
            r#"{ "pitaya": 1, "types": { "A": { "fields": [] } }, "handlers": {
                "a.x.y": { "message": "A" }, "b.x.y": { "message": "bytes" }, "a.x.z": { "message": "bytes" },
                "s.m": { "message": "A" } } }"#,
        )
        .unwrap()
    }

    #[test]
    fn routes_may_omit_or_add_the_server_type() {
        let schema = schema();
        assert!(find(&schema, "a.x.y").is_some());
        assert!(find(&schema, "x.z").is_some());
        assert!(find(&schema, "a.s.m").is_some());
        assert!(find(&schema, "x.y").is_none(), "two servers have it");
        assert!(find(&schema, "x").is_none() && find(&schema, "").is_none());
    }

    #[test]
    fn bodies_are_checked_by_the_schema() {
        let contract = Contract::new(schema());
        let encode = |route, text| contract.encode("json", route, Some(text));
        assert_eq!(encode("a.x.y", " {\"b\": 1} ").unwrap(), "{\"b\": 1}");
        assert!(encode("a.x.y", "{").unwrap_err().contains("not JSON"));
        assert_eq!(encode("x.z", "{").unwrap(), "{");
        assert_eq!(encode("unknown.route", "{").unwrap(), "{");
        assert_eq!(contract.encode("json", "a.x.y", None).unwrap(), "");
    }

    #[test]
    fn unions_in_protobuf_have_the_json_of_the_schema() {
        let text = include_str!("../../../pitaya-schema/tests/fixtures/shapes.json");
        let contract = Contract::of_schema(Schema::from_json(text).unwrap()).unwrap();
        let encode = |route: &str, text: &str| contract.encode("protobuf", route, Some(text));
        for (json, bytes) in [
            (r#"{"data":{"x":1,"y":2},"type":"Move"}"#, &b"\x0a\x04\x08\x01\x10\x02"[..]),
            (r#"{"data":{"after":5,"text":"a"},"type":"Say"}"#, b"\x12\x05\x0a\x01a\x10\x05"),
            (r#"{"data":7,"type":"Score"}"#, b"\x18\x07"),
            (r#"{"type":"Stop"}"#, b"\x2a\x00"),
        ] {
            let written = encode("match.input", json).unwrap();
            assert_eq!(written, bytes);
            assert_eq!(contract.decode_push("protobuf", "onInput", &written), Body::Json(json.to_owned()));
            let turn = format!("{{\"input\":{json},\"rest\":[{json}],\"wait\":-1}}");
            let written = encode("match.turn", &turn).unwrap();
            assert_eq!(contract.decode_answer("protobuf", "match.turn", &written), Body::Json(turn));
        }
        for (json, expected) in [
            ("{", "not JSON"),
            ("5", "5 is no object with the key `type`"),
            ("{}", "the key `type` names no variant"),
            (r#"{"type":"Jump"}"#, "`Jump` is no variant"),
            (r#"{"type":"Move"}"#, "`Move` has no `data`"),
            (r#"{"type":"Score","data":"x"}"#, "the data is no `game.v1.Input`"),
        ] {
            let error = encode("match.input", json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
        // A variant of a newer server.
        assert_eq!(contract.decode_push("protobuf", "onInput", b"\x48\x01"), Body::Json("{}".to_owned()));
    }

    #[test]
    fn received_bytes_are_printable() {
        let contract = Contract::default();
        let decode = |body: &[u8]| contract.decode_push("json", "onX", body);
        assert_eq!(decode(b"{\"a\": [1]}\n"), Body::Json("{\"a\": [1]}".to_owned()));
        assert_eq!(decode(b"text"), Body::Other("text".to_owned()));
        assert_eq!(decode(b""), Body::Other(String::new()));
        assert_eq!(decode(b"\xff\x1b[2J"), Body::Other("\\xff\\x1b[2J".to_owned()));
    }
}
