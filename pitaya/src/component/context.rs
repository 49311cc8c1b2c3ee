//! What a call knows of itself.

use std::fmt;
use std::sync::Arc;

/// The context of a call: an argument of handlers and remotes.
#[derive(Clone)]
pub struct Context {
    route: Arc<str>,
}

impl Context {
    pub(crate) fn new(route: Arc<str>) -> Self {
        Self { route }
    }

    /// The full route that was called, `server.service.method`.
    pub fn route(&self) -> &str {
        &self.route
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("route", &self.route).finish()
    }
}
