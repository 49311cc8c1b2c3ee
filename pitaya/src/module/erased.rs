//! Modules, whatever their type.

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::future::BoxFuture;

use super::{Module, SessionModule};
use crate::error::Result;
use crate::services::Services;
use crate::util::panic::{catch_panic_async, panic_error};

/// A module's life; a panic is an error, and logged already.
pub(super) trait Life: Send + Sync {
    fn init<'a>(&'a self, services: &'a Services) -> BoxFuture<'a, Result<()>>;
    fn after_init(&self) -> BoxFuture<'_, Result<()>>;
    fn before_shutdown(&self) -> BoxFuture<'_, Result<()>>;
    fn shutdown(&self) -> BoxFuture<'_, Result<()>>;
}

impl<M: Module> Life for M {
    fn init<'a>(&'a self, services: &'a Services) -> BoxFuture<'a, Result<()>> {
        Box::pin(
            async move { catch_panic_async("module init", || Box::pin(Module::init(self, services))).await? },
        )
    }

    fn after_init(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async("module after_init", || Box::pin(Module::after_init(self))))
    }

    fn before_shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async("module before_shutdown", || Box::pin(Module::before_shutdown(self))))
    }

    fn shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(
            async move { catch_panic_async("module shutdown", || Box::pin(Module::shutdown(self))).await? },
        )
    }
}

/// A module's sessions.
pub(super) trait Sessions: Send + Sync {
    fn start_draining(&self);
    /// How many are left; none if the module panics, so that a broken one cannot hold the stop.
    fn left(&self) -> usize;
}

impl<M: SessionModule> Sessions for M {
    fn start_draining(&self) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.start_session_draining())) {
            panic_error("module start_session_draining", &*panic);
        }
    }

    fn left(&self) -> usize {
        catch_unwind(AssertUnwindSafe(|| self.session_count())).unwrap_or_else(|panic| {
            panic_error("module session_count", &*panic);
            0
        })
    }
}
