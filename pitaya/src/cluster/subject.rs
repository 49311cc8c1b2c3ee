//! The formats of subjects (`docs/cluster.md`, "Subjects").
//!
//! Subjects contain ids of servers and users, which apps choose. Ids that would change the meaning of a subject are
//! refused before they reach the broker: `a.*.b` would receive other users' pushes, and with `a.>.b` the broker would
//! close the connection.

use super::TransportError;
use crate::error::{Error, code};

/// The longest part in bytes. Brokers and registries accept more.
const LONGEST: usize = 256;

/// An id, a type or a uid that is invalid in an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` cannot be part of an address: it {why}; use letters, digits, `-` and `_`")]
pub struct BadPart {
    /// The invalid part, truncated if it is very long.
    pub part: String,
    /// Why it is invalid.
    pub why: &'static str,
}

impl From<BadPart> for TransportError {
    fn from(error: BadPart) -> Self {
        Self::BadAddress(error.part)
    }
}

impl From<BadPart> for Error {
    fn from(error: BadPart) -> Self {
        Self::new(code::UNKNOWN, error.to_string())
    }
}

/// Returns the subject of a server's requests.
///
/// # Errors
/// The type or the id cannot be a part of it.
///
/// ```
/// use pitaya::cluster::subject;
/// assert_eq!(subject::rpc("room", "room-1")?, "pitaya/servers/room/room-1");
/// # Ok::<(), subject::BadPart>(())
/// ```
pub fn rpc(server_type: &str, id: &str) -> Result<String, BadPart> {
    check_name(server_type)?;
    check_name(id)?;
    Ok(["pitaya/servers/", server_type, "/", id].concat())
}

/// Returns the subject of pushes to a user of a frontend type.
///
/// # Errors
/// The type or the uid cannot be a part of it.
pub fn push(frontend_type: &str, uid: &str) -> Result<String, BadPart> {
    user(frontend_type, uid, "push")
}

/// Returns the subject of kicks of a user of a frontend type.
///
/// # Errors
/// The type or the uid cannot be a part of it.
pub fn kick(frontend_type: &str, uid: &str) -> Result<String, BadPart> {
    user(frontend_type, uid, "kick")
}

/// Returns the subject of announcements of binds, for all servers of a type.
///
/// # Errors
/// The type cannot be a part of it.
pub fn bindings(server_type: &str) -> Result<String, BadPart> {
    check_name(server_type)?;
    Ok(format!("pitaya/{server_type}/bindings"))
}

/// Returns the subject of broadcasts to the users of a frontend.
///
/// # Errors
/// The type or the id cannot be a part of it.
pub fn broadcast(frontend_type: &str, id: &str) -> Result<String, BadPart> {
    check_name(frontend_type)?;
    check_name(id)?;
    Ok(format!("pitaya/{frontend_type}/broadcast/{id}"))
}

fn user(frontend_type: &str, uid: &str, what: &str) -> Result<String, BadPart> {
    check_name(frontend_type)?;
    check(uid)?;
    Ok(format!("pitaya/{frontend_type}/user/{uid}/{what}"))
}

/// Checks a part of a subject. It accepts uids that no session of this framework can have
/// ([`check_uid`](crate::session::check_uid)), such as `ann@example.com`, because Go Pitaya frontends have such users.
///
/// # Errors
/// It is empty or longer than 256 bytes, has white space or control characters, or one of its parts between dots is
/// empty, `*` or `>`.
///
/// ```
/// use pitaya::cluster::subject::check;
/// assert!(check("ann@example.com").is_ok());
/// assert!(check("a.>.b").is_err());
/// ```
pub fn check(part: &str) -> Result<(), BadPart> {
    // The common case: each call checks two parts, so all bytes are tested many at a time.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_');
    if (1..=LONGEST).contains(&part.len()) && part.bytes().fold(true, |all, byte| all & plain(byte)) {
        return Ok(());
    }
    let why = if part.is_empty() {
        "is empty"
    } else if part.len() > LONGEST {
        "is longer than 256 bytes"
    } else if part.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "has white space or control characters"
    } else if part.split('.').any(str::is_empty) {
        "begins or ends with a dot, or has two in a row"
    } else if part.split('.').any(|token| matches!(token, "*" | ">")) {
        "is a wildcard"
    } else {
        return Ok(());
    };
    Err(bad(part, why))
}

/// Checks the type or the id of a server: as [`check`], and no slash, which would break the key of its entry.
///
/// # Errors
/// As [`check`], or it has a slash.
pub fn check_name(name: &str) -> Result<(), BadPart> {
    check(name)?;
    if name.contains('/') { Err(bad(name, "has a slash")) } else { Ok(()) }
}

pub(super) fn bad(part: &str, why: &'static str) -> BadPart {
    BadPart { part: part.chars().take(LONGEST).collect(), why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn subjects_are_those_of_the_original() {
        assert_eq!(rpc("room", "id").unwrap(), "pitaya/servers/room/id");
        assert_eq!(push("connector", "alice").unwrap(), "pitaya/connector/user/alice/push");
        assert_eq!(kick("connector", "alice").unwrap(), "pitaya/connector/user/alice/kick");
        assert_eq!(bindings("connector").unwrap(), "pitaya/connector/bindings");
        assert_eq!(broadcast("connector", "id").unwrap(), "pitaya/connector/broadcast/id");
    }

    #[test]
    fn unsafe_subject_tokens_are_refused() {
        for part in
            ["", " ", "a b", "a\tb", "a\nb", "a\0", ".", "a.", ".a", "a..b", "*", ">", "a.*.b", "a.>", "*.b"]
        {
            assert!(push("connector", part).is_err(), "{part:?}");
            assert!(kick("connector", part).is_err(), "{part:?}");
            assert!(push(part, "ann").is_err(), "{part:?}");
            assert!(rpc(part, "id").is_err() && rpc("room", part).is_err(), "{part:?}");
            assert!(bindings(part).is_err(), "{part:?}");
        }
        assert!(check(&"x".repeat(256)).is_ok());
        assert!(check(&"x".repeat(257)).is_err());
    }

    #[test]
    fn slash_is_refused_in_names_but_not_in_uids() {
        assert!(rpc("a/b", "id").is_err() && rpc("room", "a/b").is_err() && push("a/b", "ann").is_err());
        assert!(push("connector", "a/b").is_ok());
    }

    #[test]
    fn the_error_says_what_is_wrong_and_what_to_do() {
        let error = check("a b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a b` cannot be part of an address: it has white space or control characters; use letters, digits, `-` and `_`"
        );
        assert_eq!(TransportError::from(error), TransportError::BadAddress("a b".into()));
    }

    proptest! {
        #[test]
        fn accepted_names_make_one_valid_subject(part in "\\PC{0,20}|[a*>. /]{0,8}") {
            if let Ok(subject) = push("connector", &part) {
                prop_assert!(!subject.contains(char::is_whitespace));
                prop_assert!(subject.split('.').all(|token| !matches!(token, "" | "*" | ">")));
            }
        }
    }
}
