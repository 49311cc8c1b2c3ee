//! JSON for clients that cannot decode every character.

use super::CustomSerializer;
use crate::error::BoxError;
use crate::wire::{json, utf8};

/// JSON in which characters above U+FFFF, such as emoji, are pairs of escapes.
///
/// Every JSON parser reads them. The JavaScript client of Go Pitaya cannot decode characters of four bytes. The
/// handshake name is `json`. It costs a little more than [`Serializer::Json`](super::Serializer::Json), because values
/// go through
/// `erased_serde`.
///
/// ```
/// use pitaya::prelude::*;
/// use pitaya::serialize::NarrowJson;
///
/// let app = App::builder().serializer(NarrowJson);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NarrowJson;

impl CustomSerializer for NarrowJson {
    fn name(&self) -> &str {
        "json"
    }

    fn serialize(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(json::write_narrow(out, value)?)
    }

    fn deserialize(
        &self,
        body: &[u8],
        visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BoxError> {
        let text = utf8::mend_json(body);
        let mut json = serde_json::Deserializer::from_str(&text);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
        Ok(json.end()?)
    }
}
