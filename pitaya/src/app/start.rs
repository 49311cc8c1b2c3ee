//! Starts an app: checks first, then the parts in order, the acceptors last.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::builder::Builder;
use super::cached::Cached;
use super::running::Signals;
use super::{App, Inner, Running, settings, watch};
use crate::acceptor::{AcceptBackoff, Acceptor, Listening, Readiness};
use crate::component::{
    Built, Every, Instance, LocalRemotes, Plan, Rpc, Runner, Shared, Table, Tables, UntilStop, start_timer,
};
use crate::connection::{
    CallLimit, CallLimits, ConnectionContext, ConnectionMetrics, FailureLog, HandshakePolicy,
};
use crate::error::{Error, Result, code};
use crate::group::{Groups, MemoryStore, Users};
use crate::lifecycle::{LifecycleList, Lifecycles};
use crate::metrics::Metrics;
#[cfg(feature = "otel")]
use crate::otel::Otel;
use crate::serialize::Format;
use crate::session::SessionPool;
use crate::span::Tracer;
use crate::timer::Timers;
use crate::util::panic::panic_error;
use crate::util::sync::Mutex;
use crate::util::throttle::throttled;
use crate::wire::{Dictionary, handshake};

/// Starts an app.
pub(super) async fn start(builder: Builder) -> Result<Running> {
    let started = start_or_stop(builder, None).await?;
    started.ok_or_else(|| broken("the start was interrupted".to_owned()))
}

/// Starts an app unless a signal interrupts the start. Returns `None` if one did: then everything that had begun has
/// stopped, in the order of a stop. A second signal skips the remaining waits.
pub(super) async fn start_or_stop(
    mut builder: Builder,
    mut signals: Option<&mut Signals>,
) -> Result<Option<Running>> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(broken(
            "no Tokio runtime: start the app in an async fn under `#[tokio::main]`, or in `Runtime::block_on`".to_owned(),
        ));
    }
    check(&mut builder)?;
    let format = builder.format.take().unwrap_or_else(|| settings::format(&builder.config));
    let dictionary = Dictionary::new(builder.dictionary.drain(..))
        .map_err(|error| broken(error.to_string()))?
        .inbound_only(builder.config.dictionary_inbound_only);
    let handshaking = handshake_policy(&mut builder, &format, &dictionary)?;
    let app = assemble(&mut builder, format, dictionary)?;
    let mut built = build(&mut builder, &app).inspect_err(|_| app.inner.release())?;
    let tables = Arc::new(std::mem::take(&mut built.tables));
    app.inner.shared.tables.set(Arc::clone(&tables));

    let mut lifecycles = Lifecycles {
        modules: LifecycleList::new("module", Vec::new()),
        components: LifecycleList::new("component", std::mem::take(&mut built.lifecycles)),
    };
    let (limit, step) = (builder.config.start_timeout, Step::new("the start"));
    let started = {
        let beginning = begin(&mut builder, &app, &mut lifecycles, built.timers, tables, handshaking, &step);
        let interrupted = async {
            match &mut signals {
                Some(signals) => signals.next().await,
                None => std::future::pending().await,
            };
        };
        tokio::select! {
            biased;
            started = beginning => started.map(Some),
            () = interrupted => {
                tracing::info!(during = step.get(), "start interrupted by a signal: stopping");
                Ok(None)
            }
            () = tokio::time::sleep(limit), if !limit.is_zero() => Err(Error::new(
                code::TIMEOUT,
                format!(
                    "the start timed out after {limit:?} (`pitaya.start.timeout`) while waiting for {}",
                    step.get()
                ),
            )),
        }
    };
    let outcome = match started {
        Ok(Some((listening, accepting))) => {
            app.inner.watch.started();
            tracing::info!(server_type = app.server_type(), server_id = app.server_id(), "started");
            return Ok(Some(Running::new(app, listening, accepting, lifecycles)));
        }
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    // Everything that has begun ends, in the order of a stop.
    let accepting = app.inner.cancel.child_token();
    let running = Running::new(app, Vec::new(), accepting, lifecycles);
    let force = CancellationToken::new();
    let second = async {
        if let Some(signals) = signals {
            signals.next().await;
            force.cancel();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = super::stop::stop(running, &force) => {}
        () = second => {}
    }
    outcome
}

/// The step that a start is waiting for. A mutex and not a cell, so that the future of a start is `Send`.
struct Step(Mutex<&'static str>);

impl Step {
    fn new(what: &'static str) -> Self {
        Self(Mutex::new(what))
    }

    fn get(&self) -> &'static str {
        *self.0.lock()
    }

    fn set(&self, what: &'static str) {
        *self.0.lock() = what;
    }
}

/// Starts modules, components and the cluster, and opens the acceptors last.
async fn begin(
    builder: &mut Builder,
    app: &App,
    lifecycles: &mut Lifecycles,
    timers: Vec<(Instance, &'static Every)>,
    tables: Arc<Tables>,
    handshake_policy: HandshakePolicy,
    step: &Step,
) -> Result<(Vec<Listening>, CancellationToken)> {
    step.set("the HTTP server");
    watch::start(app).await?;
    step.set("an `on_built` hook");
    for hook in builder.on_built.drain(..) {
        hook(app.clone()).await?;
    }
    if let Some(node) = &app.inner.node {
        step.set("the transport of the cluster, such as NATS");
        node.connect().await?;
    }
    step.set("`init` of the modules");
    let services = &*tables.services;
    lifecycles.modules = app.inner.modules.begin();
    lifecycles.modules.init(services).await?;
    step.set("`init` of the components");
    lifecycles.components.init(services).await?;
    if let Some(node) = &app.inner.node {
        node.serve(&tables);
        step.set("the binding storage, such as etcd");
        node.store_bindings(app.inner.cancel.clone()).await?;
        step.set("the discovery of the cluster, such as etcd");
        node.join().await?;
    }
    step.set("`after_init` of modules and components");
    lifecycles.after_init().await;
    // A first run is one interval later.
    for (component, every) in timers {
        start_timer(&app.inner.timers, &component, every)?;
    }
    app.inner.timers.start(&app.inner.tasks, &app.inner.cancel, &app.inner.kill);
    app.inner.groups.start(&app.inner.tasks, app.inner.cancel.clone());

    #[cfg(feature = "worker")]
    app.inner.jobs.start(builder, app, &tables)?;

    let meters = ConnectionMetrics::new(&app.inner.metrics, &tables);
    let rates = rates(builder, &tables)?;
    let front = Arc::new(ConnectionContext {
        pool: Arc::clone(&app.inner.pool),
        server_type: builder.server_type.as_str().into(),
        tables,
        cluster: app.inner.node.as_ref().map(|node| Arc::clone(node.outbound())),
        handshake_policy,
        limits: settings::front(&builder.config),
        call_limits: rates,
        metrics: meters,
        failure_log: FailureLog::default(),
        tasks: app.inner.tasks.clone(),
        stopping: app.inner.cancel.clone(),
        kill: app.inner.kill.clone(),
        open: AtomicUsize::new(0),
    });
    step.set("the acceptors");
    let accepting = app.inner.cancel.child_token();
    let listening = listen(app, &front, std::mem::take(&mut builder.acceptors), &accepting).await?;
    app.inner.tasks.spawn(super::running::sample(app.clone()));
    Ok((listening, accepting))
}

/// The limits to the calls of clients: those of the configuration, and the builder's.
fn rates(builder: &mut Builder, tables: &Tables) -> Result<Option<CallLimits>> {
    let config = &builder.config;
    let mut rules = Vec::new();
    if config.rate_limit.user.limit > 0 && !config.rate_limit.force_disable {
        let rule = CallLimit::new(config.rate_limit.user.limit, config.rate_limit.user.interval)?;
        rules.push((rule.per_user().answered(config.rate_limit.answer), None));
    }
    let configured =
        config.rate_limit.routes.iter().filter(|_| !config.rate_limit.force_disable).map(|limit| {
            let rule = CallLimit::new(limit.limit, limit.interval)?.route(&*limit.route);
            let rule = if limit.per_user { rule.per_user() } else { rule };
            Ok(rule.answered(config.rate_limit.answer))
        });
    let configured = configured.collect::<Result<Vec<_>>>()?;
    let own = format!("{}.", builder.server_type);
    for rule in configured.into_iter().chain(builder.call_limits.drain(..)) {
        let route = rule.full_route(&builder.server_type).transpose()?;
        if let Some(route) = &route
            && route.starts_with(&own)
            && tables.handlers.find(route.as_bytes()).is_none()
        {
            return Err(broken(format!("call limit: this server has no handler `{route}`")));
        }
        rules.push((rule, route));
    }
    Ok(CallLimits::new(rules))
}

/// Reports the mistakes that can be found before anything is built.
fn check(builder: &mut Builder) -> Result<()> {
    let mut problems = std::mem::take(&mut builder.problems);
    if let Err(error) = builder.config.validate() {
        problems.push(error.to_string());
    }
    for note in builder.config.notes() {
        tracing::warn!("configuration: {note}");
    }
    let name = &builder.server_type;
    if name.is_empty() || name.contains(['.', '/', '*', '>']) || name.contains(char::is_whitespace) {
        problems.push(format!(
            "server type `{name}`: give the app one with `.server_type(\"…\")`, of letters, digits, `-` and `_`"
        ));
    }
    match (builder.frontend, builder.acceptors.is_empty()) {
        (Some(false), false) => problems.push("a backend has no acceptors: clients connect to frontends".to_owned()),
        (None | Some(true), true) => problems.push(
            "a frontend needs an acceptor: add `.acceptor(Tcp::new(\"0.0.0.0:3250\"))`, or make it a backend with `.backend()`"
                .to_owned(),
        ),
        _ => {}
    }
    if problems.is_empty() { Ok(()) } else { Err(broken(problems.join("\n"))) }
}

fn broken(msg: String) -> Error {
    Error::new(code::INTERNAL, msg)
}

/// Makes the app's handle and the services that components may ask for.
fn assemble(builder: &mut Builder, format: Format, dictionary: Dictionary) -> Result<App> {
    let services = Arc::clone(&builder.services);
    let config = Arc::new(builder.config.clone());
    #[cfg(feature = "worker")]
    let reliable = crate::worker::Reliable::new(&settings::worker(&config))?;
    let server_id: Arc<str> =
        builder.server_id.take().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()).into();
    watch::add_reporters(builder);
    let metrics = Metrics::new(&config, &builder.server_type, std::mem::take(&mut builder.reporters))
        .map_err(|error| broken(error.to_string()))?;
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
    let settings = settings::sessions(&config, &metrics, format, dictionary, tracer.clone());
    let (node, pool) = super::cluster::node(builder, &shared, &metrics, settings)?;
    let sessions = SessionPool(Arc::clone(&pool));
    let rpc = Rpc::new(match &node {
        Some(node) => Arc::clone(node.outbound()) as _,
        None => Arc::new(LocalRemotes(Arc::clone(&shared))),
    });
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
            #[cfg(feature = "otel")]
            tracer,
            heap: builder.heap.take(),
            watch: watch::Watch::default(),
            #[cfg(feature = "worker")]
            jobs: super::jobs::Jobs::default(),
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

/// Makes the components and the tables.
fn build(builder: &mut Builder, app: &App) -> Result<Built> {
    let mut built = plan(builder, app).build()?;
    for note in &built.notes {
        tracing::warn!("{note}");
    }
    check_format(&app.inner.pool.settings().format, &built.tables.handlers)?;
    built.tables.services = Arc::clone(&builder.services);
    Ok(built)
}

/// The tracer of the app, if it has one.
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
        collect: builder.collect,
        forwards: app.inner.node.is_some() && (builder.frontend != Some(false) || is_worker),
        registered: std::mem::take(&mut builder.registered),
        services: &builder.services,
        handler_pipeline: std::mem::take(&mut builder.handler_pipeline),
        remote_pipeline: std::mem::take(&mut builder.remote_pipeline),
    }
}

/// Every handler must be able to speak the server's serializer.
fn check_format(format: &Format, handlers: &Table) -> Result<()> {
    if !matches!(format, Format::Protobuf) {
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
    Err(broken(format!(
        "the server speaks Protobuf, but these messages do not: annotate them with `#[message(proto)]`\n{}",
        offenders.join("\n")
    )))
}

fn handshake_policy(
    builder: &mut Builder,
    format: &Format,
    dictionary: &Dictionary,
) -> Result<HandshakePolicy> {
    let compression = builder.config.message_compression;
    let template = handshake::Reply {
        code: handshake::OK,
        heartbeat_seconds: handshake::whole_seconds(builder.config.heartbeat_interval)
            .map_err(|error| broken(error.to_string()))?,
        dictionary: dictionary.clone(),
        serializer: format.name().to_owned(),
        payload: None,
    };
    let refuse = handshake::Reply { code: handshake::REFUSED, ..template.clone() };
    let encode =
        |reply: &handshake::Reply| reply.encode(compression).map_err(|error| broken(error.to_string()));
    Ok(HandshakePolicy {
        validators: std::mem::take(&mut builder.validators),
        authenticate: builder.authenticate.take(),
        accept: encode(&template)?,
        refuse_plain: encode(&refuse)?,
        template,
        compression,
    })
}

/// Opens all acceptors before any of them accepts a client.
async fn listen(
    app: &App,
    front: &Arc<ConnectionContext>,
    acceptors: Vec<Box<dyn Acceptor>>,
    accepting: &CancellationToken,
) -> Result<Vec<Listening>> {
    let weak = Arc::downgrade(&app.inner);
    let cluster = Arc::new(Cached::default());
    let ready = Readiness::new(move || {
        let (app, cluster) = (weak.upgrade().map(|inner| App { inner }), Arc::clone(&cluster));
        async move {
            let Some(app) = app.filter(App::is_running) else { return false };
            let Some(node) = app.inner.node.clone() else { return true };
            cluster.get(async move { node.is_ready().await }).await.unwrap_or(false)
        }
    });
    let options = settings::listen(app.config(), ready);
    let mut open = Vec::new();
    for mut acceptor in acceptors {
        let listening = acceptor
            .listen(&options)
            .await
            .map_err(|error| broken(format!("failed to listen: {error}")).with_source(error))?;
        tracing::info!(address = %listening.address, others = ?listening.others, kind = %listening.label, "listening");
        open.push((acceptor, listening));
    }
    let mut all = Vec::new();
    for (acceptor, listening) in open {
        let (front, accepting, stopping) = (Arc::clone(front), accepting.clone(), app.inner.cancel.clone());
        app.inner.tasks.spawn(accept(acceptor, front, accepting, stopping));
        all.push(listening);
    }
    Ok(all)
}

/// Accepts until `accepting` is cancelled; an acceptor that answers clients during a drain, until `stopping` is.
///
/// A failure, such as too many open files, pauses the acceptor and does not end it.
async fn accept(
    mut acceptor: Box<dyn Acceptor>,
    front: Arc<ConnectionContext>,
    accepting: CancellationToken,
    stopping: CancellationToken,
) {
    let mut backoff = AcceptBackoff::new();
    let mut until = accepting;
    let mut draining = false;
    loop {
        let accept = AssertUnwindSafe(acceptor.accept()).catch_unwind();
        let accepted = tokio::select! {
            biased;
            () = until.cancelled() => None,
            accepted = accept => Some(accepted),
        };
        let Some(accepted) = accepted else {
            let answers =
                !draining && std::panic::catch_unwind(AssertUnwindSafe(|| acceptor.drain())).unwrap_or(false);
            if !answers {
                return;
            }
            (draining, until) = (true, stopping.clone());
            continue;
        };
        match accepted.unwrap_or_else(|panic| Err(io::Error::other(panic_error("an acceptor", &*panic)))) {
            Ok(incoming) => {
                let failures = backoff.succeeded();
                if failures > 0 {
                    tracing::info!(failures, "accepting connections again");
                }
                front.serve(incoming);
            }
            Err(error) => {
                let pause = backoff.failed(&error);
                front.metrics.record_rejected("accept");
                if pause.log {
                    throttled!(front.pool.log(), warn, "failed accepts", %error, "failed to accept a connection");
                }
                tokio::select! {
                    biased;
                    () = until.cancelled() => {}
                    () = tokio::time::sleep(pause.wait) => {}
                }
            }
        }
    }
}

impl std::fmt::Debug for Built {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built").finish_non_exhaustive()
    }
}
