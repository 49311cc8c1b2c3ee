//! Encodes and decodes requests (`docs/cluster.md`, "Requests").

use bytes::Bytes;
use prost::Message as _;
use serde_json::{Map, Value};

use super::Server;
use super::protos::{Msg, MsgType, Request, RpcType, Session};
use crate::context::Metadata;
use crate::error::{Error, Result, code, text};
use crate::route::{self, Parts};
use crate::wire::{json, utf8};

/// The routes that every server serves, besides those of its app.
pub mod sys {
    /// Binds the session with the id and the user of a [`Session`](super::Session).
    pub const BIND_SESSION: &str = "sys.bindsession";
    /// Replaces the data of the session with the id of a [`Session`](super::Session).
    pub const PUSH_SESSION: &str = "sys.pushsession";
    /// Kicks the user of a [`KickMsg`](crate::cluster::protos::KickMsg).
    pub const KICK: &str = "sys.kick";
    /// Ends the sessions of a user that was bound on another frontend. Only servers of this library have it.
    pub const BOUND: &str = "sys.bound";
}

/// Whether a client waits for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyMode {
    /// It waits for the reply to the message with this id.
    Request(u64),
    /// It does not wait. The answer is `ack`.
    Notify,
}

impl Request {
    /// Returns the request that forwards a client's message unchanged from the frontend `sender`.
    #[must_use]
    pub fn forwarded(
        route: &str,
        data: Bytes,
        waits: ReplyMode,
        session: Session,
        sender: &Server,
        metadata: &Metadata,
    ) -> Self {
        let (id, kind) = match waits {
            ReplyMode::Request(id) => (id, MsgType::MsgRequest),
            ReplyMode::Notify => (0, MsgType::MsgNotify),
        };
        let msg = Msg { id, r#type: kind.into(), ..called(route, data) };
        Self { session: Some(session), ..request(RpcType::Sys, msg, sender, metadata) }
    }

    /// Returns the request by which the server `sender` calls a remote.
    ///
    /// ```
    /// use pitaya::cluster::protos::{KickMsg, Request};
    /// use pitaya::cluster::{Server, request::sys};
    /// use pitaya::context::Metadata;
    /// use prost::Message;
    ///
    /// let own = Server::new("room", "room-1");
    /// let kick = KickMsg { user_id: "ann".into() }.encode_to_vec();
    /// let context = Metadata::new().for_call(&own.id, &own.server_type, std::time::Duration::from_secs(5));
    /// let request = Request::called(sys::KICK, kick.into(), &own, &context);
    /// assert_eq!(request.metadata, r#"{"peer.id":"room-1","peer.service":"room","reqTimeout":"5s"}"#);
    /// ```
    #[must_use]
    pub fn called(route: &str, data: Bytes, sender: &Server, metadata: &Metadata) -> Self {
        request(RpcType::User, called(route, data), sender, metadata)
    }
}

fn called(route: &str, data: Bytes) -> Msg {
    Msg { route: route.to_owned(), data, ..Msg::default() }
}

fn request(kind: RpcType, msg: Msg, sender: &Server, metadata: &Metadata) -> Request {
    let frontend_id = if sender.frontend { sender.id.to_string() } else { String::new() };
    Request { r#type: kind.into(), session: None, msg: Some(msg), frontend_id, metadata: metadata.encode() }
}

/// A decoded request, before its route is resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundRequest {
    /// The kind of the call.
    pub target: Target,
    /// The route, of two or three parts.
    pub route: String,
    /// The encoded argument.
    pub data: Bytes,
    /// The frontend that sent it. Empty if the sender is a backend.
    pub frontend_id: String,
    /// The context of the call.
    pub metadata: Metadata,
}

/// The table of routes that a request calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A handler: a client's message.
    Handler {
        /// The client's session. Empty if the request had none.
        session: Session,
        /// Whether the client waits.
        waits: ReplyMode,
    },
    /// A remote: a call of a server.
    Remote,
}

impl InboundRequest {
    /// Decodes a request. The result shares the bytes.
    ///
    /// # Errors
    /// The answer to a caller that waits. `PIT-400`: the bytes are not a request, or contain text that is not UTF-8;
    /// there is no `msg`; the route is invalid or the type unknown, with the route as metadata. `PIT-500`: no context,
    /// or one that [`Metadata::decode`] refuses.
    pub fn decode(bytes: Bytes) -> Result<Self> {
        let request = Request::decode(bytes).map_err(|error| {
            Error::new(code::BAD_REQUEST, format!("cannot decode request: {error}")).with_source(error)
        })?;
        let Some(msg) = request.msg else {
            return Err(Error::new(code::BAD_REQUEST, "the request has no msg: it calls nothing"));
        };
        let metadata = Metadata::decode(&request.metadata)?;
        let refused =
            |text: &'static str| Error::new(code::BAD_REQUEST, text).with_metadata("route", &*msg.route);
        if route::parse(&msg.route).is_err() {
            return Err(refused(text::CANNOT_DECODE_ROUTE));
        }
        let target = match RpcType::try_from(request.r#type) {
            Ok(RpcType::Sys) => Target::Handler {
                session: request.session.unwrap_or_default(),
                waits: match MsgType::try_from(msg.r#type) {
                    Ok(MsgType::MsgNotify) => ReplyMode::Notify,
                    // Every other number is a request, as in Go Pitaya.
                    _ => ReplyMode::Request(msg.id),
                },
            },
            Ok(RpcType::User) => Target::Remote,
            Err(_) => return Err(refused(text::INVALID_RPC_TYPE)),
        };
        Ok(Self { target, route: msg.route, data: msg.data, frontend_id: request.frontend_id, metadata })
    }

    /// Returns the parts of the route. The server type is not checked: the receiver serves the request.
    ///
    /// # Errors
    /// The route is invalid. A [decoded](Self::decode) route is valid.
    pub fn parts(&self) -> Result<Parts<'_>> {
        Ok(route::parse(&self.route)?)
    }
}

/// Decodes session data of a request. No bytes and `null` mean no data.
///
/// # Errors
/// `PIT-500`: it is not a JSON object.
///
/// ```
/// use pitaya::cluster::request::session_data;
/// assert_eq!(session_data(br#"{"n":7}"#)?["n"], 7);
/// assert!(session_data(b"null")?.is_empty());
/// # Ok::<(), pitaya::Error>(())
/// ```
pub fn session_data(bytes: &[u8]) -> Result<Map<String, Value>> {
    if matches!(bytes, b"" | b"{}") {
        return Ok(Map::new());
    }
    serde_json::from_str::<Option<Map<String, Value>>>(&utf8::mend_json(bytes))
        .map(Option::unwrap_or_default)
        .map_err(|error| {
            Error::new(code::INTERNAL, format!("the session data is no JSON object: {error}"))
                .with_source(error)
        })
}

/// Encodes session data: JSON with sorted keys, byte for byte as Go Pitaya writes it. No data is `{}`, because no bytes
/// mean "unchanged" where data is pushed.
///
/// ```
/// use pitaya::cluster::request::{session_data, write_session_data};
/// let data = session_data(br#"{"b":1.0,"a":"<"}"#)?;
/// assert_eq!(write_session_data(&data), r#"{"a":"\u003c","b":1}"#);
/// # Ok::<(), pitaya::Error>(())
/// ```
#[must_use]
pub fn write_session_data(data: &Map<String, Value>) -> Bytes {
    json::object(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONTEXT: &str = r#"{"peer.id":"x"}"#;

    fn server(frontend: bool) -> Server {
        Server::new("connector", "conn-1").frontend(frontend)
    }

    fn context() -> Metadata {
        Metadata::decode(CONTEXT.as_bytes()).unwrap()
    }

    fn raw(kind: i32, msg_type: i32, route: &str) -> Request {
        let msg = Msg { id: 7, route: route.into(), data: "hi".into(), r#type: msg_type, ..Msg::default() };
        Request { r#type: kind, msg: Some(msg), metadata: CONTEXT.into(), ..Request::default() }
    }

    fn read(request: &Request) -> Result<InboundRequest> {
        InboundRequest::decode(request.encode_to_vec().into())
    }

    #[test]
    fn a_forwarded_message_is_read_as_it_was_sent() {
        let session = Session { id: 3, uid: "ann".into(), data: "{}".into() };
        for waits in [ReplyMode::Request(9), ReplyMode::Notify] {
            let sent = Request::forwarded(
                "room.room.join",
                "hi".into(),
                waits,
                session.clone(),
                &server(true),
                &context(),
            );
            let got = read(&sent).unwrap();
            assert_eq!(got.target, Target::Handler { session: session.clone(), waits });
            assert_eq!(
                (&*got.route, &*got.data, &*got.frontend_id),
                ("room.room.join", &b"hi"[..], "conn-1")
            );
            assert_eq!(got.metadata, context());
            assert_eq!(got.parts().unwrap().service, "room");
        }
    }

    #[test]
    fn call_names_its_sender_only_if_frontend() {
        for (frontend, id) in [(true, "conn-1"), (false, "")] {
            let got = read(&Request::called(sys::KICK, Bytes::new(), &server(frontend), &context())).unwrap();
            assert_eq!((got.target, &*got.frontend_id, &*got.route), (Target::Remote, id, "sys.kick"));
        }
    }

    #[test]
    fn a_client_waits_unless_its_message_is_a_notify() {
        for (number, waits) in [
            (0, ReplyMode::Request(7)),
            (1, ReplyMode::Notify),
            (2, ReplyMode::Request(7)),
            (3, ReplyMode::Request(7)),
            (99, ReplyMode::Request(7)),
        ] {
            let Target::Handler { waits: got, session } =
                read(&raw(0, number, "room.room.join")).unwrap().target
            else {
                panic!("no handler");
            };
            assert_eq!((got, session), (waits, Session::default()), "{number}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_answered_with_a_code() {
        let code_of = |request: &Request| read(request).unwrap_err();
        let empty = Request::default();
        assert_eq!(code_of(&empty).code(), code::BAD_REQUEST);
        let error = code_of(&Request { metadata: Bytes::new(), ..raw(1, 0, "r.echo") });
        assert_eq!((error.code(), error.msg()), (code::INTERNAL, "no context found"));
        for route in ["", "abc", "a. .c", "a.b.c.d"] {
            let error = code_of(&raw(0, 0, route));
            assert_eq!((error.code(), error.msg()), (code::BAD_REQUEST, "cannot decode route"), "{route}");
            assert_eq!(error.metadata()["route"], route);
        }
        for kind in [2, -1, i32::MAX] {
            let error = code_of(&raw(kind, 0, "r.echo"));
            assert_eq!((error.code(), error.msg()), (code::BAD_REQUEST, "invalid rpc type"), "{kind}");
            assert_eq!(error.metadata()["route"], "r.echo");
        }
    }

    #[test]
    fn invalid_request_or_utf8_is_refused() {
        for bytes in [&b"\xff\xff\xff"[..], b"oh noes", b"\x08\x01\x1a\x05\x12\x03\xff\xfe\xfd\x2a\x02{}"] {
            let error = InboundRequest::decode(Bytes::copy_from_slice(bytes)).unwrap_err();
            assert_eq!(error.code(), code::BAD_REQUEST);
            assert!(error.msg().starts_with("cannot decode request: "), "{error}");
        }
    }

    #[test]
    fn the_argument_is_not_copied() {
        let bytes = Bytes::from(raw(1, 0, "r.echo").encode_to_vec());
        let got = InboundRequest::decode(bytes.clone()).unwrap();
        let range = bytes.as_ptr_range();
        assert!(range.contains(&got.data.as_ptr()));
    }

    #[test]
    fn session_data_keeps_numbers_and_is_an_object() {
        let text = r#"{"a":9007199254740993,"b":-1,"c":1.5,"d":18446744073709551615}"#;
        assert_eq!(write_session_data(&session_data(text.as_bytes()).unwrap()), text);
        assert_eq!(write_session_data(&Map::new()), "{}");
        for bytes in ["{no", "[]", "7", "\"\""] {
            let error = session_data(bytes.as_bytes()).unwrap_err();
            assert_eq!(error.code(), code::INTERNAL, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = InboundRequest::decode(bytes.clone().into());
            let _ = session_data(&bytes);
        }

        #[test]
        fn no_damage_to_a_request_makes_the_reader_panic(at in 0usize..64, with: u8, cut in 0usize..64) {
            let mut bytes = raw(0, 1, "room.room.join").encode_to_vec();
            let at = at % bytes.len();
            bytes[at] = with;
            let _ = InboundRequest::decode(bytes.clone().into());
            bytes.truncate(cut);
            let _ = InboundRequest::decode(bytes.into());
        }
    }
}
