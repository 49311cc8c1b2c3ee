//! Encodes and decodes answers (`docs/cluster.md`, "Answers").

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::proto_writer::{self, Field};
use super::protos::{Error as ProtoError, OrderedResponse, Place, Response};
use super::{Server, TransportError};
use crate::error::{Error, Result, code};
use crate::go_duration;

/// The reply to a notify, and to a push or a kick whose sender waits.
pub const ACK: Bytes = Bytes::from_static(b"ack");

/// The reply of `sys.bindsession` and `sys.pushsession`: an answer within the answer, whose reply is [`ACK`].
pub const NESTED_ACK: Bytes = Bytes::from_static(b"\x0a\x03ack");

/// The reply of `sys.kick`: a [`KickAnswer`](super::protos::KickAnswer) with `kicked`.
pub const KICKED: Bytes = Bytes::from_static(b"\x08\x01");

impl Response {
    /// Returns the answer to a call with this result. The text of a foreign error is sent only with `expose`.
    ///
    /// ```
    /// use pitaya::Error;
    /// use pitaya::cluster::protos::Response;
    ///
    /// let response = Response::of(Err(Error::new("CHAT-001", "join a room first")), false);
    /// assert_eq!(response.into_result().unwrap_err().code(), "CHAT-001");
    /// ```
    #[must_use]
    pub fn of(result: Result<Bytes>, expose: bool) -> Self {
        match result {
            Ok(data) => Self { data, error: None },
            Err(error) => {
                let msg = error.outgoing_msg(expose).into_owned();
                let error =
                    ProtoError { code: error.code().to_owned(), msg, metadata: error.metadata().clone() };
                Self { data: Bytes::new(), error: Some(error) }
            }
        }
    }

    /// Returns the result of the call. A present error decides, even an empty one. Without a code it has `PIT-000`.
    ///
    /// # Errors
    /// The callee's.
    pub fn into_result(self) -> Result<Bytes> {
        let Some(error) = self.error else { return Ok(self.data) };
        let code = if error.code.is_empty() { code::UNKNOWN.to_owned() } else { error.code };
        Err(error
            .metadata
            .into_iter()
            .fold(Error::new(code, error.msg), |error, (key, value)| error.with_metadata(key, value)))
    }
}

/// Decodes an answer. No bytes are an empty success.
///
/// # Errors
/// The callee's, or `PIT-000` if the bytes are not an answer.
///
/// ```
/// use pitaya::cluster::response;
/// assert_eq!(response::read(b"\x0a\x03ack"[..].into())?, response::ACK);
/// assert!(response::read(b"\x12\x00"[..].into()).is_err());
/// # Ok::<(), pitaya::Error>(())
/// ```
pub fn read(bytes: Bytes) -> Result<Bytes> {
    Response::decode(bytes).map_err(undecodable)?.into_result()
}

/// Decodes an answer as [`read`] does, and the message that must be handled before it.
pub(super) fn read_ordered(bytes: Bytes) -> (Result<Bytes>, Option<Place>) {
    match OrderedResponse::decode(bytes) {
        Ok(OrderedResponse { data, error, after }) => (Response { data, error }.into_result(), after),
        Err(error) => (Err(undecodable(error)), None),
    }
}

fn undecodable(error: prost::DecodeError) -> Error {
    Error::new(code::UNKNOWN, "cannot decode response").with_source(error)
}

/// Encodes an answer.
#[must_use]
pub fn write(result: Result<Bytes>, expose: bool) -> Bytes {
    match result {
        Ok(data) => proto_writer::encode(&[(1, Field::Bytes(&data))]),
        Err(_) => Response::of(result, expose).encode_to_vec().into(),
    }
}

/// A call without an answer.
#[derive(Debug, Clone, Copy)]
pub struct CallFailure<'a> {
    /// The called route.
    pub route: &'a str,
    /// The timeout of the call.
    pub timeout: Duration,
    /// The caller.
    pub caller: &'a Server,
    /// The callee.
    pub callee: &'a Server,
}

impl CallFailure<'_> {
    /// Returns the error of the call.
    ///
    /// | reason | code |
    /// |---|---|
    /// | no answer in time | `PIT-408`, with the time as metadata |
    /// | no responders, no connection, too many waiting calls | `PIT-503` |
    /// | message too large | `PIT-400` |
    /// | the connection was lost while it waited, anything else | `PIT-000` |
    ///
    /// All have the route, `server` (the caller's id) and `peer.id` (the callee's) as metadata. The reason is the source.
    #[must_use]
    pub fn error(&self, why: TransportError) -> Error {
        let code = match &why {
            TransportError::Timeout => code::TIMEOUT,
            TransportError::NoResponders | TransportError::Unavailable | TransportError::Busy => {
                code::UNAVAILABLE
            }
            TransportError::TooLarge { .. } => code::BAD_REQUEST,
            TransportError::Lost | TransportError::BadAddress(_) | TransportError::Other(_) => code::UNKNOWN,
        };
        let late = why == TransportError::Timeout;
        let (id, server_type) = (&self.callee.id, &self.callee.server_type);
        let msg = match &why {
            // The text of Go Pitaya.
            TransportError::Timeout => why.to_string(),
            // The text of a client library is for the log.
            TransportError::Other(_) => format!("failed to call server `{id}` of type `{server_type}`"),
            _ => format!("failed to call server `{id}` of type `{server_type}`: {why}"),
        };
        let error = Error::new(code, msg)
            .with_source(why)
            .with_metadata("route", self.route)
            .with_metadata("server", &*self.caller.id)
            .with_metadata("peer.id", &**id);
        if late { error.with_metadata("timeout", go_duration::text(self.timeout)) } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::protos::KickAnswer;
    use proptest::prelude::*;

    #[test]
    fn the_answers_of_sys_are_the_bytes_that_peers_know() {
        assert_eq!(write(Ok(ACK), false), NESTED_ACK);
        assert_eq!(KickAnswer { kicked: true }.encode_to_vec(), KICKED);
        assert_eq!(write(Ok(KICKED), false), &b"\x0a\x02\x08\x01"[..]);
        assert_eq!(write(Ok(NESTED_ACK), false), &b"\x0a\x05\x0a\x03ack"[..]);
    }

    #[test]
    fn an_empty_success_is_no_bytes_and_back() {
        assert_eq!(write(Ok(Bytes::new()), false), Bytes::new());
        assert_eq!(read(Bytes::new()).unwrap(), Bytes::new());
    }

    #[test]
    fn an_error_keeps_code_text_and_metadata() {
        let sent = Error::new("A-1", "no").with_metadata("k", "v").with_metadata("empty", "");
        let got = read(write(Err(sent), false)).unwrap_err();
        assert_eq!((got.code(), got.msg(), &*got.metadata()["k"]), ("A-1", "no", "v"));
        assert_eq!(got.metadata()["empty"], "");
    }

    #[test]
    fn a_foreign_error_shows_its_text_only_if_it_may() {
        for (expose, text) in [(false, "internal error"), (true, "disk on fire")] {
            let got = read(write(Err(Error::internal("disk on fire")), expose)).unwrap_err();
            assert_eq!((got.code(), got.msg()), (code::UNKNOWN, text));
        }
    }

    #[test]
    fn an_error_that_is_there_decides_and_has_a_code() {
        for bytes in [&b"\x12\x00"[..], b"\x0a\x03nok\x12\x05\x12\x03nok"] {
            assert_eq!(read(Bytes::copy_from_slice(bytes)).unwrap_err().code(), code::UNKNOWN);
        }
    }

    #[test]
    fn a_call_without_an_answer_says_why() {
        let (caller, callee) = (Server::new("room", "a"), Server::new("room", "b"));
        let call = CallFailure {
            route: "room.room.join",
            timeout: Duration::from_millis(1500),
            caller: &caller,
            callee: &callee,
        };
        let error = call.error(TransportError::Timeout);
        assert_eq!((error.code(), error.msg()), ("PIT-408", "rpc client: request timeout"));
        let metadata: Vec<_> = error.metadata().iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(
            metadata,
            [("peer.id", "b"), ("route", "room.room.join"), ("server", "a"), ("timeout", "1.5s")]
        );
        for (why, code) in [
            (TransportError::NoResponders, "PIT-503"),
            (TransportError::Unavailable, "PIT-503"),
            (TransportError::Busy, "PIT-503"),
            (TransportError::TooLarge { size: 2, limit: 1 }, "PIT-400"),
            (TransportError::Lost, "PIT-000"),
            (TransportError::BadAddress("*".into()), "PIT-000"),
            (TransportError::Other("x".into()), "PIT-000"),
        ] {
            let called = "failed to call server `b` of type `room`";
            let text = match &why {
                TransportError::Other(_) => called.to_owned(),
                _ => format!("{called}: {why}"),
            };
            let error = call.error(why.clone());
            assert_eq!((error.code(), error.msg()), (code, &*text));
            let names = ["peer.id", "route", "server"].map(|key| &*error.metadata()[key]);
            assert_eq!(names, ["b", "room.room.join", "a"]);
            let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
            assert_eq!(source, Some(&why));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = read(bytes.into());
        }

        #[test]
        fn a_result_is_read_back(
            data in proptest::collection::vec(any::<u8>(), 0..32), code in ".{1,8}", msg in ".*",
            metadata in proptest::collection::btree_map(".*", ".*", 0..4), fails: bool,
        ) {
            let error = metadata.iter().fold(Error::new(code.clone(), msg.clone()), |e, (k, v)| e.with_metadata(k, v));
            let plain = || Ok(data.clone().into());
            prop_assert_eq!(write(plain(), false), Response::of(plain(), false).encode_to_vec());
            match read(write(if fails { Err(error) } else { plain() }, false)) {
                Ok(got) => prop_assert!(!fails && got == data),
                Err(got) => {
                    prop_assert!(fails && got.code() == code && got.msg() == msg);
                    prop_assert_eq!(got.metadata(), &metadata);
                }
            }
        }
    }
}
