//! A reporter that sends to a StatsD or DogStatsD server.
//!
//! Recording stores a value in a series, without a lock. A task of the app reads all series every 100 ms, writes lines,
//! and sends them in datagrams. Values that the server does not receive are lost and counted. Nothing waits for the server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, Notify};

use super::series::{MOST_SERIES, Registry};
use super::{Instrument, Metric, MetricError, Reporter, ReporterFuture};
use crate::config::{Config, StatsdDialect};

mod address;
mod line;
mod ring;
mod sender;
mod series;
#[cfg(test)]
mod tests;

use address::Address;
pub use address::StatsdError;
use line::Style;
use sender::Sender;
use series::Series;

/// Sends metrics to a StatsD or DogStatsD server, over UDP or a Unix socket.
///
/// The app makes one if `pitaya.metrics.statsd.enabled` is set. Names are the prefix and the bare name of the metric.
/// Counters are sent as sums, gauges as their last level, summaries as times (`ms`, with the value as it is), and
/// histograms as `h`, each at most 100 ms late. The labels are tags.
///
/// A host that is not found, a closed port or a slow server loses values, which [`dropped`](Self::dropped) counts. The
/// reason is logged at most once a minute.
///
/// A metric keeps up to 10,000 label sets. Further ones are sent with the value `other` for each label, which is logged
/// once.
pub struct Statsd {
    address: Address,
    style: Style,
    rate: f64,
    registry: Registry<Series>,
    pending: Arc<Pending>,
    sender: Mutex<Sender>,
}

/// The state that the series share with the sender.
#[derive(Default)]
pub(super) struct Pending {
    /// Wakes the sender early, because a series is half full.
    full: Notify,
    /// The number of lost values.
    dropped: AtomicU64,
}

impl Statsd {
    /// Returns the reporter that `pitaya.metrics.statsd.…` configures.
    ///
    /// The environment variables `DD_ENTITY_ID`, `DD_ENV`, `DD_SERVICE` and `DD_VERSION` add tags. `DD_AGENT_HOST` and
    /// `DD_DOGSTATSD_PORT` are the address if the configured one is empty.
    ///
    /// # Errors
    /// The address is invalid. Its name is not looked up here.
    pub fn from_config(config: &Config) -> Result<Self, StatsdError> {
        Self::from_parts(config, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_parts(config: &Config, env: impl Fn(&str) -> Option<String>) -> Result<Self, StatsdError> {
        let address = Address::parse(&config.metrics.statsd.host, &env)?;
        let tags = [
            ("DD_ENTITY_ID", "dd.internal.entity_id"),
            ("DD_ENV", "env"),
            ("DD_SERVICE", "service"),
            ("DD_VERSION", "version"),
        ];
        let tags = tags.iter().filter_map(|(variable, tag)| Some(((*tag).to_owned(), env(variable)?)));
        let sampled = config.metrics.statsd.rate < 1.0;
        Ok(Self {
            sender: Mutex::new(Sender::new(&address)),
            address,
            style: Style {
                prefix: config.metrics.statsd.prefix.clone(),
                tags: tags.collect(),
                rate: sampled.then_some(config.metrics.statsd.rate),
                tagged: config.metrics.statsd.dialect == StatsdDialect::DogStatsd,
            },
            rate: config.metrics.statsd.rate,
            registry: Registry::new(MOST_SERIES),
            pending: Arc::default(),
        })
    }

    /// Returns the number of lost values and lines.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.pending.dropped.load(Ordering::Relaxed)
    }

    /// Sends the values of all series.
    async fn send(&self) {
        let mut sender = self.sender.lock().await;
        if !sender.is_connected(&self.address).await {
            return;
        }
        for family in self.registry.families() {
            for series in family.series() {
                series.drain(|line| sender.add(line));
                if sender.is_full() {
                    self.lost(sender.send().await);
                }
            }
        }
        sender.end();
        self.lost(sender.send().await);
    }

    fn lost(&self, lines: u64) {
        self.pending.dropped.fetch_add(lines, Ordering::Relaxed);
    }
}

impl Reporter for Statsd {
    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Arc<dyn Instrument>, MetricError> {
        let make = |labels: &[(&str, &str)]| {
            Series::new(metric.kind(), self.style.line(metric, labels), self.rate, &self.pending)
        };
        Ok(self.registry.series(metric, labels, make)?.series)
    }

    fn run(&self) -> ReporterFuture<'_> {
        Box::pin(async move {
            loop {
                // Either may be dropped: a wake-up that is missed is followed by the timer.
                tokio::select! {
                    () = tokio::time::sleep(sender::PAUSE) => {}
                    () = self.pending.full.notified() => {}
                }
                self.send().await;
            }
        })
    }

    fn flush(&self) -> ReporterFuture<'_> {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Statsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statsd")
            .field("address", &self.address)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}
