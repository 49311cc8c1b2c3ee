//! Checks uids.

use crate::error::{Error, Result, code, text};

/// The longest uid in bytes.
const MAX: usize = 128;
const FORM: &str = "1 to 128 bytes without white space, control characters and . * > /";
/// The most characters of a refused text that an error shows.
const SHOWN: usize = 64;

/// Checks a uid.
///
/// Some characters would break a subject of the message broker or a key of the registry: a uid is an id, not a
/// display name.
///
/// # Errors
/// `illegal uid`, if it is empty, longer than 128 bytes, or has white space, control characters or one of
/// `. * > /`. The source, for the log, has the beginning of the uid and what is allowed.
///
/// ```
/// assert!(pitaya::session::check_uid("ann-7").is_ok());
/// assert!(pitaya::session::check_uid("ann.7").is_err());
/// ```
pub fn check_uid(uid: &str) -> Result<()> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/');
    if uid.is_empty() || uid.len() > MAX || uid.contains(bad) {
        return Err(Error::new(code::UNKNOWN, text::ILLEGAL_UID)
            .with_source(format!("the uid `{}` is not {FORM}", shortened(uid))));
    }
    Ok(())
}

/// Returns the beginning of a text from a client, on one line.
pub(crate) fn shortened(text: &str) -> String {
    let mut chars = text.chars();
    let short: String = chars.by_ref().take(SHOWN).flat_map(char::escape_debug).collect();
    if chars.next().is_some() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_ids() {
        for uid in ["ann", "ann-7", "a_b", "123", "é"] {
            assert!(check_uid(uid).is_ok(), "{uid}");
        }
        for uid in ["", "a.b", "a*", "a>", "a b", "a/b", "a\n", &"x".repeat(129)] {
            assert!(check_uid(uid).is_err(), "{uid}");
        }
    }

    #[test]
    fn an_illegal_uid_is_named_with_what_is_allowed() {
        let long = "x".repeat(5000);
        for (uid, shown) in
            [("", ""), ("ann.7", "ann.7"), ("a\nb", "a\\nb"), (&*long, &*format!("{}…", "x".repeat(SHOWN)))]
        {
            let error = check_uid(uid).unwrap_err();
            // Go Pitaya sends the same to clients.
            assert_eq!((error.code(), error.msg(), error.metadata().len()), ("PIT-000", "illegal uid", 0));
            let printed = format!("illegal uid\n  because: the uid `{shown}` is not {FORM}");
            assert_eq!(format!("{error:?}"), printed);
        }
    }
}
