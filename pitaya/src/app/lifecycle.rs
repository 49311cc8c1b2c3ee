//! The life of an app's components, in step with the app's.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::stop::step;
use crate::component::{Every, Instance, LifecycleDyn, start_timer};
use crate::error::{Error, Result};
use crate::timer::Timers;

/// The lifecycles of the components, each with its name, in the order in which they begin.
pub(super) struct Lifecycles {
    all: Vec<(&'static str, Arc<dyn LifecycleDyn>)>,
    /// What timers call, until they are started.
    timers: Vec<(Instance, &'static Every)>,
    /// How many, from the first, have come through `init`.
    alive: usize,
}

impl Lifecycles {
    pub(super) fn new(
        all: Vec<(&'static str, Arc<dyn LifecycleDyn>)>,
        timers: Vec<(Instance, &'static Every)>,
    ) -> Self {
        Self { all, timers, alive: 0 }
    }

    /// Makes the timers of the components. Their first run is one interval later.
    pub(super) fn make_timers(&mut self, timers: &Timers) -> Result<()> {
        self.timers.drain(..).try_for_each(|(instance, every)| start_timer(timers, &instance, every))
    }

    /// `init` of all, in order, up to the first that fails.
    pub(super) async fn init(&mut self) -> Result<()> {
        for (name, life) in &self.all {
            life.init().await.map_err(|error| {
                // The text is for whoever starts the server, so a foreign error's own is shown.
                let msg = format!("component `{name}`: {}", error.outgoing_msg(true));
                Error::new(error.code().to_owned(), msg).with_source(error)
            })?;
            self.alive += 1;
        }
        Ok(())
    }

    /// `after_init` of all, in order.
    pub(super) async fn after_init(&self) {
        for (_, life) in &self.all {
            life.after_init().await;
        }
    }

    /// `before_shutdown` of all that came through `init`, in reverse, then `shutdown`. Each call has `limit`, and
    /// ends when `force` does.
    pub(super) async fn stop(&self, limit: Duration, force: &CancellationToken) {
        let alive = &self.all[..self.alive];
        for (name, life) in alive.iter().rev() {
            step(name, limit, force, life.before_shutdown()).await;
        }
        for (name, life) in alive.iter().rev() {
            step(name, limit, force, life.shutdown()).await;
        }
    }
}

impl std::fmt::Debug for Lifecycles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(name, _)| name)).finish()
    }
}
