//! The messages of the framework, and the files that Go Pitaya has them in.

use super::descriptor::{File, Method, MethodOptions, Service};
use super::file::{message, new_file};
use crate::serialize::{EnumSchema, EnumValue, Field, Schema, Type};

/// The package of the framework's messages.
pub(super) const PACKAGE: &str = "protos";

const fn field(name: &'static str, tag: u32, ty: Type) -> Field {
    Field::new(name, "", ty, false).with_tag(tag)
}

macro_rules! messages {
    ($($constant:ident = $name:literal { $($field:literal = $tag:literal: $ty:expr),* $(,)? })*) => { $(
        pub(super) static $constant: Schema =
            Schema::new($name, "", &[$(field($field, $tag, $ty)),*]).with_proto();
    )* };
}

messages! {
    ERROR = "Error" {
        "code" = 1: Type::String, "msg" = 2: Type::String, "metadata" = 3: Type::Map(&Type::String, &Type::String),
    }
    SESSION = "Session" { "id" = 1: Type::Int(64), "uid" = 2: Type::String, "data" = 3: Type::Bytes }
    MSG = "Msg" {
        "id" = 1: Type::Uint(64), "route" = 2: Type::String, "data" = 3: Type::Bytes, "reply" = 4: Type::String,
        "type" = 5: Type::Enum(&MSG_TYPE),
    }
    REQUEST = "Request" {
        "type" = 1: Type::Enum(&RPC_TYPE), "session" = 2: Type::Message(|| &SESSION), "msg" = 3: Type::Message(|| &MSG),
        "frontendID" = 4: Type::String, "metadata" = 5: Type::Bytes,
    }
    RESPONSE = "Response" { "data" = 1: Type::Bytes, "error" = 2: Type::Message(|| &ERROR) }
    PUSH = "Push" { "route" = 1: Type::String, "uid" = 2: Type::String, "data" = 3: Type::Bytes }
    KICK_MSG = "KickMsg" { "userId" = 1: Type::String }
    KICK_ANSWER = "KickAnswer" { "kicked" = 1: Type::Bool }
    BIND_MSG = "BindMsg" { "uid" = 1: Type::String, "fid" = 2: Type::String }
    DOC = "Doc" { "doc" = 1: Type::String }
    DOC_MSG = "DocMsg" { "getProtos" = 1: Type::Bool }
    PROTO_DESCRIPTOR = "ProtoDescriptor" { "desc" = 1: Type::Bytes }
    PROTO_NAME = "ProtoName" { "name" = 1: Type::String }
    PROTO_DESCRIPTORS = "ProtoDescriptors" { "desc" = 1: Type::List(&Type::Bytes) }
    PROTO_NAMES = "ProtoNames" { "name" = 1: Type::List(&Type::String) }
}

static MSG_TYPE: EnumSchema = EnumSchema::new(
    "MsgType",
    "",
    &[
        EnumValue::new("MsgRequest", 0, ""),
        EnumValue::new("MsgNotify", 1, ""),
        EnumValue::new("MsgResponse", 2, ""),
        EnumValue::new("MsgPush", 3, ""),
    ],
);

static RPC_TYPE: EnumSchema =
    EnumSchema::new("RPCType", "", &[EnumValue::new("Sys", 0, ""), EnumValue::new("User", 1, "")]);

/// The remotes that every server of a cluster has: name, message, reply.
pub(super) static SYS_REMOTES: [(&str, &Schema, &Schema); 3] = [
    ("bindsession", &SESSION, &RESPONSE),
    ("kick", &KICK_MSG, &KICK_ANSWER),
    ("pushsession", &SESSION, &RESPONSE),
];

/// A file of the framework: its name without `.proto`, its messages and its imports.
type Source = (&'static str, &'static [&'static Schema], &'static [&'static str]);

static FILES: [Source; 12] = [
    ("error", &[&ERROR], &[]),
    ("session", &[&SESSION], &[]),
    ("msg", &[&MSG], &[]),
    ("request", &[&REQUEST], &["session.proto", "msg.proto"]),
    ("response", &[&RESPONSE], &["error.proto"]),
    ("push", &[&PUSH], &[]),
    ("kick", &[&KICK_MSG, &KICK_ANSWER], &[]),
    ("bind", &[&BIND_MSG], &[]),
    ("doc", &[&DOC], &[]),
    ("docmsg", &[&DOC_MSG], &[]),
    ("protodescriptor", &[&PROTO_DESCRIPTOR, &PROTO_NAME, &PROTO_DESCRIPTORS, &PROTO_NAMES], &[]),
    ("pitaya", &[], &["request.proto", "response.proto", "push.proto", "bind.proto", "kick.proto"]),
];

/// Whether a schema is that of a message of the framework.
pub(super) fn contains(schema: &Schema) -> bool {
    let mut all = FILES.iter().flat_map(|(_, messages, _)| *messages);
    all.any(|known| std::ptr::eq(*known, schema))
}

/// Returns the file of the message or the enum with this name.
pub(super) fn file_of(name: &str) -> Option<&'static str> {
    match name {
        "MsgType" => return Some("msg"),
        "RPCType" => return Some("request"),
        "Pitaya" => return Some("pitaya"),
        _ => {}
    }
    let has = |(_, messages, _): &&Source| messages.iter().any(|schema| schema.name == name);
    FILES.iter().find(has).map(|(file, ..)| *file)
}

/// Returns the file with this name, or with a message of this full name. `types.X` is `google.protobuf.X`.
pub(super) fn find(name: &str) -> Option<File> {
    if matches!(name, "google.protobuf.Empty" | "types.Empty" | "google/protobuf/empty.proto") {
        let empty = super::descriptor::Message { name: "Empty".to_owned(), ..Default::default() };
        return Some(new_file("google/protobuf/empty.proto", "google.protobuf", vec![empty]));
    }
    let file = match name.strip_suffix(".proto") {
        Some(file) => file,
        None => file_of(name.strip_prefix("protos.")?)?,
    };
    let (name, schemas, imports) = FILES.iter().find(|(name, ..)| *name == file)?;
    let messages = schemas.iter().map(|schema| message(PACKAGE, schema)).collect();
    let mut file = new_file(&format!("{name}.proto"), PACKAGE, messages);
    file.dependency = imports.iter().map(|import| (*import).to_owned()).collect();
    match *name {
        "msg" => file.enums = vec![super::file::enumeration(&MSG_TYPE)],
        "request" => file.enums = vec![super::file::enumeration(&RPC_TYPE)],
        "pitaya" => file.services = vec![service()],
        _ => {}
    }
    Some(file)
}

fn service() -> Service {
    let method = |(name, input, output): (&str, &str, &str)| Method {
        name: name.to_owned(),
        input: format!(".{PACKAGE}.{input}"),
        output: format!(".{PACKAGE}.{output}"),
        options: Some(MethodOptions {}),
    };
    let methods = [
        ("Call", "Request", "Response"),
        ("PushToUser", "Push", "Response"),
        ("SessionBindRemote", "BindMsg", "Response"),
        ("KickUser", "KickMsg", "KickAnswer"),
    ];
    Service { name: "Pitaya".to_owned(), methods: methods.map(method).into() }
}
