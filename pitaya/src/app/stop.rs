//! Draining and stopping.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Running;
use crate::lifecycle::run_step;
use crate::module::Drained;
use crate::session::CloseReason;

/// What is cut off is gone with its next poll, unless it never gives its thread back.
const CUT: Duration = Duration::from_secs(1);

/// Closes the acceptors and waits for the sessions to go.
pub(super) async fn drain(running: &Running, force: &CancellationToken) {
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
        .drain(|| sessions.count(), config.drain_period, config.drain_timeout, force.cancelled())
        .await;
    match drained {
        Drained::Empty => tracing::info!("drained: no session is left"),
        other => tracing::warn!(?other, remaining = sessions.count(), "draining ended early"),
    }
}

/// Stops everything, each step within its time.
pub(super) async fn stop(mut running: Running, force: &CancellationToken) {
    let app = running.app().clone();
    let limit = app.stop_timeout();
    app.inner.shutdown.cancel();
    running.accepting.cancel();
    if let Some(node) = &app.inner.node {
        // The others see it go, then it takes in no more, and answers what it has taken in.
        run_step("leaving the cluster", limit, force, node.leave()).await;
        run_step("calls of other servers", limit, force, node.transport().drain()).await;
    }
    // First what keeps sessions from beginning, then what ends those that have begun: so that none is missed.
    // Timers and samplers go; connections end by themselves, after their last handler and callback.
    app.inner.cancel.cancel();
    app.inner.timers.end();
    for core in app.inner.pool.all() {
        core.close(CloseReason::Shutdown);
    }
    app.inner.tasks.close();
    run_step("connections", limit, force, app.inner.tasks.wait()).await;
    // Who is not done by now is cut off, for what comes next takes away what it needs.
    app.inner.kill.cancel();
    if tokio::time::timeout(CUT, app.inner.tasks.wait()).await.is_err() {
        tracing::error!("a handler blocks its thread: it cannot be cut off");
    }
    running.lifecycles.stop(limit, force).await;
    if let Some(node) = &app.inner.node {
        run_step("the cluster", limit, force, node.close()).await;
    }
    #[cfg(feature = "otel")]
    if let Some(tracer) = &app.inner.tracer {
        run_step("traces", limit, force, tracer.shutdown(limit)).await;
    }
    run_step("metrics", limit, force, super::watch::stop(&app)).await;
    app.inner.release();
    app.inner.pool.log().flush();
    tracing::info!(server_type = app.server_type(), server_id = app.server_id(), "stopped");
}
