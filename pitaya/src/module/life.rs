//! The life of all modules, in step with the app's.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::Modules;
use crate::error::{Error, Result};
use crate::services::Services;

impl Modules {
    /// `init` of all, in order, up to the first that fails. Nobody may register from now on.
    pub(crate) async fn init(&self, services: &Services) -> Result<()> {
        let entries = {
            let mut state = self.state();
            state.begun = true;
            state.entries.clone()
        };
        for entry in entries {
            entry.life.init(services).await.map_err(|error| {
                // The text is for whoever starts the server, so a foreign error's own is shown.
                let msg = format!("module `{}`: {}", entry.name, error.outgoing_msg(true));
                Error::new(error.code().to_owned(), msg).with_source(error)
            })?;
            self.state().alive += 1;
        }
        Ok(())
    }

    /// `after_init` of all, in order.
    pub(crate) async fn after_init(&self) {
        let entries = self.state().entries.clone();
        for entry in entries {
            // Only a panic can fail here, and has been logged.
            let _ = entry.life.after_init().await;
        }
    }

    /// `before_shutdown` of all that came through `init`, in reverse, then `shutdown`. Each call has `limit`, and
    /// ends when `force` does. What fails is a warning. A second stop does nothing.
    pub(crate) async fn stop(&self, limit: Duration, force: &CancellationToken) {
        let entries = {
            let mut state = self.state();
            let mut entries = state.entries.clone();
            entries.truncate(std::mem::take(&mut state.alive));
            entries
        };
        for entry in entries.iter().rev() {
            step(&entry.name, "before_shutdown", limit, force, entry.life.before_shutdown()).await;
        }
        for entry in entries.iter().rev() {
            step(&entry.name, "shutdown", limit, force, entry.life.shutdown()).await;
        }
    }
}

async fn step(
    module: &str,
    step: &str,
    limit: Duration,
    force: &CancellationToken,
    work: BoxFuture<'_, Result<()>>,
) {
    tokio::select! {
        biased;
        result = work => {
            if let Err(error) = result {
                tracing::warn!(module, step, error = %error.outgoing_msg(true), "a module failed to stop");
            }
        }
        () = force.cancelled() => {
            tracing::warn!(module, step, "not waited for: a second signal came");
        }
        () = tokio::time::sleep(limit) => {
            tracing::warn!(module, step, "did not end in time");
        }
    }
}
