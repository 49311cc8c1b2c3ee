//! Erases the types of modules.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Module;
use crate::error::Result;
use crate::lifecycle::DynLifecycle;
use crate::services::Services;
use crate::util::panic::catch_panic_async;

/// Erases the type of a module.
pub(super) struct ModuleLifecycle<M>(pub(super) Arc<M>);

impl<M: Module> DynLifecycle for ModuleLifecycle<M> {
    fn init<'a>(&'a self, services: &'a Services) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { catch_panic_async("module init", || self.0.init(services)).await? })
    }
    fn after_init(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async("module after_init", || self.0.after_init()))
    }
    fn before_shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(catch_panic_async("module before_shutdown", || self.0.before_shutdown()))
    }
    fn shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { catch_panic_async("module shutdown", || self.0.shutdown()).await? })
    }
}
