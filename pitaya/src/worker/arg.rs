//! The argument of a job, between a message and the JSON that Go's `encoding/json` makes of the same message.
//!
//! Go's JSON differs from ours in this: bytes are base64, a Protobuf message lacks the fields that have their zero
//! value, 64-bit integers are numbers, and names match in any case.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

use super::job::field;
use crate::serialize::{self, Body, CodecError, Message, Schema, Type, rpc};

/// Makes the body of a call from the argument of a job.
pub(crate) type BodyFn = fn(Option<&Value>) -> Result<Bytes, CodecError>;

/// An argument, ready to be written into a job.
#[derive(Debug)]
pub(crate) struct Arg {
    value: Value,
    ty: Type,
}

impl Serialize for Arg {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Typed { value: &self.value, ty: &self.ty }.serialize(serializer)
    }
}

/// Makes the argument of a job from a message.
pub(crate) fn from_message<T: Message>(message: &T) -> Result<Arg, CodecError> {
    let untyped = |value| Ok(Arg { value, ty: Type::Any });
    if T::CODECS.is_empty() {
        return untyped(Value::Null);
    }
    let mut bytes = BytesMut::new();
    serialize::Serializer::Json.encode(message, &mut bytes)?;
    if T::CODECS.is_raw() {
        return untyped(BASE64.encode(&bytes).into());
    }
    let value = serde_json::from_slice(&bytes).map_err(CodecError::new)?;
    Ok(Arg { value, ty: Type::Message(schema_of::<T>) })
}

/// Makes the body of a call with a message of this type.
pub(crate) fn to_body<T: Message>(arg: Option<&Value>) -> Result<Bytes, CodecError> {
    if T::CODECS.is_empty() {
        return Ok(Bytes::new());
    }
    if T::CODECS.is_raw() {
        return match arg {
            None => Ok(Bytes::new()),
            Some(Value::String(text)) => BASE64.decode(text).map(Bytes::from).map_err(CodecError::new),
            Some(_) => Err(CodecError::new("the argument of a remote that takes raw bytes is base64 text")),
        };
    }
    let empty = Value::Object(Map::new());
    let value = read(arg.unwrap_or(&empty), &Type::Message(schema_of::<T>))?;
    let json = serde_json::to_vec(&value).map_err(CodecError::new)?;
    let message: T = serialize::Serializer::Json.decode(&Body::borrowed(&json))?;
    let mut body = BytesMut::new();
    rpc::encode(&message, &mut body)?;
    Ok(body.freeze())
}

fn schema_of<T: Message>() -> &'static Schema {
    T::SCHEMA
}

/// A value in our JSON, written in Go's.
struct Typed<'a> {
    value: &'a Value,
    ty: &'a Type,
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.ty, self.value) {
            (Type::Float(_), Value::Null) => Err(S::Error::custom("a job cannot carry NaN or an infinity")),
            (Type::Optional(ty), value) if !value.is_null() => Typed { value, ty }.serialize(serializer),
            (Type::Bytes | Type::List(Type::Uint(8)), Value::Array(bytes)) => {
                let bytes: Option<Vec<u8>> =
                    bytes.iter().map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok())).collect();
                match bytes {
                    Some(bytes) => serializer.serialize_str(&BASE64.encode(bytes)),
                    None => self.value.serialize(serializer),
                }
            }
            (Type::Text(_), Value::String(text)) => match (text.parse::<i64>(), text.parse::<u64>()) {
                (Ok(signed), _) => serializer.serialize_i64(signed),
                (_, Ok(unsigned)) => serializer.serialize_u64(unsigned),
                _ => serializer.serialize_str(text),
            },
            (Type::List(ty), Value::Array(values)) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&Typed { value, ty })?;
                }
                list.end()
            }
            (Type::Map(_, ty), Value::Object(values)) => {
                let mut sorted: Vec<_> = values.iter().collect();
                sorted.sort_by_key(|(key, _)| *key);
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    map.serialize_entry(key, &Typed { value, ty })?;
                }
                map.end()
            }
            (Type::Message(schema), Value::Object(values)) if !schema().fields.is_empty() => {
                let schema = schema();
                let mut map = serializer.serialize_map(None)?;
                for field in schema.fields {
                    let Some(value) = values.get(field.name) else { continue };
                    if !(schema.proto && left_out(value, &field.ty)) {
                        map.serialize_entry(field.name, &Typed { value, ty: &field.ty })?;
                    }
                }
                map.end()
            }
            (_, value) => value.serialize(serializer),
        }
    }
}

/// Whether Go leaves out a field of a Protobuf message with this value.
fn left_out(value: &Value, ty: &Type) -> bool {
    match (ty, value) {
        // NaN is no zero: it must fail.
        (Type::Float(_), Value::Null) => false,
        (_, Value::Null) => true,
        (Type::Optional(_) | Type::Message(_) | Type::Any, _) => false,
        (_, Value::Bool(value)) => !value,
        (_, Value::Number(number)) => number.as_f64() == Some(0.0),
        (Type::Text(_), Value::String(text)) => text == "0",
        (_, Value::String(text)) => text.is_empty(),
        (_, Value::Array(values)) => values.is_empty(),
        (_, Value::Object(values)) => values.is_empty(),
    }
}

/// Reads a value in Go's JSON. Returns it in ours.
fn read(value: &Value, ty: &Type) -> Result<Value, CodecError> {
    Ok(match (ty, value) {
        (Type::Optional(ty), value) if !value.is_null() => read(value, ty)?,
        (Type::Bytes | Type::List(Type::Uint(8)), Value::String(text)) => {
            BASE64.decode(text).map_err(CodecError::new)?.into()
        }
        (Type::List(ty), Value::Array(values)) => {
            values.iter().map(|value| read(value, ty)).collect::<Result<Value, _>>()?
        }
        (Type::Map(_, ty), Value::Object(values)) => {
            let entries = values.iter().map(|(key, value)| Ok((key.clone(), read(value, ty)?)));
            Value::Object(entries.collect::<Result<_, CodecError>>()?)
        }
        (Type::Message(schema), Value::Object(values)) if !schema().fields.is_empty() => {
            let schema = schema();
            let mut fields = Map::new();
            for known in schema.fields {
                let value = match field(values, known.name).filter(|value| !value.is_null()) {
                    Some(value) => Some(read(value, &known.ty)?),
                    None if schema.proto => zero(&known.ty),
                    None => None,
                };
                fields.extend(value.map(|value| (known.name.to_owned(), value)));
            }
            Value::Object(fields)
        }
        _ => value.clone(),
    })
}

/// The value of a field that a Protobuf message lacks; `None` if the field can be absent in our JSON as well.
fn zero(ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Bool => false.into(),
        Type::Int(_) | Type::Uint(_) | Type::Enum(..) | Type::Text(_) | Type::Duration => 0.into(),
        Type::Float(_) => 0.0.into(),
        Type::String => "".into(),
        Type::Bytes | Type::List(_) => Value::Array(Vec::new()),
        Type::Map(..) => Value::Object(Map::new()),
        Type::Optional(_) | Type::Message(_) | Type::Tuple(_) | Type::Any => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::serialize::{EnumSchema, EnumValue, Field};

    static INNER: Schema =
        Schema::new("Inner", "", &[Field::new("n", "", Type::Int(32), false)]).with_proto();

    const ALL: &[Field] = &[
        Field::new("zeta", "", Type::Bool, true),
        Field::new("count", "", Type::Int(32), true),
        Field::new("big", "", Type::Text(&Type::Uint(64)), true),
        Field::new("rate", "", Type::Float(64), true),
        Field::new("name", "", Type::String, true),
        Field::new("data", "", Type::Bytes, true),
        Field::new("team", "", Type::Enum(&TEAM), true),
        Field::new("list", "", Type::List(&Type::Bytes), true),
        Field::new("map", "", Type::Map(&Type::String, &Type::Int(64)), true),
        Field::new("maybe", "", Type::Optional(&Type::Int(32)), false),
        Field::new("inner", "", Type::Optional(&Type::Message(|| &INNER)), false),
    ];
    static TEAM: EnumSchema = EnumSchema::new("Team", "", &[EnumValue::new("Red", 0, "")]);
    static PROTO: Schema = Schema::new("All", "", ALL).with_proto();
    static PLAIN: Schema = Schema::new("All", "", ALL);

    const PROTO_TYPE: Type = Type::Message(|| &PROTO);
    const PLAIN_TYPE: Type = Type::Message(|| &PLAIN);

    fn written(value: Value, ty: Type) -> String {
        serde_json::to_string(&Arg { value, ty }).unwrap()
    }

    fn zeros() -> Value {
        json!({
            "zeta": false, "count": 0, "big": "0", "rate": 0.0, "name": "", "data": [], "team": 0, "list": [],
            "map": {}, "maybe": null, "inner": null,
        })
    }

    #[test]
    fn fields_are_written_in_order_as_in_go() {
        let value = json!({
            "inner": {"n": 0}, "maybe": 0, "map": {"b": 2, "a": 1}, "list": [[1], []], "team": 3,
            "data": [120, 121, 122], "name": "<", "rate": 0.5, "big": "18446744073709551615", "count": -1, "zeta": true,
        });
        assert_eq!(
            written(value, PROTO_TYPE),
            r#"{"zeta":true,"count":-1,"big":18446744073709551615,"rate":0.5,"name":"<","data":"eHl6","team":3,"list":["AQ==",""],"map":{"a":1,"b":2},"maybe":0,"inner":{}}"#
        );
    }

    #[test]
    fn zero_fields_are_left_out_of_protobuf_messages() {
        assert_eq!(written(zeros(), PROTO_TYPE), "{}");
        assert_eq!(
            written(zeros(), PLAIN_TYPE),
            r#"{"zeta":false,"count":0,"big":0,"rate":0.0,"name":"","data":"","team":0,"list":[],"map":{},"maybe":null,"inner":null}"#
        );
    }

    #[test]
    fn a_number_that_json_cannot_write_fails() {
        let mut value = zeros();
        value["rate"] = Value::Null;
        assert!(serde_json::to_string(&Arg { value, ty: PROTO_TYPE }).is_err());
    }

    #[test]
    fn missing_fields_and_null_are_zero() {
        let mut want = zeros();
        want["big"] = json!(0);
        for absent in ["maybe", "inner"] {
            want.as_object_mut().unwrap().remove(absent);
        }
        assert_eq!(read(&json!({}), &PROTO_TYPE).unwrap(), want);
        assert_eq!(read(&json!({"NAME": null, "unknown": 5}), &PROTO_TYPE).unwrap(), want);
        // A message that is no Protobuf has no zero values.
        assert_eq!(read(&json!({"name": null}), &PLAIN_TYPE).unwrap(), json!({}));
    }

    #[test]
    fn names_match_in_any_case_and_bytes_are_base64() {
        let go = json!({"Data": "eHl6", "LIST": ["AQ=="], "Inner": {"N": 4}, "maybe": 7, "map": {"A": 1}});
        let ours = read(&go, &PROTO_TYPE).unwrap();
        assert_eq!((&ours["data"], &ours["list"]), (&json!([120, 121, 122]), &json!([[1]])));
        assert_eq!(
            (&ours["inner"], &ours["maybe"], &ours["map"]),
            (&json!({"n": 4}), &json!(7), &json!({"A": 1}))
        );
        assert!(read(&json!({"data": "no base64!"}), &PROTO_TYPE).is_err());
        // The message's own code refuses it.
        assert_eq!(read(&json!([1]), &PROTO_TYPE).unwrap(), json!([1]));
    }

    #[test]
    fn raw_and_empty_messages_have_their_forms() {
        let raw = from_message(&Bytes::from_static(b"xyz")).unwrap();
        assert_eq!(serde_json::to_value(&raw).unwrap(), json!("eHl6"));
        assert_eq!(to_body::<Bytes>(Some(&json!("eHl6"))).unwrap(), "xyz");
        assert_eq!(to_body::<Bytes>(None).unwrap(), "");
        assert!(to_body::<Bytes>(Some(&json!({}))).is_err());
        assert_eq!(serde_json::to_value(from_message(&()).unwrap()).unwrap(), Value::Null);
        assert_eq!(to_body::<()>(Some(&json!({"any": 1}))).unwrap(), "");
    }
}
