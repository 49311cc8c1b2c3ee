//! Turns a job into a call of a remote.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::arg::BodyFn;
use super::job::Call;
use crate::context::Current;
use crate::error::{Error, Result, code};
use crate::peers::{RemoteRequest, Remotes};

/// Chooses the server of a job by its route and its metadata.
pub(crate) type ServerOf = dyn Fn(&str, &Map<String, Value>) -> Option<String> + Send + Sync;

/// A route that jobs may call.
#[derive(Clone, Copy)]
pub(crate) struct JobRoute {
    /// Makes the body of a call from the argument of a job.
    pub(crate) to_body: BodyFn,
    /// Whether this server serves the route.
    pub(crate) own: bool,
    /// Whether the id of a job is its idempotency key.
    pub(crate) idempotent: bool,
}

/// Calls the remotes of jobs.
pub(crate) struct Runner {
    /// Calls remotes of any server.
    pub(crate) remotes: Arc<dyn Remotes>,
    /// Calls remotes of this server.
    pub(crate) local: Arc<dyn Remotes>,
    /// The routes that a job may call.
    pub(crate) routes: HashMap<String, JobRoute>,
    pub(crate) server_of: Option<Arc<ServerOf>>,
}

impl Runner {
    /// Whether the id of a job of this route is its idempotency key.
    pub(crate) fn is_idempotent(&self, route: &str) -> bool {
        self.routes.get(route).is_some_and(|route| route.idempotent)
    }

    /// Calls the remote of a job, for at most `limit`.
    ///
    /// # Errors
    /// `PIT-404` for a route whose message type is unknown, `PIT-400` for an argument of another type, and the errors of
    /// the call.
    pub(crate) async fn run(&self, call: &Call<'_>, limit: Duration) -> Result<()> {
        let route = call.route;
        let known = self.routes.get(route).ok_or_else(|| {
            Error::new(code::NOT_FOUND, format!("the worker does not know the message of route `{route}`"))
        })?;
        let body = (known.to_body)(call.arg).map_err(|error| {
            Error::new(code::BAD_REQUEST, format!("invalid argument of `{route}`: {error}"))
        })?;
        let empty = Map::new();
        let server =
            self.server_of.as_ref().and_then(|choose| choose(route, call.metadata.unwrap_or(&empty)));
        let remotes = if server.is_none() && known.own { &self.local } else { &self.remotes };
        let request = RemoteRequest {
            route: route.to_owned(),
            body,
            server_id: server.map(Arc::from),
            key: None,
            timeout: Some(limit),
            current: Current::get(),
        };
        remotes.call(request).await.map(drop)
    }
}
