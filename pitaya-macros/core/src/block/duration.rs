//! Durations in attributes, in the syntax of Go: `100ms`, `1m30s`, `1.5h`.
//!
//! The configuration reads durations in the same way.

use std::fmt;

use pitaya_duration::DurationError;

/// The shortest duration: timers are no finer.
const SHORTEST: u64 = 1_000_000;

/// Why a text is an invalid duration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Invalid {
    Syntax,
    NoUnit,
    Unit(String),
    TooShort,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("write a number with a unit, such as `\"100ms\"`"),
            Self::NoUnit => f.write_str("add a unit, one of `ms`, `s`, `m` and `h`"),
            Self::Unit(unit) => write!(f, "unknown unit `{unit}`, write `ms`, `s`, `m` or `h`"),
            Self::TooShort => f.write_str("write `\"1ms\"` or more, because timers are no finer"),
        }
    }
}

/// Returns the nanoseconds of a duration.
pub(crate) fn parse(text: &str) -> Result<u64, Invalid> {
    let nanos = pitaya_duration::parse(text).map_err(|error| match error {
        DurationError::Invalid(_) => Invalid::Syntax,
        DurationError::MissingUnit(_) => Invalid::NoUnit,
        DurationError::UnknownUnit { unit, .. } => Invalid::Unit(unit),
    })?;
    let nanos = u64::try_from(nanos).map_err(|_| Invalid::Syntax)?;
    if nanos < SHORTEST { Err(Invalid::TooShort) } else { Ok(nanos) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_in_the_configuration() {
        for (text, nanos) in [("1ms", 1_000_000), ("+1.5s", 1_500_000_000), ("1m30s", 90_000_000_000)] {
            assert_eq!(parse(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_rejected() {
        for text in ["", "s", "-1s", " 1s", ".s", "fast", "2562048h"] {
            assert_eq!(parse(text), Err(Invalid::Syntax), "{text}");
        }
        assert_eq!(parse("10"), Err(Invalid::NoUnit));
        assert_eq!(parse("3d"), Err(Invalid::Unit("d".to_owned())));
        for text in ["0", "0s", "999us"] {
            assert_eq!(parse(text), Err(Invalid::TooShort), "{text}");
        }
    }
}
