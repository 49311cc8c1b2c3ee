//! The small examples do what they say.

use pitaya::config::Config;
use pitaya_tests::raw_client::{Got, RawClient};

pitaya::link!(pipeline, rate_limiting, custom_serializer);

#[tokio::test]
async fn pipeline_example_checks_and_signs() {
    let app = pipeline::app(Config::default(), "127.0.0.1:0").start().await.unwrap();
    let mut client = RawClient::of(&app).await;
    let route = "metagameDemo.metagameHandler.CreatePlayerCheat";
    assert_eq!(
        client
            .ask(route, r#"{"name":"  ann ","email":"ann@example.com","softCurrency":10,"hardCurrency":5}"#)
            .await,
        r#"{"msg":"created ann with 10 and 5!"}"#
    );
    let refused =
        client.call(route, r#"{"name":"ann","email":"no","softCurrency":2000,"hardCurrency":5}"#).await;
    assert!(matches!(refused, Got::Response { error: true, .. }));
    assert!(refused.text().starts_with(r#"{"code":"PIT-000","msg":""#), "{refused:?}");
    assert!(refused.text().contains("email") && refused.text().contains("soft"), "{refused:?}");
    assert_eq!(
        client.ask(route, r#"{"name":"root","email":"a@b.cd","softCurrency":1,"hardCurrency":1}"#).await,
        r#"{"code":"META-001","msg":"this name is taken"}"#
    );
    assert_eq!(
        client.ask("metagameDemo.metagameHandler.HandlerNoArg", "").await,
        r#"{"msg":"no argument!"}"#
    );
    app.stop().await;
}

/// Another connection is unaffected.
#[tokio::test]
async fn rate_limit_example_answers_five_of_ten() {
    let app =
        rate_limiting::app(rate_limiting::config().unwrap(), "127.0.0.1:0").unwrap().start().await.unwrap();
    let mut client = RawClient::of(&app).await;
    for _ in 0..10 {
        client.request("room.room.ping", "").await;
    }
    for wanted in 1..=5 {
        assert!(matches!(client.next().await, Some(Got::Response { id, error: false, .. }) if id == wanted));
    }
    // Nothing more comes: the next thing is the close that we ask for.
    let mut other = RawClient::of(&app).await;
    assert_eq!(other.ask("room.room.ping", "").await, "pong");
    app.app().sessions().close_all();
    assert_eq!(client.closed().await, []);
    app.stop().await;
}

#[tokio::test]
async fn serializer_example_is_named_in_the_handshake() {
    let app = custom_serializer::app(Config::default(), "127.0.0.1:0").start().await.unwrap();
    let mut client = RawClient::connect(app.socket_addrs()[0]).await;
    let reply = client.handshake().await;
    assert!(std::str::from_utf8(&reply).unwrap().contains(r#""serializer":"pretty-json""#));
    assert_eq!(client.ask("calc.calculator.add", r#"{"a":1,"b":2}"#).await, "{\n  \"sum\": 3\n}");
    assert_eq!(
        client.ask("calc.calculator.add", r#"{"a":9223372036854775807,"b":2}"#).await,
        "{\n  \"code\": \"CALC-001\",\n  \"msg\": \"too large\"\n}"
    );
    app.stop().await;
}
