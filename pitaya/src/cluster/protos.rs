//! What servers say to each other: the protobuf messages of `docs/pitaya.proto`.
//!
//! The code is generated and checked in. Bytes share the buffer that a message was read from.
//!
//! ```
//! use pitaya::cluster::protos::{Response, Session};
//! use prost::Message;
//!
//! let ack = Response { data: "ack".into(), error: None };
//! assert_eq!(ack.encode_to_vec(), [0x0a, 0x03, b'a', b'c', b'k']);
//! assert_eq!(Session::decode(&[0x08, 42][..])?.id, 42);
//! # Ok::<(), prost::DecodeError>(())
//! ```

#[rustfmt::skip]
mod generated;

pub use generated::*;
