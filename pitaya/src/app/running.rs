//! A running app.

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use super::App;
use crate::acceptor::Listening;
use crate::lifecycle::Lifecycles;

/// An app that serves.
///
/// Dropping it does not stop the app; [`stop`](Self::stop) or [`wait`](Self::wait) does.
#[derive(Debug)]
pub struct Running {
    app: App,
    listening: Vec<Listening>,
    pub(super) accepting: CancellationToken,
    pub(super) lifecycles: Lifecycles,
}

impl Running {
    pub(super) fn new(
        app: App,
        listening: Vec<Listening>,
        accepting: CancellationToken,
        lifecycles: Lifecycles,
    ) -> Self {
        Self { app, listening, accepting, lifecycles }
    }

    /// Returns the app. Clone it for a handle to keep.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Returns the addresses of the acceptors as text, in the order in which they were added.
    pub fn addresses(&self) -> Vec<&str> {
        self.listening.iter().map(|l| l.address.as_str()).collect()
    }

    /// Returns the addresses that are socket addresses, in the same order.
    pub fn socket_addrs(&self) -> Vec<SocketAddr> {
        self.listening.iter().filter_map(|l| l.socket).collect()
    }
}
