//! Limits to the calls of clients: by connection, by route and by user, silent or answered.

use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::{Acceptor, RateLimit, Tcp};
use pitaya::app::CallLimit;
use pitaya::metrics::InMemoryReporter;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, config};

pitaya::link!(pitaya_tests);

/// Longer than any test: what is over the limit stays over it.
const HOUR: Duration = Duration::from_secs(3600);
const OVER: &str = r#"{"code":"PIT-429","msg":"rate limit exceeded"}"#;

fn limit(limit: usize) -> CallLimit {
    CallLimit::new(limit, HOUR).unwrap().answered(true)
}

#[tokio::test]
async fn a_request_over_the_packet_limit_can_be_answered() {
    let server = server::start_with(config(), |b| {
        b.acceptor(Tcp::new("127.0.0.1:0").wrap(RateLimit::new(2, HOUR).unwrap().answered(true)))
    })
    .await;
    let mut client = RawClient::ready(server.app.socket_addrs()[1]).await;
    for answer in ["a", "a", OVER, OVER] {
        assert_eq!(client.ask("arena.raw", "a").await, answer);
    }
    server.app.stop().await;
}

#[tokio::test]
async fn a_limit_of_one_route_leaves_the_others_alone() {
    let memory = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&memory);
    let server =
        server::start_with(config(), |b| b.reporter(reporter).call_limit(limit(1).route("arena.raw"))).await;
    let (mut one, mut two) = (RawClient::ready(server.tcp).await, RawClient::ready(server.tcp).await);
    for client in [&mut one, &mut two] {
        assert_eq!(client.ask("arena.raw", "a").await, "a");
        assert_eq!(client.ask("test.arena.raw", "a").await, OVER, "one route, whatever its form");
        assert_eq!(client.ask("arena.empty", "").await, "{}");
    }
    assert_eq!(memory.sum("exceeded_rate_limiting", &[]), 2.0);
    server.app.stop().await;
}

#[tokio::test]
async fn a_user_is_limited_on_all_connections_together() {
    let mut config = config();
    config.rate_limit.user.limit = 2;
    config.rate_limit.user.interval = HOUR;
    config.rate_limit.answer = true;
    let server = server::start(config).await;
    let mut one = RawClient::ready(server.tcp).await;
    one.ask("arena.bind", r#"{"text":"ann"}"#).await;
    assert_eq!(one.ask("arena.raw", "a").await, "a");
    assert_eq!(one.ask("arena.raw", "a").await, "a");
    assert_eq!(one.ask("arena.raw", "a").await, OVER);
    let mut two = RawClient::ready(server.tcp).await;
    two.ask("arena.bind", r#"{"text":"ann"}"#).await;
    assert_eq!(two.ask("arena.raw", "a").await, OVER, "the calls of the other connection count");
    let mut bob = RawClient::ready(server.tcp).await;
    bob.ask("arena.bind", r#"{"text":"bob"}"#).await;
    assert_eq!(bob.ask("arena.raw", "b").await, "b");
    server.app.stop().await;
}

#[tokio::test]
async fn a_call_over_a_silent_limit_vanishes() {
    let server =
        server::start_with(config(), |b| b.call_limit(limit(1).answered(false).route("arena.raw"))).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("arena.raw", "a").await, "a");
    client.request("arena.raw", "b").await;
    client.request("arena.empty", "").await;
    assert_eq!(client.next().await.unwrap().text(), "{}", "the request before is not answered");
    server.app.stop().await;
}

#[tokio::test]
async fn routes_are_limited_by_the_configuration() {
    let config = pitaya::Config::parse(
        r#"
        [pitaya.conn.ratelimiting]
        answer = true
        routes = [
            { route = "arena.raw", limit = 1, interval = "1h" },
        ]
        "#,
    )
    .unwrap();
    let server = server::start(config).await;
    let (mut one, mut two) = (RawClient::ready(server.tcp).await, RawClient::ready(server.tcp).await);
    for client in [&mut one, &mut two] {
        client.ask("arena.bind", r#"{"text":"ann"}"#).await;
        assert_eq!(client.ask("arena.raw", "a").await, "a", "each connection has its own count");
        assert_eq!(client.ask("arena.raw", "a").await, OVER);
        assert_eq!(client.ask("arena.empty", "").await, "{}");
    }
    server.app.stop().await;
}

#[tokio::test]
async fn a_route_limit_of_the_configuration_counts_by_user() {
    let mut config = config();
    config.session.unique = false;
    config.rate_limit.answer = true;
    let mut limit = pitaya::config::RouteLimit::new("arena.raw", 1);
    (limit.interval, limit.per_user) = (HOUR, true);
    config.rate_limit.routes = vec![limit.clone()];
    let server = server::start(config.clone()).await;
    let mut one = RawClient::ready(server.tcp).await;
    one.ask("arena.bind", r#"{"text":"ann"}"#).await;
    assert_eq!(one.ask("arena.raw", "a").await, "a");
    let mut two = RawClient::ready(server.tcp).await;
    two.ask("arena.bind", r#"{"text":"ann"}"#).await;
    assert_eq!(two.ask("arena.raw", "a").await, OVER);
    server.app.stop().await;

    config.rate_limit.force_disable = true;
    let server = server::start(config).await;
    let mut free = RawClient::ready(server.tcp).await;
    for _ in 0..3 {
        assert_eq!(free.ask("arena.raw", "a").await, "a");
    }
    server.app.stop().await;
}
