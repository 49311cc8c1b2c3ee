//! JSON as Go Pitaya writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped, whole numbers without a fraction, no white space
//! (protocol.md, "Handshake" and "Errors"; cluster.md, "JSON").

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Value};

/// Whether a key of an object names a field: Go Pitaya's decoder ignores case, by Unicode's simple folding.
///
/// Names of fields are ASCII. Besides the other case, two letters beyond ASCII fold into one of ASCII.
pub(crate) fn names_match(key: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars().map(folded))
}

/// Writes `value` as JSON with the escapes and the numbers of Go.
///
/// # Errors
/// The error of the value's serialization or of `out`.
///
/// ```
/// let mut out = Vec::new();
/// pitaya::wire::json::write(&mut out, "a<b>&c")?;
/// assert_eq!(out, br#""a\u003cb\u003e\u0026c""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn write<T: Serialize + ?Sized>(out: impl Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Escaping))
}

/// Appends `value` as JSON in which characters above U+FFFF are pairs of `\\u` escapes.
///
/// Every JSON parser reads them. The JavaScript client of Go Pitaya cannot decode characters of four bytes.
///
/// # Errors
/// As [`write()`].
///
/// ```
/// let mut out = Vec::new();
/// pitaya::wire::json::write_narrow(&mut out, "a🎉ä")?;
/// assert_eq!(out, r#""a\ud83c\udf89ä""#.as_bytes());
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn write_narrow<T: Serialize + ?Sized>(out: impl Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Narrow))
}

/// Writes an object, its keys sorted, as [`write()`] does.
///
/// ```
/// let object = serde_json::json!({"b": 1.0, "a": "<"});
/// # let object = object.as_object().unwrap();
/// assert_eq!(pitaya::wire::json::object(object), r#"{"a":"\u003c","b":1}"#);
/// ```
#[must_use]
pub fn object(object: &Map<String, Value>) -> Bytes {
    if object.is_empty() {
        return Bytes::from_static(b"{}");
    }
    let sorted: BTreeMap<&String, &Value> = object.iter().collect();
    let mut out = Vec::with_capacity(64);
    let written = write(&mut out, &sorted);
    // JSON values can always be written, and a `Vec` takes them all.
    debug_assert!(written.is_ok(), "{written:?}");
    out.into()
}

/// The one key of the map that `serde_json` shows instead of a number, with its text as the value, if any crate of the
/// program switches on its feature `arbitrary_precision`.
pub(crate) const NUMBER: &str = "$serde_json::private::Number";

struct Narrow;

impl Formatter for Narrow {
    #[inline]
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        // Only characters above U+FFFF have such a byte, and few texts have any.
        if fragment.bytes().all(|byte| byte < 0xf0) {
            return out.write_all(fragment.as_bytes());
        }
        let mut buffer = [0; 2];
        for c in fragment.chars() {
            match c.encode_utf16(&mut buffer) {
                [high, low] => write!(out, "\\u{high:04x}\\u{low:04x}")?,
                _ => out.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?,
            }
        }
        Ok(())
    }
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        // Few texts have one of these bytes.
        if !fragment.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
            return out.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, from) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                write!(out, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    fn write_number_str<W: Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        match number(text) {
            Some(value) => self.write_f64(out, value),
            None => out.write_all(text.as_bytes()),
        }
    }

    // A peer that reads an integer accepts `7` and refuses `7.0`.
    fn write_f64<W: Write + ?Sized>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size != 0.0 && !(1e-6..1e21).contains(&size) {
            return out.write_all(exponent(&format!("{value:e}")).as_bytes());
        }
        write!(out, "{value}")
    }

    fn write_f32<W: Write + ?Sized>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        let size = value.abs();
        if size != 0.0 && !(1e-6..1e21).contains(&size) {
            return out.write_all(exponent(&format!("{value:e}")).as_bytes());
        }
        write!(out, "{value}")
    }
}

/// A number of a [`Value`] as it has to be written, where `serde_json` keeps its text (`arbitrary_precision`).
fn number(text: &str) -> Option<f64> {
    let whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if whole && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok()) {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A positive exponent has a sign.
fn exponent(text: &str) -> String {
    if text.contains("e-") { text.to_owned() } else { text.replace('e', "e+") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn html_characters_are_escaped_everywhere() {
        let mut out = Vec::new();
        let value = serde_json::json!({"<k>": "\u{2028}é\u{2029}\"\n\u{7f}&", "n": [1, null, 1.5]});
        super::write(&mut out, &value).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"\\u003ck\\u003e\":\"\\u2028é\\u2029\\\"\\n\u{7f}\\u0026\",\"n\":[1,null,1.5]}"
        );
    }

    #[test]
    fn numbers_print_as_go_prints_them() {
        let mut out = Vec::new();
        let value = serde_json::json!([
            7.0,
            -0.5,
            1e20,
            1e21,
            -2.5e30,
            1e-6,
            1.5e-7,
            u64::MAX,
            0.0,
            f64::from(f32::MAX)
        ]);
        super::write(&mut out, &value).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "[7,-0.5,100000000000000000000,1e+21,-2.5e+30,0.000001,1.5e-7,18446744073709551615,0,3.4028234663852886e+38]"
        );
    }

    /// `serde_json` makes the number of a [`Value`](serde_json::Value) from an `f32` as text if a program switches on
    /// `arbitrary_precision`, and otherwise as the `f64` next to it. The `f32` cannot be recovered from either.
    #[test]
    fn a_value_made_from_an_f32_depends_on_serde_json() {
        let write = |value: &serde_json::Value| {
            let mut out = Vec::new();
            super::write(&mut out, value).unwrap();
            String::from_utf8(out).unwrap()
        };
        let keeps_text = serde_json::from_str::<serde_json::Value>("1e400").is_ok();
        let expected = if keeps_text { "0.1" } else { "0.10000000149011612" };
        assert_eq!(write(&serde_json::Value::from(0.1_f32)), expected);
        // Numbers that both types have exactly, and everything from an `f64`, are the same.
        assert_eq!(write(&serde_json::Value::from(0.25_f32)), "0.25");
        assert_eq!(write(&serde_json::Value::from(f64::from(0.1_f32))), "0.10000000149011612");
    }
}
