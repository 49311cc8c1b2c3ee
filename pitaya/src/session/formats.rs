//! One push in the serializers of its receivers.

use bytes::Bytes;

use super::frontend::FrontendSession;
use super::pool::Pool;
use super::recoding::Recoded;
use crate::error::{Error, Result};
use crate::serialize::Serializer;
use crate::util::panic::catch_panic;
use crate::util::throttle::throttled;

/// A push to many sessions. It is encoded once for each serializer, when the first session with that serializer gets
/// it.
///
/// A broadcast to sessions that all have the server's serializer does no more than to frame its body once.
pub(crate) struct FormattedPush<'a> {
    pool: &'a Pool,
    route: &'a str,
    /// In the server's serializer.
    body: &'a Bytes,
    /// Returns the body in another serializer.
    encode: &'a (dyn Fn(&Serializer) -> Result<Bytes> + Sync),
    /// The packet in the server's serializer.
    packet: Option<Bytes>,
    /// The packets in other serializers; `None` where encoding failed.
    others: Vec<(Serializer, Option<Bytes>)>,
}

impl<'a> FormattedPush<'a> {
    pub(crate) fn new(
        pool: &'a Pool,
        route: &'a str,
        body: &'a Bytes,
        encode: &'a (dyn Fn(&Serializer) -> Result<Bytes> + Sync),
    ) -> Self {
        Self { pool, route, body, encode, packet: None, others: Vec::new() }
    }

    /// Pushes to a session. Returns whether the session took it.
    ///
    /// # Errors
    /// The push cannot be framed in the server's serializer. A failure in another serializer is logged, and concerns
    /// the sessions with that serializer only.
    pub(crate) fn send(&mut self, session: &FrontendSession) -> Result<bool> {
        let route = self.route;
        let own = session.own_serializer();
        let packet = match own {
            None => match &self.packet {
                Some(packet) => packet,
                None => self.packet.insert(self.pool.frame_push(self.route, self.body)?),
            },
            Some(serializer) => match self.packet_in(serializer) {
                Some(packet) => packet,
                None => return Ok(false),
            },
        };
        Ok(session.push(route, packet, own.is_some()).is_ok())
    }

    #[cold]
    fn packet_in(&mut self, serializer: &Serializer) -> Option<&Bytes> {
        let at = self.others.iter().position(|(other, _)| other.is(serializer)).unwrap_or_else(|| {
            // A panic concerns the sessions with this serializer only, as an error does.
            let body = catch_panic(self.route, || (self.encode)(serializer)).flatten();
            let packet = body.and_then(|body| self.pool.frame_push(self.route, &body));
            let packet = packet.inspect_err(|error| log_failed(self.pool, self.route, serializer, error));
            self.others.push((serializer.clone(), packet.ok()));
            self.others.len() - 1
        });
        self.others.get(at)?.1.as_ref()
    }
}

/// Logs and counts a push that a session with a serializer of its own does not get.
pub(crate) fn log_failed(pool: &Pool, route: &str, serializer: &Serializer, error: &Error) {
    pool.settings().recoding.failed(Recoded::Push);
    throttled!(
        pool.log(),
        error,
        "pushes in other serializers",
        route,
        serializer = serializer.name(),
        error = %error.reason(),
        "failed to encode a push for clients with another serializer"
    );
}
