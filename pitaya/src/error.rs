//! Errors: what a client sees, and what the log sees.
//!
//! An [`Error`] has a code, a text and metadata; these three go to the caller, be it a game client or another
//! server. Its [source](std::error::Error::source) stays at home: only the log prints it. So an error that was
//! written for callers ([`Error::new`]) goes out as it is, while a foreign error (a database's, a panic's)
//! becomes `PIT-000` with the text `internal error`, unless `pitaya.errors.expose` is on.
//!
//! A handler may return any `E: IntoError`: [`Error`], an enum with `#[derive(PitayaError)]`, or [`AnyError`],
//! which takes every error by `?`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

/// The codes of the framework. Applications choose their own prefix.
pub mod code {
    /// What they all begin with.
    pub(crate) const PREFIX: &str = "PIT-";
    /// Anything without a code of its own: a foreign error, a panic, a failed hook, a null reply.
    pub const UNKNOWN: &str = "PIT-000";
    /// The message could not be understood: bad route, bad body, a request to a notify-only handler.
    pub const BAD_REQUEST: &str = "PIT-400";
    /// The session has no user yet.
    pub const NOT_BOUND: &str = "PIT-401";
    /// No such handler or remote.
    pub const NOT_FOUND: &str = "PIT-404";
    /// A handler or a remote took longer than it may.
    pub const TIMEOUT: &str = "PIT-408";
    /// The client sends more than it may, where that is answered.
    pub const TOO_MANY: &str = "PIT-429";
    /// The client or its connection has gone.
    pub const CLOSED: &str = "PIT-499";
    /// The framework or the cluster could not do its part.
    pub const INTERNAL: &str = "PIT-500";
    /// What is needed for this call is not there now; trying later may help.
    pub const UNAVAILABLE: &str = "PIT-503";
    /// Made by a client for itself: it waited long enough.
    pub const CLIENT_TIMEOUT: &str = "PIT-504";
}

/// The texts that clients and peers compare, each in one place.
pub mod text {
    #![allow(missing_docs)]
    pub const INTERNAL: &str = "internal error";
    pub const NULL_REPLY: &str = "reply must not be null";
    pub const REQUEST_ON_NOTIFY: &str = "tried to request a notify route";
    pub const EMPTY_ROUTE_FIELD: &str = "route field can not be empty";
    pub const INVALID_ROUTE: &str = "invalid route";
    pub const ROUTE_NOT_FOUND: &str = "route not found";
    pub const TOO_MANY: &str = "rate limit exceeded";
    pub const HANDLER_TIMEOUT: &str = "handler timeout";
    pub const NO_SERVERS: &str = "no servers available of this type";
    pub const NO_SERVER_WITH_ID: &str = "can't find any server with the provided ID";
    pub const RPC_NOT_INITIALIZED: &str = "RPC server is not running";
    pub const ILLEGAL_UID: &str = "illegal uid";
    pub const ALREADY_BOUND: &str = "session is already bound to an uid";
    pub const NOT_BOUND: &str = "you have to bind an UID to the session to do that";
    pub const OUTBOX_FULL: &str = "the outbox of the client is full";
    pub const BROKEN_PIPE: &str = "broken low-level pipe";
    pub const SESSION_NOT_FOUND: &str = "session not found";
    pub const FRONT_CANT_PUSH_TO_FRONT: &str = "frontend session can't push to front";
    pub const ON_CLOSE_ON_BACKEND: &str = "onclose callbacks are not allowed on backend servers";
    pub const FRONTEND_TYPE_NOT_SPECIFIED: &str =
        "for using SendPushToUsers from a backend server you have to specify a valid frontendType";
    pub const RPC_MAY_BE_LOCAL: &str = "you are making a rpc that may be processed locally, either specify a different server type or specify a server id";
    pub const SERVER_NOT_FOUND: &str = "server not found";
    pub const NO_SERVER_TYPE: &str =
        "no server type chosen for sending RPC, send a full route in the format server.service.component";
    pub const EMPTY_UID: &str = "empty uid";
    pub const GROUP_EXISTS: &str = "group already exists";
    pub const GROUP_NOT_FOUND: &str = "group not found";
    pub const MEMBER_EXISTS: &str = "member already exists in group";
    pub const MEMBER_NOT_FOUND: &str = "member not found in the group";
    pub const GROUP_TTL_NOT_FOUND: &str = "memory group TTL not found";
    pub const PUSHING_TO_USERS: &str = "failed to push message to users";
    pub const KICKING_USERS: &str = "failed to kick users";
    pub const ILLEGAL_GROUP: &str = "illegal group name";
    pub const NO_CONTEXT: &str = "no context found";
    pub const CANNOT_DECODE_ROUTE: &str = "cannot decode route";
    pub const INVALID_RPC_TYPE: &str = "invalid rpc type";
    pub const RPC_TIMEOUT: &str = "rpc client: request timeout";
    pub const BINARY_TIMEOUT: &str = "timeout waiting to binary process to terminate";
}

/// The result of everything that can fail with an [`Error`]. For errors of other crates: `.internal()?` ([`ResultExt`]).
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of somebody else, boxed.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// An error of a handler or a remote: a code, a text and metadata for the caller.
///
/// `?` takes an error of your own with `#[derive(PitayaError)]`. For the errors of other crates write
/// `.internal()?` ([`ResultExt`]), or let the function return `Result<T, AnyError>` ([`AnyError`]), where `?` takes every
/// error. Both hide the error's text from the caller, and keep it as the [source](StdError::source) for the log.
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
    /// The text was written for callers. A foreign error's was not.
    public: bool,
}

impl Error {
    /// An error for the caller: it goes out exactly as given.
    pub fn new(code: impl Into<Cow<'static, str>>, msg: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code: code.into(),
            msg: msg.into(),
            metadata: BTreeMap::new(),
            source: None,
            public: true,
        }))
    }

    /// A foreign error: `PIT-000`, `internal error` for the caller and `source` for the log. If `source` is
    /// an [`Error`] already, or has one among its sources, that one's code, text and metadata are kept.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        let source = source.into();
        let source = match source.downcast::<Self>() {
            Ok(own) => return *own,
            Err(source) => source,
        };
        if let Some(found) = find(&*source) {
            return found.with_source(source);
        }
        Self::hidden(code::UNKNOWN, source)
    }

    /// An error with a code, whose reason only the log shows: the caller gets `internal error`.
    pub(crate) fn hidden(code: &'static str, reason: impl Into<BoxError>) -> Self {
        let mut error = Self::new(code, text::INTERNAL).with_source(reason);
        error.0.public = false;
        error
    }

    /// The text for the operator: the reason of an error that hides it from the caller, else its text.
    pub(crate) fn reason(&self) -> Cow<'_, str> {
        self.outgoing_msg(true)
    }

    /// Adds one pair to what the caller sees under `metadata`.
    #[must_use]
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.metadata.insert(key.into(), value.into());
        self
    }

    /// Keeps `source` for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The code, for example `PIT-404`.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The text for the caller.
    pub fn msg(&self) -> &str {
        &self.0.msg
    }

    /// What else the caller is told.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.0.metadata
    }

    /// Whether the text was written for callers.
    pub(crate) fn is_public(&self) -> bool {
        self.0.public
    }

    /// The text that leaves this server: a foreign error's own only if `expose` is on.
    pub(crate) fn outgoing_msg(&self, expose: bool) -> Cow<'_, str> {
        match &self.0.source {
            Some(source) if expose && !self.0.public => Cow::Owned(source.to_string()),
            _ => Cow::Borrowed(self.msg()),
        }
    }

    /// A copy without the source, for a second recipient.
    pub(crate) fn without_source(&self) -> Self {
        Self(Box::new(Inner {
            code: self.0.code.clone(),
            msg: self.0.msg.clone(),
            metadata: self.0.metadata.clone(),
            source: None,
            public: self.0.public,
        }))
    }
}

/// For people: what `main` prints of an error that it returns, with everything that is known of it.
///
/// The codes for any internal error (`PIT-000`, `PIT-500`) are left out, because they say nothing to an operator. The
/// reason of an error that hides it from callers stands in place of its text.
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
        // A text often ends with that of its cause: each is printed once.
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

/// What a handler may fail with. Derive it for an enum with `#[derive(PitayaError)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a handler or a remote",
    label = "a client would not know what to make of this error",
    note = "return `pitaya::Error`, `pitaya::AnyError` (takes every error by `?`), or derive `PitayaError` for `{Self}`",
    note = "in a plain `pitaya::Result<T>`, turn a foreign error into one with `.internal()?`"
)]
pub trait IntoError {
    /// The error that travels.
    fn into_error(self) -> Error;
}

impl IntoError for Error {
    fn into_error(self) -> Error {
        self
    }
}

/// Every error, by `?`: for handlers that call code with errors of its own.
///
/// If the error is an [`Error`], or a type with `#[derive(PitayaError)]`, or has one of these among its
/// sources, its code and text go out; any other becomes `PIT-000`, `internal error`.
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

/// `.internal()?` in a function that returns [`Result`]: a foreign error becomes `PIT-000`.
pub trait ResultExt<T> {
    /// Turns a foreign error into [`Error::internal`].
    ///
    /// # Errors
    /// The same error, as one that may travel.
    fn internal(self) -> Result<T>;
}

impl<T, E: Into<BoxError>> ResultExt<T> for std::result::Result<T, E> {
    fn internal(self) -> Result<T> {
        self.map_err(Error::internal)
    }
}

/// What a variant of a derived error says: its code and metadata, or the error whose it passes on.
#[doc(hidden)]
#[derive(Debug)]
pub enum Coded<'a> {
    /// A code, and metadata.
    Code(&'static str, Vec<(&'static str, String)>),
    /// What the error inside says.
    Inner(&'a (dyn StdError + 'static)),
}

/// What `#[derive(PitayaError)]` makes.
#[doc(hidden)]
pub trait CodedError: StdError + Send + Sync + 'static {
    /// What the variant says.
    fn coded(&self) -> Coded<'_>;
}

/// A derived error as it travels, without a source.
fn travelling<E: CodedError>(error: &E) -> Error {
    match error.coded() {
        Coded::Code(code, metadata) => {
            let error = Error::new(code, error.to_string());
            metadata.into_iter().fold(error, |error, (key, value)| error.with_metadata(key, value))
        }
        Coded::Inner(inner) => find(inner).unwrap_or_else(|| {
            let mut hidden = Error::new(code::UNKNOWN, text::INTERNAL);
            hidden.0.public = false;
            hidden
        }),
    }
}

/// A derived error as it travels, with itself as the source.
#[doc(hidden)]
pub fn coded<E: CodedError>(error: E) -> Error {
    travelling(&error).with_source(BoxError::from(error))
}

/// How a derived error is recognised behind a `dyn Error`. The macro submits one for each type.
#[doc(hidden)]
#[derive(Debug)]
pub struct ErrorRecognizer(fn(&(dyn StdError + 'static)) -> Option<Error>);

impl ErrorRecognizer {
    /// Recognises `E`.
    pub const fn of<E: CodedError>() -> Self {
        Self(|error| error.downcast_ref::<E>().map(travelling))
    }
}

inventory::collect!(ErrorRecognizer);

/// The first error with a code, in `error` or among its sources.
fn find(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.without_source());
        }
        if let Some(found) = inventory::iter::<ErrorRecognizer>().find_map(|r| (r.0)(error)) {
            return Some(found);
        }
        next = error.source();
    }
    None
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
