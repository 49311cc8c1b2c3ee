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

use std::collections::BTreeMap;

use crate::serialize::proto_error::proto_error;

#[rustfmt::skip]
mod generated;

pub use generated::*;

/// Why a call failed. Present but empty, it still says that the call failed.
///
/// It is written by hand, because the original writes empty keys and values of map entries and `prost` does not.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Error {
    /// A code such as `PIT-404`; an empty one stands for `PIT-000`.
    pub code: String,
    /// What happened, in words.
    pub msg: String,
    /// What else the caller is told. In no order.
    pub metadata: BTreeMap<String, String>,
}

proto_error!(Error);
