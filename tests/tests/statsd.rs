//! The datagrams for StatsD and DogStatsD. A missing server delays no call.

use std::collections::BTreeMap;
use std::time::Duration;

use pitaya::config::{Config, StatsdDialect};
use pitaya::metrics::{Metric, Statsd};
use pitaya_tests::http::{Scrape, get};
use pitaya_tests::log::CapturedLog;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, config};
use pitaya_tests::soon;
use tokio::net::{UdpSocket, UnixDatagram};

pitaya::link!(pitaya_tests);

static GAMES: Metric = Metric::counter("room", "games_played", "Games that ended").labels(&["mode"]);

/// A configuration that sends to this address, whatever the machine's environment is.
fn sending(host: String) -> Config {
    let mut config = config();
    config.metrics.statsd.enabled = true;
    config.metrics.statsd.host = host;
    config.metrics.period = Duration::from_millis(50);
    config
}

async fn udp() -> (UdpSocket, Config) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let host = socket.local_addr().unwrap().to_string();
    (socket, sending(host))
}

/// One line: the name, the value, the kind, and the tags.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    name: String,
    value: f64,
    kind: String,
    tags: BTreeMap<String, String>,
    text: String,
}

impl Line {
    fn parse(text: &str) -> Self {
        let (name, rest) = text.split_once(':').unwrap_or_else(|| panic!("{text}"));
        let mut parts = rest.split('|');
        let value = parts.next().unwrap().parse().unwrap_or_else(|_| panic!("{text}"));
        let kind = parts.next().unwrap_or_else(|| panic!("{text}")).to_owned();
        assert!(["c", "g", "ms", "h"].contains(&&*kind), "{text}");
        let mut tags = BTreeMap::new();
        for part in parts {
            let list = part.strip_prefix('#').unwrap_or_else(|| panic!("{text}"));
            for tag in list.split(',') {
                let (name, value) = tag.split_once(':').unwrap_or_else(|| panic!("{text}"));
                assert!(tags.insert(name.to_owned(), value.to_owned()).is_none(), "{text}");
            }
        }
        Self { name: name.to_owned(), value, kind, tags, text: text.to_owned() }
    }
}

/// The lines of a datagram.
fn lines(datagram: &[u8]) -> Vec<Line> {
    let text = std::str::from_utf8(datagram).unwrap();
    assert!(!text.ends_with('\n'));
    text.lines().map(Line::parse).collect()
}

/// Reads datagrams until one line is as wanted.
async fn line(socket: &UdpSocket, wanted: impl Fn(&Line) -> bool) -> Line {
    let mut buffer = [0; 65536];
    soon("a line", async {
        loop {
            let size = socket.recv(&mut buffer).await.unwrap();
            assert!(size <= 1432, "{size} bytes");
            if let Some(line) = lines(&buffer[..size]).into_iter().find(&wanted) {
                return line;
            }
        }
    })
    .await
}

#[tokio::test]
async fn metrics_arrive_over_udp_with_tags() {
    let (socket, mut config) = udp().await;
    config.metrics.const_labels.insert("zone".to_owned(), "z0".to_owned());
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.call("arena.raw", "x").await;
    let time = line(&socket, |line| line.name == "pitaya.response_time_ns").await;
    assert_eq!(time.kind, "ms");
    assert!(time.value > 0.0 && time.text.contains(".000000|ms|#"), "{time:?}");
    let tags: Vec<_> = time.text.split_once("|#").unwrap().1.split(',').collect();
    let expected =
        ["serverType:test", "zone:z0", "route:test.arena.raw", "status:ok", "type:handler", "code:"];
    assert!(tags.ends_with(&expected), "{tags:?}");
    let clients = line(&socket, |line| line.name == "pitaya.connected_clients" && line.value == 1.0).await;
    assert_eq!((&*clients.kind, &*clients.tags["serverType"]), ("g", "test"));
    let capacity = line(&socket, |line| line.name == "pitaya.channel_capacity");
    client.call("arena.raw", "y").await;
    assert_eq!(capacity.await.kind, "h");
    server.app.stop().await;
}

#[tokio::test]
async fn what_was_counted_last_is_sent_at_the_stop() {
    let (socket, config) = udp().await;
    let server = server::start(config).await;
    server.app.app().metrics().record(&GAMES, &[("mode", "duel")], 3.0).unwrap();
    server.app.stop().await;
    let games = line(&socket, |line| line.name == "pitaya.games_played").await;
    assert_eq!((games.value, &*games.tags["mode"]), (3.0, "duel"));
}

#[tokio::test]
async fn a_server_without_tags_gets_labels_in_the_names() {
    let (socket, mut config) = udp().await;
    config.metrics.statsd.dialect = StatsdDialect::Statsd;
    config.metrics.statsd.prefix = "mine.".to_owned();
    let server = server::start(config).await;
    server.app.app().metrics().record(&GAMES, &[("mode", "1:1")], 3.0).unwrap();
    let games = line(&socket, |line| line.name.starts_with("mine.games_played")).await;
    assert!(games.text.ends_with(".serverType.test.mode.1_1:3|c"), "{games:?}");
    server.app.stop().await;
}

#[tokio::test]
async fn metrics_arrive_over_a_late_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dsd.socket");
    let server = server::start(sending(format!("unix://{}", path.display()))).await;
    let mut client = RawClient::ready(server.tcp).await;
    for restart in 0..2 {
        let socket = UnixDatagram::bind(&path).unwrap();
        let mut buffer = [0; 65536];
        soon("a line", async {
            loop {
                client.call("arena.raw", "x").await;
                let size = socket.recv(&mut buffer).await.unwrap();
                assert!(size <= 8192, "{size} bytes");
                if lines(&buffer[..size]).iter().any(|line| line.name == "pitaya.response_time_ns") {
                    return;
                }
            }
        })
        .await;
        drop(socket);
        std::fs::remove_file(&path).unwrap();
        assert!(restart < 2);
    }
    server.app.stop().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_holds_up_no_call() {
    let log = CapturedLog::start(tracing::Level::WARN);
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let unknown = format!("{}.invalid:1", "x".repeat(64));
    // The stop makes the last attempt to send, so each host is tried.
    for host in [closed, unknown, "unix:///no/such/socket".to_owned()] {
        let server = server::start(sending(host)).await;
        let mut client = RawClient::ready(server.tcp).await;
        for n in 0..500 {
            assert_eq!(client.ask("arena.raw", n.to_string()).await, n.to_string());
        }
        soon("the stop", server.app.stop()).await;
    }
    let log = log.lines();
    let lines = log.iter().filter(|line| line.contains("StatsD")).count();
    // One for each kind of failure, in this minute.
    assert!((1..=4).contains(&lines), "{log:?}");
}

#[tokio::test]
async fn an_address_that_is_none_costs_the_reporter_alone() {
    let server = server::start(sending("http://host:1".to_owned())).await;
    assert_eq!(RawClient::ready(server.tcp).await.ask("arena.raw", "x").await, "x");
    assert!(server.app.app().metrics().is_empty());
    server.app.stop().await;
    assert!(
        Statsd::from_config(&sending(String::new())).is_err() || std::env::var_os("DD_AGENT_HOST").is_some()
    );
}

#[tokio::test]
async fn custom_metrics_reach_both_exporters() {
    let (socket, sending) = udp().await;
    let mut config = Config::parse(
        r#"
        [[pitaya.metrics.custom.counters]]
        subsystem = "room"
        name = "kills"
        labels = ["weapon"]
        [[pitaya.metrics.custom.gauges]]
        subsystem = "room"
        name = "players"
        [[pitaya.metrics.custom.summaries]]
        subsystem = "room"
        name = "score"
        objectives = { "0.5" = 0.05 }
        [[pitaya.metrics.custom.histograms]]
        subsystem = "room"
        name = "moves"
        buckets = [10, 100]"#,
    )
    .unwrap();
    config.metrics.statsd.enabled = true;
    config.metrics.statsd.host = sending.metrics.statsd.host;
    config.http_listen = "127.0.0.1:0".to_owned();
    let server = server::start(config).await;
    let metrics = server.app.app().metrics();
    metrics.record("kills", &[("weapon", "axe")], 2.0).unwrap();
    metrics.record("players", &[], 4.0).unwrap();
    metrics.record("score", &[], 250.0).unwrap();
    metrics.record("moves", &[], 42.0).unwrap();
    metrics.record(&GAMES, &[("mode", "duel")], 1.0).unwrap();
    assert_eq!(metrics.record("nothing", &[], 1.0).unwrap_err().to_string(), "metric not known: nothing");

    let text = get(server.app.app().http_addr().unwrap(), "/metrics", &[]).await.body;
    let scrape = Scrape::parse(&text, false);
    for (name, labels, value) in [
        ("pitaya_room_kills", &[("weapon", "axe")][..], 2.0),
        ("pitaya_room_players", &[], 4.0),
        ("pitaya_room_score_sum", &[], 250.0),
        ("pitaya_room_moves_bucket", &[("le", "100")], 1.0),
        ("pitaya_room_games_played", &[("mode", "duel")], 1.0),
    ] {
        assert_eq!(scrape.value(name, labels), Some(value), "{name}");
    }
    let mut expected = BTreeMap::from([
        ("pitaya.kills", (2.0, "c")),
        ("pitaya.players", (4.0, "g")),
        ("pitaya.score", (250.0, "ms")),
        ("pitaya.moves", (42.0, "h")),
        ("pitaya.games_played", (1.0, "c")),
    ]);
    let mut buffer = [0; 65536];
    soon("all lines", async {
        while !expected.is_empty() {
            let size = socket.recv(&mut buffer).await.unwrap();
            for line in lines(&buffer[..size]) {
                if let Some(wanted) = expected.remove(&*line.name) {
                    assert_eq!((line.value, &*line.kind), wanted, "{line:?}");
                }
            }
        }
    })
    .await;
    server.app.stop().await;
}
