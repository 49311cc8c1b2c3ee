//! Durations as text, in the format of Go: `5s`, `1m30s`, `100ms` (`docs/cluster.md`, "Durations").
//!
//! The framework and its macros both read durations, so this is a package of its own.
//!
//! A duration of Go is a signed 64-bit count of nanoseconds, so these functions use such counts.

#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

use std::fmt::{self, Write as _};
use std::time::Duration;

/// The units with their nanoseconds.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];
const SECOND: u64 = 1_000_000_000;

/// The nanoseconds of the most negative duration, without their sign; one more than the longest has.
const BOUND: u64 = 1 << 63;

/// Why a text is an invalid duration. The error texts are those of Go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurationError {
    /// Not a sequence of numbers with units, or more than 64 bits of nanoseconds.
    Invalid(String),
    /// A number without a unit.
    MissingUnit(String),
    /// An unknown unit.
    UnknownUnit {
        /// The text in place of the unit.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => write!(f, "time: invalid duration {}", quoted(text)),
            Self::MissingUnit(text) => write!(f, "time: missing unit in duration {}", quoted(text)),
            Self::UnknownUnit { unit, text } => {
                write!(f, "time: unknown unit {} in duration {}", quoted(unit), quoted(text))
            }
        }
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration: its nanoseconds, which may be negative.
///
/// An optional sign, then one or more numbers, each with an optional fraction and a unit: `ns`, `us`, `µs`, `ms`, `s`,
/// `m`, `h`. `0` needs no unit. There is no white space.
///
/// # Errors
/// See [`DurationError`].
///
/// ```
/// # use pitaya_duration as duration;
/// use duration::parse;
/// assert_eq!(parse("1m30s"), Ok(90_000_000_000));
/// assert_eq!(parse("-1.5ms"), Ok(-1_500_000));
/// assert_eq!(parse("10").unwrap_err().to_string(), r#"time: missing unit in duration "10""#);
/// ```
pub fn parse(text: &str) -> Result<i64, DurationError> {
    let (negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    let nanos = magnitude(unsigned, text)?;
    let signed = if negative { 0i64.checked_sub_unsigned(nanos) } else { 0i64.checked_add_unsigned(nanos) };
    signed.ok_or_else(|| DurationError::Invalid(text.to_owned()))
}

/// The nanoseconds of a text without a sign; `whole` is the text for messages.
fn magnitude(text: &str, whole: &str) -> Result<u64, DurationError> {
    let invalid = || DurationError::Invalid(whole.to_owned());
    if text.is_empty() {
        return Err(invalid());
    }
    let (mut rest, mut total) = (text, 0u64);
    while !rest.is_empty() {
        let (digits, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if digits.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let number = whole_number(digits).ok_or_else(invalid)?;
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(whole.to_owned()));
        }
        let nanos =
            UNITS.iter().find(|(known, _)| *known == unit).map(|(_, nanos)| *nanos).ok_or_else(|| {
                DurationError::UnknownUnit { unit: unit.to_owned(), text: whole.to_owned() }
            })?;
        total = number
            .checked_mul(nanos)
            .and_then(|part| part.checked_add(part_of(fraction, nanos)))
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= BOUND)
            .ok_or_else(invalid)?;
        rest = after;
    }
    Ok(total)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn whole_number(digits: &str) -> Option<u64> {
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// The nanoseconds of a fraction of a unit, rounded as Go rounds them, with floating point.
#[expect(
    clippy::cast_possible_truncation,
    reason = "less than one unit, and what is below a nanosecond is cut off"
)]
#[expect(clippy::cast_precision_loss, reason = "Go loses it too")]
#[expect(clippy::cast_sign_loss, reason = "no fraction is negative")]
fn part_of(fraction: &str, unit: u64) -> u64 {
    let (mut number, mut scale) = (0u64, 1f64);
    for digit in fraction.bytes().map(|digit| u64::from(digit - b'0')) {
        // Beyond 63 bits further digits are not looked at.
        if number > i64::MAX.unsigned_abs() / 10 {
            break;
        }
        let next = number * 10 + digit;
        if next > BOUND {
            break;
        }
        number = next;
        scale *= 10.0;
    }
    (number as f64 * (unit as f64 / scale)) as u64
}

/// Writes a duration of so many nanoseconds, which may be negative.
///
/// ```
/// # use pitaya_duration as duration;
/// use duration::format;
/// assert_eq!(format(90_000_000_000), "1m30s");
/// assert_eq!(format(3_600_000_000_000), "1h0m0s");
/// assert_eq!(format(-1_500), "-1.5µs");
/// assert_eq!(format(0), "0s");
/// ```
#[must_use]
pub fn format(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let mut text = if nanos < 0 { "-".to_owned() } else { String::new() };
    match size {
        0 => text.push_str("0s"),
        1..1_000 => decimal(&mut text, size, 1, "ns"),
        1_000..1_000_000 => decimal(&mut text, size, 1_000, "\u{b5}s"),
        1_000_000..SECOND => decimal(&mut text, size, 1_000_000, "ms"),
        _ => {
            let (minutes, rest) = (size / (60 * SECOND), size % (60 * SECOND));
            if minutes >= 60 {
                let _ = write!(text, "{}h", minutes / 60); // a String takes all that is written
            }
            if minutes > 0 {
                let _ = write!(text, "{}m", minutes % 60);
            }
            decimal(&mut text, rest, SECOND, "s");
        }
    }
    text
}

/// Writes a [`Duration`]; one that is too long for the format becomes the longest, about 292 years.
///
/// ```
/// # use pitaya_duration as duration;
/// use std::time::Duration;
/// assert_eq!(duration::text(Duration::from_secs(5)), "5s");
/// ```
#[must_use]
pub fn text(duration: Duration) -> String {
    format(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// A number of units with as many places as it needs.
fn decimal(text: &mut String, nanos: u64, unit: u64, name: &str) {
    let _ = write!(text, "{}", nanos / unit);
    let rest = nanos % unit;
    if rest > 0 {
        let places = unit.ilog10() as usize;
        let digits = format!("{rest:0places$}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push_str(name);
}

/// A text in quotation marks, with everything but printable ASCII as bytes in hex.
fn quoted(text: &str) -> String {
    let mut out = "\"".to_owned();
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}"); // a String takes all that is written
            }
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_the_original_reads_them() {
        for (text, nanos) in [
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+2s", 2_000_000_000),
            ("-0", 0),
            ("2\u{b5}s3us4\u{3bc}s", 9_000),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.1234567890123456789012345s", 123_456_789),
            ("9223372036854775807ns", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("-2562047h47m16.854775808s", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn invalid_duration_fails_with_go_text() {
        for (text, error) in [
            ("", r#"time: invalid duration """#),
            ("-", r#"time: invalid duration "-""#),
            (".s", r#"time: invalid duration ".s""#),
            ("1..5s", r#"time: missing unit in duration "1..5s""#),
            ("1", r#"time: missing unit in duration "1""#),
            ("1s1", r#"time: missing unit in duration "1s1""#),
            ("1\u{e9}\"", r#"time: unknown unit "\xc3\xa9\"" in duration "1\xc3\xa9\"""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
            ("99999999999999999999h", r#"time: invalid duration "99999999999999999999h""#),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text}");
        }
    }

    #[test]
    fn the_longest_and_the_most_negative_are_written() {
        assert_eq!(format(i64::MAX), "2562047h47m16.854775807s");
        assert_eq!(format(i64::MIN), "-2562047h47m16.854775808s");
        assert_eq!(text(Duration::MAX), format(i64::MAX));
        assert_eq!(format(1_000_000_001), "1.000000001s");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos: i64) {
            prop_assert_eq!(parse(&format(nanos)), Ok(nanos));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9.a-z\u{b5} ]{0,40}", any in ".*") {
            let _ = parse(&text).map_err(|error| error.to_string());
            let _ = parse(&any).map_err(|error| error.to_string());
        }
    }
}
