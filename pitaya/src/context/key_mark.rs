//! The mark of a keyed call (`docs/cluster.md`, "Keys and drains").

/// The key of a call, as a number, and whether the callee may refuse the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyMark {
    pub(crate) hash: u64,
    /// Another server would take it.
    pub(crate) may_be_refused: bool,
}

/// Its text, in place.
pub(crate) struct KeyText([u8; 17], usize);

impl KeyMark {
    /// Sixteen hexadecimal digits, and a `?` if the callee may refuse the call.
    pub(crate) fn text(self) -> KeyText {
        let mut text = [b'?'; 17];
        for (place, byte) in text.chunks_exact_mut(2).zip(self.hash.to_be_bytes()) {
            place.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        KeyText(text, if self.may_be_refused { 17 } else { 16 })
    }

    /// Reads that text; none if it is something else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digits, may_be_refused) = text.strip_suffix('?').map_or((text, false), |digits| (digits, true));
        let valid = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let hash = u64::from_str_radix(digits, 16).ok().filter(|_| valid)?;
        Some(Self { hash, may_be_refused })
    }
}

fn digit(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

impl KeyText {
    pub(crate) fn as_str(&self) -> &str {
        // Digits are ASCII.
        str::from_utf8(&self.0[..self.1]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mark_is_digits_and_perhaps_a_question_mark() {
        let mark = KeyMark { hash: 0xab, may_be_refused: false };
        assert_eq!(mark.text().as_str(), "00000000000000ab");
        assert_eq!(KeyMark { may_be_refused: true, ..mark }.text().as_str(), "00000000000000ab?");
        for text in
            ["", "?", "ab", "+0000000000000ab", "00000000000000ab??", "00000000000000abc", "x0000000000000ab"]
        {
            assert_eq!(KeyMark::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_mark_is_read_as_it_was_written(hash: u64, may_be_refused: bool, other in ".*") {
            let mark = KeyMark { hash, may_be_refused };
            prop_assert_eq!(KeyMark::parse(mark.text().as_str()), Some(mark));
            let _ = KeyMark::parse(&other);
        }
    }
}
