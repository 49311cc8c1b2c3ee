//! Durations, written as in `1m30s`.

use std::time::Duration;

use super::{Raw, ValueType, quoted};
use crate::go_duration;

/// Adding more than this to a clock may overflow it; it is about 292 years.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());

const WRONG: &str = "must be a duration such as \"10s\", \"1m30s\", \"300ms\" or \"1.5h\"";

/// A duration that is not negative.
pub(in crate::config) struct DurationValue;

impl ValueType for DurationValue {
    type Value = Duration;
    const NAME: &'static str = "duration";

    fn parse(raw: Raw<'_>) -> Result<Duration, String> {
        match signed(raw)? {
            (true, span) if !span.is_zero() => Err("must not be negative".into()),
            (_, span) => Ok(span),
        }
    }

    fn show(value: &Duration) -> String {
        quoted(&plain(*value))
    }

    fn check(value: &Duration) -> Result<(), &'static str> {
        if *value <= LONGEST { Ok(()) } else { Err("shorter than 292 years") }
    }
}

/// A duration of which zero and less stand for 10 s, as in Go Pitaya's write deadline.
pub(in crate::config) struct Deadline;

impl ValueType for Deadline {
    type Value = Duration;
    const NAME: &'static str = "duration";

    fn parse(raw: Raw<'_>) -> Result<Duration, String> {
        match raw {
            Raw::Toml(toml::Value::Integer(number)) if *number <= 0 => Ok(Duration::from_secs(10)),
            _ => Ok(match signed(raw)? {
                (false, span) if !span.is_zero() => span,
                _ => Duration::from_secs(10),
            }),
        }
    }

    fn show(value: &Duration) -> String {
        DurationValue::show(value)
    }

    fn check(value: &Duration) -> Result<(), &'static str> {
        DurationValue::check(value)
    }
}

/// A duration and whether it is negative.
fn signed(raw: Raw<'_>) -> Result<(bool, Duration), String> {
    let text = match raw {
        Raw::Toml(toml::Value::Integer(number)) => number.to_string(),
        _ => raw.text().ok_or(WRONG)?.to_owned(),
    };
    match go_duration::parse(&text) {
        Ok(nanos) => Ok((nanos < 0, Duration::from_nanos(nanos.unsigned_abs()))),
        // Go Pitaya reads a bare number in a file as nanoseconds, and refuses one in the environment.
        Err(_) if text.parse::<f64>().is_ok() => {
            let number = text.trim_start_matches(['-', '+']);
            Err(format!("has no unit; write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"))
        }
        Err(_) => Err(WRONG.to_owned()),
    }
}

/// The shortest text with whole numbers: `1m30s`, `300ms`, `0s`.
fn plain(value: Duration) -> String {
    let mut nanos = value.as_nanos();
    let mut text = String::new();
    for (unit, size) in [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ] {
        if nanos >= size {
            text += &format!("{}{unit}", nanos / size);
            nanos %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Duration, String> {
        DurationValue::parse(Raw::Text(text))
    }

    #[test]
    fn durations_are_read_as_the_original_reads_them() {
        for (text, millis) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("300ms", 300),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("+2s", 2_000),
            ("0", 0),
            ("1h0m0s", 3_600_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("2µs"), Ok(Duration::from_micros(2)));
        assert_eq!(parse("3us"), Ok(Duration::from_micros(3)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "s", ".s", "1", "1x", "1 s", "1..5s", "10 seconds", "-1s", "s10", "999999999h", "9e9s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(DurationValue::check(&Duration::MAX).is_err());
    }

    #[test]
    fn a_bare_number_is_refused_with_what_to_write() {
        let error = DurationValue::parse(Raw::Toml(&toml::Value::Integer(10))).unwrap_err();
        assert_eq!(error, "has no unit; write \"10s\" for seconds or \"10ms\" for milliseconds");
    }

    #[test]
    fn a_write_deadline_of_zero_or_less_is_ten_seconds() {
        for text in ["0", "0s", "-1s", "10s"] {
            assert_eq!(Deadline::parse(Raw::Text(text)), Ok(Duration::from_secs(10)), "{text}");
        }
        assert_eq!(Deadline::parse(Raw::Toml(&toml::Value::Integer(-1))), Ok(Duration::from_secs(10)));
        assert!(Deadline::parse(Raw::Toml(&toml::Value::Integer(5))).is_err());
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(nanos in 0..=i64::MAX.unsigned_abs()) {
            let span = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&plain(span)), Ok(span));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "[-+0-9.a-zµ ]{0,40}") {
            let _ = parse(&text);
        }
    }
}
