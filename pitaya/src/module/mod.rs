//! Modules: parts of a server without routes that start and stop with the app.
//!
//! A [`Module`] opens a database, runs a loop, or starts another program ([`BinaryModule`]). The builder takes it with a
//! name. [`Modules`], a service of the app, returns it by name or by type. A [`SessionModule`] has its own sessions, for
//! which a draining server waits.
//!
//! `init` of all modules runs in their order, then `after_init` of all; at stop `before_shutdown` of all runs in
//! reverse, then `shutdown` of all.
//!
//! ```
//! use std::sync::OnceLock;
//! use pitaya::component::FromServices;
//! use pitaya::module::{Module, Modules};
//! use pitaya::prelude::*;
//! use pitaya::services::Services;
//! use pitaya::timer::Timers;
//!
//! #[derive(Default)]
//! struct Ranking { seasons: OnceLock<Timers> }
//!
//! impl Module for Ranking {
//!     async fn init(&self, services: &Services) -> Result<()> {
//!         let _ = self.seasons.set(Timers::from_services(services)?);
//!         Ok(())
//!     }
//! }
//!
//! fn season(modules: &Modules) -> Result<()> {
//!     let ranking = modules.find::<Ranking>()?; // or .get::<Ranking>("ranking")
//!     # let _ = ranking; Ok(())
//! }
//! ```

mod binary;
mod drain;
mod lifecycle;
mod lines;
mod registry;
mod sessions;

pub use binary::BinaryModule;
pub(crate) use drain::Drained;
pub use registry::Modules;

use std::future::{Future, ready};

use crate::error::Result;
use crate::services::Services;

/// A part of a server that starts and stops with it. Every method is optional. A panic is an error of its call.
///
/// `init` and `after_init` are dropped when the start times out; `before_shutdown` and `shutdown` when their step times
/// out, or when a second signal forces the stop.
pub trait Module: Send + Sync + 'static {
    /// Runs before anything is served, in the order of the modules. `services` has the timers, the groups, the session
    /// pool and the state of the app, each by [`FromServices`](crate::component::FromServices).
    ///
    /// # Errors
    /// If it fails, the app does not start.
    fn init(&self, services: &Services) -> impl Future<Output = Result<()>> + Send {
        let _ = services;
        ready(Ok(()))
    }

    /// Runs after `init` of all modules and components.
    fn after_init(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Runs once all sessions are closed, in reverse order.
    fn before_shutdown(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Runs after `before_shutdown` of all modules, in reverse order.
    ///
    /// # Errors
    /// An error is logged as a warning and does not interrupt the stop.
    fn shutdown(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// A module with its own sessions, such as matches that players should finish. A draining server
/// (`pitaya.session.drain.enabled`) stops when no session is left, neither here nor in the pool.
pub trait SessionModule: Module {
    /// Stops taking new sessions, because the server drains. Runs once, in reverse order of the modules.
    fn start_session_draining(&self);

    /// Returns how many sessions are left. Called every `pitaya.session.drain.period`.
    fn session_count(&self) -> usize;
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
