//! Sessions without a connection, for tests of handlers.

use std::sync::Arc;

use bytes::Bytes;

use super::frontend::FrontendSession;
use super::{CloseReason, Pool, Session};
use crate::error::{Error, Result, code};
use crate::serialize::{Body, Push};
use crate::wire::{message, packet};

/// The pushes to a session that [`Session::test`] made.
#[derive(Debug)]
pub struct Pushes {
    session: Arc<FrontendSession>,
}

pub(super) fn session<D>(pool: &Arc<Pool>) -> (Session<D>, Pushes) {
    let session = pool.create("test");
    (Session::new(Arc::clone(&session), 0), Pushes { session })
}

impl Pushes {
    /// Returns all pushes since the last call: route and body, in order.
    ///
    /// # Panics
    /// If the outbox holds something that is not a push, which would be a bug of the framework.
    pub fn take(&self) -> Vec<(String, Bytes)> {
        let mut all = Vec::new();
        let limits = &self.session.pool().settings().outbox;
        let batches = std::iter::from_fn(|| self.session.outbox().take(limits).0);
        for bytes in batches.flat_map(|mut batch| std::iter::from_fn(move || batch.pop())) {
            // Read is written: there is room for more.
            self.session.outbox().record_write(limits, 1, bytes.len(), false);
            let packet = packet::whole(&bytes, packet::MAX_BODY).expect("a whole packet");
            if packet.kind != packet::Kind::Data {
                continue; // a kick
            }
            let message = message::decode(packet.body).expect("a message");
            let route = self.session.pool().settings().dictionary.resolve(message.route).expect("a route");
            all.push((String::from_utf8_lossy(route).into_owned(), Bytes::copy_from_slice(message.body)));
        }
        all
    }

    /// Returns the pushes of type `P`, and drops all others.
    ///
    /// # Errors
    /// `PIT-000` if a body is not a `P`.
    pub fn take_as<P: Push>(&self) -> Result<Vec<P>> {
        let serializer = self.session.serializer();
        self.take()
            .into_iter()
            .filter(|(route, _)| route == P::ROUTE)
            .map(|(_, body)| {
                serializer
                    .decode(&Body::shared(&body))
                    .map_err(|error| Error::new(code::UNKNOWN, error.to_string()))
            })
            .collect()
    }

    /// Returns why the session was closed; `None` while it is open.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.session.close_reason()
    }
}
