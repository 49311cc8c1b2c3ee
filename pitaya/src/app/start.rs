//! Starts an app: checks first, then the parts in order, the acceptors last.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::builder::Builder;
use super::signals::Signals;
use super::{App, Running, accept, sampling, settings, stop, watch};
use crate::acceptor::Listening;
use crate::component::{Every, Instance, Tables, start_timer};
use crate::connection::{ConnectionContext, ConnectionMetrics, FailureLog, HandshakePolicy};
use crate::error::{Error, Result, code};
use crate::lifecycle::{LifecycleList, Lifecycles};
use crate::util::sync::Mutex;
use crate::wire::Dictionary;

mod assemble;
mod call_limits;
mod check;
mod handshake;

impl Builder {
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
        let started = start_or_stop(self, None).await?;
        started.ok_or_else(|| invalid("the start was interrupted".to_owned()))
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
        if let Some(running) = start_or_stop(self, Some(&mut signals)).await? {
            started(&running);
            running.serve(signals).await;
        }
        Ok(())
    }
}

/// Starts an app unless a signal interrupts the start. Returns `None` if one did: then everything that had begun has
/// stopped, in the order of a stop. A second signal skips the remaining waits.
async fn start_or_stop(mut builder: Builder, mut signals: Option<&mut Signals>) -> Result<Option<Running>> {
    let Prepared { app, mut lifecycles, served } = prepare(&mut builder)?;
    let step = Step::new("the start");
    let begun = tokio::select! {
        biased;
        begun = begin(&mut builder, &app, &mut lifecycles, served, &step) => begun.map(Some),
        () = next_signal(signals.as_deref_mut()) => {
            tracing::info!(during = step.get(), "start interrupted by a signal: stopping");
            Ok(None)
        }
        error = time_out(app.config().start_timeout, &step) => Err(error),
    };
    match begun {
        Ok(Some((listening, accepting))) => {
            app.inner.watch.started();
            tracing::info!(server_type = app.server_type(), server_id = app.server_id(), "started");
            Ok(Some(Running::new(app, listening, accepting, lifecycles)))
        }
        Ok(None) => {
            stop_begun(app, lifecycles, signals).await;
            Ok(None)
        }
        Err(error) => {
            stop_begun(app, lifecycles, signals).await;
            Err(error)
        }
    }
}

/// An app that is built and has not begun anything.
struct Prepared {
    app: App,
    lifecycles: Lifecycles,
    served: ServedParts,
}

/// The parts that an app serves.
struct ServedParts {
    tables: Arc<Tables>,
    timers: Vec<(Instance, &'static Every)>,
    handshake_policy: HandshakePolicy,
}

/// Checks the builder, and builds the app with its components and route tables.
fn prepare(builder: &mut Builder) -> Result<Prepared> {
    check::check(builder)?;
    let serializer = builder.serializer.take().unwrap_or_else(|| settings::serializer(&builder.config));
    let dictionary = Dictionary::new(builder.dictionary.drain(..))
        .map_err(|error| invalid(error.to_string()))?
        .inbound_only(builder.config.dictionary_inbound_only);
    let handshake_policy = handshake::handshake_policy(builder, &serializer, &dictionary)?;
    let app = assemble::assemble(builder, serializer, dictionary)?;
    let built = assemble::build(builder, &app).inspect_err(|_| app.inner.release())?;
    let tables = Arc::new(built.tables);
    app.inner.shared.tables.set(Arc::clone(&tables));
    let lifecycles = Lifecycles {
        modules: LifecycleList::new("module", Vec::new()),
        components: LifecycleList::new("component", built.lifecycles),
    };
    Ok(Prepared { app, lifecycles, served: ServedParts { tables, timers: built.timers, handshake_policy } })
}

/// Starts modules, components and the cluster, and opens the acceptors last.
async fn begin(
    builder: &mut Builder,
    app: &App,
    lifecycles: &mut Lifecycles,
    served: ServedParts,
    step: &Step,
) -> Result<(Vec<Listening>, CancellationToken)> {
    let ServedParts { tables, timers, handshake_policy } = served;
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
    if let Some(worker) = builder.worker.take() {
        app.inner.jobs.start(worker, settings::worker(&builder.config), app, &tables)?;
    }

    step.set("the acceptors");
    let context = connection_context(builder, app, tables, handshake_policy)?;
    let accepting = app.inner.cancel.child_token();
    let acceptors = std::mem::take(&mut builder.acceptors);
    let listening = accept::listen(app, &context, acceptors, &accepting).await?;
    app.inner.tasks.spawn(sampling::sample(app.clone()));
    Ok((listening, accepting))
}

/// Makes what all connections of the app share.
fn connection_context(
    builder: &mut Builder,
    app: &App,
    tables: Arc<Tables>,
    handshake_policy: HandshakePolicy,
) -> Result<Arc<ConnectionContext>> {
    let metrics = ConnectionMetrics::new(&app.inner.metrics, &tables);
    let call_limits = call_limits::call_limits(builder, &tables)?;
    Ok(Arc::new(ConnectionContext {
        pool: Arc::clone(&app.inner.pool),
        server_type: builder.server_type.as_str().into(),
        tables,
        cluster: app.inner.node.as_ref().map(|node| Arc::clone(node.outbound())),
        handshake_policy,
        limits: settings::front(&builder.config),
        call_limits,
        metrics,
        failure_log: FailureLog::default(),
        tasks: app.inner.tasks.clone(),
        stopping: app.inner.cancel.clone(),
        kill: app.inner.kill.clone(),
        open: AtomicUsize::new(0),
    }))
}

/// Stops everything that has begun, in the order of a stop. A signal skips the remaining waits.
async fn stop_begun(app: App, lifecycles: Lifecycles, signals: Option<&mut Signals>) {
    let accepting = app.inner.cancel.child_token();
    let running = Running::new(app, Vec::new(), accepting, lifecycles);
    let force = CancellationToken::new();
    let second = async {
        next_signal(signals).await;
        force.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = stop::stop(running, &force) => {}
        () = second => {}
    }
}

/// Waits for a signal; without signals, without end.
async fn next_signal(signals: Option<&mut Signals>) {
    match signals {
        Some(signals) => drop(signals.next().await),
        None => std::future::pending().await,
    }
}

/// Returns an error once a start has taken `limit`. Zero is no limit.
async fn time_out(limit: Duration, step: &Step) -> Error {
    if limit.is_zero() {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(limit).await;
    let step = step.get();
    let msg =
        format!("the start timed out after {limit:?} (`pitaya.start.timeout`) while waiting for {step}");
    Error::new(code::TIMEOUT, msg)
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

fn invalid(msg: String) -> Error {
    Error::new(code::INTERNAL, msg)
}
