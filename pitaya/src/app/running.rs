//! A running app.

use std::future::Future;
use std::net::SocketAddr;
use std::ops::Deref;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{App, stop};
use crate::acceptor::Listening;
use crate::lifecycle::Lifecycles;
use crate::metrics::{
    HEAP_OBJECTS, HEAP_SIZE, HeapSource, OUTBOX_BYTES, OUTBOX_MESSAGES, RUNTIME_QUEUE, RUNTIME_WORKERS,
};

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

/// Why a running app stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopSignal {
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

impl Deref for Running {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

/// The signals that mean to stop, listened to without a gap: one that comes while another is dealt with is not
/// lost. A signal that cannot be listened to never comes.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    quit: Option<Signal>,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn listen() -> Self {
        let listen = |kind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::error!(%error, "failed to listen to a signal");
                None
            }
        };
        Self {
            terminate: listen(SignalKind::terminate()),
            interrupt: listen(SignalKind::interrupt()),
            quit: listen(SignalKind::quit()),
        }
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            biased;
            () = one(&mut self.terminate) => StopSignal::Terminate,
            () = one(&mut self.interrupt) => StopSignal::Stop,
            () = one(&mut self.quit) => StopSignal::Stop,
        }
    }
}

/// Ctrl-C, on systems without Unix signals.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> Self {
        Self
    }

    pub(super) async fn next(&mut self) -> StopSignal {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "failed to listen to Ctrl-C");
            std::future::pending::<()>().await;
        }
        StopSignal::Stop
    }
}

/// Reports the metrics that are sampled, once each `pitaya.metrics.period`.
#[expect(clippy::cast_precision_loss, reason = "sizes and counts are far below 2^53")]
pub(super) async fn sample(app: App) {
    if app.inner.metrics.is_empty() {
        return;
    }
    let mut ticks = tokio::time::interval(app.config().metrics.period);
    loop {
        tokio::select! {
            biased;
            () = app.inner.cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let runtime = tokio::runtime::Handle::current().metrics();
        let sessions = app.inner.pool.all();
        app.inner.metrics.sample(runtime.num_alive_tasks(), sessions.len());
        let record = |metric, level: f64| app.inner.metrics.bind_or_log(metric, &[]).record(level);
        record(&RUNTIME_WORKERS, runtime.num_workers() as f64);
        record(&RUNTIME_QUEUE, runtime.global_queue_depth() as f64);
        if let Some(heap) = HeapSource::read(app.inner.heap.as_ref()) {
            record(&HEAP_SIZE, heap.bytes as f64);
            if let Some(objects) = heap.objects {
                record(&HEAP_OBJECTS, objects as f64);
            }
        }
        let (messages, bytes) =
            sessions.iter().map(|core| core.outbox().depth()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        record(&OUTBOX_MESSAGES, messages as f64);
        record(&OUTBOX_BYTES, bytes as f64);
        if let Some(node) = &app.inner.node {
            node.sample();
        }
    }
}
