//! Calls of remotes that an app makes by [`Rpc`](crate::component::Rpc).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::TransportError;
use super::keyed::refusal;
use super::outbound::Outbound;
use super::response::CallFailure;
use super::router::Routing;
use super::selection::Selection;
use crate::component::run_remote;
use crate::context::{Current, Deadline};
use crate::error::{Error, Result, code, text};
use crate::peers::{RemoteRequest, Remotes};
use crate::{route, span};

impl Remotes for Outbound {
    fn call(&self, request: RemoteRequest) -> BoxFuture<'_, Result<Bytes>> {
        match span::rpc(&request.route, request.server_id.as_deref(), &request.current) {
            None => Box::pin(self.call_remote(request)),
            Some(span) => span.run(self.call_remote(request)),
        }
    }
}

impl Outbound {
    /// Calls a remote of the server that the route, the id or the key selects.
    async fn call_remote(&self, request: RemoteRequest) -> Result<Bytes> {
        let RemoteRequest { route, body, server_id, key, timeout, current } = request;
        let server_type = route::parse(&route)
            .map_err(|error| error.about(&route))?
            .server
            .ok_or_else(|| Error::new(code::UNKNOWN, text::NO_SERVER_TYPE).with_metadata("route", &*route))?;
        let own = self.own();
        let own_type = || {
            // Go Pitaya's answer has no metadata, so the log has the details.
            let detail = format!(
                "`{route}` is a route of this server's own type: pin the call with `.to_server(id)` or `.by_key(key)`"
            );
            Error::new(code::UNKNOWN, text::RPC_MAY_BE_LOCAL).with_source(detail)
        };
        let mut to = match (&server_id, &key) {
            (Some(id), _) if **id == *own.id => return Err(own_type()),
            (Some(id), _) => self.servers.get(id).map(Selection::fixed).ok_or_else(|| {
                Error::new(code::UNKNOWN, text::SERVER_NOT_FOUND)
                    .with_metadata("route", &*route)
                    .with_metadata("server", &**id)
            })?,
            (None, None) if *server_type == *own.server_type => return Err(own_type()),
            (None, key) => {
                let call = Routing {
                    server_type,
                    route: &route,
                    payload: &body,
                    session: None,
                    context: &current.metadata,
                    servers: &[],
                };
                self.choose(&call, key.as_deref())?
            }
        };
        let timeout = self.call_timeout(timeout, current.deadline);
        let (mut left, began) = (timeout, to.key.is_some().then(Instant::now));
        let mut tried = Vec::new();
        loop {
            let result = match to.mark() {
                _ if to.server.id != own.id => self.call_server(&to, &route, &body, &current, left).await,
                Some(key) if !self.local.admission.takes(key) => Err(refusal(&own.id)),
                // The key has selected this server itself.
                _ => self.call_own_remote(&route, body.clone(), current.clone(), left).await,
            };
            match result {
                Err(error) if to.is_refused(&error) => to = self.next_for_key(&route, to, &mut tried)?,
                result => return result,
            }
            left = timeout.saturating_sub(began.map(|began| began.elapsed()).unwrap_or_default());
        }
    }

    /// Calls a remote of this server itself, with the limits of a remote call.
    async fn call_own_remote(
        &self,
        route: &str,
        body: Bytes,
        current: Current,
        timeout: Duration,
    ) -> Result<Bytes> {
        let late = || {
            let own = self.own();
            let unanswered = CallFailure { route, timeout, caller: &own, callee: &own };
            Err(unanswered.error(TransportError::Timeout))
        };
        if timeout.is_zero() {
            return late();
        }
        let deadline = Deadline::after(Some(timeout), Instant::now());
        let (tables, id) = self.local.find_remote(route)?;
        let current = Current { deadline, ..current };
        let called = Arc::clone(&tables.remotes.entry(id).route);
        let tracer = self.local.shared.runner.tracer().cloned();
        let work = Box::pin(async move { run_remote(tables, id, &body, current, tracer.as_ref()).await });
        self.local.shared.runner.run(&called, work, deadline.at()).await.unwrap_or_else(late)
    }
}
