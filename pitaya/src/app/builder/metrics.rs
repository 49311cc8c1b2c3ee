//! The metrics and traces of an app.

use std::sync::Arc;

use super::Builder;
use crate::metrics::{Heap, HeapSource, Reporter};

/// # Metrics and traces
impl Builder {
    /// Adds a reporter of metrics. An `Arc` of a reporter is one too, for a reporter to keep.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use pitaya::App;
    /// use pitaya::metrics::InMemoryReporter;
    ///
    /// let memory = Arc::new(InMemoryReporter::new());
    /// let app = App::builder().reporter(Arc::clone(&memory));
    /// ```
    #[must_use]
    pub fn reporter(mut self, reporter: impl Reporter) -> Self {
        self.reporters.push(Arc::new(reporter));
        self
    }

    /// Exports traces: a span for each message of a client, and for each call between servers ([`otel`](crate::otel)).
    #[cfg(feature = "otel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "otel")))]
    #[must_use]
    pub fn otel(mut self, otel: crate::otel::Otel) -> Self {
        self.otel = Some(otel);
        self
    }

    /// Sets the source of the metrics `heapsize` and `heapobjects`, such as the statistics of the allocator. The app
    /// reads it once each `pitaya.metrics.period`. The default reports the anonymous memory of the process on Linux as
    /// `heapsize`, and no `heapobjects`.
    ///
    /// ```
    /// use pitaya::metrics::Heap;
    /// use pitaya::prelude::*;
    ///
    /// // The statistics of a counting allocator.
    /// let app = App::builder().heap(|| Heap { bytes: 1 << 20, objects: Some(2000) });
    /// ```
    #[must_use]
    pub fn heap(mut self, read: impl Fn() -> Heap + Send + Sync + 'static) -> Self {
        self.heap = Some(HeapSource::new(read));
        self
    }
}
