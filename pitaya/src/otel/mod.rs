//! Traces for Jaeger, Tempo, Datadog and others, by OpenTelemetry (feature `otel`).
//!
//! With [`Builder::otel`](crate::app::Builder::otel) or the key `pitaya.tracing.otel.enabled`, a server makes these spans:
//!
//! | span | kind | attributes |
//! |---|---|---|
//! | the route: a client's message, or the call of a remote | server | `local.id`, `request.id`; of a message `msg.type`, `session.id`, `user.id`; of a call from another server `peer.id`, `peer.service` |
//! | `RPC Call`: the call of a remote, or a message that is forwarded | client | `local.id`, `peer.id`, `peer.serverType`, `rpc.method` |
//!
//! One trace goes through all servers that a message reaches, because the context of a call carries its span (the key
//! `otel-span`, as Go Pitaya writes it). A failed call has the status `error` and the attribute `error.code`. No span has
//! a payload.
//!
//! [`Otel::from_env`] exports by OTLP over gRPC and reads the `OTEL_*` variables, so the exporter is configured as
//! everywhere else:
//!
//! | variable | default |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT`, `…_HEADERS`, `…_TIMEOUT`, `…_COMPRESSION`, `…_CERTIFICATE` | `http://localhost:4317`, 10 s |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | `parentbased_always_on` |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | the server type as `service.name`, the server id as `service.instance.id` |
//! | `OTEL_BSP_*` | a queue of 2048 spans, exported every 5 s |
//! | `OTEL_SDK_DISABLED` | `true` makes no spans |
//!
//! A collector that is away costs spans only: the queue is bounded, and a full one drops spans without a log line. Failed
//! exports are logged, at most once a minute. A stop exports the spans that wait, within the time of a stop step.
//!
//! The spans of the `tracing` crate are made as well (target `pitaya::call`), for log lines. `tracing-opentelemetry` is not
//! needed.

mod exporter;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::time::Duration;

use opentelemetry::KeyValue;
#[cfg(feature = "tls")]
use opentelemetry_otlp::WithTonicConfig as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::error::{Error, Result, code};
use crate::span::Tracer;

/// The destination of an app's spans.
///
/// ```no_run
/// use pitaya::otel::Otel;
///
/// # async fn start() -> pitaya::Result<()> {
/// let app = pitaya::App::builder().server_type("gate").otel(Otel::from_env());
/// # let _ = app; Ok(()) }
/// ```
pub struct Otel(Source);

enum Source {
    /// The endpoint, if it is not that of the environment.
    Env(Option<String>),
    Provider(SdkTracerProvider),
}

impl Otel {
    /// Exports by OTLP over gRPC, as the `OTEL_*` variables say ([the module](self) lists them).
    ///
    /// The start of the app reads the variables.
    #[must_use]
    pub fn from_env() -> Self {
        Self(Source::Env(None))
    }

    /// [`from_env`](Self::from_env) with another endpoint, such as `http://collector:4317`.
    #[must_use]
    pub fn endpoint(url: impl Into<String>) -> Self {
        Self(Source::Env(Some(url.into())))
    }

    /// Uses a provider with other exporters, processors or samplers. The app shuts it down when it stops.
    #[must_use]
    pub fn with_provider(provider: SdkTracerProvider) -> Self {
        Self(Source::Provider(provider))
    }

    /// Returns the tracer of a server; `None` if the environment disables it.
    ///
    /// # Errors
    /// `PIT-500`: a variable has an invalid value.
    pub(crate) fn tracer(self, server_type: &str, server_id: &str) -> Result<Option<Tracer>> {
        let provider = match self.0 {
            Source::Env(_) if disabled() => return Ok(None),
            Source::Env(endpoint) => provider(endpoint, server_type, server_id)?,
            Source::Provider(provider) => provider,
        };
        Ok(Some(Tracer::new(provider, server_id)))
    }
}

impl fmt::Debug for Otel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Otel")
            .field(match self.0 {
                Source::Env(None) => &"from_env",
                Source::Env(Some(_)) => &"endpoint",
                Source::Provider(_) => &"with_provider",
            })
            .finish()
    }
}

/// Reads a variable that the SDK does not read.
fn disabled() -> bool {
    std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
}

fn provider(endpoint: Option<String>, server_type: &str, server_id: &str) -> Result<SdkTracerProvider> {
    let mut exporter = SpanExporter::builder().with_tonic();
    #[cfg(feature = "tls")]
    if let Some(tls) = tls::config(endpoint.as_deref())? {
        exporter = exporter.with_tls_config(tls);
    }
    if let Some(endpoint) = endpoint {
        exporter = exporter.with_endpoint(endpoint);
    }
    let exporter = exporter.build().map_err(|error| {
        Error::new(
            code::INTERNAL,
            format!("cannot export traces by OTLP: {error}: see the OTEL_EXPORTER_OTLP_* variables"),
        )
    })?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter::Reported::new(exporter))
        .with_resource(resource(server_type, server_id))
        .build())
}

/// Returns the names of the server. The variables override them.
fn resource(server_type: &str, server_id: &str) -> Resource {
    let from_env = Resource::builder().build();
    let mut resource = Resource::builder();
    let named = from_env
        .get(&"service.name".into())
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if !named {
        resource = resource.with_service_name(server_type.to_owned());
    }
    if from_env.get(&"service.instance.id".into()).is_none() {
        resource = resource.with_attribute(KeyValue::new("service.instance.id", server_id.to_owned()));
    }
    resource.build()
}

impl Tracer {
    /// Exports the spans that wait, for at most this time, and ends.
    pub(crate) async fn shutdown(&self, limit: Duration) {
        let provider = self.provider().clone();
        // It blocks its thread until the exporter is done, and the exporter needs this runtime.
        let done = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(limit)).await;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "failed to export the last traces"),
            Err(error) => tracing::warn!(%error, "failed to shut down the traces"),
        }
    }
}
