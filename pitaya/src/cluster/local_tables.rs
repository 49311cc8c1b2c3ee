//! The methods that this server runs itself, for calls of other servers and for its own keyed calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::keyed::Admission;
use crate::component::{EntryId, Shared, Table, Tables, unknown_handler};
use crate::error::{Error, Result, code, text};
use crate::route;

/// The tables of this server, from the time it serves. Both halves of the node share them.
pub(super) struct LocalTables {
    pub(super) shared: Arc<Shared>,
    /// Decides which keyed calls this server accepts.
    pub(super) admission: Admission,
    serving: AtomicBool,
}

impl LocalTables {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, admission: Admission::default(), serving: AtomicBool::new(false) }
    }

    /// Accepts calls from now on.
    pub(super) fn serve(&self) {
        self.serving.store(true, Relaxed);
    }

    /// Returns the tables.
    ///
    /// # Errors
    /// `PIT-503` before the server serves.
    pub(super) fn get(&self) -> Result<Arc<Tables>> {
        let tables = self.serving.load(Relaxed).then(|| self.shared.tables.get()).flatten();
        tables.ok_or_else(|| Error::new(code::UNAVAILABLE, "this server has not started yet"))
    }

    /// Finds the remote of a route. The server type in the route is ignored.
    pub(super) fn find_remote(&self, route: &str) -> Result<(Arc<Tables>, EntryId)> {
        let tables = self.get()?;
        if let Some(id) = tables.remotes.find(route.as_bytes()) {
            return Ok((tables, id));
        }
        let short = route::without_server(route, &route::parse(route)?);
        match tables.remotes.find(short.as_bytes()) {
            Some(id) => Ok((tables, id)),
            None => Err(Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND).with_metadata("route", short)),
        }
    }

    /// Finds the handler of a route. The server type in the route is ignored.
    pub(super) fn find_handler(&self, handlers: &Table, route: &str) -> Result<EntryId> {
        if let Some(id) = handlers.find(route.as_bytes()) {
            return Ok(id);
        }
        let parts = route::parse(route)?;
        handlers
            .find(route::without_server(route, &parts).as_bytes())
            .ok_or_else(|| unknown_handler(parts.server.unwrap_or(&self.shared.server_type), parts))
    }
}
