//! Metrics: every name, and the trait that exporters implement.
//!
//! The statics of this room are the metrics of the framework; call sites and exporters name them, and nothing
//! else has their names. [`Metrics`] is the hub of an app. A place that reports for every message asks it for a
//! [`Handle`] once and records with that; without a reporter the handle is empty and recording costs nothing.
//! [`Memory`] keeps everything in memory, for tests and for small servers. [`Prometheus`](https://prometheus.io) reads
//! from the reporter of the feature `prometheus`; that of the feature `statsd` sends to StatsD and DogStatsD servers.
//!
//! An application's own metrics are statics too, or defined in its configuration:
//!
//! ```
//! use std::sync::Arc;
//! use pitaya::config::Config;
//! use pitaya::metrics::{Memory, Metrics};
//!
//! let config = Config::parse(r#"
//!     [[pitaya.metrics.custom.counters]]
//!     subsystem = "room"
//!     name = "games_played"
//!     labels = ["mode"]
//! "#)?;
//! let memory = Arc::new(Memory::new());
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

mod far;
#[cfg(test)]
mod guide;
mod handle;
mod heap;
mod hub;
mod labels;
mod memory;
mod metric;
mod names;
#[cfg(feature = "prometheus")]
mod prometheus;
mod reporter;
mod route;
#[cfg(any(feature = "prometheus", feature = "statsd"))]
mod series;
#[cfg(feature = "statsd")]
mod statsd;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use far::FarRoutes;
pub use handle::{Handle, Level};
pub use heap::Heap;
pub(crate) use heap::HeapSource;
pub use hub::Metrics;
pub use memory::{Memory, Sample};
pub use metric::{Metric, MetricKind};
pub use names::*;
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use prometheus::Prometheus;
pub use reporter::{Instrument, MetricError, Reporter, ReporterFuture, Scrape};
pub use route::RouteTimings;
#[cfg(feature = "statsd")]
#[cfg_attr(docsrs, doc(cfg(feature = "statsd")))]
pub use statsd::{Statsd, StatsdError};
