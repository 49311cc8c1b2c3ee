//! Errors of handlers, remotes and the framework.
//!
//! The code, the text and the metadata of an [`Error`] go to the caller, which is a client or a server. Only the log
//! prints its [source](std::error::Error::source). An error for callers ([`Error::new`]) goes out unchanged. A foreign
//! error, such as one of a database, or a panic becomes `PIT-000` with the text `internal error`, unless
//! `pitaya.errors.expose` is on.
//!
//! Programs distinguish errors by [`Error::kind`] or by their [codes](code).
//!
//! A handler may return any `E: IntoError`: [`Error`], an enum with `#[derive(PitayaError)]`, or [`AnyError`],
//! which converts every error by `?`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

mod coded;
mod kind;
pub(crate) mod text;

#[doc(hidden)]
pub use coded::{Coded, CodedError, ErrorCodes, ErrorRecognizer, VariantCode, coded};
pub use kind::ErrorKind;

/// The codes of the framework. Applications use a prefix of their own.
pub mod code {
    /// The prefix of all codes of the framework.
    pub(crate) const PREFIX: &str = "PIT-";
    /// An error without a code of its own: a foreign error, a panic, a failed hook, a null reply.
    pub const UNKNOWN: &str = "PIT-000";
    /// The message is invalid: a bad route, a bad body, a request to a notify-only handler.
    pub const BAD_REQUEST: &str = "PIT-400";
    /// The session has no user.
    pub const NOT_BOUND: &str = "PIT-401";
    /// The handler or remote does not exist.
    pub const NOT_FOUND: &str = "PIT-404";
    /// A handler or a remote exceeded its timeout.
    pub const TIMEOUT: &str = "PIT-408";
    /// The client's serializer cannot be used for the route.
    pub const UNSUPPORTED_SERIALIZER: &str = "PIT-415";
    /// The client exceeds a rate limit whose calls are answered.
    pub const TOO_MANY: &str = "PIT-429";
    /// The client or its connection is gone.
    pub const CLOSED: &str = "PIT-499";
    /// The framework or the cluster failed.
    pub const INTERNAL: &str = "PIT-500";
    /// A server or a connection that the call needs is unavailable for now. A later call may succeed.
    pub const UNAVAILABLE: &str = "PIT-503";
    /// The client stopped waiting. Only the client makes this error.
    pub const CLIENT_TIMEOUT: &str = "PIT-504";
}

/// A result with an [`Error`]. For errors of other crates write `.internal()?` ([`ResultExt`]).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A boxed error of any crate.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error of a handler or a remote: a code, a text and metadata for the caller.
///
/// `?` converts an error with `#[derive(PitayaError)]`. For the errors of other crates write `.internal()?`
/// ([`ResultExt`]), or return `Result<T, AnyError>` ([`AnyError`]), where `?` converts every error. Both hide the text
/// from the caller and keep it as the [source](StdError::source) for the log.
///
/// ```
/// use pitaya::{Result, ResultExt};
/// fn level(text: &str) -> Result<u16> { Ok(text.parse::<u16>().internal()?) }
/// assert_eq!(level("x").unwrap_err().to_string(), "PIT-000: internal error");
/// ```
///
/// ```
/// use pitaya::Error;
/// let error = Error::new("CHAT-001", "join a room first").with_metadata("room", "lobby");
/// assert_eq!(error.code(), "CHAT-001");
/// assert_eq!(error.to_string(), "CHAT-001: join a room first");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    code: Cow<'static, str>,
    msg: Cow<'static, str>,
    metadata: BTreeMap<String, String>,
    source: Option<BoxError>,
    /// Whether callers may see the text. They may not see that of a foreign error.
    public: bool,
    /// The kind, if it is not that of the code.
    kind: Option<ErrorKind>,
}

impl Error {
    /// Creates an error for the caller, which gets exactly this code and text.
    pub fn new(code: impl Into<Cow<'static, str>>, msg: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code: code.into(),
            msg: msg.into(),
            metadata: BTreeMap::new(),
            source: None,
            public: true,
            kind: None,
        }))
    }

    /// Converts a foreign error: `PIT-000`, `internal error` for the caller, `source` for the log.
    ///
    /// If `source` is an [`Error`] or has one among its sources, the result has the code, text and metadata of that one.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        let source = source.into();
        let source = match source.downcast::<Self>() {
            Ok(own) => return *own,
            Err(source) => source,
        };
        if let Some(found) = coded::find(&*source) {
            return found.with_source(source);
        }
        Self::hidden(code::UNKNOWN, source)
    }

    /// Creates an error whose reason only the log shows. The caller gets the code and `internal error`.
    pub(crate) fn hidden(code: &'static str, reason: impl Into<BoxError>) -> Self {
        let mut error = Self::new(code, text::INTERNAL).with_source(reason);
        error.0.public = false;
        error
    }

    /// Returns the text for the operator, which is the reason if the caller may not see it.
    pub(crate) fn reason(&self) -> Cow<'_, str> {
        self.outgoing_msg(true)
    }

    /// Adds one pair to the metadata, which the caller sees.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.into(), value.into());
        self
    }

    /// Sets the source, which only the log shows.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets a kind that the code does not have.
    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = Some(kind);
        self
    }

    /// Returns the kind of the error: by its code, or the kind of a [`GroupError`](crate::group::GroupError), whose code
    /// is `PIT-000`. A caller on another server or a client gets the code only.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind.unwrap_or_else(|| ErrorKind::of(&self.0.code))
    }

    /// Returns the code, for example `PIT-404`. Those of the framework are in [`code`].
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Returns the text for the caller.
    pub fn msg(&self) -> &str {
        &self.0.msg
    }

    /// Returns the metadata for the caller.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// Whether callers may see the text.
    pub(crate) fn is_public(&self) -> bool {
        self.0.public
    }

    /// Returns the text that leaves this server. That of a foreign error leaves it only if `expose` is on.
    pub(crate) fn outgoing_msg(&self, expose: bool) -> Cow<'_, str> {
        match &self.0.source {
            Some(source) if expose && !self.0.public => Cow::Owned(source.to_string()),
            _ => Cow::Borrowed(self.msg()),
        }
    }

    /// Copies the error without its source, for a second recipient.
    pub(crate) fn without_source(&self) -> Self {
        Self(Box::new(Inner {
            code: self.0.code.clone(),
            msg: self.0.msg.clone(),
            metadata: self.0.metadata.clone(),
            source: None,
            public: self.0.public,
            kind: self.0.kind,
        }))
    }
}

/// Prints everything that is known of the error, for the operator who reads what `main` returned.
///
/// It omits the codes `PIT-000` and `PIT-500`, which tell an operator nothing. The reason of an error replaces the text
/// for callers.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.reason();
        if matches!(self.code(), code::UNKNOWN | code::INTERNAL) {
            f.write_str(&text)?;
        } else {
            write!(f, "{}: {text}", self.code())?;
        }
        for (key, value) in &self.0.metadata {
            write!(f, "\n  {key} = {value}")?;
        }
        // A text often ends with that of its cause. Each is printed once.
        let mut printed = text.into_owned();
        let mut source = self.source();
        while let Some(error) = source {
            let (text, shown) = match error.downcast_ref::<Self>() {
                Some(own) => (own.reason().into_owned(), format!("{own:?}")),
                None => (error.to_string(), error.to_string()),
            };
            if !printed.contains(&text) {
                write!(f, "\n  because: {}", shown.replace('\n', "\n  "))?;
                printed.push('\n');
                printed.push_str(&shown);
            }
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.msg)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

/// An error that a handler or a remote may return. Implement it with `#[derive(PitayaError)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler or a remote",
    label = "this error has no code for clients",
    note = "return `pitaya::Error`, `pitaya::AnyError` (takes every error by `?`), or derive `PitayaError` for `{Self}`",
    note = "in a plain `pitaya::Result<T>`, turn a foreign error into one with `.internal()?`",
    note = "see https://docs.rs/pitaya/latest/pitaya/derive.PitayaError.html"
)]
pub trait IntoError {
    /// The codes that the error may have, for the schema.
    #[doc(hidden)]
    const CODES: ErrorCodes = ErrorCodes::Open;

    /// Returns the error for the caller.
    fn into_error(self) -> Error;
}

impl IntoError for Error {
    fn into_error(self) -> Error {
        self
    }
}

/// Any error, converted by `?`, for handlers that call code of other crates.
///
/// If the error or one of its sources is an [`Error`] or derives `PitayaError`, its code and text go out. Any other
/// becomes `PIT-000`, `internal error`.
///
/// ```
/// use pitaya::{AnyError, error::IntoError};
/// fn parse(text: &str) -> Result<u16, AnyError> { Ok(text.parse::<u16>()?) }
/// let error = parse("x").unwrap_err().into_error();
/// assert_eq!((error.code(), error.msg()), ("PIT-000", "internal error"));
/// ```
pub struct AnyError(BoxError);

impl<E: Into<BoxError>> From<E> for AnyError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl IntoError for AnyError {
    fn into_error(self) -> Error {
        Error::internal(self.0)
    }
}

/// Converts the errors of other crates: `.internal()?` in a function that returns [`Result`].
pub trait ResultExt<T> {
    /// Converts the error by [`Error::internal`].
    ///
    /// # Errors
    /// The converted error.
    fn internal(self) -> Result<T>;
}

impl<T, E: Into<BoxError>> ResultExt<T> for std::result::Result<T, E> {
    fn internal(self) -> Result<T> {
        self.map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(BoxError);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    #[test]
    fn a_foreign_error_is_hidden_unless_exposed() {
        let error = Error::internal("disk on fire");
        assert_eq!((error.code(), error.msg()), (code::UNKNOWN, text::INTERNAL));
        assert_eq!(error.outgoing_msg(false), "internal error");
        assert_eq!(error.outgoing_msg(true), "disk on fire");
    }

    #[test]
    fn a_code_is_found_among_the_sources_of_any_error() {
        let inner = Error::new("X-1", "no").with_metadata("k", "v");
        let error = AnyError::from(Outer(Box::new(inner))).into_error();
        assert_eq!((error.code(), error.msg()), ("X-1", "no"));
        assert_eq!(error.metadata()["k"], "v");
        assert_eq!(error.source().unwrap().to_string(), "outer");
    }

    #[test]
    fn an_error_of_ours_passes_through_internal_unchanged() {
        let error = Err::<(), _>(Error::new("X-2", "kept")).internal().unwrap_err();
        assert_eq!((error.code(), error.msg()), ("X-2", "kept"));
    }

    #[test]
    fn a_cause_is_printed_once() {
        let cause = || std::io::Error::other("port taken");
        let error = Error::new("PIT-500", format!("cannot listen: {}", cause())).with_source(cause());
        assert_eq!(format!("{error:?}"), "cannot listen: port taken");
        // A `pitaya::Error` that is a cause is printed without its code too.
        let inner = Error::new("PIT-503", "no broker").with_source(cause());
        let outer = Error::new("PIT-500", "cannot start: no broker").with_source(inner);
        assert_eq!(format!("{outer:?}"), "cannot start: no broker\n  because: port taken");
        // Causes of a cause.
        let inner = Error::new("PIT-503", "no broker").with_metadata("at", "a:1").with_source(cause());
        let outer = Error::new("X-1", "cannot start").with_source(inner);
        let printed =
            "X-1: cannot start\n  because: PIT-503: no broker\n    at = a:1\n    because: port taken";
        assert_eq!(format!("{outer:?}"), printed);
    }

    #[test]
    fn an_operator_reads_the_reason_without_codes() {
        let hidden = Error::hidden(code::INTERNAL, "no `Db` in this app");
        assert_eq!(format!("{hidden:?}"), "no `Db` in this app");
        let foreign = Error::internal(Outer(Box::new(std::io::Error::other("disk full"))));
        assert_eq!(format!("{foreign:?}"), "outer\n  because: disk full");
        assert_eq!(foreign.to_string(), "PIT-000: internal error", "what callers may see");
        let without_source = Error::new(code::UNKNOWN, "config: pitaya.x = 0 must be at least 1");
        assert_eq!(format!("{without_source:?}"), "config: pitaya.x = 0 must be at least 1");
    }

    #[test]
    fn main_prints_the_error_for_people_in_full() {
        let error = Error::new("APP-1", "two lines\nof text").with_metadata("key", "value");
        let source = std::io::Error::other(Error::new("LOW-1", "the cause"));
        let error = error.with_source(source);
        assert_eq!(
            format!("{error:?}"),
            "APP-1: two lines\nof text\n  key = value\n  because: LOW-1: the cause"
        );
    }
}
