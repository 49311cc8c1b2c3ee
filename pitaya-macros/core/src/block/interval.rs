//! The time between two runs of a timer, as text: `100ms`, `1m30s`, `1.5h`.
//!
//! The format is that of durations in the configuration.

use std::fmt;

use pitaya_duration::DurationError;

/// The shortest interval: timers have no finer grain.
const SHORTEST: u64 = 1_000_000;

/// Why a text is no interval.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Invalid,
    NoUnit,
    Unit(String),
    TooShort,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => {
                f.write_str("it is no time of up to 292 years with a unit: write one, such as `\"100ms\"`")
            }
            Self::NoUnit => f.write_str("it has no unit: add one of `ms`, `s`, `m` and `h`"),
            Self::Unit(unit) => write!(f, "`{unit}` is no unit: write `ms`, `s`, `m` or `h`"),
            Self::TooShort => f.write_str("timers have no finer grain than 1 ms: write `\"1ms\"` or more"),
        }
    }
}

/// Returns the nanoseconds of an interval.
pub(crate) fn parse(text: &str) -> Result<u64, Wrong> {
    let nanos = pitaya_duration::parse(text).map_err(|error| match error {
        DurationError::Invalid(_) => Wrong::Invalid,
        DurationError::MissingUnit(_) => Wrong::NoUnit,
        DurationError::UnknownUnit { unit, .. } => Wrong::Unit(unit),
    })?;
    let nanos = u64::try_from(nanos).map_err(|_| Wrong::Invalid)?;
    if nanos < SHORTEST { Err(Wrong::TooShort) } else { Ok(nanos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_configured_durations() {
        for (text, nanos) in [("1ms", 1_000_000), ("+1.5s", 1_500_000_000), ("1m30s", 90_000_000_000)] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for text in ["", "s", "-1s", " 1s", ".s", "fast", "2562048h"] {
            assert_eq!(parse(text), Err(Wrong::Invalid), "{text}");
        }
        assert_eq!(parse("10"), Err(Wrong::NoUnit));
        assert_eq!(parse("3d"), Err(Wrong::Unit("d".to_owned())));
        for text in ["0", "0s", "999us"] {
            assert_eq!(parse(text), Err(Wrong::TooShort), "{text}");
        }
    }
}
