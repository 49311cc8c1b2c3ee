use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::config::Config;

static HITS: Metric = Metric::counter("test", "hits", "Hits").labels(&["place", "kind"]);
static SIZES: Metric = Metric::histogram("test", "sizes", "Sizes", &[1.0, 10.0]);

fn hub(config: &str) -> (Arc<InMemoryReporter>, Metrics) {
    let memory = Arc::new(InMemoryReporter::new());
    let metrics = Metrics::new(&Config::parse(config).unwrap(), "room", vec![memory.clone()]).unwrap();
    (memory, metrics)
}

fn refusal(config: &str) -> MetricError {
    Metrics::new(&Config::parse(config).unwrap(), "room", vec![]).unwrap_err()
}

#[test]
fn names_are_distinct_and_well_formed() {
    let mut names = BTreeSet::new();
    for metric in ALL {
        assert_eq!(metric.check_names(), Ok(()));
        assert!(names.insert(metric.name()), "{}", metric.name());
    }
}

#[test]
fn the_names_of_the_original_are_kept() {
    for (metric, name) in [
        (&RESPONSE_TIME, "pitaya_handler_response_time_ns"),
        (&HANDLER_DELAY, "pitaya_handler_handler_delay_ns"),
        (&CONNECTED_CLIENTS, "pitaya_acceptor_connected_clients"),
        (&EXCEEDED_RATE_LIMITING, "pitaya_acceptor_exceeded_rate_limiting"),
        (&CHANNEL_CAPACITY, "pitaya_channel_channel_capacity"),
        (&TASKS, "pitaya_sys_goroutines"),
    ] {
        assert_eq!(metric.full_name(), name);
    }
}

#[test]
fn mistakes_are_found_without_a_reporter() {
    let metrics = Metrics::default();
    assert!(metrics.is_empty());
    assert!(metrics.bind(&HITS, &[("place", "a"), ("kind", "b")]).unwrap().is_empty());
    assert!(matches!(metrics.record(&HITS, &[], 1.0), Err(MetricError::WrongLabels { .. })));
    assert!(matches!(metrics.record("level", &[], 1.0), Err(MetricError::NotKnown { .. })));
}

#[test]
fn labels_match_the_metric_in_any_order() {
    let (memory, metrics) = hub("");
    metrics.record(&HITS, &[("kind", "b"), ("place", "a")], 1.0).unwrap();
    metrics.record(&HITS, &[("place", "a"), ("kind", "b")], 2.0).unwrap();
    assert_eq!(memory.all().len(), 1);
    assert_eq!(memory.value("hits", &[("place", "a")]), Some(3.0));
    for wrong in [
        &[("place", "a")][..],
        &[("place", "a"), ("kind", "b"), ("more", "c")],
        &[("place", "a"), ("place", "b")],
        &[("place", "a"), ("kind", "b"), ("kind", "b")],
    ] {
        let error = metrics.record(&HITS, wrong, 1.0).unwrap_err();
        assert!(
            error.to_string().starts_with("pitaya_test_hits has the labels [place, kind], not ["),
            "{error}"
        );
    }
}

#[test]
fn constant_and_additional_labels_are_on_every_metric() {
    let (memory, metrics) = hub(
        "[pitaya.metrics]\ngame = 'chess'\nconstLabels = { zone = 'z0' }\nadditionalLabels = { build = 'none' }",
    );
    metrics.record(&CONNECTED_CLIENTS, &[], 3.0).unwrap();
    metrics.record(&CONNECTED_CLIENTS, &[("build", "7")], 4.0).unwrap();
    let labels: Vec<_> = memory.all().into_iter().map(|sample| sample.labels).collect();
    let expected = |build: &str| {
        [("build", build), ("game", "chess"), ("serverType", "room"), ("zone", "z0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    };
    assert_eq!(labels, [expected("7"), expected("none")]);
    assert_eq!(memory.value(CONNECTED_CLIENTS.name(), &[("build", "7")]), Some(4.0));
}

#[test]
fn constant_label_must_not_repeat_a_metric_label() {
    let error = refusal("pitaya.metrics.constLabels = { route = 'x' }");
    assert!(matches!(error, MetricError::LabelTaken { label, .. } if label == "route"));
    let mut config = Config::default();
    config.metrics.additional_labels.insert("serverType".to_owned(), "x".to_owned());
    let error = Metrics::new(&config, "room", vec![]).unwrap_err();
    assert!(matches!(error, MetricError::LabelTaken { label, .. } if label == "serverType"));
}

#[test]
fn configuration_defines_custom_metrics() {
    let (memory, metrics) = hub("
        [[pitaya.metrics.custom.counters]]
        subsystem = 'room'
        name = 'c'
        [[pitaya.metrics.custom.gauges]]
        subsystem = 'room'
        name = 'g'
        labels = ['l']
        [[pitaya.metrics.custom.summaries]]
        name = 's'
        objectives = { '0.5' = 0.1 }
        [[pitaya.metrics.custom.histograms]]
        subsystem = 'room'
        name = 'h'
        buckets = [1, 2]");
    metrics.record("c", &[], 2.0).unwrap();
    metrics.record("g", &[("l", "1")], 5.0).unwrap();
    metrics.record("s", &[], 7.0).unwrap();
    metrics.record("h", &[], 1.5).unwrap();
    assert_eq!(memory.value("pitaya_room_c", &[]), Some(2.0));
    assert_eq!(memory.value("pitaya_room_g", &[("l", "1")]), Some(5.0));
    assert_eq!(memory.sum("pitaya_s", &[]), 7.0);
    let sample = memory.all().into_iter().find(|sample| sample.name == "pitaya_room_h").unwrap();
    assert_eq!(sample.buckets, [(1.0, 0), (2.0, 1)]);

    assert!(matches!(metrics.record("g", &[], 1.0), Err(MetricError::WrongLabels { .. })));
}

#[test]
fn a_name_is_defined_once() {
    let (_, metrics) = hub("");
    metrics.define(HITS.clone()).unwrap();
    assert!(matches!(metrics.define(HITS.clone()), Err(MetricError::Redefined { .. })));
    metrics.record("hits", &[("place", "a"), ("kind", "b")], 1.0).unwrap();
    let error = refusal("[[pitaya.metrics.custom.gauges]]\nname = 'connected_clients'");
    assert_eq!(
        error.to_string(),
        "connected_clients is already the name of pitaya_acceptor_connected_clients"
    );
    let bad = Metric::counter("test", "a b", "");
    assert!(matches!(metrics.define(bad), Err(MetricError::BadName { .. })));
}

#[test]
fn memory_refuses_two_definitions_of_one_name() {
    static OTHER: Metric = Metric::gauge("test", "hits", "Hits");
    let (_, metrics) = hub("");
    metrics.record(&HITS, &[("place", "a"), ("kind", "b")], 1.0).unwrap();
    assert!(matches!(metrics.record(&OTHER, &[], 1.0), Err(MetricError::Redefined { .. })));
}

#[test]
fn a_counter_takes_no_negative_amount() {
    let (memory, metrics) = hub("");
    let labels = [("place", "a"), ("kind", "b")];
    assert!(matches!(metrics.record(&HITS, &labels, -1.0), Err(MetricError::BadValue { .. })));
    let handle = metrics.bind(&HITS, &labels).unwrap();
    for value in [-1.0, f64::NAN, 2.0] {
        handle.record(value);
    }
    assert_eq!(memory.value("hits", &[]), Some(2.0));
}

#[test]
fn histograms_count_what_is_at_most_each_bound() {
    let (memory, metrics) = hub("");
    for value in [0.5, 1.0, 2.0, 10.0, 11.0] {
        metrics.record(&SIZES, &[], value).unwrap();
    }
    let [sample] = &memory.all()[..] else { panic!("one series") };
    assert_eq!(sample.buckets, [(1.0, 2), (10.0, 4)]);
    assert_eq!((sample.count, sample.sum), (5, 24.5));
}

#[test]
fn handles_and_reports_share_one_series() {
    let (memory, metrics) = hub("");
    let labels = [("place", "a"), ("kind", "b")];
    let handle = metrics.bind(&HITS, &labels).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| handle.record(1.0)));
        }
    });
    metrics.record(&HITS, &labels, 1.0).unwrap();
    assert_eq!(memory.value("hits", &labels), Some(4001.0));
    assert_eq!(memory.count("hits", &labels), 4001);
}

#[test]
fn memory_bounds_its_label_sets() {
    let (memory, metrics) = hub("");
    for n in 0..10_010 {
        metrics.record(&HITS, &[("place", &n.to_string()), ("kind", "")], 1.0).unwrap();
    }
    assert_eq!(memory.all().len(), 10_001);
    assert_eq!(memory.value("hits", &[("place", "other")]), Some(10.0));
}

/// A reporter whose instruments are closures, and that fails on demand.
#[derive(Default)]
struct Seen {
    values: Arc<Mutex<Vec<(String, usize, f64)>>>,
    fails: bool,
}

impl Reporter for Seen {
    fn instrument(
        &self,
        metric: &Metric,
        labels: &[(&str, &str)],
    ) -> Result<Arc<dyn Instrument>, MetricError> {
        let name = metric.full_name();
        if self.fails {
            return Err(MetricError::Reporter { metric: name, why: "broken".into() });
        }
        let (labels, values) = (labels.len(), Arc::clone(&self.values));
        Ok(Arc::new(move |value| values.lock().unwrap().push((name.clone(), labels, value))))
    }
}

#[test]
fn plain_reporter_gets_every_value() {
    let seen = Arc::new(Seen::default());
    let metrics = Metrics::new(&Config::default(), "room", vec![seen.clone()]).unwrap();
    let labels = [("place", "a"), ("kind", "b")];
    metrics.bind_or_log(&HITS, &labels).record_many(2.0, 2);
    metrics.record(&HITS, &labels, 3.0).unwrap();
    let value = |value| ("pitaya_test_hits".to_owned(), 3, value);
    assert_eq!(*seen.values.lock().unwrap(), [value(2.0), value(2.0), value(3.0)]);
}

#[test]
fn failing_reporter_does_not_affect_the_others() {
    let (broken, memory) =
        (Arc::new(Seen { fails: true, ..Seen::default() }), Arc::new(InMemoryReporter::new()));
    let metrics = Metrics::new(&Config::default(), "room", vec![broken, memory.clone()]).unwrap();
    assert!(metrics.record(&CONNECTED_CLIENTS, &[], 1.0).is_err());
    assert_eq!(memory.value("connected_clients", &[]), Some(1.0));
}

#[test]
fn a_sample_reports_tasks_clients_and_levels() {
    let (memory, metrics) = hub("");
    let level = metrics.shared_gauge(&OUTBOX_MESSAGES, &[]).unwrap();
    level.add(5);
    level.clone().sub(2);
    metrics.sample(7, 11);
    assert_eq!(memory.value(OUTBOX_MESSAGES.name(), &[]), Some(3.0));
    assert_eq!(memory.value(TASKS.name(), &[]), Some(7.0));
    assert_eq!(memory.value(CONNECTED_CLIENTS.name(), &[]), Some(11.0));
    assert!(matches!(metrics.shared_gauge(&RESPONSE_TIME, &[]), Err(MetricError::WrongKind { .. })));
}

#[test]
fn a_route_s_times_are_told_apart_by_outcome() {
    let (memory, metrics) = hub("");
    let timings = RouteTimings::local(&metrics, "room.join");
    timings.delayed(Duration::from_nanos(5));
    timings.succeeded(Duration::from_micros(1));
    for _ in 0..2 {
        timings.failed("PIT-400", Duration::from_nanos(3));
    }
    let route = ("route", "room.join");
    assert_eq!(memory.sum("handler_delay_ns", &[route, ("type", "local")]), 5.0);
    assert_eq!(memory.sum("response_time_ns", &[route, ("status", "ok"), ("code", "")]), 1000.0);
    assert_eq!(memory.sum("response_time_ns", &[("status", "failed"), ("code", "PIT-400")]), 6.0);
    assert_eq!(memory.count("response_time_ns", &[("type", "handler")]), 3);
    assert!(RouteTimings::called(&Metrics::default(), "a.b").is_empty());
}

#[test]
fn codes_without_a_bound_end_in_one_series() {
    let (memory, metrics) = hub("");
    let timings = RouteTimings::local(&metrics, "room.join");
    for n in 0..100 {
        timings.failed(&format!("E-{n}"), Duration::from_nanos(1));
    }
    assert_eq!(memory.count("response_time_ns", &[("code", "other")]), 36);
    assert_eq!(memory.count("response_time_ns", &[("status", "failed")]), 100);
}
