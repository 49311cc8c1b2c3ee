//! The span of a call within its context (`otel-span`): an object of strings.

use std::collections::BTreeMap;

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use serde_json::{Map, Value};

use crate::context::Metadata;

/// Returns the context of the span that a call came with; an empty one if it is missing or invalid.
pub(super) fn extract(metadata: &Metadata) -> Context {
    let Some(values) = metadata.span() else { return Context::new() };
    let texts = Texts(values);
    let trace = TraceContextPropagator::new().extract_with_context(&Context::new(), &texts);
    BaggagePropagator::new().extract_with_context(&trace, &texts)
}

/// Returns the context of a call with this span instead of the one that it came with.
pub(super) fn inject(span: &Context, metadata: &Metadata) -> Metadata {
    let mut values = Filled(BTreeMap::new());
    TraceContextPropagator::new().inject_context(span, &mut values);
    BaggagePropagator::new().inject_context(span, &mut values);
    let mut metadata = metadata.clone();
    // Sorted by the keys, whether or not some crate has switched on serde_json's `preserve_order`.
    metadata.set_span(values.0.into_iter().collect());
    metadata
}

struct Texts<'a>(&'a Map<String, Value>);

impl Extractor for Texts<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

struct Filled(BTreeMap<String, Value>);

impl Injector for Filled {
    fn set(&mut self, key: &str, value: String) {
        // Go Pitaya writes no empty `tracestate`.
        if !value.is_empty() {
            self.0.insert(key.to_owned(), Value::String(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceContextExt, TraceId};

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn came(span: &str) -> Metadata {
        Metadata::decode(format!(r#"{{"otel-span":{span},"tenant":7}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn a_span_comes_back_as_it_went() {
        let span = extract(&came(&format!(r#"{{"traceparent":"{PARENT}","baggage":"a=1"}}"#)));
        let context = span.span().span_context().clone();
        assert_eq!(context.trace_id(), TraceId::from_hex("0af7651916cd43dd8448eb211c80319c").unwrap());
        assert_eq!(context.span_id(), SpanId::from_hex("b7ad6b7169203331").unwrap());
        assert!(context.is_sampled() && context.is_remote());
        let again = inject(&span, &came(r#"{"traceparent":"other"}"#));
        assert_eq!(
            again.encode(),
            format!(r#"{{"otel-span":{{"baggage":"a=1","traceparent":"{PARENT}"}},"tenant":7}}"#)
        );
    }

    #[test]
    fn invalid_spans_begin_a_new_trace() {
        for span in ["{}", "7", "null", r#""text""#, r#"{"traceparent":"x"}"#, r#"{"traceparent":7}"#] {
            assert!(!extract(&came(span)).span().span_context().is_valid(), "{span}");
        }
        assert!(!extract(&Metadata::new()).span().span_context().is_valid());
    }
}
