//! One push in the formats of its receivers.

use bytes::Bytes;

use super::frontend::FrontendSession;
use super::pool::Pool;
use crate::error::Result;
use crate::serialize::Format;
use crate::util::throttle::throttled;

/// A push to many sessions. It is encoded once for each format, when the first session with that format gets it.
///
/// A broadcast to sessions that all have the server's format does no more than to frame its body once.
pub(crate) struct FormattedPush<'a> {
    pool: &'a Pool,
    route: &'a str,
    /// In the server's format.
    body: &'a Bytes,
    /// Returns the body in another format.
    encode: &'a (dyn Fn(&Format) -> Result<Bytes> + Sync),
    /// The packet in the server's format.
    packet: Option<Bytes>,
    /// The packets in other formats; `None` where encoding failed.
    others: Vec<(Format, Option<Bytes>)>,
}

impl<'a> FormattedPush<'a> {
    pub(crate) fn new(
        pool: &'a Pool,
        route: &'a str,
        body: &'a Bytes,
        encode: &'a (dyn Fn(&Format) -> Result<Bytes> + Sync),
    ) -> Self {
        Self { pool, route, body, encode, packet: None, others: Vec::new() }
    }

    /// Pushes to a session. Returns whether the session took it.
    ///
    /// # Errors
    /// The push cannot be framed in the server's format. A failure in another format is logged, and concerns the sessions
    /// with that format only.
    pub(crate) fn send(&mut self, session: &FrontendSession) -> Result<bool> {
        let route = self.route;
        let packet = match session.own_format() {
            None => match &self.packet {
                Some(packet) => packet,
                None => self.packet.insert(self.pool.frame_push(self.route, self.body)?),
            },
            Some(format) => match self.packet_in(format) {
                Some(packet) => packet,
                None => return Ok(false),
            },
        };
        Ok(session.push(route, packet).is_ok())
    }

    #[cold]
    fn packet_in(&mut self, format: &Format) -> Option<&Bytes> {
        let at = self.others.iter().position(|(other, _)| other.is(format)).unwrap_or_else(|| {
            let packet = (self.encode)(format).and_then(|body| self.pool.frame_push(self.route, &body));
            let packet = packet.inspect_err(|error| {
                throttled!(
                    self.pool.log(),
                    error,
                    "pushes in other formats",
                    route = self.route,
                    serializer = format.name(),
                    error = %error.reason(),
                    "failed to encode a push for clients with another serializer"
                );
            });
            self.others.push((format.clone(), packet.ok()));
            self.others.len() - 1
        });
        self.others.get(at)?.1.as_ref()
    }
}
