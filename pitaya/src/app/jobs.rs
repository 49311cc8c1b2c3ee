//! The worker of an app, and the metrics of jobs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, interval_at};

use super::App;
use crate::component::{LocalRemotes, Tables};
use crate::error::Result;
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};
use crate::worker::pool::{Pool, PoolState};
use crate::worker::run::{JobRoute, Runner};
use crate::worker::{Options, Worker, arg, stats};

/// The worker of an app, while it runs.
#[derive(Default)]
pub(super) struct Jobs(Mutex<Option<Pool>>);

impl Jobs {
    /// Starts a worker.
    pub(super) fn start(&self, worker: Worker, options: Options, app: &App, tables: &Tables) -> Result<()> {
        let pool = Pool::start(options, runner(worker, app, tables))?;
        app.inner.tasks.spawn(sample(app.clone(), Arc::clone(pool.state())));
        *self.0.lock() = Some(pool);
        Ok(())
    }

    /// Stops the worker, if there is one, within `limit`.
    pub(super) async fn stop(&self, limit: Duration) {
        let pool = self.0.lock().take();
        if let Some(pool) = pool {
            pool.stop(limit).await;
        }
    }
}

fn runner(worker: Worker, app: &App, tables: &Tables) -> Runner {
    let local = Arc::new(LocalRemotes(Arc::clone(&app.inner.shared)));
    let Worker { mut routes, server_of } = worker;
    for entry in tables.remotes.entries() {
        let to_body = entry.info.to_body.unwrap_or(arg::to_body::<()>);
        let job = JobRoute { to_body, own: true, idempotent: entry.info.idempotent };
        routes.insert(entry.route().to_owned(), job);
    }
    Runner { remotes: Arc::clone(app.inner.rpc.remotes()), local, routes, server_of }
}

/// Reports the metrics of jobs until the app stops: first after one period, as Go Pitaya does.
async fn sample(app: App, state: Arc<PoolState>) {
    if app.inner.metrics.is_empty() {
        return;
    }
    let period = app.config().metrics.period;
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = app.inner.cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = stats::report(&state, &app.inner.metrics).await {
            throttled!(GLOBAL, warn, "job metrics", %error, "failed to read the metrics of jobs from Redis");
        }
    }
}
