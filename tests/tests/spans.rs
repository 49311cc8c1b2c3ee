//! The span of each call: handlers, remotes, forwarded messages and calls between servers.
//!
//! A program of its own: a thread without a subscriber, as in tests of other spans, can switch a span off for all.

mod gate_and_room;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use pitaya::client::Client;
use pitaya::testing::{Cluster, TestServer};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use gate_and_room::{ENTERED, Gate, Hall, Name, ann};

/// A span as a layer saw it.
#[derive(Debug, Default, Clone)]
struct Seen {
    name: &'static str,
    parent: Option<&'static str>,
    fields: BTreeMap<&'static str, String>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }
}

/// Keeps the spans that have closed, and the span of each line that `RoomApi::enter` logs.
#[derive(Clone, Default)]
struct Spans {
    closed: Arc<Mutex<Vec<Seen>>>,
    events: Arc<Mutex<Vec<Option<&'static str>>>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: LayerContext<'_, S>) {
        let Some(span) = cx.span(id).filter(|span| span.metadata().target() == "pitaya::call") else {
            return;
        };
        let parent = span.parent().map(|parent| parent.name());
        let mut seen = Seen { name: span.name(), parent, ..Seen::default() };
        attributes.record(&mut seen);
        span.extensions_mut().insert(seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: LayerContext<'_, S>) {
        if let Some(span) = cx.span(id)
            && let Some(seen) = span.extensions_mut().get_mut::<Seen>()
        {
            values.record(seen);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, cx: LayerContext<'_, S>) {
        if event.metadata().target() == ENTERED {
            self.events.lock().unwrap().push(cx.event_span(event).map(|span| span.name()));
        }
    }

    fn on_close(&self, id: Id, cx: LayerContext<'_, S>) {
        let seen = cx.span(&id).and_then(|span| span.extensions_mut().remove::<Seen>());
        self.closed.lock().unwrap().extend(seen);
    }
}

impl Spans {
    /// The spans that have closed since the last time.
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.closed.lock().unwrap())
    }
}

/// A gate and a room whose spans are kept.
struct TestCluster {
    spans: Spans,
    gate: TestServer,
    client: Client,
    _room: TestServer,
    _subscriber: DefaultGuard,
}

impl TestCluster {
    async fn start() -> Self {
        let spans = Spans::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        let subscriber = tracing::subscriber::set_default(subscriber);
        let cluster = Cluster::seeded(1);
        let room = cluster.backend("room", |app| app).await.unwrap();
        let gate = cluster.frontend("gate", |app| app).await.unwrap();
        let client = gate.client().await.unwrap();
        Self { spans, gate, client, _room: room, _subscriber: subscriber }
    }
}

fn summary(spans: &[Seen]) -> Vec<(&str, Option<&str>, Option<&str>)> {
    spans.iter().map(|span| (span.name, span.field("route"), span.parent)).collect()
}

#[tokio::test(start_paused = true)]
async fn calls_run_in_spans() {
    let TestCluster { spans, gate, client, .. } = &TestCluster::start().await;
    let name = ann();

    client.request(&Gate::LOGIN, &name).await.unwrap();
    let session = gate.app().sessions().by_uid("ann").unwrap().id().to_string();
    let login = &spans.take()[0];
    assert_eq!((login.name, login.field("route"), login.parent), ("handler", Some("gate.gate.login"), None));
    assert_eq!(login.field("session"), Some(&*session));
    assert_eq!((login.field("uid"), login.field("request_id"), login.field("error")), (None, None, None));

    client.request(&Gate::ENTER, &name).await.unwrap();
    let seen = spans.take();
    assert_eq!(
        summary(&seen),
        [
            ("remote", Some("room.room.enter"), None),
            ("rpc", Some("room.room.enter"), Some("handler")),
            ("handler", Some("gate.gate.enter"), None),
        ]
    );
    assert_eq!(seen[2].field("uid"), Some("ann"));
    assert!(seen[0].field("request_id").is_some());
    // A log line of the remote is within its span.
    assert_eq!(*spans.events.lock().unwrap(), [Some("remote")]);

    client.request(&Hall::GREET, &name).await.unwrap();
    let seen = spans.take();
    assert_eq!(
        summary(&seen),
        [("handler", Some("room.hall.greet"), None), ("forward", Some("room.hall.greet"), None)]
    );
    for span in &seen {
        assert_eq!((span.field("uid"), span.field("session")), (Some("ann"), Some(&*session)));
    }
    // The frontend and the backend name the request alike.
    assert!(seen[0].field("request_id").is_some());
    assert_eq!(seen[0].field("request_id"), seen[1].field("request_id"));
}

#[tokio::test(start_paused = true)]
async fn spans_record_the_code_of_an_error() {
    let TestCluster { spans, client, .. } = &TestCluster::start().await;
    let error = client.request(&Gate::FAIL, &ann()).await.unwrap_err();
    assert_eq!(error.code(), "ROOM-1");
    let codes: Vec<_> =
        spans.take().into_iter().map(|span| (span.name, span.fields.get("error").cloned())).collect();
    let full = Some("ROOM-1".to_owned());
    assert_eq!(codes, [("remote", full.clone()), ("rpc", full.clone()), ("handler", full)]);
}

#[tokio::test(start_paused = true)]
async fn spans_have_no_payload() {
    let TestCluster { spans, client, .. } = &TestCluster::start().await;
    client.request(&Gate::ENTER, &Name { name: "secret".into() }).await.unwrap();
    client.request(&Hall::GREET, &Name { name: "secret".into() }).await.unwrap();
    let seen = spans.take();
    assert_eq!(seen.len(), 5);
    assert!(!format!("{seen:?}").contains("secret"));
}
