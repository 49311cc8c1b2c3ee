//! Sizes in bytes, written as a number or as in `64KiB`.

use super::{Raw, ValueType, quoted};

/// The binary units, biggest first.
const BINARY: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL: [(&str, usize); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)];

/// A number of bytes.
pub(in crate::config) struct Size;

impl ValueType for Size {
    type Value = usize;
    const NAME: &'static str = "size";

    fn parse(raw: Raw<'_>) -> Result<usize, String> {
        const WRONG: &str = "must be a number of bytes, or a size such as \"64KiB\", \"1MiB\" or \"10MB\"";
        let text = match raw {
            Raw::Toml(toml::Value::Integer(number)) => number.to_string(),
            _ => raw.text().ok_or(WRONG)?.to_owned(),
        };
        if text.starts_with('-') {
            return Err("must not be negative".into());
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start();
        let bytes = if unit.is_empty() || unit.eq_ignore_ascii_case("b") {
            1
        } else {
            let known = BINARY.into_iter().chain(DECIMAL).find(|(name, _)| name.eq_ignore_ascii_case(unit));
            known.ok_or(WRONG)?.1
        };
        if number.is_empty() {
            return Err(WRONG.into());
        }
        let number = number.parse::<usize>().ok();
        number.and_then(|number| number.checked_mul(bytes)).ok_or_else(|| "is too big".into())
    }

    fn show(value: &usize) -> String {
        match BINARY.into_iter().find(|(_, bytes)| *value >= *bytes && value.is_multiple_of(*bytes)) {
            Some((unit, bytes)) => quoted(&format!("{}{unit}", value / bytes)),
            None => value.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<usize, String> {
        Size::parse(Raw::Text(text))
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("65536", 65536),
            ("64KiB", 65536),
            ("1 MiB", 1 << 20),
            ("10MB", 10_000_000),
            ("5b", 5),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "1K", "1.5MiB", "-1", "ten", "99999999999999999999", "99999999999GiB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for bytes in [0, 1, 128, 1024, 1536, 65536, 1 << 20, 4 << 20, 1 << 30, 1_000_000] {
            let shown = Size::show(&bytes);
            assert_eq!(parse(shown.trim_matches('"')), Ok(bytes), "{shown}");
        }
    }
}
