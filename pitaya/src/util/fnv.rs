//! FNV-1a: a hash that no build and no machine changes.

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Hashes bytes.
pub(crate) fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
    extend(OFFSET, bytes)
}

/// Adds bytes to the `hash` of those before them.
pub(crate) fn extend(hash: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the algorithm's authors.
    #[test]
    fn fnv_matches_published_vectors() {
        assert_eq!(hash(*b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(*b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(hash(*b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(extend(hash(*b"foo"), *b"bar"), hash(*b"foobar"));
    }
}
