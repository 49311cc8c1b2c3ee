//! Requests and their answers, byte by byte where clients compare them.

use pitaya_tests::raw_client::{Got, RawClient};
use pitaya_tests::server::{self, config};
use pitaya_tests::soon;

pitaya::link!(pitaya_tests);

/// With and without the server type in the route.
#[tokio::test]
async fn request_is_answered_under_its_id() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(client.ask("test.arena.raw", "hello").await, "hello");
    assert_eq!(client.ask("arena.raw", "two parts").await, "two parts");
    assert_eq!(client.ask("arena.typed", r#"{"text":"é"}"#).await, r#"{"text":"é"}"#);
    assert_eq!(client.ask("arena.empty", "").await, "{}");
    server.app.stop().await;
}

#[tokio::test]
async fn failures_have_the_payload_of_go_pitaya() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    for (route, body, expected) in [
        ("arena.null", "", r#"{"code":"PIT-000","msg":"reply must not be null"}"#),
        ("arena.fail", "", r#"{"code":"T-1","msg":"as asked","metadata":{"some":"meta"}}"#),
        ("arena.foreign", "", r#"{"code":"PIT-000","msg":"internal error"}"#),
        ("arena.panic", "", r#"{"code":"PIT-000","msg":"internal error"}"#),
        ("arena.late_panic", "", r#"{"code":"PIT-000","msg":"internal error"}"#),
        ("test.arena.no", "", r#"{"code":"PIT-404","msg":"pitaya/handler: test.arena.no not found"}"#),
        ("arena.no", "", r#"{"code":"PIT-404","msg":"pitaya/handler: test.arena.no not found"}"#),
        ("arena.note", r#"{"text":"x"}"#, r#"{"code":"PIT-400","msg":"tried to request a notify route"}"#),
        (
            "nonsense",
            "",
            r#"{"code":"PIT-400","msg":"invalid route","metadata":{"form":"service.method or server.service.method","route":"nonsense"}}"#,
        ),
        (
            "a..b",
            "",
            r#"{"code":"PIT-400","msg":"route field can not be empty","metadata":{"form":"service.method or server.service.method","route":"a..b"}}"#,
        ),
        (
            "",
            "",
            r#"{"code":"PIT-400","msg":"route field can not be empty","metadata":{"form":"service.method or server.service.method","route":""}}"#,
        ),
        (
            "elsewhere.arena.raw",
            "",
            r#"{"code":"PIT-404","msg":"pitaya/handler: elsewhere.arena.raw not found"}"#,
        ),
    ] {
        let got = client.call(route, body).await;
        assert!(matches!(got, Got::Response { error: true, .. }), "{route}: {got:?}");
        assert_eq!(got.text(), expected, "{route}");
    }
    server.app.stop().await;
}

#[tokio::test]
async fn a_client_that_names_a_remote_gets_not_found() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert_eq!(
        client.ask("test.arena.reverse", r#"{"text":"x"}"#).await,
        r#"{"code":"PIT-404","msg":"pitaya/handler: test.arena.reverse not found"}"#
    );
    server.app.stop().await;
}

/// So are panics.
#[tokio::test]
async fn foreign_errors_are_shown_only_if_enabled() {
    let mut config = config();
    config.errors_expose = true;
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    assert!(client.ask("arena.foreign", "").await.contains("invalid digit"));
    assert!(client.ask("arena.panic", "").await.contains("on purpose"));
    server.app.stop().await;
}

/// The connection stays.
#[tokio::test]
async fn undecodable_body_is_a_bad_request() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    for body in ["", "{", "[]", r#"{"text":5}"#, r#"{"text":"x"} y"#] {
        let got = client.ask("arena.typed", body).await;
        assert!(got.starts_with(r#"{"code":"PIT-400","msg":""#), "{body}: {got}");
    }
    assert_eq!(client.ask("arena.raw", "still here").await, "still here");
    server.app.stop().await;
}

#[tokio::test]
async fn surrogate_pairs_are_joined_others_replaced() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    // U+1F600 as the JavaScript client of Go Pitaya encodes it.
    let body = [&b"{\"text\":\""[..], b"\xed\xa0\xbd\xed\xb8\x80\xff", b"\"}"].concat();
    assert_eq!(client.ask("arena.typed", body).await, "{\"text\":\"\u{1F600}\u{FFFD}\"}");
    server.app.stop().await;
}

#[tokio::test]
async fn narrow_json_escapes_emoji() {
    let server = server::start_with(config(), |b| b.serializer(pitaya::serialize::NarrowJson)).await;
    let mut client = RawClient::connect(server.tcp).await;
    assert!(client.handshake().await.ends_with(br#""serializer":"json"}}"#));
    let narrow = r#"{"text":"\ud83d\ude00ä"}"#;
    for body in [
        &b"{\"text\":\"\xed\xa0\xbd\xed\xb8\x80\xc3\xa4\"}"[..],
        "{\"text\":\"😀ä\"}".as_bytes(),
        narrow.as_bytes(),
    ] {
        assert_eq!(client.ask("arena.typed", body).await, narrow);
    }
    assert_eq!(
        client.ask("arena.fail", "").await,
        r#"{"code":"T-1","msg":"as asked","metadata":{"some":"meta"}}"#
    );
    server.app.stop().await;
}

/// A request without an id is a notify.
#[tokio::test]
async fn notify_is_never_answered() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.notify("arena.note", r#"{"text":"noted"}"#).await;
    client.notify("arena.fail", "").await;
    client.notify("arena.no", "").await;
    client.notify("arena.typed", "{").await;
    client.send(&pitaya_tests::raw_client::request(0, "arena.note", br#"{"text":"without id"}"#)).await;
    // The first thing to come back is the answer to the only request.
    client.request("arena.raw", "end").await;
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some("end".to_owned()));
    assert_eq!(server.recorder.lines(), ["noted", "without id"]);
    server.app.stop().await;
}

#[tokio::test]
async fn burst_of_requests_is_answered_in_order() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    let burst: Vec<u8> = (1..=16)
        .flat_map(|id| pitaya_tests::raw_client::request(id, "arena.raw", &[u8::try_from(id).unwrap()]))
        .collect();
    client.send(&burst).await;
    for wanted in 1..=16 {
        let Some(Got::Response { id, .. }) = client.next().await else { panic!("no answer {wanted}") };
        assert_eq!(id, wanted);
    }
    server.app.stop().await;
}

#[tokio::test]
async fn packets_may_come_in_any_pieces() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    let request = pitaya_tests::raw_client::request(7, "arena.raw", b"in pieces");
    for byte in &request {
        client.send(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some("in pieces".to_owned()));
    server.app.stop().await;
}

#[tokio::test]
async fn large_bodies_travel_both_ways_in_one_piece() {
    let server = server::start(config()).await;
    let mut client = RawClient::ready(server.tcp).await;
    let body: Vec<u8> = (0..900_000u32).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
    let got = soon("the answer", client.call("arena.raw", &body)).await;
    assert!(matches!(got, Got::Response { error: false, body: back, .. } if back == body));
    server.app.stop().await;
}

#[tokio::test]
async fn a_dictionary_works_both_ways() {
    let server = server::start_with(config(), |builder| builder.dictionary([("arena.raw", 7)])).await;
    let mut client = RawClient::connect(server.tcp).await;
    let reply = client.handshake().await;
    assert!(std::str::from_utf8(&reply).unwrap().contains(r#""dict":{"arena.raw":7}"#));
    client.send(b"\x04\x00\x00\x06\x01\x09\x00\x07hi").await;
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some("hi".to_owned()));
    server.app.stop().await;
}

/// Compressed requests are understood.
#[tokio::test]
async fn large_answers_are_compressed() {
    let mut config = config();
    config.message_compression = true;
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    let text = "bla".repeat(1000);
    assert_eq!(client.ask("arena.raw", &text).await, text);
    // A compressed request: the route, then zlib data of "bla" × 13.
    let route = b"arena.raw";
    let mut message = vec![0x10, 0x05, 9];
    message.extend_from_slice(route);
    message.extend_from_slice(b"\x78\x9c\x4b\xca\x49\x4c\x22\x02\x01\x00\x33\xff\x0f\x64");
    client.packet(pitaya::wire::packet::Kind::Data, &message).await;
    assert_eq!(client.next().await.map(|got| got.text().to_owned()), Some("bla".repeat(13)));
    server.app.stop().await;
}
