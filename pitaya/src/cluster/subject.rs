//! The subjects of messages, each format in this one place (`docs/cluster.md`, "Subjects").
//!
//! A subject is made of ids that somebody chose: of servers, of users. What would make it another subject, or none,
//! is refused here, before it reaches the broker: `a.*.b` would take in other users' pushes, `a.>.b` would make the
//! broker close the connection.

use super::TransportError;
use crate::error::{Error, code};

/// The longest part in bytes. Brokers and registries take more; nobody needs it.
const LONGEST: usize = 256;

/// An id, a type or a uid that cannot be part of an address, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` cannot be part of an address: it {why}; use letters, digits, `-` and `_`")]
pub struct BadPart {
    /// What was to be a part, cut if it is very long.
    pub part: String,
    /// What is wrong with it.
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

/// Where a server takes in requests.
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

/// Where the frontend of a type that has a user takes in what is pushed to it.
///
/// # Errors
/// The type or the uid cannot be a part of it.
pub fn push(frontend_type: &str, uid: &str) -> Result<String, BadPart> {
    user(frontend_type, uid, "push")
}

/// Where the frontend of a type that has a user takes in that it is to be kicked.
///
/// # Errors
/// The type or the uid cannot be a part of it.
pub fn kick(frontend_type: &str, uid: &str) -> Result<String, BadPart> {
    user(frontend_type, uid, "kick")
}

/// Where all servers of a type take in which users are bound.
///
/// # Errors
/// The type cannot be a part of it.
pub fn bindings(server_type: &str) -> Result<String, BadPart> {
    check_name(server_type)?;
    Ok(format!("pitaya/{server_type}/bindings"))
}

/// Where a frontend of ours takes in messages to many of its users.
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

/// Refuses what cannot be a part of a subject. A uid may pass that no session of ours can have
/// ([`check_uid`](crate::session::check_uid)), such as `ann@example.com`: frontends of the original have such users,
/// and are to be reached.
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
    // Nearly all are like this, and two are checked with each call: all bytes are looked at, many at a time.
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

/// Refuses what cannot be the type or the id of a server: what [`check`] refuses, and a slash, which would break the
/// key it is registered under.
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
