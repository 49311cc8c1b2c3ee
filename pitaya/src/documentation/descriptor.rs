//! The Protobuf messages of a file descriptor (`google/protobuf/descriptor.proto`), as far as they are needed here.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message as _;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct File {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(string, tag = 2)]
    pub(super) package: String,
    #[prost(string, repeated, tag = 3)]
    pub(super) dependency: Vec<String>,
    #[prost(message, repeated, tag = 4)]
    pub(super) messages: Vec<Message>,
    #[prost(message, repeated, tag = 5)]
    pub(super) enums: Vec<Enum>,
    #[prost(message, repeated, tag = 6)]
    pub(super) services: Vec<Service>,
    #[prost(string, tag = 12)]
    pub(super) syntax: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Message {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(message, repeated, tag = 2)]
    pub(super) fields: Vec<Field>,
    #[prost(message, repeated, tag = 3)]
    pub(super) nested: Vec<Self>,
    #[prost(message, optional, tag = 7)]
    pub(super) options: Option<MessageOptions>,
    #[prost(message, repeated, tag = 8)]
    pub(super) oneofs: Vec<Oneof>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct MessageOptions {
    #[prost(bool, tag = 7)]
    pub(super) map_entry: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Oneof {
    #[prost(string, tag = 1)]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Field {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(int32, tag = 3)]
    pub(super) number: i32,
    #[prost(int32, tag = 4)]
    pub(super) label: i32,
    #[prost(int32, tag = 5)]
    pub(super) kind: i32,
    /// The full name of a message or an enum, after a dot.
    #[prost(string, tag = 6)]
    pub(super) type_name: String,
    #[prost(int32, optional, tag = 9)]
    pub(super) oneof_index: Option<i32>,
    #[prost(string, tag = 10)]
    pub(super) json_name: String,
    #[prost(bool, tag = 17)]
    pub(super) proto3_optional: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Enum {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(message, repeated, tag = 2)]
    pub(super) values: Vec<EnumValue>,
    #[prost(message, optional, tag = 3)]
    pub(super) options: Option<EnumOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EnumValue {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(int32, optional, tag = 2)]
    pub(super) number: Option<i32>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct EnumOptions {
    #[prost(bool, tag = 2)]
    pub(super) allow_alias: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Service {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(message, repeated, tag = 2)]
    pub(super) methods: Vec<Method>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Method {
    #[prost(string, tag = 1)]
    pub(super) name: String,
    #[prost(string, tag = 2)]
    pub(super) input: String,
    #[prost(string, tag = 3)]
    pub(super) output: String,
    /// `{}` in a `.proto` file gives empty options.
    #[prost(message, optional, tag = 4)]
    pub(super) options: Option<MethodOptions>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct MethodOptions {}

impl File {
    /// Returns the file, compressed by gzip.
    pub(super) fn compress(&self) -> Bytes {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail.
        let written = gzip.write_all(&self.encode_to_vec()).and_then(|()| gzip.finish());
        written.unwrap_or_default().into()
    }
}

/// `google.protobuf.FieldDescriptorProto.Label`.
pub(super) mod label {
    pub(in super::super) const OPTIONAL: i32 = 1;
    pub(in super::super) const REPEATED: i32 = 3;
}

/// `google.protobuf.FieldDescriptorProto.Type`.
pub(super) mod kind {
    pub(in super::super) const MESSAGE: i32 = 11;
    pub(in super::super) const ENUM: i32 = 14;

    /// Returns the type of a scalar by its name in a `.proto` file.
    pub(in super::super) fn scalar(name: &str) -> Option<i32> {
        let names = [
            "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "group",
            "message", "bytes", "uint32", "enum", "sfixed32", "sfixed64", "sint32", "sint64",
        ];
        (1..).zip(names).find(|(_, known)| *known == name).map(|(kind, _)| kind)
    }
}
