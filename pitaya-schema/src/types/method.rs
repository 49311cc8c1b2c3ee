//! Methods, pushes and errors.

use serde::{Deserialize, Serialize};

use super::{Type, is_default};

/// A handler or a remote.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The message; `None` if the body of a call is ignored. [`Scalar::Bytes`](crate::Scalar::Bytes) is a raw body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Type>,
    /// Whether the method never replies.
    #[serde(default, skip_serializing_if = "is_default")]
    pub notify: bool,
    /// The reply; `None` is the empty message. [`Scalar::Bytes`](crate::Scalar::Bytes) is a raw body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Type>,
    /// The codes with which it may fail; `None` if any code is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<String>>,
}

/// A message that the server sends on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The message. [`Scalar::Bytes`](crate::Scalar::Bytes) is a raw body.
    pub message: Type,
    /// The guarantee for clients.
    #[serde(default, skip_serializing_if = "is_default")]
    pub class: PushClass,
}

/// The guarantee that a client has for a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushClass {
    /// Every push arrives, in order.
    #[default]
    Reliable,
    /// Only the newest push counts; older ones may be skipped.
    Latest,
}

/// An error code of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorCode {
    /// The documentation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// The keys of the metadata that an error with this code may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
}
