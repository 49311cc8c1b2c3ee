//! Times as Go's worker writes them: seconds since 1970 as a float, and UTC dates as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns a time as seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Returns the time until a moment given in seconds since 1970; zero if it has passed.
pub(crate) fn until(moment: f64, now: SystemTime) -> Duration {
    Duration::try_from_secs_f64(moment - seconds(now)).unwrap_or_default()
}

/// Returns the UTC date, such as `2026-11-30`.
pub(crate) fn day(time: SystemTime) -> String {
    let (year, month, day) = civil(whole_seconds(time) / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Returns the UTC date and time, such as `2026-11-30 03:59:42 UTC`.
pub(crate) fn stamp(time: SystemTime) -> String {
    let second = whole_seconds(time) % 86_400;
    format!("{} {:02}:{:02}:{:02} UTC", day(time), second / 3600, second / 60 % 60, second % 60)
}

fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Returns year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years that begin on 1 March end with the leap day; 719468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (second, stamped) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_796_011_182, "2026-11-30 03:59:42 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(stamp(at(second)), stamped);
            assert_eq!(day(at(second)), stamped[..10]);
        }
    }

    #[test]
    fn a_passed_moment_is_due() {
        assert_eq!(until(5.0, at(3)), Duration::from_secs(2));
        for passed in [3.0, 1.0, -1e300, f64::NAN] {
            assert_eq!(until(passed, at(3)), Duration::ZERO);
        }
    }
}
