// Made of docs/pitaya.proto by `cargo xtask protos`. Do not edit.

#![allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, unused_qualifications)]

/// A client's session, as its frontend knows it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Session {
    /// The session's number on that frontend.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// The user; empty as long as nobody is bound.
    #[prost(string, tag = "2")]
    pub uid: ::prost::alloc::string::String,
    /// The session's data: a JSON object, or nothing.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
}
/// What is called, and with what.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Msg {
    /// The client's number of the message; 0 in a notify and in a call of a server.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Three parts; two parts in calls of `sys`.
    #[prost(string, tag = "2")]
    pub route: ::prost::alloc::string::String,
    /// The argument as it is.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
    /// Never sent.
    #[prost(string, tag = "4")]
    pub reply: ::prost::alloc::string::String,
    /// Request or notify.
    #[prost(enumeration = "MsgType", tag = "5")]
    pub r#type: i32,
}
/// A call.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Request {
    /// Who calls.
    #[prost(enumeration = "RpcType", tag = "1")]
    pub r#type: i32,
    /// The client's session, in a call of a client.
    #[prost(message, optional, tag = "2")]
    pub session: ::core::option::Option<Session>,
    /// What is called. A request without it is no call.
    #[prost(message, optional, tag = "3")]
    pub msg: ::core::option::Option<Msg>,
    /// The sender's id if it is a frontend.
    #[prost(string, tag = "4")]
    pub frontend_id: ::prost::alloc::string::String,
    /// The call's context: a JSON object, never nothing.
    #[prost(bytes = "bytes", tag = "5")]
    pub metadata: ::prost::bytes::Bytes,
}
/// The answer to a call. No bytes at all are an empty success.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Response {
    /// The reply as it is.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: ::prost::bytes::Bytes,
    /// Why there is none; the data then means nothing.
    #[prost(message, optional, tag = "2")]
    pub error: ::core::option::Option<super::Error>,
}
/// A message to a user.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Push {
    /// What the client knows it by.
    #[prost(string, tag = "1")]
    pub route: ::prost::alloc::string::String,
    /// The user.
    #[prost(string, tag = "2")]
    pub uid: ::prost::alloc::string::String,
    /// The message as it is.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
}
/// A wish to disconnect a user.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct KickMsg {
    /// The user.
    #[prost(string, tag = "1")]
    pub user_id: ::prost::alloc::string::String,
}
/// The answer to that wish.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct KickAnswer {
    /// Whether the user was disconnected.
    #[prost(bool, tag = "1")]
    pub kicked: bool,
}
/// The news that a user is bound to a session.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BindMsg {
    /// The user.
    #[prost(string, tag = "1")]
    pub uid: ::prost::alloc::string::String,
    /// The id of the frontend that has the session.
    #[prost(string, tag = "2")]
    pub fid: ::prost::alloc::string::String,
    /// When it was bound, in nanoseconds since 1970 of that frontend's clock; 0 if it does not say. Only our servers
    /// send it, so that of two binds at one moment both sides see the same one win; the others skip it.
    #[prost(int64, tag = "100")]
    pub bound_at: i64,
}
/// A message to many users of one frontend. Only our servers send and take it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Broadcast {
    /// What the clients know it by.
    #[prost(string, tag = "1")]
    pub route: ::prost::alloc::string::String,
    /// The users; those that this frontend does not have are skipped.
    #[prost(string, repeated, tag = "2")]
    pub uids: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// The message as it is.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
}
/// A place in the order in which one server publishes to frontends of ours. Only our servers send and read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Place {
    /// The number of the sender: chosen at random when it starts.
    #[prost(fixed64, tag = "1")]
    pub stream: u64,
    /// The number of the message. It grows with each message of this sender; a frontend gets some of the numbers.
    #[prost(uint64, tag = "2")]
    pub number: u64,
}
/// A message on a broadcasts subject to frontends that keep the order (`docs/cluster.md`, "Order"): a `Broadcast` with
/// a place, or a kick of the same users.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct OrderedBroadcast {
    /// As in `Broadcast`; empty in a kick.
    #[prost(string, tag = "1")]
    pub route: ::prost::alloc::string::String,
    /// As in `Broadcast`.
    #[prost(string, repeated, tag = "2")]
    pub uids: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// As in `Broadcast`; empty in a kick.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
    /// Where it stands.
    #[prost(message, optional, tag = "100")]
    pub place: ::core::option::Option<Place>,
    /// Whether the users are kicked.
    #[prost(bool, tag = "101")]
    pub kick: bool,
}
/// A `Response` to a frontend that keeps the order.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct OrderedResponse {
    /// As in `Response`.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: ::prost::bytes::Bytes,
    /// As in `Response`.
    #[prost(message, optional, tag = "2")]
    pub error: ::core::option::Option<super::Error>,
    /// The last message that the callee published to this frontend before it answered. Not set if it published none
    /// during the call.
    #[prost(message, optional, tag = "100")]
    pub after: ::core::option::Option<Place>,
}
/// A field beside those of the argument of a `sys` remote, if the frontend that is called keeps the order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct After {
    /// The last message that the caller published to this frontend before it called. Not set if it published none
    /// during its own call.
    #[prost(message, optional, tag = "100")]
    pub after: ::core::option::Option<Place>,
}
/// The documentation of a server's routes.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Doc {
    /// A JSON text.
    #[prost(string, tag = "1")]
    pub doc: ::prost::alloc::string::String,
}
/// A question for that documentation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct DocMsg {
    /// Whether messages are to be named as Protobuf knows them.
    #[prost(bool, tag = "1")]
    pub get_protos: bool,
}
/// The description of one Protobuf file.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProtoDescriptor {
    /// A `FileDescriptorProto`, gzipped.
    #[prost(bytes = "bytes", tag = "1")]
    pub desc: ::prost::bytes::Bytes,
}
/// The name of one Protobuf message.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProtoName {
    /// Its full name, with its package.
    #[prost(string, tag = "1")]
    pub name: ::prost::alloc::string::String,
}
/// The descriptions of Protobuf files.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProtoDescriptors {
    /// One for each name that was asked for, in that order.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub desc: ::prost::alloc::vec::Vec<::prost::bytes::Bytes>,
}
/// The names of Protobuf messages.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct ProtoNames {
    /// Full names, with their packages.
    #[prost(string, repeated, tag = "1")]
    pub name: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
}
/// The kind of a client's message. Only the first two travel between servers; a receiver takes every other number
/// for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum MsgType {
    /// Answered with what its handler returns.
    MsgRequest = 0,
    /// Answered with `ack`.
    MsgNotify = 1,
    /// Not sent between servers.
    MsgResponse = 2,
    /// Not sent between servers.
    MsgPush = 3,
}
impl MsgType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::MsgRequest => "MsgRequest",
            Self::MsgNotify => "MsgNotify",
            Self::MsgResponse => "MsgResponse",
            Self::MsgPush => "MsgPush",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "MsgRequest" => Some(Self::MsgRequest),
            "MsgNotify" => Some(Self::MsgNotify),
            "MsgResponse" => Some(Self::MsgResponse),
            "MsgPush" => Some(Self::MsgPush),
            _ => None,
        }
    }
}
/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum RpcType {
    /// A client, through its frontend: a handler is called.
    Sys = 0,
    /// A server: a remote is called.
    User = 1,
}
impl RpcType {
    /// String value of the enum field names used in the ProtoBuf definition.
    ///
    /// The values are not transformed in any way and thus are considered stable
    /// (if the ProtoBuf definition does not change) and safe for programmatic use.
    pub fn as_str_name(&self) -> &'static str {
        match self {
            Self::Sys => "Sys",
            Self::User => "User",
        }
    }
    /// Creates an enum from field names used in the ProtoBuf definition.
    pub fn from_str_name(value: &str) -> ::core::option::Option<Self> {
        match value {
            "Sys" => Some(Self::Sys),
            "User" => Some(Self::User),
            _ => None,
        }
    }
}
