//! The schema file of a server: what its clients and the other servers may send, as data.
//!
//! `pitaya::schema::export` writes the file from the annotations of a linked program. The tool `pitaya` compares two of
//! them and generates clients. This crate has the types of the file, reads and writes it, and computes its hashes.
//!
//! # The file
//!
//! JSON, indented by two spaces, with sorted names, so that it can be committed and reviewed. Generators need no more
//! than the file. The JSON Schema of the file is `docs/pitaya-schema.json` in the repository of the framework.
//!
//! ```
//! let text = r#"{
//!   "pitaya": 1,
//!   "name": "chat",
//!   "types": {
//!     "Join": { "fields": [ { "name": "name", "type": "string", "required": true },
//!                           { "name": "tags", "type": { "list": "string" } },
//!                           { "name": "mode", "type": "Mode" } ] },
//!     "Mode": { "enum": [ { "name": "Solo", "number": 0 }, { "name": "Team", "number": 1 } ] },
//!     "Joined": { "fields": [ { "name": "id", "type": { "text": "u64" }, "required": true } ] },
//!     "Said": { "fields": [ { "name": "text", "type": "string", "required": true } ] },
//!     "Input": { "union": [ { "name": "Move", "fields": [ { "name": "x", "type": "i32", "required": true } ] },
//!                           { "name": "Say", "message": "Said" },
//!                           { "name": "Stop" } ],
//!                "key": "type" }
//!   },
//!   "handlers": {
//!     "connector.entry.join": { "message": "Join", "reply": "Joined", "errors": [ "CHAT-001" ] },
//!     "connector.entry.say": { "message": "Said", "notify": true }
//!   },
//!   "pushes": { "onSaid": { "message": "Said" } },
//!   "errors": { "CHAT-001": { "doc": "The room is full.", "metadata": [ "room" ] } },
//!   "dictionary": { "connector.entry.join": 1 },
//!   "serializers": [ "json" ]
//! }"#;
//! let schema = pitaya_schema::Schema::from_json(text)?;
//! assert_eq!(pitaya_schema::Schema::from_json(&schema.to_json())?, schema);
//! assert!(!schema.handlers["connector.entry.join"].notify);
//! # Ok::<(), pitaya_schema::ReadError>(())
//! ```
//!
//! A key that is absent has its default: an empty text, `false`, an empty list or map. Unknown keys are errors.
//!
//! | key | holds |
//! |---|---|
//! | `pitaya` | the version of the format, [`VERSION`]; required |
//! | `name` | the name of the program |
//! | `package` | the Protobuf package of its messages |
//! | `types` | messages, enums and unions by name: [`TypeDef`] |
//! | `handlers` | what clients may call, by route: [`Method`] |
//! | `remotes` | what servers may call, by route: [`Method`] |
//! | `pushes` | what the server sends on its own, by route: [`Push`] |
//! | `errors` | the error codes of the application: [`ErrorCode`] |
//! | `dictionary` | the code that replaces a route on the wire |
//! | `serializers` | the serializers for clients by their handshake name: `json`, `msgpack`, `protobuf`, or one of the application |
//!
//! ## Types
//!
//! | written | is | in JSON |
//! |---|---|---|
//! | `"bool"` | true or false | `true`, `false` |
//! | `"i8"` … `"i64"`, `"u8"` … `"u64"` | an integer of that many bits | a number |
//! | `"f32"`, `"f64"` | a floating-point number | a number, or `null` if it is not finite |
//! | `"string"` | text | a string |
//! | `"bytes"` | bytes | a list of numbers from 0 to 255 |
//! | `"duration"` | a span of time | its nanoseconds, as an `i64` |
//! | `"any"` | any value | any value |
//! | `"Name"` | the message, enum or union of that name in `types` | an object; an enum is its number or its name |
//! | `{ "list": T }` | a list | a list |
//! | `{ "map": [K, V] }` | a map; `K` is an integer, `bool`, `string` or an enum | an object |
//! | `{ "tuple": [T, U] }` | a list of a fixed length, with 2 to 12 entries | a list |
//! | `{ "opt": T }` | a value, or none | the value, or `null`; may be absent as a field |
//! | `{ "text": "i64" }` | an integer that travels as decimal text, `i64` or `u64` | a string; servers read a number too |
//!
//! MessagePack has maps with field names, as JSON has. It writes `bytes` as its own binary type.
//!
//! A message has `fields`: [`Field`]. A field that is not `required` may be absent. Readers then use the default of the
//! type (0, `false`, an empty text or list, the first value of an enum, the first variant of a union), or none for an
//! `opt`. A message with
//! `"proto": true` has a Protobuf form: each of its fields has a `tag`.
//!
//! An enum has `enum`: [`EnumValue`]. It travels as the number of a value, or by its name in JSON and MessagePack if it
//! has `"repr": "name"`. In Protobuf it is always the number.
//!
//! A union has `union`: [`Variant`]. It travels as an object whose field `key` has the name of the variant. The value
//! of the variant is in the field `content`, or its fields are beside the key if the union has no `content`:
//!
//! | variant | with `"key": "type"` | with `"content": "data"` too |
//! |---|---|---|
//! | `{ "name": "Move", "fields": [ … ] }` | `{ "type": "Move", "x": 1 }` | `{ "type": "Move", "data": { "x": 1 } }` |
//! | `{ "name": "Say", "message": "Said" }` | `{ "type": "Say", "text": "hi" }` | `{ "type": "Say", "data": { "text": "hi" } }` |
//! | `{ "name": "Stop" }` | `{ "type": "Stop" }` | `{ "type": "Stop" }` |
//!
//! A union with `"proto": true` is in Protobuf a message with a `oneof` and nothing else. Each variant has a `tag`. The
//! variant is there the message of its fields, its type, or the empty message.
//!
//! ## Methods
//!
//! The route is `server.service.method`. It is `service.method` for a method that servers of every type have; a client
//! calls it on the server that it is connected to, or with a server type before it.
//!
//! `message` and `reply` are types. A method without `message` ignores the body of a call. A method with `"notify": true`
//! never replies. One without `notify` and without `reply` replies with the empty message. A body of type `bytes` is raw:
//! it is sent as it is, whatever the serializer.
//!
//! `errors` lists the codes with which the method may fail. An absent list means that any code is possible. The codes
//! of the framework (`PIT-…`) are always possible and never listed.
//!
//! Calls of remotes use Protobuf for a type with `"proto": true`, MessagePack for others, and raw bytes for `bytes`.
//!
//! # Hashes
//!
//! [`Schema::hash`] changes with everything that is on the wire, and with the names of types. Docs, the order of fields and
//! the name of the program have no part in it. [`Schema::client_hash`] is the hash of the part that clients use:
//! handlers, pushes, the types that they reach, and errors. Generated clients carry it.

mod check;
mod hash;
mod read;
mod types;
mod unique;

pub use check::Problem;
pub use read::ReadError;
pub use types::{
    Encoding, EnumDef, EnumRepr, EnumValue, ErrorCode, Field, Method, Push, PushClass, Scalar, StructDef,
    Type, TypeDef, UnionDef, Variant, VariantBody,
};

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The version of the format that this crate writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// A schema file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    #[serde(rename = "pitaya")]
    version: Version,
    /// The name of the program. It has no meaning on the wire.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The Protobuf package of the messages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub package: String,
    /// The messages, enums and unions by name.
    #[serde(default, deserialize_with = "unique::map")]
    pub types: BTreeMap<String, TypeDef>,
    /// The handlers by route.
    #[serde(default, deserialize_with = "unique::map")]
    pub handlers: BTreeMap<String, Method>,
    /// The remotes by route.
    #[serde(default, deserialize_with = "unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub remotes: BTreeMap<String, Method>,
    /// The pushes by route.
    #[serde(default, deserialize_with = "unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub pushes: BTreeMap<String, Push>,
    /// The error codes of the application.
    #[serde(default, deserialize_with = "unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, ErrorCode>,
    /// The codes of routes on the wire.
    #[serde(default, deserialize_with = "unique::map", skip_serializing_if = "BTreeMap::is_empty")]
    pub dictionary: BTreeMap<String, u16>,
    /// The serializers that clients may use.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub serializers: BTreeSet<String>,
}

impl Schema {
    /// Creates a schema without types and routes.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns the text of the file: sorted, indented by two spaces, with a line feed at the end.
    pub fn to_json(&self) -> String {
        // Every key is text and every value is finite, so serde_json cannot fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// The version of the format, which is always [`VERSION`] in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Version(u32);

impl Default for Version {
    fn default() -> Self {
        Self(VERSION)
    }
}
