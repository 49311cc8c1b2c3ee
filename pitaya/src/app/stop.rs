//! Drains and stops an app.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Running;
use super::signals::{Signals, StopSignal};
use crate::lifecycle::run_step;
use crate::module::Drained;
use crate::session::CloseReason;

/// The wait for aborted tasks. A task that does not block its thread ends with its next poll.
const CUT: Duration = Duration::from_secs(1);

impl Running {
    /// Serves until `SIGINT`, `SIGQUIT`, `SIGTERM` or [`App::shutdown`](super::App::shutdown), then stops. `SIGTERM` drains first if
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
            () = self.app().inner.shutdown.cancelled() => StopSignal::Stop,
        };
        let force = CancellationToken::new();
        let second = {
            let force = force.clone();
            tokio::spawn(async move {
                signals.next().await;
                force.cancel();
            })
        };
        if signal == StopSignal::Terminate && self.app().config().session.drain.enabled {
            drain(&self, &force).await;
        }
        stop(self, &force).await;
        second.abort();
    }

    /// Closes the acceptors and waits for the sessions to end, for at most `pitaya.session.drain.timeout`.
    ///
    /// Cancel safe: after a drop the acceptors stay closed and the sessions stay open.
    pub async fn drain(&self) {
        drain(self, &CancellationToken::new()).await;
    }

    /// Stops the app: closes the acceptors and all sessions, waits for handlers and close callbacks, then shuts down
    /// components and modules. Each step may take `pitaya.stop.timeout`.
    ///
    /// Not cancel safe: the steps that remain after a drop do not run.
    pub async fn stop(self) {
        stop(self, &CancellationToken::new()).await;
    }
}

/// Closes the acceptors and waits for the sessions to end.
async fn drain(running: &Running, force: &CancellationToken) {
    running.accepting.cancel();
    running.app().inner.watch.draining();
    if let Some(node) = &running.app().inner.node {
        node.announce_draining().await;
    }
    let app = running.app();
    let config = app.config();
    let sessions = app.sessions();
    let drained = app
        .modules()
        .drain(
            || sessions.count(),
            config.session.drain.period,
            config.session.drain.timeout,
            force.cancelled(),
        )
        .await;
    match drained {
        Drained::Empty => tracing::info!("drained: no session is left"),
        other => tracing::warn!(?other, remaining = sessions.count(), "draining ended early"),
    }
}

/// Stops everything. Each step has a time limit.
pub(super) async fn stop(mut running: Running, force: &CancellationToken) {
    let app = running.app().clone();
    let limit = app.stop_timeout();
    app.inner.shutdown.cancel();
    running.accepting.cancel();
    // Jobs call remotes, so they end first.
    #[cfg(feature = "worker")]
    run_step("finish jobs", limit, force, app.inner.jobs.stop(limit)).await;
    if let Some(node) = &app.inner.node {
        // Other servers stop calling it first. It then finishes the calls that it has received.
        run_step("leave the cluster", limit, force, node.leave()).await;
        run_step("finish calls of other servers", limit, force, node.transport().drain()).await;
    }
    // New sessions are refused before the existing ones are closed, so that no session is missed.
    // Connections end after their last handler and callback.
    app.inner.cancel.cancel();
    app.inner.timers.end();
    for session in app.inner.pool.all() {
        session.close(CloseReason::Shutdown);
    }
    app.inner.tasks.close();
    run_step("close connections", limit, force, app.inner.tasks.wait()).await;
    // The rest is aborted, because the next steps remove what it uses.
    app.inner.kill.cancel();
    if tokio::time::timeout(CUT, app.inner.tasks.wait()).await.is_err() {
        tracing::error!("failed to abort a handler: it blocks its thread");
    }
    running.lifecycles.stop(limit, force).await;
    if let Some(node) = &app.inner.node {
        run_step("disconnect from the cluster", limit, force, node.close()).await;
    }
    #[cfg(feature = "otel")]
    if let Some(tracer) = &app.inner.tracer {
        run_step("export traces", limit, force, tracer.shutdown(limit)).await;
    }
    run_step("flush metrics", limit, force, super::watch::stop(&app)).await;
    app.inner.release();
    app.inner.pool.log().flush();
    tracing::info!(server_type = app.server_type(), server_id = app.server_id(), "stopped");
}
