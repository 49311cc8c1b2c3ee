//! The message that a span is about.

use std::sync::Arc;

/// The name of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// The route of the message, because a handler has it.
    ByRoute,
    /// `forward`, then the route once a handler has answered, because clients may send routes that do not exist.
    OnceAnswered,
}

/// A message of a client.
pub(crate) struct ClientMessage<'a> {
    pub(crate) route: &'a str,
    /// The id of the session.
    pub(crate) session: u64,
    pub(crate) uid: Option<Arc<str>>,
    pub(crate) request_id: Option<&'a str>,
    /// Whether the client waits for a reply.
    #[cfg_attr(not(feature = "otel"), expect(dead_code, reason = "only the spans of OpenTelemetry have it"))]
    pub(crate) is_request: bool,
}
