//! The metrics for Prometheus: names, kinds, labels and formats, by a strict reader and by the real server.

use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pitaya::config::Config;
use pitaya::metrics::{Heap, Instrument, Metric, MetricError, Reporter};
use pitaya_tests::http::{Scrape, ask, get};
use pitaya_tests::programs::free_port;
use pitaya_tests::prometheus::Prometheus;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, TestServer, config};
use pitaya_tests::{soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

pitaya::link!(pitaya_tests, custom_metrics);

/// The formats that the real server accepts.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

fn watched() -> Config {
    let mut config = config();
    config.http_listen = "127.0.0.1:0".to_owned();
    config.metrics.period = Duration::from_millis(20);
    config.metrics.game = "chess".to_owned();
    config.metrics.const_labels.insert("zone".to_owned(), "z0".to_owned());
    config
}

/// An arena with some calls behind it, and where its metrics are.
async fn used() -> (TestServer, SocketAddr) {
    let server = server::start(watched()).await;
    let mut client = RawClient::ready(server.tcp).await;
    for _ in 0..3 {
        client.call("arena.raw", "x").await;
    }
    client.call("arena.fail", "").await;
    let http = server.app.app().http_addr().unwrap();
    (server, http)
}

async fn scraped(http: SocketAddr) -> Scrape {
    Scrape::parse(&get(http, "/metrics", &[]).await.body, false)
}

/// Waits until a sample is there. Returns its value.
async fn appears(http: SocketAddr, name: &str, labels: &[(&str, &str)]) -> f64 {
    soon(name, async {
        loop {
            if let Some(value) = scraped(http).await.value(name, labels) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn names_labels_and_kinds_are_those_of_the_original() {
    let (server, http) = used().await;
    let answer = get(http, "/metrics", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let scrape = Scrape::parse(&answer.body, false);
    for (name, kind, help) in [
        ("pitaya_handler_response_time_ns", "summary", "the time to process a msg in nanoseconds"),
        ("pitaya_handler_handler_delay_ns", "summary", "the delay to start processing a msg in nanoseconds"),
        ("pitaya_acceptor_connected_clients", "gauge", "the number of clients connected right now"),
        ("pitaya_channel_channel_capacity", "histogram", "the available capacity of the channel"),
        ("pitaya_sys_goroutines", "gauge", "the current number of goroutines"),
        ("pitaya_sys_heapsize", "gauge", "the current heap size"),
    ] {
        let family = &scrape.0[name];
        assert_eq!((&*family.kind, &*family.help), (kind, help), "{name}");
    }
    let name = "pitaya_handler_response_time_ns";
    let of = |status| {
        [("route", if status == "ok" { "test.arena.raw" } else { "test.arena.fail" }), ("status", status)]
    };
    assert_eq!(scrape.value(&format!("{name}_count"), &of("ok")), Some(3.0));
    assert_eq!(scrape.value(&format!("{name}_count"), &of("failed")), Some(1.0));
    for sample in &scrape.0[name].samples {
        let mut labels: Vec<_> = sample.labels.iter().map(|(name, _)| name.as_str()).collect();
        let quantile = labels.pop_if(|last| *last == "quantile").and(sample.label("quantile"));
        assert!(quantile.is_none_or(|it| ["0.7", "0.95", "0.99"].contains(&it)), "{sample:?}");
        assert_eq!(labels, ["code", "game", "route", "serverType", "status", "type", "zone"]);
        assert_eq!([sample.label("game"), sample.label("zone")], [Some("chess"), Some("z0")]);
        if quantile.is_some() {
            let count = [("route", sample.label("route").unwrap()), ("code", sample.label("code").unwrap())];
            let sum = scrape.value(&format!("{name}_sum"), &count).unwrap();
            assert!(sample.value > 0.0 && sample.value <= sum * 1.01, "{sample:?} of {sum}");
        }
    }
    server.app.stop().await;
}

#[tokio::test]
async fn every_format_has_the_same_samples() {
    let (server, http) = used().await;
    let names = |scrape: &Scrape| -> Vec<String> {
        let own = scrape.0.iter().filter(|(name, _)| name.starts_with("pitaya_handler"));
        own.flat_map(|(_, family)| {
            family.samples.iter().map(|sample| format!("{}{:?}", sample.name, sample.labels))
        })
        .collect()
    };
    let plain = names(&scraped(http).await);
    assert_eq!(plain.len(), 20);
    for headers in [
        &[("Accept", ACCEPT)][..],
        &[("Accept", ACCEPT), ("Accept-Encoding", "gzip")],
        &[("Accept", "text/plain"), ("Accept-Encoding", "gzip")],
    ] {
        let answer = get(http, "/metrics", headers).await;
        let open = headers[0].1 == ACCEPT;
        assert_eq!(answer.headers["content-type"].starts_with("application/openmetrics-text"), open);
        assert_eq!(answer.headers.contains_key("content-encoding"), headers.len() == 2);
        assert_eq!(names(&Scrape::parse(&answer.body, open)), plain, "{headers:?}");
    }
    server.app.stop().await;
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let (server, http) = used().await;
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/metrics?x=1", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/livez", 405),
    ] {
        let answer = ask(http, method, path, &[]).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
    }
    server.app.stop().await;
}

/// A reporter of the application's own, which panics for one kind of scraper.
struct Own;

impl Reporter for Own {
    fn instrument(&self, _: &Metric, _: &[(&str, &str)]) -> Result<Arc<dyn Instrument>, MetricError> {
        Ok(Arc::new(|_| {}))
    }

    fn scrape(&self, accept: &str) -> Option<pitaya::metrics::Scrape> {
        assert_ne!(accept, "text/panic");
        Some(pitaya::metrics::Scrape { content_type: "text/own", body: format!("{accept}\n") })
    }
}

#[tokio::test]
async fn an_own_reporter_is_read_instead() {
    let server = server::start_with(watched(), |builder| builder.reporter(Own)).await;
    let http = server.app.app().http_addr().unwrap();
    let answer = get(http, "/metrics", &[("Accept", "a/b"), ("Accept-Encoding", "gzip")]).await;
    assert_eq!((&*answer.body, &*answer.headers["content-type"]), ("a/b\n", "text/own"));
    assert!(!answer.headers.contains_key("content-encoding"), "it is too short");
    assert_eq!(get(http, "/metrics", &[("Accept", "text/panic")]).await.status, 500);
    assert_eq!(get(http, "/metrics", &[("Accept", "c/d")]).await.body, "c/d\n");
    let long = "x".repeat(2000);
    assert_eq!(get(http, "/metrics", &[("Accept", &long)]).await.body, "\n", "too long to be looked at");
    server.app.stop().await;
}

#[tokio::test]
async fn the_originals_port_serves_metrics_only() {
    let mut config = config();
    config.metrics.prometheus.enabled = true;
    config.metrics.prometheus.host = "127.0.0.1".to_owned();
    config.metrics.prometheus.port = free_port();
    let at: SocketAddr = ([127, 0, 0, 1], config.metrics.prometheus.port).into();
    let server = server::start(config.clone()).await;
    assert_eq!(get(at, "/metrics", &[]).await.status, 200);
    assert_eq!(get(at, "/livez", &[]).await.status, 404);
    assert_eq!(server.app.app().http_addr(), None);

    // A second server finds the port taken, and runs without.
    let second = server::start(config).await;
    assert_eq!(RawClient::ready(second.tcp).await.ask("arena.raw", "y").await, "y");
    second.app.stop().await;
    server.app.stop().await;
    assert!(TcpStream::connect(at).await.is_err(), "nothing listens after the stop");
}

/// The port of the HTTP server may be that of Prometheus. Another address needs a listener of its own.
#[tokio::test]
async fn one_port_serves_both_only_at_one_address() {
    let mut config = config();
    config.metrics.prometheus.enabled = true;
    config.metrics.prometheus.port = free_port();
    config.http_listen = format!("127.0.0.1:{}", config.metrics.prometheus.port);
    for (host, both) in [("127.0.0.1", true), ("127.0.0.2", false)] {
        config.metrics.prometheus.host = host.to_owned();
        let at: SocketAddr = (host.parse::<IpAddr>().unwrap(), config.metrics.prometheus.port).into();
        let server = server::start(config.clone()).await;
        assert_eq!(get(server.app.app().http_addr().unwrap(), "/livez", &[]).await.status, 200);
        assert_eq!(get(at, "/metrics", &[]).await.status, 200);
        assert_eq!(get(at, "/livez", &[]).await.status, if both { 200 } else { 404 });
        server.app.stop().await;
    }
}

#[tokio::test]
async fn strangers_do_not_stop_scrapes() {
    let (server, http) = used().await;
    // Heads that never end, requests that are none, heads that are too big
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(http).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").await.unwrap();
        slow.push(stream);
    }
    for request in [
        format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 20)),
        format!("GET /metrics HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
        "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
    ] {
        let mut stream = TcpStream::connect(http).await.unwrap();
        // The server may close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = soon("the refusal", stream.read_to_end(&mut answer)).await;
        let head = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || head.starts_with("HTTP/1.1 4"), "{head}");
    }
    let scrapes = (0..100).map(|_| tokio::spawn(scraped(http)));
    for scrape in scrapes.collect::<Vec<_>>() {
        let scrape = scrape.await.unwrap();
        assert_eq!(scrape.value("pitaya_handler_response_time_ns_count", &[("status", "ok")]), Some(3.0));
    }
    // Each slow one is cut off, without or with a word.
    for mut stream in slow {
        let mut answer = Vec::new();
        let _ = soon("the end of a slow connection", stream.read_to_end(&mut answer)).await;
    }
    server.app.stop().await;
}

#[tokio::test]
async fn connections_hold_up_no_stop() {
    let (server, http) = used().await;
    let mut lazy = TcpStream::connect(http).await.unwrap();
    lazy.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
    let mut pending = TcpStream::connect(http).await.unwrap();
    pending.write_all(b"GET").await.unwrap();
    assert_eq!(get(http, "/livez", &[]).await.status, 200);
    soon("the stop", server.app.stop()).await;
    let mut rest = Vec::new();
    let _ = soon("the end of the connection", pending.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}

#[tokio::test]
async fn label_sets_are_bounded() {
    static USERS: Metric = Metric::counter("test", "users", "Users").labels(&["uid"]);
    let (server, http) = used().await;
    for uid in 0..10_500 {
        server.app.app().metrics().record(&USERS, &[("uid", &uid.to_string())], 1.0).unwrap();
    }
    let scrape = scraped(http).await;
    assert_eq!(scrape.0["pitaya_test_users"].samples.len(), 10_001);
    assert_eq!(scrape.value("pitaya_test_users", &[("uid", "other"), ("game", "chess")]), Some(500.0));
    let overflows = [("metric", "pitaya_test_users")];
    assert_eq!(scrape.value("pitaya_metrics_series_overflows", &overflows), Some(500.0));
    server.app.stop().await;
}

#[tokio::test]
async fn live_tasks_are_the_goroutines() {
    const TASKS: usize = 500;
    let (server, http) = used().await;
    let before = appears(http, "pitaya_sys_goroutines", &[]).await;
    let stop = Arc::new(tokio::sync::Notify::new());
    for _ in 0..TASKS {
        let stop = Arc::clone(&stop);
        tokio::spawn(async move { stop.notified().await });
    }
    reaches(http, "pitaya_sys_goroutines", |level| level >= before + 450.0).await;
    stop.notify_waiters();
    reaches(http, "pitaya_sys_goroutines", |level| level <= before + 50.0).await;
    server.app.stop().await;
}

async fn reaches(http: SocketAddr, name: &str, holds: impl Fn(f64) -> bool) {
    soon(name, async {
        while !holds(appears(http, name, &[]).await) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn heap_size_and_objects_are_those_of_the_program() {
    let bytes = Arc::new(AtomicU64::new(1000));
    let read = Arc::clone(&bytes);
    let heap = move || Heap { bytes: read.load(Ordering::Relaxed), objects: Some(7) };
    let server = server::start_with(watched(), |builder| builder.heap(heap)).await;
    let http = server.app.app().http_addr().unwrap();
    reaches(http, "pitaya_sys_heapsize", |size| size == 1000.0).await;
    assert_eq!(appears(http, "pitaya_sys_heapobjects", &[]).await, 7.0);
    bytes.store(5000, Ordering::Relaxed);
    reaches(http, "pitaya_sys_heapsize", |size| size == 5000.0).await;
    server.app.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_a_closure_the_heap_is_the_anonymous_memory() {
    const SIZE: usize = 256 << 20;
    let (server, http) = used().await;
    let before = appears(http, "pitaya_sys_heapsize", &[]).await;
    assert!(before > 1e6);
    let memory = vec![1u8; SIZE];
    reaches(http, "pitaya_sys_heapsize", |size| size > before + 128e6).await;
    drop(memory);
    assert_eq!(scraped(http).await.value("pitaya_sys_heapobjects", &[]), None);
    server.app.stop().await;
}

#[tokio::test]
async fn the_custom_metrics_example_reports_clients_values() {
    let mut config = custom_metrics::config().unwrap();
    config.http_listen = "127.0.0.1:0".to_owned();
    let app = custom_metrics::app(config, "127.0.0.1:0").start().await.unwrap();
    let http = app.app().http_addr().unwrap();
    let mut client = RawClient::of(&app).await;
    for (route, value) in [
        ("setcounter", 2.0),
        ("setcounter", 3.0),
        ("setgauge1", 7.0),
        ("setgauge1", 4.0),
        ("setgauge2", -1.5),
        ("setsummary", 10.0),
    ] {
        client.call(&format!("room.room.{route}"), format!(r#"{{"value":{value},"tag":"t"}}"#)).await;
    }
    client.call("room.room.measure", "x".repeat(100)).await;
    let scrape = scraped(http).await;
    let tag = [("tag", "t"), ("game", "custom_metrics"), ("serverType", "room")];
    assert_eq!(scrape.value("pitaya_room_my_counter", &tag), Some(5.0));
    assert_eq!(scrape.value("pitaya_room_my_gauge_1", &tag), Some(4.0));
    assert_eq!(scrape.value("pitaya_room_my_gauge_2", &tag), Some(-1.5));
    assert_eq!(scrape.value("pitaya_room_my_summary_sum", &[]), Some(10.0));
    let median = scrape.value("pitaya_room_my_summary", &[("quantile", "0.95")]).unwrap();
    assert!((median - 10.0).abs() < 0.1, "{median}");
    assert_eq!(scrape.value("pitaya_room_message_bytes_bucket", &[("le", "64")]), Some(0.0));
    assert_eq!(scrape.value("pitaya_room_message_bytes_bucket", &[("le", "256")]), Some(1.0));
    app.stop().await;
}

// ---- the real one

#[tokio::test]
#[ignore = "needs prometheus"]
async fn promtool_reads_what_is_exported() {
    let (server, http) = used().await;
    let text = get(http, "/metrics", &[]).await.body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = soon("promtool", promtool.wait_with_output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // 3: it can be read, but does not like the names, which are those of Go Pitaya.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let about_names =
            ["abbreviated units", "_total", "snake_case"].iter().any(|part| line.contains(part));
        assert!(about_names, "{said}");
    }
    server.app.stop().await;
}

#[tokio::test]
#[ignore = "needs prometheus"]
async fn a_real_prometheus_scrapes_a_server() {
    let (server, http) = used().await;
    let prometheus = Prometheus::start(http).await;
    prometheus.finds("up", 1.0).await;
    let name = "pitaya_handler_response_time_ns";
    let labels = prometheus.finds(&format!("{name}_count{{status=\"failed\"}}"), 1.0).await;
    assert_eq!(labels["route"], "test.arena.fail");
    assert_eq!([&labels["game"], &labels["serverType"], &labels["zone"]], ["chess", "test", "z0"]);
    let failed = prometheus.query(&format!("{name}{{quantile=\"0.99\",status=\"failed\"}}")).await.unwrap();
    assert_eq!(failed.len(), 1);
    // Counters keep their names though Prometheus asks for OpenMetrics.
    server.app.app().metrics().record(&pitaya::metrics::EXCEEDED_RATE_LIMITING, &[], 5.0).unwrap();
    prometheus.finds("pitaya_acceptor_exceeded_rate_limiting", 5.0).await;
    until("a client to leave", || server.app.app().sessions().count() == 0).await;
    prometheus.finds("pitaya_acceptor_connected_clients", 0.0).await;
    let capacity = "histogram_quantile(0.5, pitaya_channel_channel_capacity_bucket)";
    assert_eq!(prometheus.query(capacity).await.unwrap().len(), 1);
    server.app.stop().await;
    prometheus.finds("up", 0.0).await;
}
