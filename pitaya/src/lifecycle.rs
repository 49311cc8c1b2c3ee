//! Starts and stops the components and modules of an app, in order.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::services::Services;

/// The lifecycle of a component or module, whatever its type. A panic is an error that has been logged.
pub(crate) trait DynLifecycle: Send + Sync {
    fn init<'a>(&'a self, services: &'a Services) -> BoxFuture<'a, Result<()>>;
    fn after_init(&self) -> BoxFuture<'_, Result<()>>;
    fn before_shutdown(&self) -> BoxFuture<'_, Result<()>>;
    fn shutdown(&self) -> BoxFuture<'_, Result<()>>;
}

/// The lifecycles of an app. Modules start before components and stop after them.
#[derive(Debug)]
pub(crate) struct Lifecycles {
    pub(crate) modules: LifecycleList,
    pub(crate) components: LifecycleList,
}

impl Lifecycles {
    pub(crate) async fn after_init(&self) {
        self.modules.after_init().await;
        self.components.after_init().await;
    }

    /// Stops all that were initialized; see [`LifecycleList::stop`].
    pub(crate) async fn stop(&mut self, limit: Duration, force: &CancellationToken) {
        self.components.stop(limit, force).await;
        self.modules.stop(limit, force).await;
    }
}

/// Components or modules with their names, in the order in which they start.
pub(crate) struct LifecycleList {
    /// `component` or `module`, for messages.
    kind: &'static str,
    all: Vec<(String, Arc<dyn DynLifecycle>)>,
    /// The number of entries, from the first, whose `init` succeeded.
    initialized: usize,
}

impl LifecycleList {
    pub(crate) fn new(kind: &'static str, all: Vec<(String, Arc<dyn DynLifecycle>)>) -> Self {
        Self { kind, all, initialized: 0 }
    }

    /// Calls `init` of each in order, up to the first that fails.
    pub(crate) async fn init(&mut self, services: &Services) -> Result<()> {
        for (name, lifecycle) in &self.all {
            lifecycle.init(services).await.map_err(|error| {
                // The operator reads this text, not a client, so the text of a foreign error is shown.
                let msg = format!("{} `{name}`: {}", self.kind, error.outgoing_msg(true));
                Error::new(error.code().to_owned(), msg).with_source(error)
            })?;
            self.initialized += 1;
        }
        Ok(())
    }

    /// Calls `after_init` of each in order.
    pub(crate) async fn after_init(&self) {
        for (_, lifecycle) in &self.all {
            // Only a panic can fail here, and it has been logged.
            let _ = lifecycle.after_init().await;
        }
    }

    /// Calls `before_shutdown`, then `shutdown`, of all that were initialized, in reverse order. Each call is one
    /// [`run_step`]. Logs failures. A second stop does nothing.
    pub(crate) async fn stop(&mut self, limit: Duration, force: &CancellationToken) {
        self.all.truncate(std::mem::take(&mut self.initialized));
        let all = std::mem::take(&mut self.all);
        for (name, lifecycle) in all.iter().rev() {
            self.step(name, "before_shutdown", limit, force, lifecycle.before_shutdown()).await;
        }
        for (name, lifecycle) in all.iter().rev() {
            self.step(name, "shutdown", limit, force, lifecycle.shutdown()).await;
        }
    }

    async fn step(
        &self,
        name: &str,
        call: &str,
        limit: Duration,
        force: &CancellationToken,
        work: BoxFuture<'_, Result<()>>,
    ) {
        let label = format!("{call} of {} `{name}`", self.kind);
        if let Some(Err(error)) = run_step(&label, limit, force, work).await {
            tracing::warn!(step = label, error = %error.outgoing_msg(true), "shutdown step failed");
        }
    }
}

impl fmt::Debug for LifecycleList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(name, _)| name)).finish()
    }
}

/// Runs one step of a stop. Logs and returns `None` after `limit`, or once `force` is cancelled by a second signal.
pub(crate) async fn run_step<T>(
    step: &str,
    limit: Duration,
    force: &CancellationToken,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        result = work => return Some(result),
        () = force.cancelled() => tracing::warn!(step, "shutdown step skipped: a second signal forces the stop"),
        () = tokio::time::sleep(limit) => tracing::warn!(step, ?limit, "shutdown step timed out"),
    }
    None
}
