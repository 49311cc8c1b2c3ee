//! Which uids are allowed.

use crate::error::{Error, Result, code, text};

/// The longest uid in bytes.
const MAX: usize = 128;

/// Refuses uids that would break a subject of the message broker or a key of the registry: a uid is an id, not
/// a display name.
///
/// # Errors
/// `illegal uid`, if it is empty, longer than 128 bytes, or has white space, control characters or one of
/// `. * > /`.
///
/// ```
/// assert!(pitaya::session::check_uid("ann-7").is_ok());
/// assert!(pitaya::session::check_uid("ann.7").is_err());
/// ```
pub fn check_uid(uid: &str) -> Result<()> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '*' | '>' | '/');
    if uid.is_empty() || uid.len() > MAX || uid.contains(bad) {
        return Err(Error::new(code::UNKNOWN, text::ILLEGAL_UID));
    }
    Ok(())
}
