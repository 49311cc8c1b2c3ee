//! Errors of etcd and their meaning.

use std::error::Error as StdError;
use std::io;

use etcd_client::Error as EtcdError;

use super::Access;

/// The gRPC status codes of etcd's answers.
pub(crate) mod status {
    pub(crate) const CANCELLED: i32 = 1;
    pub(crate) const UNKNOWN: i32 = 2;
    pub(crate) const INVALID_ARGUMENT: i32 = 3;
    pub(crate) const DEADLINE_EXCEEDED: i32 = 4;
    pub(crate) const NOT_FOUND: i32 = 5;
    pub(crate) const PERMISSION_DENIED: i32 = 7;
    pub(crate) const FAILED_PRECONDITION: i32 = 9;
    pub(crate) const OUT_OF_RANGE: i32 = 11;
    pub(crate) const INTERNAL: i32 = 13;
    pub(crate) const UNAVAILABLE: i32 = 14;
    pub(crate) const UNAUTHENTICATED: i32 = 16;
}

/// Why a request to etcd failed. The text has no password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The error for the log and the operator: what happened, where, and what to do.
    pub(crate) text: String,
    /// A retry will not help until an operator changes something.
    pub(crate) refused: bool,
}

/// The meaning of an error for the request and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// etcd answered: the connection is good.
    Answered,
    /// etcd did not carry out the request; another connection may.
    NotDone,
    /// The connection is lost or cannot be trusted. Whether the request was carried out is unknown.
    Unknown,
}

/// Returns the gRPC status of an error, if it has one.
pub(crate) fn code(error: &EtcdError) -> Option<i32> {
    match error {
        EtcdError::GRpcStatus(status) => Some(status.code() as i32),
        _ => None,
    }
}

pub(super) fn is_without_users(error: &EtcdError) -> bool {
    code(error) == Some(status::FAILED_PRECONDITION)
        && error.to_string().contains("authentication is not enabled")
}

/// Whether etcd refuses the request because of the token: it expired, is missing, or the users have changed.
pub(super) fn wants_sign_in(code: i32, message: &str) -> bool {
    match code {
        status::UNAUTHENTICATED => true,
        // etcd's internal clients lose the code.
        status::UNKNOWN => message.contains("invalid auth token"),
        status::INVALID_ARGUMENT => {
            message.contains("user name is empty") || message.contains("auth store is old")
        }
        _ => false,
    }
}

/// Whether etcd refuses the user, the password or the permissions.
fn refuses_user(code: i32, message: &str) -> bool {
    let about_users = ["authentication", "user name", "auth store"];
    code == status::PERMISSION_DENIED
        || code == status::INVALID_ARGUMENT && about_users.iter().any(|words| message.contains(words))
}

pub(super) fn verdict(error: &EtcdError) -> Verdict {
    let status = match error {
        EtcdError::GRpcStatus(status) => status,
        EtcdError::InvalidArgs(_)
        | EtcdError::InvalidUri(_)
        | EtcdError::LeaseKeepAliveError(_)
        | EtcdError::Utf8Error(_) => return Verdict::Answered,
        // The client's own error does not have these as its source.
        EtcdError::IoError(error) => return lost(error),
        EtcdError::TransportError(error) => return lost(error),
        _ => return Verdict::Unknown,
    };
    let (code, message) = (status.code() as i32, status.message());
    match code {
        _ if wants_sign_in(code, message) => Verdict::NotDone,
        status::UNAVAILABLE if message.contains("no leader") => Verdict::NotDone,
        status::CANCELLED
        | status::UNKNOWN
        | status::DEADLINE_EXCEEDED
        | status::INTERNAL
        | status::UNAVAILABLE => lost(status),
        _ => Verdict::Answered,
    }
}

fn lost(error: &(dyn StdError + 'static)) -> Verdict {
    if never_sent(error) { Verdict::NotDone } else { Verdict::Unknown }
}

/// Whether no connection was made.
fn never_sent(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            let kind = error.kind();
            return matches!(
                kind,
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::NetworkDown
            );
        }
        next = error.source();
    }
    false
}

/// Returns the fault of an error: what happened, where, and what to do. The text has no password: etcd's text has none,
/// and the address is redacted.
pub(super) fn explain(access: &Access, endpoint: usize, error: &EtcdError) -> Fault {
    let (at, endpoints) = (access.shown(endpoint), access.endpoints_key);
    let status = match error {
        EtcdError::GRpcStatus(status) => status,
        EtcdError::InvalidUri(_) | EtcdError::InvalidArgs(_) | EtcdError::TransportError(_) => {
            let why = match error {
                EtcdError::TransportError(error) => innermost(error),
                error => error.to_string(),
            };
            let text = format!(
                "etcd cannot be reached at `{at}`: {why}; an endpoint (`{endpoints}`) is `host:port`, \
                 `http://host:port` or `https://host:port`"
            );
            return Fault { text, refused: true };
        }
        error => return Fault { text: format!("etcd at {at} failed: {error}"), refused: false },
    };
    let said = status.message();
    match status.code() as i32 {
        code if refuses_user(code, said) => {
            let who = match access.credentials() {
                Some((user, _)) => format!("the user `{user}`"),
                None => "us without a user and a password".to_owned(),
            };
            let text = format!(
                "etcd at {at} refuses {who}: {said}; check `pitaya.cluster.sd.etcd.user` and `.pass`, and that the user \
                 may read and write `{}`",
                access.prefix
            );
            Fault { text, refused: true }
        }
        status::INVALID_ARGUMENT => {
            Fault { text: format!("etcd at {at} refuses the request: {said}"), refused: true }
        }
        // The token has expired. The next connection gets a new one.
        status::UNAUTHENTICATED => {
            Fault { text: format!("etcd at {at} wants us to sign in: {said}"), refused: false }
        }
        _ => match status.source() {
            Some(source) => {
                let text = format!(
                    "etcd at {at} cannot be reached: {}; is it running there, and are the endpoints (`{endpoints}`) \
                     right?",
                    innermost(source)
                );
                Fault { text, refused: false }
            }
            None => Fault { text: format!("etcd at {at} failed: {said}"), refused: false },
        },
    }
}

/// Returns the innermost source of an error, which has the cause.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sign_in_errors_ask_for_a_new_token() {
        for (code, message, wants) in [
            (status::UNAUTHENTICATED, "etcdserver: invalid auth token", true),
            (status::UNKNOWN, "etcdserver: invalid auth token", true),
            (status::INVALID_ARGUMENT, "etcdserver: user name is empty", true),
            (status::INVALID_ARGUMENT, "etcdserver: revision of auth store is old", true),
            (
                status::INVALID_ARGUMENT,
                "etcdserver: authentication failed, invalid user ID or password",
                false,
            ),
            (status::PERMISSION_DENIED, "etcdserver: permission denied", false),
            (status::UNAVAILABLE, "etcdserver: no leader", false),
        ] {
            assert_eq!(wants_sign_in(code, message), wants, "{code} {message}");
        }
    }

    #[test]
    fn only_errors_about_users_blame_the_user() {
        for (code, message, refuses) in [
            (
                status::INVALID_ARGUMENT,
                "etcdserver: authentication failed, invalid user ID or password",
                true,
            ),
            (status::INVALID_ARGUMENT, "etcdserver: user name is empty", true),
            (status::PERMISSION_DENIED, "etcdserver: permission denied", true),
            (status::INVALID_ARGUMENT, "etcdserver: request is too large", false),
            (status::INVALID_ARGUMENT, "etcdserver: key is not provided", false),
            (status::UNAVAILABLE, "etcdserver: no leader", false),
        ] {
            assert_eq!(refuses_user(code, message), refuses, "{code} {message}");
        }
    }

    #[test]
    fn only_a_connection_never_made_proves_not_sent() {
        for (kind, never) in [
            (io::ErrorKind::ConnectionRefused, true),
            (io::ErrorKind::HostUnreachable, true),
            (io::ErrorKind::ConnectionReset, false),
            (io::ErrorKind::BrokenPipe, false),
            (io::ErrorKind::TimedOut, false),
        ] {
            let verdict = verdict(&EtcdError::IoError(kind.into()));
            assert_eq!(verdict == Verdict::NotDone, never, "{kind}");
            assert_ne!(verdict, Verdict::Answered, "{kind}");
        }
        assert_eq!(verdict(&EtcdError::LeaseKeepAliveError("lease not found".into())), Verdict::Answered);
    }
}
