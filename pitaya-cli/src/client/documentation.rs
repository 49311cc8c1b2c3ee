//! The documentation route of a server, as Go Pitaya serves it, as a schema.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;
use pitaya::client::Client;
use pitaya_schema::{Field, Method, Scalar, Schema, StructDef, Type, TypeDef};
use prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use serde_json::Value;

use super::Contract;
use super::protobuf::Protobuf;

/// The longest Protobuf file of a server, in bytes.
const MAX_FILE: u64 = 16 << 20;

#[derive(Clone, PartialEq, prost::Message)]
struct Doc {
    #[prost(string, tag = 1)]
    doc: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Names {
    #[prost(string, repeated, tag = 1)]
    name: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Descriptors {
    #[prost(bytes = "bytes", repeated, tag = 1)]
    desc: Vec<Bytes>,
}

/// Asks the server for the routes and messages that it documents.
pub(crate) async fn ask(client: &Client, route: &str) -> Result<Contract, String> {
    let because = |why: String| format!("the documentation route {route}: {why}");
    let body = client.request_raw(route, Bytes::new()).await.map_err(|error| because(error.to_string()))?;
    let protobuf = client.serializer_name() == "protobuf";
    let text = if protobuf {
        Doc::decode(body).map_err(|error| because(error.to_string()))?.doc.into_bytes()
    } else {
        body.to_vec()
    };
    let mut doc: Value = serde_json::from_slice(&text).map_err(|error| because(error.to_string()))?;
    if let Some(inner) = doc.get("doc").and_then(Value::as_str) {
        doc = serde_json::from_str(inner).map_err(|error| because(error.to_string()))?;
    }
    let (schema, names) = schema_of(&doc).ok_or_else(|| because("no documentation of routes".to_owned()))?;
    let mut contract = Contract::new(schema);
    if protobuf {
        contract.set_protobuf(descriptors(client, contract.schema(), names).await.map_err(because)?);
    }
    Ok(contract)
}

async fn descriptors(client: &Client, schema: &Schema, names: BTreeSet<String>) -> Result<Protobuf, String> {
    let is = |ty: &Option<Type>, name: &str| *ty == Some(Type::named(name));
    let route = schema.handlers.iter().find(|(_, method)| {
        is(&method.message, "protos.ProtoNames") && is(&method.reply, "protos.ProtoDescriptors")
    });
    let (route, _) = route.ok_or("no route for descriptors")?;
    let request = Names { name: names.into_iter().collect() };
    let body = client.request_raw(route, request.encode_to_vec().into()).await;
    let body = body.map_err(|error| format!("{route}: {error}"))?;
    let answer = Descriptors::decode(body).map_err(|error| format!("{route}: {error}"))?;
    let mut files = BTreeMap::new();
    for bytes in answer.desc {
        let mut file = Vec::new();
        let read = GzDecoder::new(&bytes[..]).take(MAX_FILE).read_to_end(&mut file);
        read.map_err(|error| format!("{route}: {error}"))?;
        let file = FileDescriptorProto::decode(&file[..]).map_err(|error| format!("{route}: {error}"))?;
        files.insert(file.name().to_owned(), file);
    }
    Protobuf::of_files(files.into_values().collect())
}

/// Reads the documentation. Returns the schema, and the names of the Protobuf messages.
fn schema_of(doc: &Value) -> Option<(Schema, BTreeSet<String>)> {
    let mut reader = Reader::default();
    let mut schema = Schema::default();
    for (route, method) in doc.get("handlers")?.as_object()? {
        let message =
            reader.message(&format!("{route}#message"), method.get("input").unwrap_or(&Value::Null));
        let output = method.get("output").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let reply = output.first().and_then(|output| reader.message(&format!("{route}#reply"), output));
        let notify = output.is_empty();
        schema.handlers.insert(route.clone(), Method { message, reply, notify, ..Method::default() });
    }
    schema.types = reader.types;
    Some((schema, reader.proto))
}

#[derive(Default)]
struct Reader {
    types: BTreeMap<String, TypeDef>,
    proto: BTreeSet<String>,
}

impl Reader {
    /// Reads a message. One without a name gets `fallback`.
    fn message(&mut self, fallback: &str, value: &Value) -> Option<Type> {
        match value {
            Value::String(text) => Some(self.text(text)),
            Value::Object(all) => {
                let named = all
                    .iter()
                    .next()
                    .filter(|(name, fields)| all.len() == 1 && name.contains('.') && fields.is_object());
                let (name, fields) = match named {
                    Some((name, fields)) => (self.name(name), fields.as_object()?),
                    None => (fallback.to_owned(), all),
                };
                if !self.types.contains_key(&name) {
                    // A message may contain itself.
                    self.types.insert(name.clone(), TypeDef::Struct(StructDef::default()));
                    let fields = fields.iter().map(|(field, ty)| {
                        let ty = self.field(&format!("{name}.{field}"), ty);
                        Field::new(field.clone(), ty)
                    });
                    let fields = fields.collect();
                    self.types
                        .insert(name.clone(), TypeDef::Struct(StructDef { fields, ..StructDef::default() }));
                }
                Some(Type::Named(name))
            }
            _ => None,
        }
    }

    fn field(&mut self, fallback: &str, value: &Value) -> Type {
        match value {
            Value::Array(all) => {
                let inner =
                    all.first().map_or(Type::Scalar(Scalar::Any), |inner| self.field(fallback, inner));
                Type::List(Box::new(inner))
            }
            other => self.message(fallback, other).unwrap_or(Type::Scalar(Scalar::Any)),
        }
    }

    /// Removes the star of a Protobuf message.
    fn name(&mut self, name: &str) -> String {
        if let Some(name) = name.strip_prefix('*') {
            self.proto.insert(name.to_owned());
            return name.to_owned();
        }
        name.to_owned()
    }

    /// Reads a type of Go.
    fn text(&mut self, text: &str) -> Type {
        if text == "[]byte" || text == "[]uint8" {
            return Scalar::Bytes.into();
        }
        if let Some(inner) = text.strip_prefix("[]") {
            return Type::List(Box::new(self.text(inner)));
        }
        if let Some((key, value)) = text.strip_prefix("map[").and_then(|rest| rest.split_once(']')) {
            return Type::Map(Box::new(self.text(key)), Box::new(self.text(value)));
        }
        let scalar = match text {
            "bool" => Scalar::Bool,
            "string" => Scalar::String,
            "int8" => Scalar::I8,
            "int16" => Scalar::I16,
            "int32" => Scalar::I32,
            "int" | "int64" => Scalar::I64,
            "uint8" => Scalar::U8,
            "uint16" => Scalar::U16,
            "uint32" => Scalar::U32,
            "uint" | "uint64" => Scalar::U64,
            "float32" => Scalar::F32,
            "float64" => Scalar::F64,
            _ if text.contains('.') => return Type::Named(self.name(text)),
            _ => Scalar::Any,
        };
        scalar.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documentation_becomes_a_schema() {
        let doc = json!({ "handlers": {
            "a.b.join": {
                "input": { "*protos.Join": { "name": "string", "next": "*protos.Join", "ids": ["int64"] } },
                "output": [{ "*protos.Joined": { "by": { "*protos.Join": {} }, "m": "map[string]int32" } }, "error"]
            },
            "a.b.say": { "input": "[]byte", "output": [] },
            "a.b.plain": { "input": { "x": "interface {}" }, "output": ["[]byte", "error"] }
        }, "remotes": {} });
        let (schema, proto) = schema_of(&doc).unwrap();
        assert_eq!(proto, BTreeSet::from(["protos.Join".to_owned(), "protos.Joined".to_owned()]));
        let join = &schema.handlers["a.b.join"];
        assert_eq!((&join.message, join.notify), (&Some(Type::named("protos.Join")), false));
        let TypeDef::Struct(def) = &schema.types["protos.Join"] else { panic!() };
        let types: Vec<_> =
            def.fields.iter().map(|field| (field.name.as_str(), field.ty.to_string())).collect();
        assert_eq!(
            types,
            [
                ("ids", "list of i64".to_owned()),
                ("name", "string".to_owned()),
                ("next", "protos.Join".to_owned())
            ]
        );
        assert!(schema.handlers["a.b.say"].notify);
        assert_eq!(schema.handlers["a.b.plain"].message, Some(Type::named("a.b.plain#message")));
    }

    #[test]
    fn other_json_is_no_documentation() {
        for doc in [json!(null), json!([]), json!({}), json!({ "handlers": 1 })] {
            assert!(schema_of(&doc).is_none(), "{doc}");
        }
        let (schema, _) = schema_of(&json!({ "handlers": { "a.b": 5 } })).unwrap();
        assert!(schema.handlers["a.b"].notify);
    }
}
