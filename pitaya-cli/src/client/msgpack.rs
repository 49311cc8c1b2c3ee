//! MessagePack bodies as JSON.

use std::fmt;

use bytes::Bytes;
use pitaya_schema::{Scalar, Schema, Type};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Number, Value};

use super::shape::Shape;

/// Encodes JSON. A type tells lists of numbers from bytes.
pub(super) fn encode(value: &Value, ty: Option<&Type>, schema: &Schema) -> Result<Bytes, String> {
    let typed = Typed { value, shape: ty.map(Shape::Type), schema };
    rmp_serde::to_vec_named(&typed).map(Bytes::from).map_err(|error| error.to_string())
}

/// Reads a body as JSON.
pub(super) fn decode(body: &[u8]) -> Result<String, String> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    let Json(value) = Json::deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    Ok(value.to_string())
}

/// A value with its shape.
struct Typed<'a> {
    value: &'a Value,
    shape: Option<Shape<'a>>,
    schema: &'a Schema,
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { value, shape, schema } = *self;
        match value {
            Value::Array(all) => {
                if shape.and_then(Shape::ty) == Some(&Type::Scalar(Scalar::Bytes))
                    && let Some(bytes) = bytes(all)
                {
                    return serializer.serialize_bytes(&bytes);
                }
                let mut list = serializer.serialize_seq(Some(all.len()))?;
                for (at, value) in all.iter().enumerate() {
                    let shape = shape.and_then(|shape| shape.element(at));
                    list.serialize_element(&Typed { value, shape, schema })?;
                }
                list.end()
            }
            Value::Object(all) => {
                let mut map = serializer.serialize_map(Some(all.len()))?;
                for (key, value) in all {
                    let text = |member: &str| all.get(member).and_then(Value::as_str);
                    let shape = shape.and_then(|shape| shape.member(schema, key, text));
                    map.serialize_entry(key, &Typed { value, shape, schema })?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

fn bytes(all: &[Value]) -> Option<Vec<u8>> {
    all.iter().map(|value| u8::try_from(value.as_u64()?).ok()).collect()
}

/// JSON that is read from any format. Bytes become a list of numbers, as in the JSON of servers.
struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_bytes<E: de::Error>(self, value: &[u8]) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Json::deserialize(deserializer).map(|json| json.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Json(value)) = seq.next_element()? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some((Json(key), Json(value))) = map.next_entry()? {
            let key = match key {
                Value::String(key) => key,
                other => other.to_string(),
            };
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_are_written_by_type_and_read() {
        let schema = Schema::from_json(
            r#"{ "pitaya": 1, "types": { "A": { "fields": [
                { "name": "blob", "type": { "opt": "bytes" } }, { "name": "list", "type": { "list": "u8" } } ] } } }"#,
        )
        .unwrap();
        let value = json!({ "blob": [1, 2], "list": [1, 2], "x": [null, -1, 1.5, "é", { "y": true }] });
        let body = encode(&value, Some(&Type::named("A")), &schema).unwrap();
        assert!(body.windows(4).any(|part| part == [0xc4, 2, 1, 2]), "bytes are binary");
        assert!(body.windows(3).any(|part| part == [0x92, 1, 2]), "a list is an array");
        assert_eq!(serde_json::from_str::<Value>(&decode(&body).unwrap()).unwrap(), value);
    }

    #[test]
    fn bytes_in_unions_and_tuples_are_written_by_type() {
        let schema = Schema::from_json(
            r#"{ "pitaya": 1, "types": {
                "U": { "union": [ { "name": "A", "fields": [ { "name": "b", "type": "bytes" } ] },
                                  { "name": "B", "fields": [ { "name": "b", "type": { "list": "u8" } } ] } ], "key": "k" },
                "V": { "union": [ { "name": "A", "message": { "tuple": ["bytes", "any", "U"] } } ],
                       "key": "k", "content": "c" } } }"#,
        )
        .unwrap();
        let body = |ty: &str, value| encode(&value, Some(&Type::named(ty)), &schema).unwrap();
        assert_eq!(body("U", json!({ "k": "A", "b": [7] })), &b"\x82\xa1b\xc4\x01\x07\xa1k\xa1A"[..]);
        assert_eq!(body("U", json!({ "k": "B", "b": [7] })), &b"\x82\xa1b\x91\x07\xa1k\xa1B"[..]);
        let value = json!({ "k": "A", "c": [[7], [7], { "k": "A", "b": [7] }] });
        let written = body("V", value);
        assert!(
            written.starts_with(b"\x82\xa1c\x93\xc4\x01\x07\x91\x07\x82\xa1b\xc4\x01\x07"),
            "{written:?}"
        );
        // A variant that the schema does not know is written as it is.
        assert_eq!(body("V", json!({ "k": "Z", "c": [7] })), &b"\x82\xa1c\x91\x07\xa1k\xa1Z"[..]);
    }

    #[test]
    fn body_that_is_cut_is_an_error() {
        assert!(decode(&[0x81]).is_err() && decode(&[]).is_err());
        assert_eq!(decode(&[0x81, 1, 2]).unwrap(), "{\"1\":2}");
    }
}
