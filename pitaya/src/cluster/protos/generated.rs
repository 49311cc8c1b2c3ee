// Made of docs/pitaya.proto by `cargo xtask protos`. Do not edit.

#![allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, unused_qualifications)]

/// A client's session, as its frontend knows it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Session {
    /// The session's number on that frontend.
    #[prost(int64, tag = "1")]
    pub id: i64,
    /// The user; empty before a user is bound.
    #[prost(string, tag = "2")]
    pub uid: ::prost::alloc::string::String,
    /// The session's data: a JSON object, or nothing.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
}
/// The route and the argument of a call.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Msg {
    /// The client's number of the request; 0 in a notify and in a call of a server.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Three parts; two parts in calls of `sys`.
    #[prost(string, tag = "2")]
    pub route: ::prost::alloc::string::String,
    /// The serialized argument.
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
    /// The kind of the caller.
    #[prost(enumeration = "RpcType", tag = "1")]
    pub r#type: i32,
    /// The client's session; not set in a call of a server.
    #[prost(message, optional, tag = "2")]
    pub session: ::core::option::Option<Session>,
    /// The route and the argument. A request without them is invalid.
    #[prost(message, optional, tag = "3")]
    pub msg: ::core::option::Option<Msg>,
    /// The sender's id if it is a frontend.
    #[prost(string, tag = "4")]
    pub frontend_id: ::prost::alloc::string::String,
    /// The call's context: a JSON object, never empty.
    #[prost(bytes = "bytes", tag = "5")]
    pub metadata: ::prost::bytes::Bytes,
}
/// The reply to a call. A message without bytes is an empty success.
#[derive(Clone, PartialEq, ::prost::Message)]
pub struct Response {
    /// The serialized reply.
    #[prost(bytes = "bytes", tag = "1")]
    pub data: ::prost::bytes::Bytes,
    /// The error. If it is set, the data has no meaning.
    #[prost(message, optional, tag = "2")]
    pub error: ::core::option::Option<super::Error>,
}
/// A message to a user.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Push {
    /// The route of the push.
    #[prost(string, tag = "1")]
    pub route: ::prost::alloc::string::String,
    /// The user.
    #[prost(string, tag = "2")]
    pub uid: ::prost::alloc::string::String,
    /// The serialized message.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
    /// Whether `data` is raw bytes, which a frontend gives to the client unchanged whatever its serializer. Go Pitaya does
    /// not send it and ignores it.
    #[prost(bool, tag = "100")]
    pub raw: bool,
}
/// A request to disconnect a user.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct KickMsg {
    /// The user.
    #[prost(string, tag = "1")]
    pub user_id: ::prost::alloc::string::String,
}
/// The reply to that request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct KickAnswer {
    /// Whether the user was disconnected.
    #[prost(bool, tag = "1")]
    pub kicked: bool,
}
/// The announcement that a user was bound to a session.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct BindMsg {
    /// The user.
    #[prost(string, tag = "1")]
    pub uid: ::prost::alloc::string::String,
    /// The id of the frontend that has the session.
    #[prost(string, tag = "2")]
    pub fid: ::prost::alloc::string::String,
    /// The time of the bind, in nanoseconds since 1970 on that frontend's clock; 0 if unknown. With it, all frontends keep
    /// the same one of two simultaneous binds. Go Pitaya does not send it and ignores it.
    #[prost(int64, tag = "100")]
    pub bound_at: i64,
}
/// A message to many users of one frontend. Go Pitaya does not know it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Broadcast {
    /// The route of the push.
    #[prost(string, tag = "1")]
    pub route: ::prost::alloc::string::String,
    /// The users; the frontend ignores users that it does not have.
    #[prost(string, repeated, tag = "2")]
    pub uids: ::prost::alloc::vec::Vec<::prost::alloc::string::String>,
    /// The serialized message.
    #[prost(bytes = "bytes", tag = "3")]
    pub data: ::prost::bytes::Bytes,
}
/// A position in the order in which one server publishes to frontends. Go Pitaya does not know it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, ::prost::Message)]
pub struct Place {
    /// The number of the sender, chosen at random when it starts.
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
    /// Its position.
    #[prost(message, optional, tag = "100")]
    pub place: ::core::option::Option<Place>,
    /// Whether this is a kick.
    #[prost(bool, tag = "101")]
    pub kick: bool,
    /// Whether `data` is raw bytes, which a frontend gives to its clients unchanged whatever their serializer.
    #[prost(bool, tag = "102")]
    pub raw: bool,
}
/// A message of the service `protos.Peer`, with one field (`docs/cluster.md`, "gRPC"). Go Pitaya does not know it.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub struct PeerMessage {
    /// The announcement of a bind: a `BindMsg`.
    #[prost(bytes = "bytes", tag = "1")]
    pub bound: ::prost::bytes::Bytes,
    /// A message to many users of a frontend: an `OrderedBroadcast`.
    #[prost(bytes = "bytes", tag = "2")]
    pub broadcast: ::prost::bytes::Bytes,
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
/// The kind of a client's message. Only the first two travel between servers; a receiver treats every other number
/// as a request.
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
/// The kind of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub enum RpcType {
    /// A client, through its frontend. The call runs a handler.
    Sys = 0,
    /// A server. The call runs a remote.
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
