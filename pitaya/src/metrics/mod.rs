//! Metrics: every name, and the trait that exporters implement.
//!
//! The statics of this room are the metrics of the framework; call sites and exporters name them, and nothing
//! else has their names. [`Metrics`] is the hub of an app. A place that reports for every message asks it for a
//! [`BoundMetric`] once and records with that; without a reporter the handle is empty and recording costs nothing.
//! [`InMemoryReporter`] keeps everything in memory, for tests and for small servers. [`Prometheus`](https://prometheus.io) reads
//! from the reporter of the feature `prometheus`; that of the feature `statsd` sends to StatsD and DogStatsD servers.
//!
//! An application's own metrics are statics too, or defined in its configuration:
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
//! metrics.custom_counter("games_played", &[("mode", "duel")], 1.0)?;
//! assert_eq!(memory.value("games_played", &[("mode", "duel")]), Some(1.0));
//! assert_eq!(
//!     metrics.custom_counter("games", &[], 1.0).unwrap_err().to_string(),
//!     "metric not known: games",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bound;
#[cfg(test)]
mod guide;
mod heap;
mod in_memory;
mod labels;
mod metric;
mod names;
#[cfg(feature = "prometheus")]
mod prometheus;
mod remote_routes;
mod reporter;
mod reporters;
mod route;
#[cfg(any(feature = "prometheus", feature = "statsd"))]
mod series;
#[cfg(feature = "statsd")]
mod statsd;
mod sums;
#[cfg(test)]
mod tests;

pub use bound::{BoundMetric, SharedGauge};
pub use heap::Heap;
pub(crate) use heap::HeapSource;
pub use in_memory::{InMemoryReporter, Sample};
pub use metric::{Metric, MetricKind};
pub use names::*;
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use prometheus::Prometheus;
pub(crate) use remote_routes::RemoteRoutes;
pub use reporter::{Instrument, MetricError, Reporter, ReporterFuture, Scrape};
pub use reporters::Metrics;
pub use route::RouteTimings;
#[cfg(feature = "statsd")]
#[cfg_attr(docsrs, doc(cfg(feature = "statsd")))]
pub use statsd::{Statsd, StatsdError};
