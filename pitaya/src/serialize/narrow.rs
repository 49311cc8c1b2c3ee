//! JSON for clients that cannot decode every character.

use super::Serializer;
use crate::error::BoxError;
use crate::wire::{json, utf8};

/// JSON in which no character needs more than three bytes: those above U+FFFF, emoji among them, are written as pairs of
/// escapes, which every JSON parser reads. For servers with clients like the original's JavaScript client, which cannot
/// decode them otherwise; its handshake name is `json` as well. It costs a little more than
/// [`Format::Json`](super::Format::Json), since values go through `erased_serde`.
///
/// ```
/// use pitaya::prelude::*;
/// use pitaya::serialize::NarrowJson;
///
/// let app = App::builder().serializer(NarrowJson);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NarrowJson;

impl Serializer for NarrowJson {
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
