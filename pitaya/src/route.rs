//! Routes: `service.method` or `server.service.method` (`docs/protocol.md`, "Routes").

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::error::{Error, code, text};

/// The parts of a route, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Parts<'a> {
    /// The server type; `None` means the type of the server that reads it.
    pub server: Option<&'a str>,
    /// The service.
    pub service: &'a str,
    /// The method.
    pub method: &'a str,
}

/// Why a text is no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// A part is missing or blank.
    #[error("{}", text::EMPTY_ROUTE_FIELD)]
    EmptyField,
    /// Neither two nor three parts.
    #[error("{}", text::INVALID_ROUTE)]
    Invalid,
}

impl From<RouteError> for Error {
    fn from(error: RouteError) -> Self {
        Self::new(
            code::BAD_REQUEST,
            match error {
                RouteError::EmptyField => text::EMPTY_ROUTE_FIELD,
                RouteError::Invalid => text::INVALID_ROUTE,
            },
        )
    }
}

impl RouteError {
    /// The error of a call: its metadata has the route, and the form that a route has.
    #[must_use]
    pub fn about(self, route: &str) -> Error {
        Error::from(self)
            .with_metadata("route", route)
            .with_metadata("form", "service.method or server.service.method")
    }
}

/// Reads a route. Parts are taken as they are: not trimmed, case-sensitive.
///
/// # Errors
/// [`RouteError::EmptyField`] if any part is blank, else [`RouteError::Invalid`] unless there are two or three.
///
/// ```
/// use pitaya::route::{parse, Parts};
/// assert_eq!(parse("room.join").unwrap(), Parts { server: None, service: "room", method: "join" });
/// assert!(parse("join").is_err());
/// ```
pub fn parse(route: &str) -> Result<Parts<'_>, RouteError> {
    let (mut parts, mut count) = ([""; 3], 0);
    let mut rest = Some(route);
    while let Some(text) = rest {
        let end = text.bytes().position(|byte| byte == b'.').unwrap_or(text.len());
        let (part, after) = text.split_at(end);
        if part.trim().is_empty() {
            return Err(RouteError::EmptyField);
        }
        if let Some(place) = parts.get_mut(count) {
            *place = part;
        }
        count += 1;
        rest = after.get(1..);
    }
    match (parts, count) {
        ([service, method, _], 2) => Ok(Parts { server: None, service, method }),
        ([server, service, method], 3) => Ok(Parts { server: Some(server), service, method }),
        _ => Err(RouteError::Invalid),
    }
}

/// The route without the server type, if it names one.
pub(crate) fn without_server<'a>(route: &'a str, parts: &Parts<'a>) -> &'a str {
    parts.server.and_then(|server| route.get(server.len() + 1..)).unwrap_or(route)
}

/// A client calls a handler, and there is a session: the kind of a call, and of a route.
#[derive(Debug, Clone, Copy)]
pub enum Handler {}

/// A client tells a handler something and gets no answer: the kind of a notify-only handler's route.
#[derive(Debug, Clone, Copy)]
pub enum Notify {}

/// A server calls a remote, and there is no session: the kind of a call, and of a route.
#[derive(Debug, Clone, Copy)]
pub enum Remote {}

/// A route with the types of its request and its reply, and with its kind: what typed calls are made of.
///
/// The macros write these as constants: `Entry::JOIN: Route<Join, Joined, Handler>` for a handler that answers,
/// `Entry::SAY: Route<Say, (), Notify>` for one that does not, `RoomApiClient::ENTER: Route<Enter, Joined>` for a
/// remote. `client.request` takes the first, `client.notify` the second, `app.rpc` the third: neither a wrong message
/// nor a wrong way to call compiles.
///
/// ```
/// use pitaya::prelude::*;
///
/// #[message] pub struct Join { pub name: String }
///
/// #[derive(Component)] pub struct Entry;
///
/// #[handler(server = "connector")]
/// impl Entry {
///     pub async fn join(&self, msg: Join) -> Result<Join> { Ok(msg) }
/// }
///
/// // In a client: `client.request(&Entry::JOIN, &Join { name: "ann".into() }).await?`.
/// assert_eq!(Entry::JOIN.path(), "connector.entry.join");
/// ```
pub struct Route<Req, Rep, K = Remote> {
    path: Cow<'static, str>,
    idempotent: bool,
    types: PhantomData<fn(Req, K) -> Rep>,
}

impl<Req, Rep, K> Route<Req, Rep, K> {
    /// A route by its full text, `server.service.method`.
    pub const fn new(path: &'static str) -> Self {
        Self { path: Cow::Borrowed(path), idempotent: false, types: PhantomData }
    }

    /// A route whose text is made at run time.
    pub fn owned(path: String) -> Self {
        Self { path: Cow::Owned(path), idempotent: false, types: PhantomData }
    }

    /// Marks the route as `#[idempotent]` marks a remote: a worker then lets each job of it succeed once.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Whether the remote is marked `#[idempotent]`.
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// The text of the route.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl<Req, Rep, K> Clone for Route<Req, Rep, K> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), idempotent: self.idempotent, types: PhantomData }
    }
}

impl<Req, Rep, K> fmt::Debug for Route<Req, Rep, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.path)
    }
}

impl<Req, Rep, K> fmt::Display for Route<Req, Rep, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_part_wins_over_a_wrong_count() {
        for route in ["", "a.", ".a", "a. .c", "a..b.c.d", "   "] {
            assert_eq!(parse(route), Err(RouteError::EmptyField), "{route:?}");
        }
        for route in ["a", "a.b.c.d"] {
            assert_eq!(parse(route), Err(RouteError::Invalid), "{route:?}");
        }
    }

    #[test]
    fn parts_are_not_trimmed() {
        assert_eq!(parse(" a.b").unwrap(), Parts { server: None, service: " a", method: "b" });
    }
}
