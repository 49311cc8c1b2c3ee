//! The time between two runs of a timer, as text: `100ms`, `1m30s`, `1.5h`.
//!
//! The format is that of durations in the configuration.

use std::fmt;

const SECOND: u128 = 1_000_000_000;
const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
];
/// The shortest interval: timers have no finer grain.
const SHORTEST: u128 = 1_000_000;
/// The longest: durations of the configuration are 63 bits of nanoseconds.
const LONGEST: u128 = (1 << 63) - 1;

/// Why a text is no interval.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Invalid,
    NoUnit,
    Unit(String),
    TooShort,
    TooLong,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => f.write_str("it is no number with a unit: write one, such as `\"100ms\"`"),
            Self::NoUnit => f.write_str("it has no unit: add one of `ms`, `s`, `m` and `h`"),
            Self::Unit(unit) => write!(f, "`{unit}` is no unit: write `ms`, `s`, `m` or `h`"),
            Self::TooShort => f.write_str("timers have no finer grain than 1 ms: write `\"1ms\"` or more"),
            Self::TooLong => f.write_str("it is longer than 292 years: write less"),
        }
    }
}

/// Returns the nanoseconds of an interval.
pub(crate) fn parse(text: &str) -> Result<u64, Wrong> {
    if text.is_empty() {
        return Err(Wrong::Invalid);
    }
    let (mut rest, mut total) = (text, 0_u128);
    while !rest.is_empty() {
        let (digits, after) = split_digits(rest);
        let (fraction, after) = after.strip_prefix('.').map_or(("", after), split_digits);
        if digits.is_empty() && fraction.is_empty() {
            return Err(Wrong::Invalid);
        }
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() {
            return Err(Wrong::NoUnit);
        }
        let known = UNITS.iter().find(|(known, _)| *known == unit);
        let nanos = known.map(|(_, nanos)| *nanos).ok_or_else(|| Wrong::Unit(unit.to_owned()))?;
        total = number(digits)
            .and_then(|number| number.checked_mul(nanos))
            .and_then(|part| total.checked_add(part)?.checked_add(part_of(fraction, nanos)))
            .filter(|total| *total <= LONGEST)
            .ok_or(Wrong::TooLong)?;
        rest = after;
    }
    if total < SHORTEST {
        return Err(Wrong::TooShort);
    }
    u64::try_from(total).map_err(|_| Wrong::TooLong)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn number(digits: &str) -> Option<u128> {
    if digits.is_empty() { Some(0) } else { digits.parse().ok() }
}

/// The nanoseconds of a fraction of a unit; what is below a nanosecond is cut off.
fn part_of(fraction: &str, nanos: u128) -> u128 {
    // The longest unit has 13 digits of nanoseconds, so later digits cannot count.
    let digits = &fraction[..fraction.len().min(18)];
    let power = 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    number(digits).map_or(0, |number| number * nanos / power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_configured_durations() {
        let cases = [
            ("1ms", 1_000_000),
            ("100ms", 100_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1m30s", 90_000_000_000),
            ("1h0.25m", 3_615_000_000_000),
            ("1000us", 1_000_000),
            ("2540400h10m10s", 9_145_440_610_000_000_000),
        ];
        for (text, nanos) in cases {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for text in ["", "s", "-1s", "+1s", " 1s", "1s ", ".s", "fast", "1 s"] {
            let wrong = parse(text).unwrap_err();
            assert!(matches!(wrong, Wrong::Invalid | Wrong::Unit(_)), "{text}: {wrong:?}");
        }
        assert_eq!(parse("10"), Err(Wrong::NoUnit));
        assert_eq!(parse("1s5"), Err(Wrong::NoUnit));
        assert_eq!(parse("3d"), Err(Wrong::Unit("d".to_owned())));
        assert_eq!(parse("0s"), Err(Wrong::TooShort));
        assert_eq!(parse("0"), Err(Wrong::NoUnit));
        assert_eq!(parse("999us"), Err(Wrong::TooShort));
        assert_eq!(parse("2562048h"), Err(Wrong::TooLong));
        assert_eq!(parse("99999999999999999999999999999999999999999999h"), Err(Wrong::TooLong));
    }
}
