//! Calls of remotes in an app without a cluster.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::run_remote::{run_remote, timed_out};
use super::{EntryId, Shared, Tables};
use crate::context::{Current, Deadline};
use crate::error::{Error, Result, code, text};
use crate::peers::{RemoteRequest, Remotes};
use crate::route;

/// The remotes of this app, for an app without a cluster.
pub(crate) struct LocalRemotes(pub(crate) Arc<Shared>);

impl LocalRemotes {
    fn find(&self, tables: &Tables, request: &RemoteRequest) -> Result<EntryId> {
        if let Some(id) = &request.server_id
            && *id != self.0.server_id
        {
            return Err(Error::new(code::INTERNAL, text::NO_SERVER_WITH_ID)
                .with_metadata("route", &*request.route)
                .with_metadata("server", &**id));
        }
        let parts = route::parse(&request.route).map_err(|error| error.about(&request.route))?;
        if let Some(id) = tables.remotes.find(request.route.as_bytes()) {
            return Ok(id);
        }
        match parts.server {
            Some(server) if *server != *self.0.server_type => {
                Err(Error::new(code::UNKNOWN, text::RPC_NOT_INITIALIZED)
                    .with_metadata("route", &*request.route))
            }
            _ => Err(Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND)
                .with_metadata("route", format!("{}.{}", parts.service, parts.method))),
        }
    }
}

impl Remotes for LocalRemotes {
    fn call(&self, request: RemoteRequest) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(async move {
            let tables = self.0.tables.get();
            let tables = tables
                .ok_or_else(|| Error::new(code::UNAVAILABLE, "the app has not started, or has stopped"))?;
            let id = self.find(&tables, &request)?;
            let RemoteRequest { route, body, timeout, current, .. } = request;
            let now = Instant::now();
            // As in a cluster: no longer than the call lasts during which it is made.
            let time = match timeout {
                Some(timeout) => Some(current.deadline.within(timeout, now).unwrap_or_default()),
                None => current.deadline.remaining(now),
            };
            let late = |time| Err(timed_out(route, time));
            if let Some(time) = time.filter(Duration::is_zero) {
                return late(time);
            }
            let deadline = Deadline::after(time, now);
            let current = Current { deadline, ..current };
            let called = Arc::clone(&tables.remotes.entry(id).route);
            let tracer = self.0.runner.tracer().cloned();
            let work = Box::pin(async move { run_remote(tables, id, &body, current, tracer.as_ref()).await });
            match self.0.runner.run(&called, work, deadline.at()).await {
                Some(result) => result,
                None => late(time.unwrap_or_default()),
            }
        })
    }

    fn only_type(&self) -> Option<&str> {
        Some(&self.0.server_type)
    }
}
