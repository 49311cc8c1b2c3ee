//! The OpenTelemetry spans of an app's calls.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::task::Context as TaskContext;

use futures_util::future::BoxFuture;
use opentelemetry::trace::{
    FutureExt as _, Span as _, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer as _,
    TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use super::message::{ClientMessage, Named};
use super::{Started, carrier};
use crate::context::{Current, Metadata};
use crate::error::{Error, Result};

/// The name of the tracer, which is that of Go Pitaya's.
const NAME: &str = "pitaya";

/// Makes the spans of one app.
///
/// Most messages are not sampled. Such a message costs no attributes and no span that records. It costs its name, the
/// context that its callees and the application see, and a box if its handler waits.
#[derive(Clone)]
pub(crate) struct Tracer(Arc<Inner>);

struct Inner {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    server_id: Arc<str>,
}

impl Tracer {
    pub(crate) fn new(provider: SdkTracerProvider, server_id: &str) -> Self {
        let tracer = provider.tracer(NAME);
        Self(Arc::new(Inner { provider, tracer, server_id: server_id.into() }))
    }

    pub(crate) fn provider(&self) -> &SdkTracerProvider {
        &self.0.provider
    }

    /// Returns the span of a handler, or of a client's message that is forwarded.
    pub(crate) fn message(&self, message: &ClientMessage<'_>, named: Named, current: &Current) -> Open {
        let ClientMessage { route, session, uid, request_id, is_request } = message;
        let name = match named {
            Named::ByRoute => Cow::Owned((*route).to_owned()),
            Named::OnceAnswered => Cow::Borrowed("forward"),
        };
        let mut open = self.open(name, SpanKind::Server, parent(current), || {
            let mut attributes = vec![
                KeyValue::new("msg.type", if *is_request { "request" } else { "notify" }),
                KeyValue::new("session.id", i64::try_from(*session).unwrap_or(i64::MAX)),
            ];
            attributes.extend(uid.clone().map(|uid| KeyValue::new("user.id", uid)));
            attributes.extend(request_id.map(|id| KeyValue::new("request.id", id.to_owned())));
            attributes.extend(caller(current));
            attributes
        });
        if open.is_recording && named == Named::OnceAnswered {
            open.rename = Some((*route).to_owned());
        }
        open
    }

    /// Returns the span of a remote.
    pub(crate) fn remote(&self, route: &str, current: &Current) -> Open {
        self.open(route.to_owned(), SpanKind::Server, parent(current), || {
            let id = current.metadata.request_id();
            id.map(|id| KeyValue::new("request.id", id.to_owned()))
                .into_iter()
                .chain(caller(current))
                .collect()
        })
    }

    /// Returns the span of a call to another server.
    pub(crate) fn call(&self, route: &str, id: &str, server_type: &str) -> Open {
        self.open("RPC Call", SpanKind::Client, Context::current(), || {
            vec![
                KeyValue::new("peer.id", id.to_owned()),
                KeyValue::new("peer.serverType", server_type.to_owned()),
                KeyValue::new("rpc.method", route.to_owned()),
            ]
        })
    }

    fn open(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Context,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Open {
        let span = SpanBuilder::from_name(name).with_kind(kind);
        let mut span = self.0.tracer.build_with_context(span, &parent);
        let is_recording = span.is_recording();
        let context = if is_recording {
            span.set_attribute(KeyValue::new("local.id", Arc::clone(&self.0.server_id)));
            span.set_attributes(attributes());
            parent.with_span(span)
        } else {
            // The ids are enough for spans within this one, on this server and others.
            parent.with_remote_span_context(span.span_context().clone())
        };
        Open { context, is_recording, rename: None }
    }
}

/// Returns the current span of this process, or else the span that the call came with.
fn parent(current: &Current) -> Context {
    let here = Context::current();
    if here.has_active_span() { here } else { carrier::extract(&current.metadata) }
}

/// Returns the attributes that name the calling server.
fn caller(current: &Current) -> impl Iterator<Item = KeyValue> {
    let Current { metadata, .. } = current;
    [("peer.id", metadata.peer_id()), ("peer.service", metadata.peer_service())]
        .into_iter()
        .filter_map(|(key, value)| Some(KeyValue::new(key, value?.to_owned())))
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("server_id", &self.0.server_id).finish_non_exhaustive()
    }
}

/// A span that has begun. It ends with the call that it is [run](Self::run) around.
#[derive(Debug)]
pub(crate) struct Open {
    context: Context,
    is_recording: bool,
    /// The name that the span gets once a handler has answered.
    rename: Option<String>,
}

impl Open {
    /// Returns the context of a call that carries this span.
    pub(crate) fn inject(&self, metadata: &Metadata) -> Metadata {
        carrier::inject(&self.context, metadata)
    }

    /// Returns whether the span is sampled, or recorded for another reason.
    pub(crate) fn is_recording(&self) -> bool {
        self.is_recording
    }

    /// Starts a call whose span is not recorded and polls it once, with this span as the current one.
    pub(crate) fn start<'a, T: 'a>(
        self,
        call: impl FnOnce() -> BoxFuture<'a, Result<T>>,
        cx: &mut TaskContext<'_>,
    ) -> Started<'a, T> {
        let _current = self.context.attach();
        match Started::poll(call(), cx) {
            Started::Running(call) => Started::Running(Box::pin(call.with_context(Context::current()))),
            done => done,
        }
    }

    /// Runs a call with this span as the current one, and ends the span with it.
    pub(crate) fn run<'a, T: 'a>(
        self,
        call: impl Future<Output = Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        if self.is_recording {
            Box::pin(self.record(call))
        } else {
            Box::pin(call.with_context(self.context))
        }
    }

    async fn record<T>(self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let Self { context, rename, .. } = self;
        let ending = Ending(Some(context.clone()));
        let result = call.with_context(context.clone()).await;
        // Codes of the framework may mean that there is no such route.
        let answered = result.as_ref().err().is_none_or(|error| !error.code().starts_with("PIT-"));
        if let Some(route) = rename.filter(|_| answered) {
            context.span().update_name(route);
        }
        ending.end(result.as_ref().err());
        result
    }
}

/// Ends a span as failed if its call is dropped before it has finished.
struct Ending(Option<Context>);

impl Ending {
    fn end(mut self, error: Option<&Error>) {
        let Some(context) = self.0.take() else { return };
        let span = context.span();
        if let Some(error) = error {
            span.set_attribute(KeyValue::new("error.code", error.code().to_owned()));
            span.set_status(Status::error(error.msg().to_owned()));
        }
        span.end();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(context) = self.0.take() {
            context.span().set_status(Status::error("aborted before it finished"));
            context.span().end();
        }
    }
}
