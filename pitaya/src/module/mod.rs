//! Modules: parts of a server that are no components, with a life that follows the app's.
//!
//! A [`Module`] opens a database, runs a loop, starts another program ([`BinaryModule`]). It is given to the
//! builder with a name; [`Modules`], a service of the app, finds it again by name or by type. A
//! [`SessionModule`] has sessions of its own, for which a draining server waits.
//!
//! `init` of all modules runs in their order, then `after_init` of all; at stop `before_shutdown` of all runs in
//! reverse, then `shutdown` of all.
//!
//! ```
//! use std::sync::OnceLock;
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

pub use binary::BinaryModule;
pub(crate) use drain::Drained;
pub use registry::Modules;

use std::future::{Future, ready};

use crate::error::Result;
use crate::services::Services;

/// A part of a server with a life. Every call is optional; a panic in one is an error of that call.
pub trait Module: Send + Sync + 'static {
    /// Before anything is served, in the order of the modules. `services` are what the app has: timers, groups,
    /// the session pool and its state, each by [`FromServices`](crate::component::FromServices).
    ///
    /// # Errors
    /// Whatever keeps the module from working: the app does not start.
    fn init(&self, services: &Services) -> impl Future<Output = Result<()>> + Send {
        let _ = services;
        ready(Ok(()))
    }

    /// After `init` of all modules.
    fn after_init(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Once all sessions are closed; in reverse order.
    fn before_shutdown(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// After `before_shutdown` of all modules; in reverse order.
    ///
    /// # Errors
    /// Whatever went wrong; it is logged as a warning, and the stop goes on.
    fn shutdown(&self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// A module that has sessions of its own, such as matches that should be played to their end. A draining server
/// (`pitaya.session.drain.enabled`) stops when no session is left, neither here nor in the pool.
pub trait SessionModule: Module {
    /// The server begins to drain: take no new sessions. Called once, in reverse order of the modules.
    fn start_session_draining(&self);

    /// How many sessions are left. Asked every `pitaya.session.drain.period`.
    fn session_count(&self) -> usize;
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
