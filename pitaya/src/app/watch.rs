//! The reporters of an app's metrics, and the HTTP server. They start before all other parts and stop after them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::App;
use crate::config::Config;
use crate::error::Result;
use crate::metrics::Reporter;

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// The phase of an app, and the tasks that report it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    phase: AtomicU8,
    address: OnceLock<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Watch {
    pub(super) fn started(&self) {
        let _ = self.phase.compare_exchange(STARTING, SERVING, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(super) fn draining(&self) {
        self.phase.store(DRAINING, Ordering::Relaxed);
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address.get().copied()
    }

    /// Stops all tasks.
    pub(super) fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Returns the reason why the app takes no new work; `None` if it does. The cluster is not considered.
    #[cfg(feature = "http")]
    pub(super) fn unready(&self) -> Option<&'static str> {
        match self.phase.load(Ordering::Relaxed) {
            STARTING => Some("the server is starting"),
            DRAINING => Some("the server is draining"),
            _ => None,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

/// Adds the reporters that the configuration asks for.
#[cfg_attr(not(any(feature = "prometheus", feature = "statsd")), expect(unused_mut, reason = "none to add"))]
pub(super) fn add_reporters(
    config: &Config,
    mut reporters: Vec<Arc<dyn Reporter>>,
) -> Vec<Arc<dyn Reporter>> {
    warn_of_missing_features(config);
    #[cfg(feature = "prometheus")]
    if (config.metrics.prometheus.enabled || !config.http_listen.is_empty())
        && !reporters.iter().any(|reporter| reporter.scrape("").is_some())
    {
        reporters.push(Arc::new(crate::metrics::Prometheus::from_config(config)));
    }
    #[cfg(feature = "statsd")]
    if config.metrics.statsd.enabled {
        match crate::metrics::Statsd::from_config(config) {
            Ok(statsd) => reporters.push(Arc::new(statsd)),
            Err(error) => tracing::error!(%error, "failed to set up StatsD: no metrics are sent to it"),
        }
    }
    reporters
}

/// Such a configuration is not an error, because one file may serve programs with different features.
fn warn_of_missing_features(config: &Config) {
    for (set, built, key, feature) in [
        (
            config.metrics.prometheus.enabled,
            cfg!(feature = "prometheus"),
            "pitaya.metrics.prometheus.enabled",
            "prometheus",
        ),
        (config.metrics.statsd.enabled, cfg!(feature = "statsd"), "pitaya.metrics.statsd.enabled", "statsd"),
        (config.otel_enabled, cfg!(feature = "otel"), "pitaya.tracing.otel.enabled", "otel"),
        (!config.http_listen.is_empty(), cfg!(feature = "http"), "pitaya.http.listen", "http"),
    ] {
        if set && !built {
            tracing::warn!(
                "{key} has no effect: the program is built without the feature `{feature}` of pitaya"
            );
        }
    }
}

/// Starts the reporters, and the HTTP server if it is configured.
pub(super) async fn start(app: &App) -> Result<()> {
    let watch = &app.inner.watch;
    for reporter in app.inner.metrics.reporters() {
        let (reporter, stop) = (Arc::clone(reporter), watch.stop.clone());
        watch.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = reporter.run() => {}
            }
        });
    }
    #[cfg(feature = "http")]
    listen(app).await?;
    #[cfg(not(feature = "http"))]
    std::future::ready(()).await;
    Ok(())
}

#[cfg(feature = "http")]
async fn listen(app: &App) -> Result<()> {
    use super::pages::Pages;
    use crate::error::{Error, code};
    use crate::http::serve;
    use crate::net::TcpListeners;

    let (watch, config) = (&app.inner.watch, app.config());
    let pages = Arc::new(Pages::new(app));
    let mut served = Vec::new();
    if !config.http_listen.is_empty() {
        let listeners = TcpListeners::bind(&config.http_listen).await.map_err(|error| {
            Error::new(code::INTERNAL, format!("`pitaya.http.listen`: {error}")).with_source(error)
        })?;
        if let Some(address) = listeners.addresses().unwrap_or_default().first() {
            let _ = watch.address.set(*address);
            tracing::info!(%address, "serving /livez, /readyz and /metrics over HTTP");
        }
        served = listeners.addresses().unwrap_or_default();
        let pages = Arc::clone(&pages);
        let answer = move |request| {
            let pages = Arc::clone(&pages);
            async move { pages.all(request).await }
        };
        serve(listeners, answer, &watch.stop, &watch.tasks);
    }
    // One listener may serve both.
    let covered = served.iter().any(|address: &SocketAddr| {
        address.port() == config.metrics.prometheus.port
            && (address.ip().is_unspecified() || config.metrics.prometheus.host.parse() == Ok(address.ip()))
    });
    if config.metrics.prometheus.enabled && cfg!(feature = "prometheus") && !covered {
        let host = &config.metrics.prometheus.host;
        let host =
            if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.clone() };
        match TcpListeners::bind(&format!("{host}:{}", config.metrics.prometheus.port)).await {
            Ok(listeners) => {
                tracing::info!(address = ?listeners.addresses().unwrap_or_default(), "serving /metrics to Prometheus");
                let answer = move |request| {
                    let pages = Arc::clone(&pages);
                    async move { pages.metrics(request).await }
                };
                serve(listeners, answer, &watch.stop, &watch.tasks);
            }
            Err(error) => {
                tracing::error!(%error, "failed to listen for Prometheus: the server runs without it")
            }
        }
    }
    Ok(())
}

/// Stops the HTTP server and the work of the reporters. The reporters send their remaining values.
pub(super) async fn stop(app: &App) {
    let watch = &app.inner.watch;
    watch.end();
    watch.tasks.wait().await;
    join_all(app.inner.metrics.reporters().iter().map(|reporter| reporter.flush())).await;
}
