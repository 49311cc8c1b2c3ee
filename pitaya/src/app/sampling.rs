//! The metrics that an app samples.

use super::App;
use crate::metrics::{
    HEAP_OBJECTS, HEAP_SIZE, HeapSource, OUTBOX_BYTES, OUTBOX_MESSAGES, RUNTIME_QUEUE, RUNTIME_WORKERS,
};

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
        let (messages, bytes) = sessions
            .iter()
            .map(|session| session.outbox().depth())
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        record(&OUTBOX_MESSAGES, messages as f64);
        record(&OUTBOX_BYTES, bytes as f64);
        if let Some(node) = &app.inner.node {
            node.sample();
        }
    }
}
