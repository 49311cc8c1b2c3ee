use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::*;
use crate::metrics::Metrics;

static HITS: Metric = Metric::counter("test", "hits", "Hits");
static LEVEL: Metric = Metric::gauge("test", "level", "Level");
static TOOK: Metric = Metric::summary("test", "took_ns", "Time", &[]);

fn hub(config: &Config) -> (Arc<Statsd>, Metrics) {
    let statsd = Arc::new(Statsd::from_parts(config, |_| None).unwrap());
    let metrics = Metrics::new(config, "", vec![statsd.clone()]).unwrap();
    (statsd, metrics)
}

fn config(host: String) -> Config {
    let mut config = Config::default();
    config.metrics.statsd.host = host;
    config
}

async fn server() -> (UdpSocket, Config) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let host = socket.local_addr().unwrap().to_string();
    (socket, config(host))
}

/// Returns the lines of the received datagrams.
async fn lines(socket: &UdpSocket) -> Vec<String> {
    let (mut lines, mut buffer) = (Vec::new(), [0; 65536]);
    while let Ok(Ok(size)) = timeout(Duration::from_millis(200), socket.recv(&mut buffer)).await {
        assert!(size <= 1432, "{size} bytes");
        lines.extend(std::str::from_utf8(&buffer[..size]).unwrap().lines().map(str::to_owned));
    }
    lines
}

#[tokio::test]
async fn counts_are_added_up_and_the_last_level_is_sent() {
    let (socket, config) = server().await;
    let (statsd, metrics) = hub(&config);
    let (hits, level) = (metrics.bind(&HITS, &[]).unwrap(), metrics.bind(&LEVEL, &[]).unwrap());
    for n in 1..=7 {
        hits.record(0.5);
        level.record(f64::from(n));
    }
    statsd.flush().await;
    assert_eq!(lines(&socket).await, ["pitaya.hits:3|c", "pitaya.level:7|g"]);
    statsd.flush().await;
    assert_eq!(lines(&socket).await, [""; 0]);
    hits.record(0.5);
    statsd.flush().await;
    assert_eq!(lines(&socket).await, ["pitaya.hits:1|c"], "the rest of the last count is not lost");
}

#[tokio::test]
async fn each_observation_is_a_line() {
    let (socket, config) = server().await;
    let (statsd, metrics) = hub(&config);
    let took = metrics.bind(&TOOK, &[]).unwrap();
    took.record(f64::NAN);
    for n in 0..500 {
        took.record(f64::from(n));
    }
    took.record_many(0.25, 3);
    statsd.flush().await;
    let lines = lines(&socket).await;
    assert_eq!(lines.len(), 503);
    assert_eq!((&*lines[7], &*lines[502]), ("pitaya.took_ns:7.000000|ms", "pitaya.took_ns:0.250000|ms"));
    assert_eq!(statsd.dropped(), 0);
}

#[tokio::test]
async fn a_share_of_the_values_is_sent() {
    let (socket, mut config) = server().await;
    config.metrics.statsd.rate = 0.25;
    let (statsd, metrics) = hub(&config);
    fastrand::seed(7);
    let (took, hits) = (metrics.bind(&TOOK, &[]).unwrap(), metrics.bind(&HITS, &[]).unwrap());
    took.record_many(1.0, 1000);
    hits.record_many(1.0, 1000);
    statsd.flush().await;
    let lines = lines(&socket).await;
    let count = lines[0].strip_prefix("pitaya.hits:").unwrap().strip_suffix("|c|@0.25").unwrap();
    let times = lines.iter().filter(|line| *line == "pitaya.took_ns:1.000000|ms|@0.25").count();
    // Five standard deviations
    for sent in [count.parse().unwrap(), times] {
        assert!((180..320).contains(&sent), "{sent}");
    }
}

#[tokio::test]
async fn nothing_is_sent_at_rate_zero() {
    let (socket, mut config) = server().await;
    config.metrics.statsd.rate = 0.0;
    let (statsd, metrics) = hub(&config);
    metrics.record(&HITS, &[], 1.0).unwrap();
    metrics.record(&TOOK, &[], 1.0).unwrap();
    metrics.record(&LEVEL, &[], 1.0).unwrap();
    statsd.flush().await;
    assert_eq!(lines(&socket).await, ["pitaya.level:1|g"]);
}

#[tokio::test]
async fn tags_of_the_environment_come_first() {
    let (socket, config) = server().await;
    let env = |name: &str| match name {
        "DD_ENV" => Some("prod".to_owned()),
        "DD_ENTITY_ID" => Some("pod-1".to_owned()),
        _ => None,
    };
    let statsd = Arc::new(Statsd::from_parts(&config, env).unwrap());
    let metrics = Metrics::new(&config, "room", vec![statsd.clone()]).unwrap();
    metrics.record(&HITS, &[], 1.0).unwrap();
    statsd.flush().await;
    let expected = "pitaya.hits:1|c|#dd.internal.entity_id:pod-1,env:prod,serverType:room";
    assert_eq!(lines(&socket).await, [expected]);
}

#[tokio::test]
async fn a_server_that_comes_later_gets_what_comes_then() {
    let (socket, config) = server().await;
    let at = socket.local_addr().unwrap();
    drop(socket);
    let (statsd, metrics) = hub(&config);
    for _ in 0..3 {
        metrics.record(&HITS, &[], 1.0).unwrap();
        statsd.flush().await;
    }
    let socket = UdpSocket::bind(at).await.unwrap();
    metrics.record(&HITS, &[], 5.0).unwrap();
    statsd.flush().await;
    assert!(lines(&socket).await.contains(&"pitaya.hits:5|c".to_owned()));
    assert!(statsd.dropped() >= 1);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_host_keeps_memory_and_calls_as_they_are() {
    // A label of a name has 63 bytes at most, so that no name server is asked.
    let config = config(format!("{}.invalid:1", "x".repeat(64)));
    let (statsd, metrics) = hub(&config);
    let running = tokio::spawn({
        let statsd = statsd.clone();
        async move { statsd.run().await }
    });
    let took = metrics.bind(&TOOK, &[]).unwrap();
    let end = Instant::now() + Duration::from_secs(3600);
    while Instant::now() < end {
        took.record_many(1.0, 1000);
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    running.abort();
    // What waits is bounded by the ring of the series.
    let mut waiting = 0;
    statsd.registry.families()[0].series()[0].drain(|_| waiting += 1);
    assert_eq!(waiting, ring::SIZE);
    assert_eq!(statsd.dropped(), 120 * 1000 - waiting as u64);
}
