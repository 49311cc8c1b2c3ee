//! Handshakes: judged in order, refused with a code and a payload, never skipped.

use std::sync::Arc;

use pitaya::app::Refusal;
use pitaya::schema::Schema;
use pitaya::wire::packet::Kind;
use pitaya_tests::raw_client::{ACK, Got, HANDSHAKE, RawClient, request};
use pitaya_tests::server::{self, config};
use pitaya_tests::{soon, until};

pitaya::link!(pitaya_tests);

const REFUSED: &str = r#"{"code":400,"sys":{"dict":{},"heartbeat":30,"serializer":"json"}}"#;

#[tokio::test]
async fn the_default_reply_is_the_originals_byte_for_byte() {
    let server = server::start(config()).await;
    let mut client = RawClient::connect(server.tcp).await;
    let reply = client.handshake().await;
    assert_eq!(&reply[..], br#"{"code":200,"sys":{"dict":{},"heartbeat":30,"serializer":"json"}}"#);
    server.app.stop().await;
}

#[tokio::test]
async fn schema_hash_is_answered_only_if_asked() {
    const PLAIN: &str = r#"{"code":200,"sys":{"dict":{},"heartbeat":30,"serializer":"json"}}"#;
    let schema = Schema::new("arena");
    let same = format!(r#"{{"sys":{{"schema":"{}"}}}}"#, schema.client_hash());
    let reply = async |address, body: &str| {
        let mut client = RawClient::connect(address).await;
        client.packet(Kind::Handshake, body.as_bytes()).await;
        client.next().await.unwrap().text().to_owned()
    };
    let server = server::start_with(config(), |builder| builder.schema(&schema)).await;
    let answer = |matches: bool| PLAIN.replace("}}", &format!(r#","schema":{{"match":{matches}}}}}}}"#));
    assert_eq!(reply(server.tcp, &same).await, answer(true));
    assert_eq!(reply(server.tcp, r#"{"sys":{"schema":"another"}}"#).await, answer(false));
    for silent in ["{}", r#"{"sys":{"schema":""}}"#, r#"{"sys":{"schema":{"resume":true}}}"#] {
        assert_eq!(reply(server.tcp, silent).await, PLAIN, "{silent}");
    }
    server.app.stop().await;
    let without = server::start(config()).await;
    assert_eq!(reply(without.tcp, &same).await, PLAIN);
    without.app.stop().await;
}

#[tokio::test]
async fn validators_run_in_order_until_an_error() {
    let recorder = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (first, second) = (Arc::clone(&recorder), Arc::clone(&recorder));
    let server = server::start_with(config(), |builder| {
        builder
            .handshake_validator("version", move |request| {
                first.lock().unwrap().push("version");
                if request.sys.client_version == "0" { Err("too old".into()) } else { Ok(()) }
            })
            .handshake_validator("never reached", move |_| {
                second.lock().unwrap().push("second");
                Ok(())
            })
    })
    .await;
    let mut old = RawClient::connect(server.tcp).await;
    old.packet(Kind::Handshake, br#"{"sys":{"clientVersion":"0"}}"#).await;
    assert_eq!(old.closed().await.first().map(|got| got.text().to_owned()), Some(REFUSED.to_owned()));
    assert_eq!(*recorder.lock().unwrap(), ["version"]);
    let mut new = RawClient::ready(server.tcp).await;
    assert_eq!(new.ask("arena.raw", "in").await, "in");
    assert_eq!(*recorder.lock().unwrap(), ["version", "version", "second"]);
    server.app.stop().await;
}

#[tokio::test]
async fn panic_in_validator_refuses_the_client() {
    let server = server::start_with(config(), |builder| {
        builder.handshake_validator("bad", |request| {
            assert!(request.sys.platform != "boom");
            Ok(())
        })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, br#"{"sys":{"platform":"boom"}}"#).await;
    assert_eq!(client.closed().await.first().map(|got| got.text().to_owned()), Some(REFUSED.to_owned()));
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("arena.raw", "fine").await, "fine");
    server.app.stop().await;
}

#[tokio::test]
async fn authenticate_binds_or_refuses_with_payload() {
    let server = server::start_with(config(), |builder| {
        builder.authenticate(|session, request| async move {
            tokio::task::yield_now().await;
            let user: Option<serde_json::Value> = request.user().map_err(|_| Refusal::new())?;
            match user.as_ref().and_then(|user| user["token"].as_str()) {
                Some("good") => session.bind("ann").await.map_err(|_| Refusal::new()),
                _ => Err(Refusal::new().with_code(403).with_payload(serde_json::json!({"why": "token"}))),
            }
        })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, br#"{"user":{"token":"bad"}}"#).await;
    assert_eq!(
        client.closed().await.first().map(|got| got.text().to_owned()).as_deref(),
        Some(r#"{"code":403,"sys":{"dict":{},"heartbeat":30,"serializer":"json"},"user":{"why":"token"}}"#)
    );
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, br#"{"user":{"token":"good"}}"#).await;
    assert!(matches!(client.next().await, Some(Got::Handshake(_))));
    client.send(ACK).await;
    assert_eq!(client.ask("arena.whoami", "").await, r#"{"text":"ann"}"#);
    server.app.stop().await;
}

#[tokio::test]
async fn a_refusal_is_never_taken_for_a_welcome() {
    let server = server::start_with(config(), |builder| {
        builder.authenticate(|_, _| async { Err(Refusal::new().with_code(200)) })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.send(HANDSHAKE).await;
    assert_eq!(client.closed().await.first().map(|got| got.text().to_owned()).as_deref(), Some(REFUSED));
    server.app.stop().await;
}

/// Its deadline holds.
#[tokio::test]
async fn nothing_is_read_during_authenticate() {
    let mut config = config();
    config.limit.handshake_deadline = std::time::Duration::from_millis(300);
    let server = server::start_with(config, |builder| {
        builder.authenticate(|_, _| async { std::future::pending().await })
    })
    .await;
    let mut client = RawClient::connect(server.tcp).await;
    client.send(HANDSHAKE).await;
    client.send(ACK).await;
    client.send(&request(1, "arena.raw", b"too early")).await;
    assert_eq!(client.closed().await, []);
    until("the session to go", || server.app.app().sessions().count() == 0).await;
    soon("the stop", server.app.stop()).await;
}

#[tokio::test]
async fn bad_handshake_is_refused_and_closed() {
    let server = server::start(config()).await;
    for body in [
        "",
        "asiodjasd",
        "[]",
        "5",
        "\"x\"",
        "{",
        "{} x",
        "{}{}",
        "{}\0",
        r#"{"user":[]}"#,
        r#"{"sys":5}"#,
        "\u{feff}{}",
    ] {
        let mut client = RawClient::connect(server.tcp).await;
        client.packet(Kind::Handshake, body.as_bytes()).await;
        let got = client.closed().await;
        assert_eq!(got.first().map(|got| got.text().to_owned()).as_deref(), Some(REFUSED), "{body:?}");
        assert_eq!(got.len(), 1);
    }
    server.app.stop().await;
}

#[tokio::test]
async fn what_the_client_said_is_kept_on_the_session() {
    let server = server::start(config()).await;
    let mut client = RawClient::connect(server.tcp).await;
    client.packet(Kind::Handshake, br#"{"SYS":{"Platform":"ios"},"user":{"age":30}}"#).await;
    client.next().await;
    client.send(ACK).await;
    client.ask("arena.bind", r#"{"text":"ann"}"#).await;
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    let handshake = session.handshake().unwrap();
    assert_eq!(handshake.sys.platform, "ios");
    assert_eq!(handshake.user_json(), Some(r#"{"age":30}"#));
    assert!(session.remote_addr().starts_with("127.0.0.1:"));
    server.app.stop().await;
}

#[tokio::test]
async fn large_dictionary_reply_inflates_to_its_text() {
    let mut config = config();
    config.message_compression = true;
    let routes: Vec<(String, u16)> = (1..100).map(|n| (format!("connector.service.method{n}"), n)).collect();
    let server = server::start_with(config, |builder| builder.dictionary(routes)).await;
    let mut client = RawClient::connect(server.tcp).await;
    let reply = client.handshake().await;
    assert!(pitaya::wire::zlib::looks_compressed(&reply));
    let text = pitaya::wire::zlib::inflate(&reply, 1 << 20).unwrap();
    assert!(String::from_utf8(text).unwrap().contains(r#""connector.service.method99":99"#));
    server.app.stop().await;
}

#[tokio::test]
async fn a_fractional_heartbeat_is_refused_at_start() {
    let mut config = config();
    config.heartbeat_interval = std::time::Duration::from_millis(1500);
    let recorder = Arc::default();
    let error = server::builder(config, &recorder).start().await.unwrap_err();
    assert!(error.msg().contains("pitaya.heartbeat.interval"), "{error}");
}
