//! The builder of an app.

use std::any::type_name;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::running::Signals;
use super::{App, Running, start};
use crate::acceptor::Acceptor;
use crate::binding::BindingStorage;
use crate::cluster::{Discovery, Router, Routers, Transport};
use crate::component::Registration;
use crate::config::Config;
use crate::connection::{Authenticate, CallLimit, Refusal, Validator, authenticate};
use crate::error::{BoxError, Result};
use crate::group::GroupStore;
use crate::metrics::{Heap, HeapSource, Reporter};
use crate::module::{Module, Modules, SessionModule};
use crate::pipeline::{After, Before, Pipeline};
use crate::serialize::Format;
use crate::services::Services;
use crate::session::{Callbacks, Session, bind_callback, close_callback};
use crate::util::clock::Clock;
use crate::wire::handshake;

pub(super) type OnBuilt = Box<dyn FnOnce(App) -> BoxFuture<'static, Result<()>> + Send>;

/// Configures and starts an app. Only the server type and the acceptors of a frontend have no default.
///
/// [`start`](Self::start) reports the mistakes of all methods together.
pub struct Builder {
    pub(super) config: Config,
    pub(super) server_type: String,
    pub(super) server_id: Option<String>,
    pub(super) frontend: Option<bool>,
    pub(super) collect: bool,
    pub(super) registered: Vec<Registration>,
    pub(super) acceptors: Vec<Box<dyn Acceptor>>,
    pub(super) format: Option<Format>,
    pub(super) dictionary: Vec<(String, u16)>,
    pub(super) handler_pipeline: Pipeline,
    pub(super) remote_pipeline: Pipeline,
    pub(super) validators: Vec<(String, Validator)>,
    pub(super) authenticate: Option<Authenticate>,
    pub(super) modules: Modules,
    pub(super) group_store: Option<Box<dyn GroupStore>>,
    pub(super) discovery: Option<Box<dyn Discovery>>,
    pub(super) transport: Option<Box<dyn Transport>>,
    /// Over etcd and NATS, as the configuration says.
    #[cfg(feature = "cluster")]
    pub(super) cluster: bool,
    /// Over gRPC, as the configuration says.
    #[cfg(feature = "grpc")]
    pub(super) grpc: bool,
    pub(super) binding_storage: Option<Arc<dyn BindingStorage>>,
    pub(super) routers: Routers,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) reporters: Vec<Arc<dyn Reporter>>,
    #[cfg(feature = "otel")]
    pub(super) otel: Option<crate::otel::Otel>,
    #[cfg(feature = "worker")]
    pub(super) worker: Option<crate::worker::Worker>,
    pub(super) heap: Option<HeapSource>,
    pub(super) call_limits: Vec<CallLimit>,
    pub(super) on_built: Vec<OnBuilt>,
    pub(super) services: Arc<Services>,
    pub(super) callbacks: Callbacks,
    pub(super) clock: Clock,
    pub(super) problems: Vec<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            config: Config::default(),
            server_type: String::new(),
            server_id: None,
            frontend: None,
            collect: true,
            registered: Vec::new(),
            acceptors: Vec::new(),
            format: None,
            dictionary: Vec::new(),
            handler_pipeline: Pipeline::default(),
            remote_pipeline: Pipeline::default(),
            validators: Vec::new(),
            authenticate: None,
            modules: Modules::default(),
            group_store: None,
            discovery: None,
            transport: None,
            #[cfg(feature = "cluster")]
            cluster: false,
            #[cfg(feature = "grpc")]
            grpc: false,
            binding_storage: None,
            routers: Routers::default(),
            metadata: BTreeMap::new(),
            reporters: Vec::new(),
            #[cfg(feature = "otel")]
            otel: None,
            #[cfg(feature = "worker")]
            worker: None,
            heap: None,
            call_limits: Vec::new(),
            on_built: Vec::new(),
            services: Arc::default(),
            callbacks: Callbacks::default(),
            clock: Clock::default(),
            problems: Vec::new(),
        }
    }
}

impl Builder {
    /// Sets the configuration. Without it every key has its default, and the environment is not read.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the type of this server: the first part of its routes. Builds only the components of this type and those
    /// that name no type.
    #[must_use]
    pub fn server_type(mut self, server_type: impl Into<String>) -> Self {
        self.server_type = server_type.into();
        self
    }

    /// Sets the id of this server. The default is a random UUID.
    #[must_use]
    pub fn server_id(mut self, id: impl Into<String>) -> Self {
        self.server_id = Some(id.into());
        self
    }

    /// Makes this a frontend, which needs an acceptor. This is the default.
    #[must_use]
    pub fn frontend(mut self) -> Self {
        self.frontend = Some(true);
        self
    }

    /// Makes this a backend, which has no acceptors.
    #[must_use]
    pub fn backend(mut self) -> Self {
        self.frontend = Some(false);
        self
    }

    /// Adds an acceptor. A frontend may have several.
    #[must_use]
    pub fn acceptor(mut self, acceptor: impl Acceptor) -> Self {
        self.acceptors.push(Box::new(acceptor));
        self
    }

    /// Sets the serializer of client messages: a [`Format`] or a custom [`Serializer`](crate::serialize::Serializer).
    /// The default is the one of `pitaya.serializertype`.
    #[must_use]
    pub fn serializer(mut self, format: impl Into<Format>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Adds routes that may be sent as two-byte codes. Clients learn them in the handshake.
    ///
    /// Avoid code 0, because some clients read it as no code. Old native clients fail on codes of pushes: leave pushes
    /// out, or set `pitaya.dictionary.inboundonly`.
    #[must_use]
    pub fn dictionary<R: Into<String>>(mut self, routes: impl IntoIterator<Item = (R, u16)>) -> Self {
        self.dictionary.extend(routes.into_iter().map(|(route, code)| (route.into(), code)));
        self
    }

    /// Adds a value for `State<T>` fields and arguments. A second value of one type is an error at start.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, state: T) -> Self {
        if self.services.find::<T>().is_some() {
            self.problems.push(format!(
                "state `{}` was given twice: there is one value of each type; wrap the second in a type of its own",
                type_name::<T>()
            ));
        }
        self.services.insert(state);
        self
    }

    /// Adds an instance of a component, which the app then does not build itself. A second instance of one type is an
    /// error at start. An instance that serves only other server types is not served, and a warning is logged.
    #[must_use]
    pub fn register<S: Send + Sync + 'static>(mut self, component: S) -> Self {
        let own = Registration::new(component);
        if self.registered.iter().any(|other| other.is_like(&own)) {
            self.problems.push(format!(
                "component `{}` was registered twice: an app has one instance of each component",
                type_name::<S>()
            ));
        }
        self.registered.push(own);
        self
    }

    /// Serves only the components that are [registered](Self::register), instead of all that are linked in. A frontend
    /// of a cluster may have none: it forwards messages.
    #[must_use]
    pub fn explicit_components(mut self) -> Self {
        self.collect = false;
        self
    }

    /// Adds a hook that runs before handlers. Hooks run in the order in which they are added.
    #[must_use]
    pub fn before(mut self, hook: impl Before) -> Self {
        self.handler_pipeline.before.push(Arc::new(hook));
        self
    }

    /// Adds a hook that runs after handlers.
    #[must_use]
    pub fn after(mut self, hook: impl After) -> Self {
        self.handler_pipeline.after.push(Arc::new(hook));
        self
    }

    /// Adds a hook that runs before remotes.
    #[must_use]
    pub fn before_remotes(mut self, hook: impl Before) -> Self {
        self.remote_pipeline.before.push(Arc::new(hook));
        self
    }

    /// Adds a hook that runs after remotes.
    #[must_use]
    pub fn after_remotes(mut self, hook: impl After) -> Self {
        self.remote_pipeline.after.push(Arc::new(hook));
        self
    }

    /// Adds a check of every handshake. Checks run in the order in which they are added. The first error rejects the
    /// client with code 400 and is logged with the name. A second check of one name replaces the first.
    #[must_use]
    pub fn handshake_validator<F>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn(&handshake::Request) -> Result<(), BoxError> + Send + Sync + 'static,
    {
        let (name, check): (_, Validator) = (name.into(), Arc::new(check));
        match self.validators.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = check,
            None => self.validators.push((name, check)),
        }
        self
    }

    /// Sets the authentication of clients, which runs in every handshake after the validators.
    ///
    /// It may reject the client with a code and a payload, bind the session and set its data. It must finish within
    /// `pitaya.limit.handshake.deadline`; the server reads nothing else from the client meanwhile.
    ///
    /// ```
    /// use pitaya::app::Refusal;
    /// use pitaya::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Login {
    ///     token: String,
    /// }
    ///
    /// /// Returns the uid of a valid token.
    /// fn uid_of(token: &str) -> Option<String> {
    ///     token.strip_prefix("token-of-").map(str::to_owned)
    /// }
    ///
    /// let app = App::builder().authenticate(|session, request| async move {
    ///     let refused = || Refusal::new().with_code(401);
    ///     // The `user` of the client's handshake.
    ///     let login: Login = request.user().ok().flatten().ok_or_else(refused)?;
    ///     let uid = uid_of(&login.token).ok_or_else(refused)?;
    ///     session.bind(&uid).await.map_err(|_| refused())
    /// });
    /// ```
    #[doc(alias = "auth")]
    #[doc(alias = "login")]
    #[doc(alias = "token")]
    #[must_use]
    pub fn authenticate<F, Fut>(mut self, judge: F) -> Self
    where
        F: Fn(Session, Arc<handshake::Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.authenticate = Some(authenticate(judge));
        self
    }

    /// Adds a module that starts after the modules added so far.
    #[must_use]
    pub fn module<M: Module>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_after(name, module);
        self.note(added);
        self
    }

    /// Adds a module that starts before the modules added so far.
    #[must_use]
    pub fn module_before<M: Module>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_before(name, module);
        self.note(added);
        self
    }

    /// Adds a module with its own sessions, for which a draining server waits.
    #[must_use]
    pub fn session_module<M: SessionModule>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_session(name, module);
        self.note(added);
        self
    }

    /// Adds a module with its own sessions that starts before the modules added so far.
    #[must_use]
    pub fn session_module_before<M: SessionModule>(mut self, name: impl Into<String>, module: M) -> Self {
        let added = self.modules.register_session_before(name, module);
        self.note(added);
        self
    }

    /// Sets the store of the groups. The default is the memory of this process. The app runs its
    /// [housekeeping](GroupStore::run) from start to stop.
    ///
    /// ```
    /// use pitaya::group::MemoryStore;
    /// use pitaya::prelude::*;
    ///
    /// let app = App::builder().group_store(MemoryStore::new()); // which is the default
    /// ```
    #[must_use]
    pub fn group_store(mut self, store: impl GroupStore) -> Self {
        self.group_store = Some(Box::new(store));
        self
    }

    /// Sets how the servers of a cluster find each other. With a [`transport`](Self::transport) too, the app joins a
    /// cluster; one without the other is an error at start.
    ///
    /// ```
    /// use pitaya::cluster::{MemoryBroker, MemoryRegistry};
    /// use pitaya::prelude::*;
    ///
    /// // A cluster within one process. Servers of several find each other over etcd and NATS.
    /// let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
    /// let room = App::builder()
    ///     .server_type("room")
    ///     .backend()
    ///     .discovery(registry.discovery())
    ///     .transport(broker.transport());
    /// ```
    #[must_use]
    pub fn discovery(mut self, discovery: impl Discovery) -> Self {
        self.discovery = Some(Box::new(discovery));
        self
    }

    /// Joins a cluster over etcd and NATS, configured by `pitaya.cluster.sd.etcd.…` and
    /// `pitaya.cluster.rpc.client.nats.…`. Needs the feature `cluster`.
    ///
    /// Sets [`discovery`](Self::discovery) to an [`EtcdDiscovery`](crate::cluster::EtcdDiscovery) and
    /// [`transport`](Self::transport) to a [`NatsTransport`](crate::cluster::NatsTransport), unless they are set. With
    /// `pitaya.cluster.rpc.transport = "grpc"` it does what [`grpc`](Self::grpc) does.
    ///
    /// ```no_run
    /// # use pitaya::prelude::*;
    /// # async fn example() -> Result<()> {
    /// App::builder().server_type("room").backend().cluster().run().await
    /// # }
    /// ```
    #[cfg(feature = "cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cluster")))]
    #[must_use]
    pub fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// Joins a cluster whose servers call each other over gRPC, configured by `pitaya.cluster.rpc.server.grpc.…` and
    /// `pitaya.cluster.rpc.client.grpc.…`. Needs the feature `grpc`.
    ///
    /// Sets [`transport`](Self::transport) to a [`GrpcTransport`](crate::cluster::GrpcTransport), unless it is set. With
    /// the feature `etcd` it sets [`discovery`](Self::discovery) to an `EtcdDiscovery`, configured by
    /// `pitaya.cluster.sd.etcd.…`, unless it is set.
    ///
    /// ```no_run
    /// # use pitaya::prelude::*;
    /// # async fn example() -> Result<()> {
    /// App::builder().server_type("room").backend().grpc().run().await
    /// # }
    /// ```
    #[doc(alias = "AddGRPCInfoToMetadata")]
    #[cfg(feature = "grpc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "grpc")))]
    #[must_use]
    pub fn grpc(mut self) -> Self {
        self.grpc = true;
        self
    }

    /// Adds a limit to the calls of clients, by route or by user. Each limit counts separately, and a call must be
    /// within all of them. A limit of an unknown route of this server type is an error at start.
    #[must_use]
    pub fn call_limit(mut self, limit: CallLimit) -> Self {
        self.call_limits.push(limit);
        self
    }

    /// Sets how the servers of a cluster call each other; see [`discovery`](Self::discovery).
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Box::new(transport));
        self
    }

    /// Sets the [binding storage](crate::binding), which the servers of the cluster share. The default is none: a
    /// transport with a subject for each user needs none. An app without a cluster does not start with one.
    #[doc(alias = "ETCDBindingStorage")]
    #[must_use]
    pub fn binding_storage(mut self, storage: impl BindingStorage) -> Self {
        self.binding_storage = Some(Arc::new(storage));
        self
    }

    /// Sets how calls choose a server of a type. The default is a random one. A second router of one type is an error at
    /// start.
    #[must_use]
    pub fn router(mut self, server_type: impl Into<String>, router: Router) -> Self {
        let server_type = server_type.into();
        if !self.routers.set(server_type.clone(), router) {
            self.problems
                .push(format!("server type `{server_type}` was given two routers: there is one for each"));
        }
        self
    }

    /// Adds metadata of this server, which the other servers of the cluster can read.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// Adds a reporter of metrics.
    #[must_use]
    pub fn reporter(mut self, reporter: Arc<dyn Reporter>) -> Self {
        self.reporters.push(reporter);
        self
    }

    /// Exports traces: a span for each message of a client, and for each call between servers ([`otel`](crate::otel)).
    #[cfg(feature = "otel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "otel")))]
    #[must_use]
    pub fn otel(mut self, otel: crate::otel::Otel) -> Self {
        self.otel = Some(otel);
        self
    }

    /// Runs the jobs of reliable RPC in this server ([`worker`](crate::worker)), as `pitaya.worker` configures. A second
    /// worker is an error at start.
    ///
    /// ```
    /// use pitaya::prelude::*;
    /// use pitaya::worker::Worker;
    ///
    /// let app = App::builder().server_type("metagame").backend().worker(Worker::new());
    /// ```
    #[cfg(feature = "worker")]
    #[cfg_attr(docsrs, doc(cfg(feature = "worker")))]
    #[must_use]
    pub fn worker(mut self, worker: crate::worker::Worker) -> Self {
        if self.worker.replace(worker).is_some() {
            self.problems.push(crate::error::text::RPC_JOB_REGISTERED.to_owned());
        }
        self
    }

    /// Sets the source of the metrics `heapsize` and `heapobjects`, such as the statistics of the allocator. The app
    /// reads it once each `pitaya.metrics.period`. The default reports the anonymous memory of the process on Linux as
    /// `heapsize`, and no `heapobjects`.
    ///
    /// ```
    /// use pitaya::metrics::Heap;
    /// use pitaya::prelude::*;
    ///
    /// // The statistics of a counting allocator.
    /// let app = App::builder().heap(|| Heap { bytes: 1 << 20, objects: Some(2000) });
    /// ```
    #[must_use]
    pub fn heap(mut self, read: impl Fn() -> Heap + Send + Sync + 'static) -> Self {
        self.heap = Some(HeapSource::new(read));
        self
    }

    /// Adds a hook that runs once the app is built, before it serves anything. If it fails, the app does not start.
    #[doc(alias = "AddOnBuiltHook")]
    #[must_use]
    pub fn on_built<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.on_built.push(Box::new(move |app| Box::pin(hook(app))));
        self
    }

    /// Sets the wall clock. The default is the clock of the machine.
    #[cfg(feature = "testing")]
    pub(crate) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Calls `f` when a session binds, before the session can be found by uid. An error unbinds the session and goes to
    /// the caller of [`Session::bind`]. Callbacks run in the order in which they were added.
    #[must_use]
    pub fn on_bind<F, Fut>(self, f: F) -> Self
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.callbacks.on_bind.add(bind_callback(f));
        self
    }

    /// Calls `f` after a session was bound and can be found by uid. An error unbinds the session.
    #[must_use]
    pub fn on_after_bind<F, Fut>(self, f: F) -> Self
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.callbacks.on_after_bind.add(bind_callback(f));
        self
    }

    /// Calls `f` when a session has ended, after its last handler and its own callbacks.
    ///
    /// A running app adds such callbacks with [`SessionPool::on_close`](crate::SessionPool::on_close).
    #[must_use]
    pub fn on_session_close<F, Fut>(self, f: F) -> Self
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.callbacks.on_close.add(close_callback(f));
        self
    }

    /// Starts the app within `pitaya.start.timeout`. Unlike [`run`](Self::run) it does not listen to signals.
    ///
    /// Waits for the transport, the discovery, and `init` and `after_init` of all modules and components. `Ok` means
    /// that the acceptors listen. After an error, everything that had started has been stopped.
    ///
    /// Not cancel safe: after a drop, modules and components that had started are not shut down.
    ///
    /// # Errors
    /// All reasons that keep the app from starting, such as an invalid configuration, duplicate routes, a component that
    /// cannot be built, a module that fails, or an address in use.
    pub async fn start(self) -> Result<Running> {
        start::start(self).await
    }

    /// Starts the app and serves until `SIGINT`, `SIGQUIT`, `SIGTERM` or [`App::shutdown`], then stops it.
    ///
    /// Listens to signals from the first poll on. A signal during the start stops in order what had started; this then
    /// returns `Ok`. A second signal skips the remaining waits.
    ///
    /// Not cancel safe, as [`start`](Self::start) and [`Running::wait`] are not.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn run(self) -> Result<()> {
        self.run_with(|_| {}).await
    }

    /// Does what [`run`](Self::run) does, and calls `started` once the app serves, for example to print an address.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    ///
    /// ```no_run
    /// # use pitaya::prelude::*;
    /// # async fn example(builder: pitaya::app::Builder) -> Result<()> {
    /// builder.run_with(|app| println!("listening on {:?}", app.addresses())).await
    /// # }
    /// ```
    pub async fn run_with(self, started: impl FnOnce(&Running)) -> Result<()> {
        let mut signals = Signals::listen();
        if let Some(running) = start::start_or_stop(self, Some(&mut signals)).await? {
            started(&running);
            running.serve(signals).await;
        }
        Ok(())
    }

    fn note(&mut self, result: Result<()>) {
        if let Err(error) = result {
            self.problems.push(error.msg().to_owned());
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("server_type", &self.server_type).finish_non_exhaustive()
    }
}
