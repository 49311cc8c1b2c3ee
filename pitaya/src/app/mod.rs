//! The app: put together by a [`Builder`], then running.
//!
//! ```no_run
//! use pitaya::prelude::*;
//!
//! # mod room { pub struct Lobby; }
//! #[tokio::main]
//! async fn main() -> pitaya::Result<()> {
//!     App::builder()
//!         .server_type("connector")
//!         .acceptor(pitaya::acceptor::Tcp::new("0.0.0.0:3250"))
//!         .run()
//!         .await
//! }
//! ```
//!
//! [`Builder::run`] serves until a signal; [`Builder::start`] returns a [`Running`] with the bound addresses.
//!
//! | file | holds |
//! |---|---|
//! | `builder`, `settings` | [`Builder`]; the configuration as settings of other modules |
//! | `start`, `accept`, `cluster` | the start: checks, the parts in order, the acceptors last |
//! | `running`, `signals`, `stop` | [`Running`], the signals that stop it, drain and stop |
//! | `routes` | the routes of the app as data |
//! | `watch`, `pages`, `sampling` | reporters and the HTTP server; what they show of the app |

mod accept;
mod builder;
mod cached;
mod cluster;
#[cfg(feature = "worker")]
mod jobs;
#[cfg(feature = "http")]
mod pages;
mod routes;
mod running;
mod sampling;
mod settings;
mod signals;
mod start;
mod stop;
mod watch;

pub use crate::connection::{CallLimit, Refusal};
pub use builder::Builder;
pub use routes::RouteInfo;
pub use running::Running;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cluster::{Node, Servers};
use crate::component::{Call, Extract, FromServices, HasServices, Kind, Rpc, Shared, State};
use crate::config::Config;
use crate::documentation::Documents;
use crate::error::{Error, Result, code, text};
use crate::group::{Groups, Users};
use crate::metrics::{HeapSource, Metrics};
use crate::module::Modules;
use crate::route::Route;
use crate::serialize::Message;
use crate::services::Services;
#[cfg(feature = "testing")]
use crate::session::CloseReason;
use crate::session::{Pool, SessionPool};
#[cfg(feature = "otel")]
use crate::span::Tracer;
use crate::timer::Timers;
use watch::Watch;

/// A handle to an app that is starting or running. Clones are cheap; components, hooks and extractors may hold one.
///
/// No app is global: a process may have several.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    config: Arc<Config>,
    pool: Arc<Pool>,
    rpc: Rpc,
    groups: Groups,
    users: Users,
    timers: Timers,
    modules: Modules,
    /// This server's place in its cluster, if it is in one.
    node: Option<Arc<Node>>,
    metrics: Metrics,
    proto_package: Box<str>,
    #[cfg(feature = "otel")]
    tracer: Option<Tracer>,
    heap: Option<HeapSource>,
    /// Made at the first request.
    documents: OnceLock<Arc<Documents>>,
    watch: Watch,
    #[cfg(feature = "worker")]
    jobs: jobs::Jobs,
    #[cfg(feature = "worker")]
    reliable: crate::worker::Reliable,
    tasks: TaskTracker,
    /// Cancelled when the app is asked to stop. Ends the wait of [`Running::wait`].
    shutdown: CancellationToken,
    /// Ends the tasks of a running app.
    cancel: CancellationToken,
    /// Aborts the sessions and calls that did not end in time.
    kill: CancellationToken,
}

impl Inner {
    /// Releases everything that may hold the app, so that its last handle frees it.
    fn release(&self) {
        self.shared.release();
        self.modules.clear();
        self.pool.callbacks().clear();
        if let Some(node) = &self.node {
            node.servers().clear_listeners();
        }
    }
}

impl App {
    /// Returns a builder with all defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The id of this server, a random UUID unless the builder was given another.
    pub fn server_id(&self) -> &str {
        &self.inner.shared.server_id
    }

    /// The type of this server.
    pub fn server_type(&self) -> &str {
        &self.inner.shared.server_type
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The sessions of this frontend.
    pub fn sessions(&self) -> SessionPool {
        SessionPool(Arc::clone(&self.inner.pool))
    }

    /// Returns the groups.
    pub fn groups(&self) -> Groups {
        self.inner.groups.clone()
    }

    /// Returns the users of the cluster, for pushes and kicks by uid.
    pub fn users(&self) -> Users {
        self.inner.users.clone()
    }

    /// Returns the timers.
    pub fn timers(&self) -> Timers {
        self.inner.timers.clone()
    }

    /// Returns the modules.
    #[doc(alias = "GetModule")]
    pub fn modules(&self) -> Modules {
        self.inner.modules.clone()
    }

    /// Returns the servers of the cluster that this server knows; `None` if it is in no cluster.
    pub fn servers(&self) -> Option<&Servers> {
        self.inner.node.as_ref().map(|node| &**node.servers())
    }

    /// Returns the id of the frontend of a type that has a user, from the [binding storage](crate::binding). `None` if
    /// no frontend of the type has the user.
    ///
    /// Reads the storage each time, for at most `pitaya.modules.bindingstorage.timeout`. While the storage is
    /// unavailable, returns the last known frontend of the user.
    ///
    /// # Errors
    /// `PIT-503` if the storage is unavailable and the user unknown; `PIT-000` if the app has no binding storage, or if
    /// the storage refuses the type or the user.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    #[doc(alias = "GetUserFrontendID")]
    pub async fn user_frontend(&self, frontend_type: &str, uid: &str) -> Result<Option<Arc<str>>> {
        match &self.inner.node {
            Some(node) => node.outbound().find_frontend(frontend_type, uid).await,
            None => Err(Error::new(code::UNKNOWN, text::NO_BINDING_STORAGE)),
        }
    }

    /// Whether this server can take work: it runs, and its discovery and transport are reachable if it is in a cluster.
    ///
    /// Waits for both to answer. Cancel safe: it changes nothing.
    pub async fn is_ready(&self) -> bool {
        let cluster = async {
            match &self.inner.node {
                Some(node) => node.is_ready().await,
                None => true,
            }
        };
        self.is_running() && cluster.await
    }

    /// Returns the address of the HTTP server of `pitaya.http.listen`; `None` without that server.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.inner.watch.address()
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Returns a value given with [`Builder::state`].
    ///
    /// # Errors
    /// `PIT-500` if the app has no value of this type.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<State<T>> {
        State::from_services(&*self.services()?)
    }

    /// Returns anything that a field of a component can be, such as the client of a contract. For code outside
    /// components.
    ///
    /// # Errors
    /// `PIT-500`, with the name of the type, if the app does not have it.
    pub fn service<T: FromServices>(&self) -> Result<T> {
        T::from_services(&*self.services()?)
    }

    fn services(&self) -> Result<Arc<Services>> {
        let services = self.inner.shared.services.get();
        services.ok_or_else(|| Error::hidden(code::INTERNAL, "the app has stopped"))
    }

    /// Calls a remote and waits for its reply. Generated clients are shorter to write.
    ///
    /// `Ok` means that the remote succeeded. For a dropped call see [`Rpc`].
    ///
    /// # Errors
    /// As [`Rpc::call`].
    pub async fn rpc<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep>,
        request: &Req,
    ) -> Result<Rep> {
        self.inner.rpc.call(route, request).await
    }

    /// Calls a remote of one server and waits for its reply, as [`rpc`](Self::rpc) does.
    ///
    /// # Errors
    /// As [`Rpc::call`]; `can't find any server with the provided ID`.
    #[doc(alias = "RPCTo")]
    pub async fn rpc_on_server<Req: Message, Rep: Message>(
        &self,
        server_id: &str,
        route: &Route<Req, Rep>,
        request: &Req,
    ) -> Result<Rep> {
        self.inner.rpc.to_server(server_id).call(route, request).await
    }

    /// Calls a remote by the text of its route with an encoded body, as [`rpc`](Self::rpc) does.
    ///
    /// # Errors
    /// As [`Rpc::call_raw`].
    pub async fn rpc_raw(&self, route: &str, body: Bytes) -> Result<Bytes> {
        self.inner.rpc.call_raw(route, body).await
    }

    /// Enqueues a call of a remote as a job, which a worker runs until one run succeeds. Returns the id of the job.
    ///
    /// # Errors
    /// As [`Reliable::call`](crate::worker::Reliable::call).
    ///
    /// # Cancel safety
    /// If the future is dropped, the job may be enqueued or not.
    #[cfg(feature = "worker")]
    #[cfg_attr(docsrs, doc(cfg(feature = "worker")))]
    pub async fn reliable_rpc<Req: Message, Rep: Message>(
        &self,
        route: &Route<Req, Rep>,
        request: &Req,
    ) -> Result<crate::worker::JobId> {
        self.inner.reliable.call(route, request).await
    }

    /// Returns the handle that enqueues jobs: delayed, with an idempotency key, with a deadline.
    #[cfg(feature = "worker")]
    #[cfg_attr(docsrs, doc(cfg(feature = "worker")))]
    pub fn reliable(&self) -> crate::worker::Reliable {
        self.inner.reliable.clone()
    }

    /// Asks the app to stop and returns without waiting. [`Running::wait`] then stops it. A second call does nothing.
    pub fn shutdown(&self) {
        self.inner.shutdown.cancel();
    }

    /// Whether the app has been built and was not asked to stop.
    pub fn is_running(&self) -> bool {
        self.inner.shared.tables.is_set() && !self.inner.shutdown.is_cancelled()
    }

    /// Ends everything that runs, without notifying clients or servers.
    #[cfg(feature = "testing")]
    pub(crate) fn kill(&self) {
        let Inner { shutdown, kill, cancel, pool, watch, .. } = &*self.inner;
        watch.end();
        [shutdown, kill, cancel].into_iter().for_each(CancellationToken::cancel);
        pool.kill();
        // As lost connections: the clients get no kick.
        for session in pool.all() {
            session.close(CloseReason::Client);
        }
        self.inner.timers.end();
        self.inner.release();
    }

    fn stop_timeout(&self) -> Duration {
        self.inner.config.stop_timeout
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("server_type", &self.server_type())
            .field("server_id", &self.server_id())
            .finish_non_exhaustive()
    }
}

impl FromServices for App {
    fn from_services(services: &Services) -> Result<Self> {
        services.get::<Self>().map(|app| (*app).clone())
    }
}

impl<K: Kind> Extract<K> for App
where
    Call<K>: HasServices,
{
    async fn extract(call: &mut Call<K>) -> Result<Self> {
        Self::from_services(call.get_services())
    }

    fn check(services: &Services) -> Result<()> {
        Self::from_services(services).map(drop)
    }
}
