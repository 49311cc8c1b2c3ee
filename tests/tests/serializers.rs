//! The three serializers, end to end with typed clients.

use std::sync::Arc;

use pitaya::acceptor::Tcp;
use pitaya::client::Client;
use pitaya::metrics::InMemoryReporter;
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use pitaya_tests::{soon, until};

#[message(proto)]
struct Buy {
    #[tag(1)]
    item: String,
    #[tag(2)]
    count: i32,
}

#[message(proto)]
struct Bought {
    #[tag(1)]
    total: i64,
}

#[message(proto, push = "onSale")]
struct Sale {
    #[tag(1)]
    item: String,
}

#[derive(Component)]
struct Shop;

#[handler(server = "shop")]
impl Shop {
    /// Buys.
    pub async fn buy(&self, session: Session, msg: Buy) -> Result<Bought> {
        if msg.count < 0 {
            return Err(Error::new("SHOP-1", "less than nothing").with_metadata("item", msg.item));
        }
        session.push(&Sale { item: msg.item }).await?;
        Ok(Bought { total: i64::from(msg.count) * 7 })
    }
}

/// The handshake names the serializer.
#[tokio::test]
async fn every_serializer_carries_every_message() {
    for (serializer, name) in
        [(Serializer::Json, "json"), (Serializer::Protobuf, "protobuf"), (Serializer::MessagePack, "msgpack")]
    {
        let app = App::builder()
            .server_type("shop")
            .serializer(serializer)
            .acceptor(Tcp::new("127.0.0.1:0"))
            .start()
            .await
            .unwrap();
        let client = Client::builder().compress(true).connect_tcp(app.socket_addrs()[0]).await.unwrap();
        assert_eq!(client.serializer_name(), name);
        let mut sales = client.pushes::<Sale>();
        let bought = client.request(&Shop::BUY, &Buy { item: "sword".into(), count: 3 }).await.unwrap();
        assert_eq!(bought.total, 21, "{name}");
        assert_eq!(soon("the push", sales.next()).await.unwrap().item, "sword");
        let error = client.request(&Shop::BUY, &Buy { item: "shield".into(), count: -1 }).await.unwrap_err();
        assert_eq!(
            (error.code(), error.msg(), &error.metadata()["item"][..]),
            ("SHOP-1", "less than nothing", "shield")
        );
        app.stop().await;
    }
}

#[tokio::test]
async fn protobuf_omits_defaults_and_json_accepts_that() {
    let app = App::builder().server_type("shop").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let mut client = pitaya_tests::raw_client::RawClient::of(&app).await;
    client.request("shop.buy", r#"{"item":"x"}"#).await;
    client.next().await;
    let answer = client.next().await.unwrap();
    assert!(matches!(&answer, pitaya_tests::raw_client::Got::Response { error: false, .. }), "{answer:?}");
    app.stop().await;
}

#[tokio::test]
async fn every_call_is_reported_with_its_labels() {
    let memory = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&memory);
    let mut config = pitaya::config::Config::default();
    config.metrics.game = "chess".into();
    let app = App::builder()
        .config(config)
        .server_type("shop")
        .reporter(reporter)
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let client = Client::builder().connect_tcp(app.socket_addrs()[0]).await.unwrap();
    until("one client", || memory.value("connected_clients", &[]) == Some(1.0)).await;
    client.request(&Shop::BUY, &Buy { item: "a".into(), count: 1 }).await.unwrap();
    client.request(&Shop::BUY, &Buy { item: "a".into(), count: -1 }).await.unwrap_err();
    client.request_raw("shop.shop.nothing", Bytes::new()).await.unwrap_err();
    let count = |status: &str, code: &str, route: &str| {
        memory.count(
            "response_time_ns",
            &[("route", route), ("status", status), ("code", code), ("type", "handler")],
        )
    };
    assert_eq!(count("ok", "", "shop.shop.buy"), 1);
    assert_eq!(count("failed", "SHOP-1", "shop.shop.buy"), 1);
    assert_eq!(count("failed", "PIT-404", ""), 1, "what clients make up shares one route");
    assert_eq!(memory.count("handler_delay_ns", &[("route", "shop.shop.buy"), ("type", "local")]), 2);
    assert_eq!(memory.count("response_time_ns", &[("game", "chess"), ("serverType", "shop")]), 3);
    drop(client);
    until("no client", || memory.value("connected_clients", &[]) == Some(0.0)).await;
    app.stop().await;
}
