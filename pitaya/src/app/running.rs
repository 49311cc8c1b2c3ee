//! A running app.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{App, stop};
use crate::acceptor::Listening;
use crate::component::LifecycleDyn;
use crate::metrics::{OUTBOX_BYTES, OUTBOX_MESSAGES};

/// The life of one component, by its name.
pub(super) type Lives = Vec<(&'static str, Arc<dyn LifecycleDyn>)>;

/// An app that serves. It is an [`App`] too.
///
/// Dropping it does not stop the app; [`stop`](Self::stop) or [`wait`](Self::wait) does.
#[derive(Debug)]
pub struct Running {
    app: App,
    listening: Vec<Listening>,
    pub(super) accepting: CancellationToken,
    pub(super) lives: LivesOf,
}

/// Component lives; what they are is nobody's business in a log.
pub(super) struct LivesOf(pub(super) Lives);

impl std::fmt::Debug for LivesOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why a running app stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// `SIGTERM`: drain first, where that is enabled.
    Terminate,
    /// `SIGINT`, `SIGQUIT` or [`App::shutdown`].
    Stop,
}

impl Running {
    pub(super) fn new(
        app: App,
        listening: Vec<Listening>,
        accepting: CancellationToken,
        lives: Lives,
    ) -> Self {
        Self { app, listening, accepting, lives: LivesOf(lives) }
    }

    /// The app, as a handle to keep.
    pub fn app(&self) -> App {
        self.app.clone()
    }

    /// The addresses the acceptors listen on, as text, in the order in which they were added.
    pub fn addresses(&self) -> Vec<&str> {
        self.listening.iter().map(|l| l.address.as_str()).collect()
    }

    /// The socket addresses among them, in the same order.
    pub fn socket_addrs(&self) -> Vec<SocketAddr> {
        self.listening.iter().filter_map(|l| l.socket).collect()
    }

    /// Serves until `SIGINT`, `SIGQUIT`, `SIGTERM` or [`App::shutdown`], then stops. `SIGTERM` drains first if
    /// `pitaya.session.drain.enabled`. A second signal ends whatever is still waited for.
    pub async fn wait(self) {
        let signals = CancellationToken::new();
        let wish = {
            let app = self.app.clone();
            tokio::select! {
                biased;
                wish = next_signal() => wish,
                () = app.inner.shutdown.cancelled() => Wish::Stop,
            }
        };
        let impatient = {
            let signals = signals.clone();
            tokio::spawn(async move {
                next_signal().await;
                signals.cancel();
            })
        };
        if wish == Wish::Terminate && self.app.config().drain_enabled {
            stop::drain(&self, &signals).await;
        }
        stop::stop(self, &signals).await;
        impatient.abort();
    }

    /// Waits for the sessions to end, without new ones, for at most `pitaya.session.drain.timeout`.
    pub async fn drain(&self) {
        stop::drain(self, &CancellationToken::new()).await;
    }

    /// Stops: closes the acceptors and all sessions, lets handlers and close callbacks come to their end, then
    /// shuts down components and modules. Each step has `pitaya.stop.timeout`.
    pub async fn stop(self) {
        stop::stop(self, &CancellationToken::new()).await;
    }
}

impl Deref for Running {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

/// The next signal that means to stop. A signal that cannot be listened to never comes.
async fn next_signal() -> Wish {
    let next = |kind| async move {
        match signal(kind) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(error) => {
                tracing::error!(%error, "a signal cannot be listened to");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        biased;
        () = next(SignalKind::terminate()) => Wish::Terminate,
        () = next(SignalKind::interrupt()) => Wish::Stop,
        () = next(SignalKind::quit()) => Wish::Stop,
    }
}

/// Reports what has no event of its own, each period.
#[expect(clippy::cast_precision_loss, reason = "sums of bounded queues are far below 2^53")]
pub(super) async fn sample(app: App) {
    if app.inner.metrics.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(app.config().metrics_period);
    loop {
        tokio::select! {
            biased;
            () = app.inner.cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let sessions = app.inner.pool.all();
        app.inner.metrics.sample(tasks, sessions.len());
        let (messages, bytes) =
            sessions.iter().map(|core| core.outbox().depth()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        app.inner.metrics.handle(&OUTBOX_MESSAGES, &[]).record(messages as f64);
        app.inner.metrics.handle(&OUTBOX_BYTES, &[]).record(bytes as f64);
    }
}
