//! Metrics: their definitions, and the trait that exporters implement.
//!
//! The statics of this module are the metrics of the framework. [`Metrics`] reports to all reporters of an app. Code that
//! records for every message asks it for a [`BoundMetric`] once; without a reporter, recording costs nothing.
//! [`InMemoryReporter`] keeps everything in memory, for tests and small servers. The feature `prometheus` has a reporter
//! from which [Prometheus](https://prometheus.io) reads, and the feature `statsd` one that sends to StatsD and DogStatsD
//! servers.
//!
//! An application defines metrics of its own as statics, or in its configuration:
//!
//! ```
//! use std::sync::Arc;
//! use pitaya::config::Config;
//! use pitaya::metrics::{InMemoryReporter, Metrics};
//!
//! let config = Config::parse(r#"
//!     [[pitaya.metrics.custom.counters]]
//!     subsystem = "room"
//!     name = "games_played"
//!     labels = ["mode"]
//! "#)?;
//! let memory = Arc::new(InMemoryReporter::new());
//! let metrics = Metrics::new(&config, "room", vec![memory.clone()])?;
//!
//! metrics.record("games_played", &[("mode", "duel")], 1.0)?;
//! assert_eq!(memory.value("games_played", &[("mode", "duel")]), Some(1.0));
//! assert_eq!(
//!     metrics.record("games", &[], 1.0).unwrap_err().to_string(),
//!     "metric not known: games",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bound;
mod error;
#[cfg(test)]
mod guide;
mod heap;
mod in_memory;
mod kind;
mod labels;
mod metric;
mod names;
#[cfg(feature = "prometheus")]
mod prometheus;
mod remote_routes;
mod reporter;
mod reporters;
mod route;
mod series;
#[cfg(feature = "statsd")]
mod statsd;
mod sums;
#[cfg(test)]
mod tests;

pub use bound::{BoundMetric, SharedGauge};
pub use error::MetricError;
pub use heap::Heap;
pub(crate) use heap::HeapSource;
pub use in_memory::{InMemoryReporter, Sample};
pub use kind::MetricKind;
pub use metric::Metric;
pub use names::*;
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use prometheus::Prometheus;
pub(crate) use remote_routes::RemoteRoutes;
pub use reporter::{Instrument, Reporter, ReporterFuture, Scrape};
pub use reporters::{MetricRef, Metrics};
pub use route::RouteTimings;
#[cfg(feature = "statsd")]
#[cfg_attr(docsrs, doc(cfg(feature = "statsd")))]
pub use statsd::{Statsd, StatsdError};
