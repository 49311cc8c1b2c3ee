//! Opens the acceptors of an app and accepts clients.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::App;
use super::cached::Cached;
use super::settings;
use crate::acceptor::{AcceptBackoff, Acceptor, Listening, Readiness};
use crate::connection::ConnectionContext;
use crate::error::{Error, Result, code};
use crate::util::panic::panic_error;
use crate::util::throttle::throttled;

/// Opens all acceptors before any of them accepts a client.
pub(super) async fn listen(
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
        let listening = acceptor.listen(&options).await.map_err(|error| {
            Error::new(code::INTERNAL, format!("failed to listen: {error}")).with_source(error)
        })?;
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
