//! Errors on the wire (`docs/protocol.md`, "Errors").

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};
use prost::Message as _;
use serde::{Deserialize, Serialize};

use super::proto_error::proto_error;
use super::{CodecError, Serializer};
use crate::error::Error;
use crate::wire::json;

/// The body of an error response. Every serializer omits empty fields.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ErrorPayload {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) msg: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
}

proto_error!(ErrorPayload);

impl ErrorPayload {
    pub(crate) fn of(error: &Error, expose: bool) -> Self {
        Self {
            code: error.code().to_owned(),
            msg: error.outgoing_msg(expose).into_owned(),
            metadata: error.metadata().clone(),
        }
    }

    pub(crate) fn into_error(self) -> Error {
        let mut error = Error::new(self.code, self.msg);
        for (key, value) in self.metadata {
            error = error.with_metadata(key, value);
        }
        error
    }

    /// Appends the payload to `out`.
    pub(crate) fn encode_as(&self, serializer: &Serializer, out: &mut BytesMut) -> Result<(), CodecError> {
        match serializer {
            Serializer::Json => {
                json::write(out.writer(), self).map_err(CodecError::new)?;
            }
            Serializer::Protobuf => self.encode(out).map_err(CodecError::new)?,
            Serializer::MessagePack => {
                out.extend_from_slice(&rmp_serde::to_vec_named(self).map_err(CodecError::new)?);
            }
            Serializer::Custom(own) => {
                let mut bytes = Vec::new();
                own.serialize(self, &mut bytes).map_err(CodecError::new)?;
                out.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }

    /// Decodes a payload. Clients use it.
    pub(crate) fn decode_as(serializer: &Serializer, body: &[u8]) -> Result<Self, CodecError> {
        match serializer {
            Serializer::Json => serde_json::from_slice(body).map_err(CodecError::new),
            Serializer::Protobuf => Self::decode(body).map_err(CodecError::new),
            Serializer::MessagePack => rmp_serde::from_slice(body).map_err(CodecError::new),
            Serializer::Custom(own) => {
                let mut value = None;
                own.deserialize(body, &mut |deserializer| {
                    value = Some(erased_serde::deserialize(deserializer)?);
                    Ok(())
                })
                .map_err(CodecError::new)?;
                value.ok_or_else(|| CodecError::new("the serializer did not show its deserializer"))
            }
        }
    }
}
