//! The builder of an app.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::App;
use crate::acceptor::Acceptor;
use crate::binding::BindingStorage;
use crate::cluster::{Discovery, Routers, Transport};
use crate::component::Registration;
use crate::config::Config;
use crate::connection::{Authenticate, CallLimit, Validator};
use crate::error::Result;
use crate::group::GroupStore;
use crate::metrics::{HeapSource, Reporter};
use crate::module::Modules;
use crate::pipeline::Pipeline;
use crate::serialize::Serializer;
use crate::services::Services;
use crate::session::Callbacks;
use crate::util::clock::Clock;

mod cluster;
mod components;
mod hooks;
mod metrics;

pub(super) type OnBuilt = Box<dyn FnOnce(App) -> BoxFuture<'static, Result<()>> + Send>;

/// Configures and starts an app. Only the server type and the acceptors of a frontend have no default.
///
/// [`start`](Self::start) reports the mistakes of all methods together.
#[derive(Default)]
pub struct Builder {
    pub(super) config: Config,
    pub(super) server_type: String,
    pub(super) server_id: Option<String>,
    pub(super) frontend: Option<bool>,
    pub(super) explicit_components: bool,
    pub(super) registered: Vec<Registration>,
    pub(super) acceptors: Vec<Box<dyn Acceptor>>,
    pub(super) serializer: Option<Serializer>,
    pub(super) client_serializers: Vec<Serializer>,
    pub(super) dictionary: Vec<(String, u16)>,
    pub(super) handler_pipeline: Pipeline,
    pub(super) remote_pipeline: Pipeline,
    pub(super) validators: Vec<(String, Validator)>,
    pub(super) authenticate: Option<Authenticate>,
    /// The hash of the schema for clients.
    pub(super) schema: Option<String>,
    pub(super) modules: Modules,
    pub(super) group_store: Option<Box<dyn GroupStore>>,
    pub(super) discovery: Option<Box<dyn Discovery>>,
    pub(super) transport: Option<Box<dyn Transport>>,
    /// Whether to join a cluster over etcd and NATS, as the configuration says.
    #[cfg(feature = "cluster")]
    pub(super) cluster: bool,
    /// Whether to join a cluster over gRPC, as the configuration says.
    #[cfg(feature = "grpc")]
    pub(super) grpc: bool,
    pub(super) binding_storage: Option<Arc<dyn BindingStorage>>,
    pub(super) routers: Routers,
    pub(super) proto_package: Option<String>,
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

    /// Sets the serializer of client messages: a [`Serializer`] or a
    /// [`CustomSerializer`](crate::serialize::CustomSerializer). The default is the one of `pitaya.serializertype`.
    #[must_use]
    pub fn serializer(mut self, serializer: impl Into<Serializer>) -> Self {
        self.serializer = Some(serializer.into());
        self
    }

    /// Adds serializers that a client may name in its handshake in place of the server's.
    ///
    /// By default there are none: a client that names another serializer gets the server's, and reads its name in the
    /// reply. Of two serializers with one name the first counts, and the server's before all.
    ///
    /// Every handler then reads what these serializers can express: in Protobuf an absent field has its default. A
    /// handler or a push that uses [`Bytes`](crate::Bytes) must ask [`Session::serializer`](crate::session::Session::serializer).
    /// [`Acceptor::serializer`] needs no entry here.
    ///
    /// ```
    /// use pitaya::prelude::*;
    /// use pitaya::serialize::Serializer;
    ///
    /// let app = App::builder().serializer(Serializer::Json).client_serializers([Serializer::Protobuf, Serializer::MessagePack]);
    /// ```
    #[must_use]
    pub fn client_serializers<F: Into<Serializer>>(
        mut self,
        serializers: impl IntoIterator<Item = F>,
    ) -> Self {
        self.client_serializers.extend(serializers.into_iter().map(Into::into));
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

    /// Adds a limit to the calls of clients, by route or by user. Each limit counts separately, and a call must be
    /// within all of them. A limit of an unknown route of this server type is an error at start.
    #[must_use]
    pub fn call_limit(mut self, limit: CallLimit) -> Self {
        self.call_limits.push(limit);
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

    /// Runs the jobs of reliable RPC in this server ([`worker`](crate::worker)), as `pitaya.worker` configures. A
    /// second worker is an error at start.
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

    /// Sets the wall clock. The default is the clock of the machine.
    #[cfg(feature = "testing")]
    pub(crate) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("server_type", &self.server_type).finish_non_exhaustive()
    }
}
