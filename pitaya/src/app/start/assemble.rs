//! Makes the handle of an app, its services, its components and its route tables.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Builder, invalid};
use crate::app::{App, Inner, cluster, settings, watch};
use crate::component::{Built, LocalRemotes, Plan, Rpc, Runner, Shared, Table, UntilStop};
use crate::error::Result;
use crate::group::{Groups, MemoryStore, Users};
use crate::metrics::Metrics;
#[cfg(feature = "otel")]
use crate::otel::Otel;
use crate::serialize::Serializer;
use crate::session::SessionPool;
use crate::span::Tracer;
use crate::timer::Timers;
use crate::wire::Dictionary;

/// Makes the handle of the app, and the services that components may ask for.
pub(super) fn assemble(builder: &mut Builder, serializer: Serializer, dictionary: Dictionary) -> Result<App> {
    let services = Arc::clone(&builder.services);
    let config = Arc::new(builder.config.clone());
    #[cfg(feature = "worker")]
    let reliable = crate::worker::Reliable::new(&settings::worker(&config))?;
    let server_id: Arc<str> =
        builder.server_id.take().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()).into();
    let reporters = watch::add_reporters(&config, std::mem::take(&mut builder.reporters));
    let metrics =
        Metrics::new(&config, &builder.server_type, reporters).map_err(|error| invalid(error.to_string()))?;
    let timers = Timers::with_tick(config.timer_precision, builder.clock.clone())?;
    let (tasks, kill) = (TaskTracker::new(), CancellationToken::new());
    let tracer = tracer(builder, &server_id)?;
    let shared = Arc::new(Shared {
        server_id,
        server_type: builder.server_type.as_str().into(),
        services: UntilStop::new(Some(Arc::clone(&services))),
        runner: Runner::new(tasks.clone(), kill.clone(), config.handler_timeout).traced(tracer.clone()),
        tables: UntilStop::new(None),
    });
    let settings = settings::sessions(&config, &metrics, serializer, dictionary, tracer.clone());
    let (node, pool) = cluster::node(builder, &shared, &metrics, settings)?;
    let sessions = SessionPool(Arc::clone(&pool));
    let rpc = Rpc::new(match &node {
        Some(node) => Arc::clone(node.outbound()) as _,
        None => Arc::new(LocalRemotes(Arc::clone(&shared))),
    });
    #[cfg(feature = "worker")]
    let rpc = rpc.with_reliable(reliable.clone());
    let users = Users::new(&sessions);
    let store = builder.group_store.take();
    let store = store.unwrap_or_else(|| Box::new(MemoryStore::with_tick(config.groups.memory_tick)));
    let groups = Groups::boxed(store, users.clone());
    let modules = std::mem::take(&mut builder.modules);
    let app = App {
        inner: Arc::new(Inner {
            shared,
            groups: groups.clone(),
            users: users.clone(),
            timers: timers.clone(),
            modules: modules.clone(),
            config: Arc::clone(&config),
            pool,
            rpc: rpc.clone(),
            node,
            metrics: metrics.clone(),
            proto_package: builder.proto_package.take().unwrap_or_else(|| "protos".to_owned()).into(),
            #[cfg(feature = "otel")]
            tracer,
            heap: builder.heap.take(),
            documents: OnceLock::new(),
            watch: watch::Watch::default(),
            #[cfg(feature = "worker")]
            jobs: crate::app::jobs::Jobs::default(),
            #[cfg(feature = "worker")]
            reliable: reliable.clone(),
            tasks,
            shutdown: CancellationToken::new(),
            cancel: CancellationToken::new(),
            kill,
        }),
    };
    services.insert(rpc);
    services.insert_arc(config);
    services.insert(metrics);
    services.insert(sessions);
    services.insert(groups);
    services.insert(users);
    services.insert(timers);
    services.insert(modules);
    #[cfg(feature = "worker")]
    services.insert(reliable);
    services.insert(app.clone());
    Ok(app)
}

/// Returns the tracer of the app, if it has one.
#[cfg(feature = "otel")]
fn tracer(builder: &mut Builder, server_id: &str) -> Result<Option<Tracer>> {
    let enabled = builder.config.otel_enabled;
    match builder.otel.take().or_else(|| enabled.then(Otel::from_env)) {
        Some(otel) => otel.tracer(&builder.server_type, server_id),
        None => Ok(None),
    }
}

#[cfg(not(feature = "otel"))]
#[expect(clippy::unnecessary_wraps, reason = "as with the feature `otel`")]
fn tracer(_builder: &mut Builder, _server_id: &str) -> Result<Option<Tracer>> {
    Ok(None)
}

/// Makes the components and the tables.
pub(super) fn build(builder: &mut Builder, app: &App) -> Result<Built> {
    let mut built = plan(builder, app).build()?;
    for note in &built.notes {
        tracing::warn!("{note}");
    }
    check_serializer(&app.inner.pool.settings().serializer, &built.tables.handlers)?;
    built.tables.services = Arc::clone(&builder.services);
    Ok(built)
}

fn plan<'a>(builder: &'a mut Builder, app: &'a App) -> Plan<'a> {
    builder.handler_pipeline.validate = builder.config.struct_validation;
    builder.remote_pipeline.validate = builder.config.struct_validation;
    // A worker calls the remotes of other servers.
    #[cfg(feature = "worker")]
    let is_worker = builder.worker.is_some();
    #[cfg(not(feature = "worker"))]
    let is_worker = false;
    Plan {
        server_type: &builder.server_type,
        collect: !builder.explicit_components,
        forwards: app.inner.node.is_some() && (builder.frontend != Some(false) || is_worker),
        registered: std::mem::take(&mut builder.registered),
        services: &builder.services,
        handler_pipeline: std::mem::take(&mut builder.handler_pipeline),
        remote_pipeline: std::mem::take(&mut builder.remote_pipeline),
    }
}

/// Every handler must be able to speak the server's serializer.
fn check_serializer(serializer: &Serializer, handlers: &Table) -> Result<()> {
    if !matches!(serializer, Serializer::Protobuf) {
        return Ok(());
    }
    let mut offenders: Vec<String> = Vec::new();
    for entry in handlers.entries() {
        for schema in [entry.info.message, entry.info.reply].into_iter().flatten().filter(|s| !s.proto) {
            offenders.push(format!("`{}` of route `{}`", schema.name, entry.route()));
        }
    }
    if offenders.is_empty() {
        return Ok(());
    }
    offenders.sort();
    Err(invalid(format!(
        "the server speaks Protobuf, but these messages do not: annotate them with `#[message(proto)]`\n{}",
        offenders.join("\n")
    )))
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built").finish_non_exhaustive()
    }
}
