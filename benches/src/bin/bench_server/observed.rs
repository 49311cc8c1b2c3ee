//! The exporters of an observed server.

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use pitaya::app::Builder;
use pitaya::metrics::Prometheus;
use pitaya::otel::Otel;

/// The part of all traces that is sampled.
const SAMPLED: f64 = 0.01;

/// Adds the exporter for Prometheus, and traces of 1 % of the messages.
///
/// The spans are collected in batches, and the exporter discards them: encoding and sending them is the work of the
/// OpenTelemetry SDK, in a thread of its own.
pub(crate) fn observe(app: Builder) -> Builder {
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(SAMPLED)));
    let provider = SdkTracerProvider::builder().with_sampler(sampler).with_batch_exporter(Discard).build();
    app.reporter(Prometheus::new()).otel(Otel::with_provider(provider))
}

/// An exporter without a collector.
#[derive(Debug)]
struct Discard;

impl SpanExporter for Discard {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}
