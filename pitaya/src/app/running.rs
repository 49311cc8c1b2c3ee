//! A running app.

use std::future::Future;
use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use super::signals::{Signals, StopSignal};
use super::{App, stop};
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

    /// Serves until `SIGINT`, `SIGQUIT`, `SIGTERM` or [`App::shutdown`], then stops. `SIGTERM` drains first if
    /// `pitaya.session.drain.enabled` is set. A second signal skips the remaining waits.
    ///
    /// Listens to signals from this call on, not from the first poll. Must be called within a Tokio runtime.
    ///
    /// Not cancel safe: an app whose future is dropped keeps serving, or stays half stopped.
    pub fn wait(self) -> impl Future<Output = ()> + Send {
        let signals = Signals::listen();
        self.serve(signals)
    }

    pub(super) async fn serve(self, mut signals: Signals) {
        let signal = tokio::select! {
            biased;
            signal = signals.next() => signal,
            () = self.app.inner.shutdown.cancelled() => StopSignal::Stop,
        };
        let force = CancellationToken::new();
        let second = {
            let force = force.clone();
            tokio::spawn(async move {
                signals.next().await;
                force.cancel();
            })
        };
        if signal == StopSignal::Terminate && self.app.config().session.drain.enabled {
            stop::drain(&self, &force).await;
        }
        stop::stop(self, &force).await;
        second.abort();
    }

    /// Closes the acceptors and waits for the sessions to end, for at most `pitaya.session.drain.timeout`.
    ///
    /// Cancel safe: after a drop the acceptors stay closed and the sessions stay open.
    pub async fn drain(&self) {
        stop::drain(self, &CancellationToken::new()).await;
    }

    /// Stops the app: closes the acceptors and all sessions, waits for handlers and close callbacks, then shuts down
    /// components and modules. Each step may take `pitaya.stop.timeout`.
    ///
    /// Not cancel safe: the steps that remain after a drop do not run.
    pub async fn stop(self) {
        stop::stop(self, &CancellationToken::new()).await;
    }
}
