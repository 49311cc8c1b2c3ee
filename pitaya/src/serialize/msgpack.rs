//! Reads MessagePack.

use super::error::CodecError;

/// The deepest nesting that MessagePack bodies may have; JSON's own limit is the same.
const MAX_DEPTH: usize = 128;

/// The function that decodes a value of a MessagePack body.
pub(super) type MessagePack<'a, 'b> =
    rmp_serde::Deserializer<rmp_serde::decode::ReadReader<&'a mut std::io::Cursor<&'b [u8]>>>;

/// Decodes a whole MessagePack body.
#[inline]
pub(super) fn msgpack_read<T>(
    body: &[u8],
    read: impl FnOnce(&mut MessagePack<'_, '_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let mut rest = std::io::Cursor::new(body);
    let mut deserializer = rmp_serde::Deserializer::new(&mut rest);
    deserializer.set_max_depth(MAX_DEPTH);
    let value = read(&mut deserializer)?;
    if rest.position() != body.len() as u64 {
        return Err(CodecError::new("trailing bytes after the message"));
    }
    Ok(value)
}
