//! The protobuf messages between servers (`docs/pitaya.proto`).
//!
//! The code is generated and checked in. Byte fields share the buffer of the decoded message.
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

/// Why a call failed. An empty error still means that the call failed.
///
/// Written by hand, because Go Pitaya writes empty keys and values of map entries and `prost` does not.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Error {
    /// A code such as `PIT-404`. An empty code stands for `PIT-000`.
    pub code: String,
    /// The text of the error.
    pub msg: String,
    /// Further details for the caller, in no order.
    pub metadata: BTreeMap<String, String>,
}

proto_error!(Error);
