//! Encodes a [`Request`](super::protos::Request) from borrowed parts.
//!
//! A `Request` owns copies of all its parts, which each call would make only to encode them.

use bytes::Bytes;

use super::Server;
use super::proto_writer::{self, Field};
use super::protos::{MsgType, RpcType};
use super::request::ReplyMode;

/// A call of a remote or, for a client's message, of a handler.
pub(super) struct OutboundRequest<'a> {
    pub(super) route: &'a str,
    pub(super) data: &'a [u8],
    /// The client whose message is forwarded.
    pub(super) client: Option<ClientMessage<'a>>,
    pub(super) sender: &'a Server,
    /// The context, as JSON.
    pub(super) metadata: &'a [u8],
}

/// A client's session, and whether the client waits for a reply.
#[derive(Clone, Copy)]
pub(super) struct ClientMessage<'a> {
    pub(super) session: i64,
    pub(super) uid: &'a str,
    pub(super) data: &'a [u8],
    pub(super) waits: ReplyMode,
}

impl OutboundRequest<'_> {
    pub(super) fn encode(&self) -> Bytes {
        let rpc = if self.client.is_some() { RpcType::Sys } else { RpcType::User };
        let session = self.client.map(|client| {
            let id = Field::Number(client.session.cast_unsigned());
            [(1, id), (2, Field::Bytes(client.uid.as_bytes())), (3, Field::Bytes(client.data))]
        });
        let (mid, kind) = match self.client.map(|client| client.waits) {
            None => (0, MsgType::MsgRequest),
            Some(ReplyMode::Request(mid)) => (mid, MsgType::MsgRequest),
            Some(ReplyMode::Notify) => (0, MsgType::MsgNotify),
        };
        let msg = [
            (1, Field::Number(mid)),
            (2, Field::Bytes(self.route.as_bytes())),
            (3, Field::Bytes(self.data)),
            (5, Field::Number(kind as u64)),
        ];
        let frontend_id = if self.sender.frontend { self.sender.id.as_bytes() } else { b"" };
        let request = [
            (1, Field::Number(rpc as u64)),
            (2, session.as_ref().map_or(Field::Bytes(b""), |fields| Field::Message(fields))),
            (3, Field::Message(&msg)),
            (4, Field::Bytes(frontend_id)),
            (5, Field::Bytes(self.metadata)),
        ];
        proto_writer::encode(&request)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::super::protos::{Request, Session};
    use super::*;
    use crate::context::Metadata;

    proptest! {
        #[test]
        fn the_bytes_are_those_of_a_request(
            frontend: bool, route in "[a-z.]{0,20}", uid in ".{0,5}", session: i64, mid: u64,
            data in proptest::collection::vec(any::<u8>(), 0..300), values in "[a-z]{0,200}",
            waits: Option<bool>,
        ) {
            let sender = Server::new("connector", "conn-1").frontend(frontend);
            let mut context = Metadata::new();
            context.insert("values", values).unwrap();
            let waits = waits.map(|waits| if waits { ReplyMode::Request(mid) } else { ReplyMode::Notify });
            let outgoing = OutboundRequest {
                route: &route,
                data: &data,
                client: waits.map(|waits| ClientMessage { session, uid: &uid, data: &data, waits }),
                sender: &sender,
                metadata: &context.encode(),
            };
            let session = Session { id: session, uid: uid.clone(), data: data.clone().into() };
            let request = match waits {
                None => Request::called(&route, data.clone().into(), &sender, &context),
                Some(waits) => {
                    Request::forwarded(&route, data.clone().into(), waits, session, &sender, &context)
                }
            };
            prop_assert_eq!(outgoing.encode(), request.encode_to_vec());
        }
    }
}
