//! Repairs the text of clients that do not write valid UTF-8 (protocol.md, "Data handling").

use std::borrow::Cow;

/// Returns the text of `bytes`, repaired where they are not UTF-8.
///
/// A surrogate pair encoded as two characters, as some JavaScript clients write an emoji, becomes its character. Each other
/// invalid byte becomes U+FFFD. Valid UTF-8 is borrowed. A repaired text is at most three times as long as `bytes`.
///
/// ```
/// use pitaya::wire::utf8::mend;
///
/// assert_eq!(mend(b"plain"), "plain");
/// assert_eq!(mend(b"\xed\xa0\xbd\xed\xb8\x80"), "\u{1f600}");
/// assert_eq!(mend(b"a\xffb"), "a\u{fffd}b");
/// ```
#[inline]
#[must_use]
pub fn mend(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(mended(bytes)),
    }
}

/// As [`mend`], for a JSON text: an escaped half of a surrogate pair without its other half (`"\ud83d"`) becomes `\ufffd`
/// too, which a JSON parser would refuse.
#[must_use]
pub fn mend_json(bytes: &[u8]) -> Cow<'_, str> {
    let text = mend(bytes);
    let lone = if text.contains('\\') { lone_escape(&text, 0) } else { None };
    match lone {
        None => text,
        Some(first) => Cow::Owned(without_lone_escapes(text.into_owned(), first)),
    }
}

#[cold]
fn mended(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    let mut rest = bytes;
    while !rest.is_empty() {
        let good = match str::from_utf8(rest) {
            Ok(text) => text,
            Err(e) => str::from_utf8(&rest[..e.valid_up_to()]).unwrap_or_default(),
        };
        out.push_str(good);
        rest = &rest[good.len()..];
        match rest {
            [] => {}
            [0xed, a @ 0xa0..=0xaf, b @ 0x80..=0xbf, 0xed, c @ 0xb0..=0xbf, d @ 0x80..=0xbf, after @ ..] => {
                let bits = |byte: &u8, mask: u8, shift: u32| u32::from(byte & mask) << shift;
                let code =
                    0x1_0000 + (bits(a, 0x0f, 16) | bits(b, 0x3f, 10) | bits(c, 0x0f, 6) | bits(d, 0x3f, 0));
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = after;
            }
            [_, after @ ..] => {
                out.push(char::REPLACEMENT_CHARACTER);
                rest = after;
            }
        }
    }
    out
}

/// Where, from `from` on, the first escaped half of a surrogate pair without its other half starts.
fn lone_escape(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|b| *b == b'\\')?;
        match escaped(bytes, at) {
            Some(0xd800..=0xdbff) => match escaped(bytes, at + 6) {
                Some(0xdc00..=0xdfff) => at += 12,
                _ => return Some(at),
            },
            Some(0xdc00..=0xdfff) => return Some(at),
            Some(_) => at += 6,
            // Two bytes, so that an escaped backslash does not start an escape.
            None => at += 2,
        }
    }
}

/// Returns the UTF-16 unit of the escape of four hexadecimal digits at `at`, if there is one.
fn escaped(bytes: &[u8], at: usize) -> Option<u32> {
    let [b'\\', b'u', hex @ ..] = bytes.get(at..at + 6)? else {
        return None;
    };
    hex.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

#[cold]
fn without_lone_escapes(mut text: String, first: usize) -> String {
    let mut lone = Some(first);
    while let Some(at) = lone {
        text.replace_range(at..at + 6, "\\ufffd");
        lone = lone_escape(&text, at + 6);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_invalid_byte_becomes_one_replacement() {
        for (bytes, text) in [
            (&b"\xff"[..], "\u{fffd}"),
            (b"a\xe2\x82b", "a\u{fffd}\u{fffd}b"),
            (b"\xf0\x9f\x98", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xed\xa0\xbd", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(mend(bytes), text, "{bytes:02x?}");
        }
    }

    #[test]
    fn split_surrogate_pair_is_joined() {
        let bytes = b"\xed\xa0\xbd\xed\xa0\xbd\xed\xb8\x80\xed\xb8\x80x";
        assert_eq!(mend(bytes), "\u{fffd}\u{fffd}\u{fffd}\u{1f600}\u{fffd}\u{fffd}\u{fffd}x");
        assert_eq!(mend(b"\xed\xa0\x80\xed\xb0\x80"), "\u{10000}");
        assert_eq!(mend(b"\xed\xaf\xbf\xed\xbf\xbf"), "\u{10ffff}");
    }

    /// Pairs and escaped backslashes stay.
    #[test]
    fn lone_surrogate_escapes_are_replaced() {
        for (json, want) in [
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\ud83dA\uDE00\u0041""#, r#""\ufffdA\ufffd\u0041""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\ud83"#, r#""\ud83"#),
            ("\\", "\\"),
        ] {
            assert_eq!(mend_json(json.as_bytes()), want);
        }
    }

    proptest! {
        #[test]
        fn proper_text_is_borrowed_as_it_is(text in ".*") {
            prop_assert!(matches!(mend(text.as_bytes()), Cow::Borrowed(same) if same == text));
        }

        #[test]
        fn repaired_text_is_at_most_three_times_as_long(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(mend(&bytes).len() <= 3 * bytes.len());
            prop_assert!(lone_escape(&mend_json(&bytes), 0).is_none());
        }
    }
}
