//! Traces: the spans that servers export by OTLP, received by a collector of this test.

mod gate_and_room;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use pitaya::otel::Otel;
use pitaya::prelude::*;
use pitaya::testing::{Cluster, TestServer};
use tonic::codec::CompressionEncoding;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

use gate_and_room::{Gate, Hall, Name, Spans, ann};

/// A span as the collector got it.
#[derive(Debug, Clone)]
struct Span {
    service: String,
    name: String,
    kind: SpanKind,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    attributes: BTreeMap<String, String>,
    failed: bool,
}

impl Span {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// A collector in this process.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            let resource = texts(of_resource.resource.unwrap_or_default().attributes);
            for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                self.0.lock().unwrap().push(Span {
                    service: resource["service.name"].clone(),
                    kind: span.kind(),
                    failed: span.status.is_some_and(|status| status.code() == StatusCode::Error),
                    name: span.name,
                    trace: span.trace_id,
                    id: span.span_id,
                    parent: span.parent_span_id,
                    attributes: texts(span.attributes),
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Starts it. Returns its endpoint.
    async fn start() -> (Self, String) {
        Self::serve(Server::builder(), "http").await
    }

    /// Starts it with a certificate of its own for `localhost`. Returns its endpoint and the certificate, as PEM.
    async fn start_with_tls() -> (Self, String, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(&cert, key));
        let (collector, endpoint) = Self::serve(Server::builder().tls_config(tls).unwrap(), "https").await;
        (collector, endpoint, cert)
    }

    async fn serve(mut server: Server, scheme: &str) -> (Self, String) {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let endpoint = format!("{scheme}://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let service = TraceServiceServer::new(collector.clone()).accept_compressed(CompressionEncoding::Gzip);
        let served = server.add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(served);
        (collector, endpoint)
    }

    /// The spans of a trace that has a span of this name.
    fn trace(&self, name: &str) -> Vec<Span> {
        let spans = self.0.lock().unwrap();
        let one = spans.iter().find(|span| span.name == name).expect(name);
        spans.iter().filter(|span| span.trace == one.trace).cloned().collect()
    }
}

/// A gate and a room, which export to this endpoint.
async fn start(cluster: &Cluster, endpoint: &str) -> (TestServer, TestServer) {
    let room = cluster.backend("room", |app| app.otel(Otel::endpoint(endpoint))).await.unwrap();
    let gate = cluster.frontend("gate", |app| app.otel(Otel::endpoint(endpoint))).await.unwrap();
    (gate, room)
}

/// The one span of a service and name.
fn one<'a>(spans: &'a [Span], service: &str, name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.service == service && span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span {name} of {service} in {spans:#?}"));
    assert!(found.next().is_none(), "two spans {name} of {service} in {spans:#?}");
    span
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_through_servers() {
    let (collector, endpoint) = Collector::start().await;
    let cluster = Cluster::seeded(1);
    let (gate, room) = start(&cluster, &endpoint).await;
    let client = gate.client().await.unwrap();
    client.request(&Gate::LOGIN, &ann()).await.unwrap();
    client.request(&Gate::ENTER, &ann()).await.unwrap();
    client.request(&Hall::GREET, &ann()).await.unwrap();
    // A stop exports what waits.
    gate.stop().await;
    room.stop().await;

    let spans = collector.trace("room.room.enter");
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let message = one(&spans, "gate", "gate.gate.enter");
    let call = one(&spans, "gate", "RPC Call");
    let remote = one(&spans, "room", "room.room.enter");
    assert_eq!((&*message.parent, message.kind), (&[][..], SpanKind::Server));
    assert_eq!((&call.parent, call.kind), (&message.id, SpanKind::Client));
    assert_eq!((&remote.parent, remote.kind), (&call.id, SpanKind::Server));
    assert_eq!(message.attribute("user.id"), Some("ann"));
    assert_eq!(message.attribute("msg.type"), Some("request"));
    assert_eq!(message.attribute("local.id"), Some("gate-1"));
    assert_eq!(call.attribute("peer.id"), Some("room-1"));
    assert_eq!(call.attribute("peer.serverType"), Some("room"));
    assert_eq!(remote.attribute("peer.id"), Some("gate-1"));
    assert_eq!(remote.attribute("peer.service"), Some("gate"));
    assert!(remote.attribute("request.id").is_some());
    assert!(spans.iter().all(|span| !span.failed));

    // A forwarded message, from the frontend to the backend's handler.
    let spans = collector.trace("room.hall.greet");
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let message = one(&spans, "gate", "room.hall.greet");
    let call = one(&spans, "gate", "RPC Call");
    let handler = one(&spans, "room", "room.hall.greet");
    assert_eq!((&*message.parent, &call.parent, &handler.parent), (&[][..], &message.id, &call.id));
    assert_eq!(handler.attribute("user.id"), Some("ann"));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_recorded() {
    let (collector, endpoint) = Collector::start().await;
    let cluster = Cluster::seeded(1);
    let (gate, room) = start(&cluster, &endpoint).await;
    let client = gate.client().await.unwrap();
    client.request(&Gate::FAIL, &ann()).await.unwrap_err();
    gate.stop().await;
    room.stop().await;
    let spans = collector.trace("room.room.fail");
    assert_eq!(spans.len(), 3, "{spans:#?}");
    for span in &spans {
        assert!(span.failed, "{span:#?}");
        assert_eq!(span.attribute("error.code"), Some("ROOM-1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_call_ends_its_span() {
    let (collector, endpoint) = Collector::start().await;
    let cluster = Cluster::seeded(1);
    let short = |config: &mut pitaya::Config| config.handler_timeout = Duration::from_millis(50);
    let mut config = pitaya::Config::default();
    short(&mut config);
    let gate =
        cluster.frontend("gate", |app| app.config(config).otel(Otel::endpoint(endpoint))).await.unwrap();
    let client = gate.client().await.unwrap();
    let error = client.request_raw("gate.gate.hang", Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), "PIT-408");
    gate.stop().await;
    assert!(one(&collector.trace("gate.gate.hang"), "gate", "gate.gate.hang").failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_span_has_a_payload() {
    let (collector, endpoint) = Collector::start().await;
    let cluster = Cluster::seeded(1);
    let (gate, room) = start(&cluster, &endpoint).await;
    let client = gate.client().await.unwrap();
    client.request(&Gate::ENTER, &Name { name: "secret".into() }).await.unwrap();
    gate.stop().await;
    room.stop().await;
    let spans = collector.trace("room.room.enter");
    assert!(!format!("{spans:?}").contains("secret"));
}

/// The frontend decides not to sample a trace; the room goes by that.
#[tokio::test(flavor = "multi_thread")]
async fn the_sampling_of_the_first_server_holds() {
    let (collector, endpoint) = Collector::start().await;
    let cluster = Cluster::seeded(1);
    let never = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    let room = cluster.backend("room", |app| app.otel(Otel::endpoint(endpoint))).await.unwrap();
    let gate = cluster.frontend("gate", |app| app.otel(Otel::with_provider(never))).await.unwrap();
    let client = gate.client().await.unwrap();
    client.request(&Gate::ENTER, &ann()).await.unwrap();
    gate.stop().await;
    room.stop().await;
    assert!(collector.0.lock().unwrap().is_empty());
}

/// A sampler that drops all but what a sampled span of another server led to.
fn by_parent() -> SdkTracerProvider {
    SdkTracerProvider::builder().with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))).build()
}

/// A message that is not sampled has a current span all the same, whose ids go to the other servers.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsampled_span_reaches_the_callee() {
    let cluster = Cluster::seeded(1);
    let room = cluster.backend("room", |app| app.otel(Otel::with_provider(by_parent()))).await.unwrap();
    let gate = cluster.frontend("gate", |app| app.otel(Otel::with_provider(by_parent()))).await.unwrap();
    let client = gate.client().await.unwrap();
    let mut traces = Vec::new();
    for _ in 0..2 {
        let Spans { first, second } = client.request(&Gate::TRACED, &()).await.unwrap();
        for sent in [&first, &second] {
            assert!(sent.starts_with("00-") && sent.ends_with("-00"), "not a span without a sample: {sent}");
        }
        assert_eq!(first[..35], second[..35], "both calls belong to one trace");
        assert_ne!(first, second, "each call has a span");
        traces.push(first[..35].to_owned());
    }
    assert_ne!(traces[0], traces[1], "each message has a trace");
    gate.stop().await;
    room.stop().await;
}

/// The queue is bounded: most of these spans are dropped.
#[tokio::test(flavor = "multi_thread")]
async fn calls_and_stops_do_not_need_a_collector() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cluster = Cluster::seeded(1);
    let (gate, room) = start(&cluster, &format!("http://{free}")).await;
    let client = gate.client().await.unwrap();
    for _ in 0..5000 {
        assert_eq!(client.request(&Gate::ENTER, &ann()).await.unwrap().name, "ann");
    }
    gate.stop().await;
    room.stop().await;
}

#[tokio::test]
async fn an_invalid_endpoint_keeps_the_app_from_starting() {
    let cluster = Cluster::seeded(1);
    let error = cluster.backend("room", |app| app.otel(Otel::endpoint("no url"))).await.unwrap_err();
    assert!(error.to_string().contains("OTLP"), "{error}");
}

/// Starts the arena as a process with traces and these variables, calls it once and stops it by a signal.
#[cfg(unix)]
async fn call_a_process(variables: &[(&str, &str)]) {
    use std::process::Stdio;

    use pitaya_tests::raw_client::RawClient;
    use rustix::process::{Pid, Signal, kill_process};
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_served"))
        .env_clear()
        .env("PITAYA_TRACING_OTEL_ENABLED", "true")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().expect("an address");
    let mut client = RawClient::ready(address.parse().unwrap()).await;
    assert_eq!(client.ask("arena.raw", "hello").await, "hello");
    let pid = i32::try_from(child.id().unwrap()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().await.unwrap().success());
}

/// A process exports its last spans when a signal stops it.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_alone_switches_traces_on() {
    let (collector, endpoint) = Collector::start().await;
    call_a_process(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_SERVICE_NAME", "served"),
    ])
    .await;
    let spans = collector.0.lock().unwrap().clone();
    let names: Vec<_> = spans.iter().map(|span| (&*span.service, &*span.name)).collect();
    assert_eq!(names, [("served", "test.arena.raw")]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_may_have_its_own_certificate() {
    let (collector, endpoint, cert) = Collector::start_with_tls().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("collector.pem");
    std::fs::write(&file, cert).unwrap();
    let file = file.to_str().unwrap();
    call_a_process(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_EXPORTER_OTLP_CERTIFICATE", file)])
        .await;
    assert_eq!(one(&collector.trace("test.arena.raw"), "test", "test.arena.raw").kind, SpanKind::Server);
    // Without the file the certificate is not trusted, and the server works all the same.
    let (collector, endpoint, _) = Collector::start_with_tls().await;
    call_a_process(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    assert!(collector.0.lock().unwrap().is_empty());
}

/// Clients send routes that do not exist. These are no names of spans.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_name_no_span() {
    let (collector, endpoint) = Collector::start().await;
    let cluster = Cluster::seeded(1);
    let (gate, room) = start(&cluster, &endpoint).await;
    let client = gate.client().await.unwrap();
    client.request_raw("room.hall.nothing", Bytes::new()).await.unwrap_err();
    client.request_raw("nowhere.hall.nothing", Bytes::new()).await.unwrap_err();
    client.request_raw("gate.gate.nothing", Bytes::new()).await.unwrap_err();
    gate.stop().await;
    room.stop().await;
    let spans = collector.0.lock().unwrap().clone();
    let names: std::collections::BTreeSet<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["RPC Call", "forward"]);
}
