//! Probes of a server: whether it is alive, and whether it is ready for new work.

use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::Tcp;
use pitaya::cluster::EtcdDiscovery;
use pitaya::config::Config;
use pitaya::module::Module;
use pitaya::prelude::*;
use pitaya::services::Services;
use pitaya_tests::etcd::{self, Etcd};
use pitaya_tests::http::get;
use pitaya_tests::nats::{self, Nats};
use pitaya_tests::programs::free_port;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, config};
use pitaya_tests::soon;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

pitaya::link!(pitaya_tests);

/// A module that takes its time to start.
struct Slow(Arc<Semaphore>);

impl Module for Slow {
    async fn init(&self, _services: &Services) -> Result<()> {
        self.0.acquire().await.internal()?.forget();
        Ok(())
    }
}

fn watched() -> (Config, std::net::SocketAddr) {
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut config = config();
    config.http_listen = at.to_string();
    (config, at)
}

async fn ready(at: std::net::SocketAddr) -> (u16, String) {
    let answer = get(at, "/readyz", &[]).await;
    (answer.status, answer.body)
}

/// Waits until the server is ready, or is not for this reason.
async fn becomes(at: std::net::SocketAddr, status: u16, body: &str) {
    let mut last = None;
    let waited = tokio::time::timeout(pitaya_tests::PATIENCE, async {
        while last != Some((status, body.to_owned())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            last = Some(ready(at).await);
        }
    });
    assert!(waited.await.is_ok(), "{status} {body:?} does not come, but {last:?}");
    assert_eq!(get(at, "/livez", &[]).await.status, 200);
    assert_eq!(get(at, "/metrics", &[]).await.status, 200);
}

#[tokio::test]
async fn readiness_follows_start_drain_and_stop() {
    let (config, at) = watched();
    let gate = Arc::new(Semaphore::new(0));
    let module = Slow(Arc::clone(&gate));
    let probes = async {
        soon("the HTTP server", async {
            while TcpStream::connect(at).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        becomes(at, 503, "not ready: the server is starting\n").await;
        gate.add_permits(1);
    };
    let starting = server::start_with(config, |builder| builder.module("slow", module));
    let (server, ()) = tokio::join!(starting, probes);
    becomes(at, 200, "ready\n").await;
    assert_eq!(server.app.app().http_addr(), Some(at));

    let client = RawClient::ready(server.tcp).await;
    let app = server.app.app().clone();
    let draining = tokio::spawn(async move {
        server.app.drain().await;
        server.app.stop().await;
    });
    becomes(at, 503, "not ready: the server is draining\n").await;
    assert!(app.is_running(), "a client is still there");
    drop(client);
    soon("the stop", draining).await.unwrap();
    assert!(TcpStream::connect(at).await.is_err(), "nothing listens after the stop");
}

#[tokio::test]
#[ignore = "needs nats-server and etcd"]
async fn readiness_follows_the_broker_and_the_registry() {
    let (mut nats, etcd) = (Nats::start().await, Etcd::start().await);
    let (config, at) = watched();
    let app = App::builder()
        .config(config)
        .server_type("test")
        .acceptor(Tcp::new("127.0.0.1:0"))
        .explicit_components()
        .discovery(EtcdDiscovery::new(etcd.options(&etcd::prefix())))
        .transport(nats::transport(&nats));
    let app = app.start().await.unwrap();
    becomes(at, 200, "ready\n").await;
    nats.kill();
    becomes(at, 503, "not ready: the transport is not connected\n").await;
    nats.restart().await;
    becomes(at, 200, "ready\n").await;
    etcd.kill();
    becomes(at, 503, "not ready: the discovery is not connected\n").await;
    etcd.restart().await;
    becomes(at, 200, "ready\n").await;
    app.stop().await;
}

#[tokio::test]
async fn an_address_that_is_taken_fails_the_start() {
    let (config, at) = watched();
    let _taken = std::net::TcpListener::bind(at).unwrap();
    let error = server::builder(config, &Arc::default()).start().await.unwrap_err();
    assert!(error.msg().starts_with("`pitaya.http.listen`: cannot listen at"), "{error}");
}

#[tokio::test]
async fn without_a_key_nothing_listens() {
    let server = server::start(config()).await;
    assert_eq!(server.app.app().http_addr(), None);
    assert!(server.app.app().metrics().is_empty(), "nothing is measured without a reporter");
    server.app.stop().await;
}
