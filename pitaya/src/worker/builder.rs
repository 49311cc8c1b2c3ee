//! The worker as an application describes it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::arg;
use super::run::{JobRoute, ServerOf};
use crate::route::Route;
use crate::serialize::Message;

/// Runs jobs in this server: see [`Builder::worker`](crate::app::Builder::worker).
///
/// The worker knows the remotes of its own server. It needs the routes of other servers, because a job carries the
/// argument as JSON and the call needs its type.
#[derive(Clone, Default)]
pub struct Worker {
    pub(crate) routes: HashMap<String, JobRoute>,
    pub(crate) server_of: Option<Arc<ServerOf>>,
}

impl Worker {
    /// A worker for the remotes of its own server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a remote of another server type.
    ///
    /// ```
    /// # use pitaya::prelude::*;
    /// # #[message] pub struct Entry { text: String }
    /// # #[remote(server = "metagame")] pub trait MetaApi { async fn log(&self, req: Entry) -> Result<()>; }
    /// use pitaya::worker::Worker;
    ///
    /// let worker = Worker::new().route(&MetaApiClient::LOG);
    /// ```
    #[must_use]
    pub fn route<Req: Message, Rep>(mut self, route: &Route<Req, Rep>) -> Self {
        let job = JobRoute { to_body: arg::to_body::<Req>, own: false, idempotent: route.is_idempotent() };
        self.routes.insert(route.path().to_owned(), job);
        self
    }

    /// Chooses the server of each job by its route and its metadata. `None` lets the router of the server type choose.
    #[must_use]
    pub fn server_of<F>(mut self, choose: F) -> Self
    where
        F: Fn(&str, &Map<String, Value>) -> Option<String> + Send + Sync + 'static,
    {
        self.server_of = Some(Arc::new(choose));
        self
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("routes", &self.routes.keys()).finish_non_exhaustive()
    }
}
