//! An exporter that reports its failures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::util::throttle::{GLOBAL, throttled};

/// Logs failed exports, at most once a minute, with the number of spans lost since the last successful export.
#[derive(Debug)]
pub(super) struct Reported<E> {
    exporter: E,
    lost: AtomicUsize,
}

impl<E> Reported<E> {
    pub(super) fn new(exporter: E) -> Self {
        Self { exporter, lost: AtomicUsize::new(0) }
    }
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        match &result {
            Ok(()) => self.lost.store(0, Ordering::Relaxed),
            Err(error) => {
                let lost = self.lost.fetch_add(spans, Ordering::Relaxed) + spans;
                throttled!(GLOBAL, warn, "trace exports", lost, %error, "failed to export traces by OTLP");
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
