use std::time::Duration;

use super::*;
use crate::error::Error;
use crate::serialize::{CustomSerializer, Serializer};

#[tokio::test]
async fn client_introduces_itself_and_learns_server() {
    let builder = Client::builder()
        .platform("bot")
        .client_version("1.2")
        .client_build_number("7")
        .handshake_user(json!({ "token": "x", "big": 9_007_199_254_740_993_u64 }));
    let said = Reply { dictionary: dictionary(&[("a.b", 5)]), serializer: "msgpack".to_owned(), ..reply() };
    let (client, _server, request) = connecting(&builder, async |server| {
        let request = server.welcome(&said, false).await;
        server.acked().await;
        request
    })
    .await;
    let client = client.unwrap();
    assert_eq!((&*request.sys.platform, &*request.sys.client_version), ("bot", "1.2"));
    assert_eq!(&*request.sys.client_build_number, "7");
    assert_eq!(request.user::<serde_json::Value>().unwrap().unwrap()["big"], 9_007_199_254_740_993_u64);
    assert_eq!((client.serializer_name(), client.dictionary().code("a.b")), ("msgpack", Some(5)));
    assert_eq!(client.heartbeat(), Some(Duration::from_secs(30)));
    assert!(client.is_connected());
}

#[tokio::test]
async fn a_refusal_comes_with_its_code_and_its_payload() {
    let no = Reply { code: 401, payload: Some(json!({ "why": "banned" })), ..reply() };
    let (client, mut server, _) =
        connecting(&Client::builder(), async |server| server.welcome(&no, false).await).await;
    let error = client.unwrap_err();
    let ConnectError::Refused { code: 401, payload: Some(payload) } = &error else { panic!("{error}") };
    assert_eq!(payload["why"], "banned");
    assert_eq!(server.packet().await, None, "a refused client sends no ack");
    assert_eq!(Error::from(error).code(), "PIT-400");
}

#[tokio::test]
async fn a_compressed_reply_is_understood() {
    let entries: Vec<_> = (0..50).map(|n| (format!("room.room.method{n}"), n)).collect();
    let long = Reply { dictionary: Dictionary::new(entries).unwrap(), ..reply() };
    assert!(long.encode(true).unwrap().len() < long.encode(false).unwrap().len());
    let (client, ..) = connecting(&Client::builder(), async |server| server.welcome(&long, true).await).await;
    assert_eq!(client.unwrap().dictionary(), &long.dictionary);
}

#[tokio::test]
async fn reply_byte_by_byte_after_heartbeat_is_read() {
    let (client, ..) = connecting(&Client::builder(), async |server| {
        server.packet().await;
        server.send(&packet::HEARTBEAT).await;
        for byte in reply().encode(false).unwrap() {
            server.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.unwrap();
}

#[tokio::test]
async fn what_comes_with_the_reply_is_not_lost() {
    let (client, ..) = connecting(&Client::builder(), async |server| {
        server.packet().await;
        let mut both = BytesMut::from(&reply().encode(false).unwrap()[..]);
        both.extend_from_slice(&server.pushed("onSay", br#"{"text":"early"}"#));
        server.send(&both).await;
    })
    .await;
    assert_eq!(client.unwrap().pushes::<Say>().next().await.unwrap(), say("early"));
}

#[tokio::test]
async fn anything_but_a_reply_is_refused() {
    for bytes in [
        &b"\x04\0\0\x03\x06\x01a"[..],
        b"\x05\0\0\0",
        b"\x02\0\0\0",
        b"\x00\0\0\0",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x01\0\0\0",
        b"\x01\0\0\x02{}",
        b"\x01\0\0\x04\x78\x9c\0\0",
        b"\x01\0\0\x04nope",
    ] {
        let (client, ..) = connecting(&Client::builder(), async |server| {
            server.packet().await;
            server.send(bytes).await;
        })
        .await;
        let error = client.unwrap_err();
        assert!(matches!(error, ConnectError::Protocol(_)), "{bytes:?}: {error}");
    }
}

#[tokio::test]
async fn a_reply_that_inflates_without_end_is_refused() {
    let mut bomb = BytesMut::new();
    assert!(crate::wire::zlib::deflate(&vec![b' '; 1 << 20], &mut bomb));
    let (client, ..) = connecting(&Client::builder().max_inflated(1000), async |server| {
        server.packet().await;
        let mut out = BytesMut::new();
        packet::encode(Kind::Handshake, &bomb, &mut out).unwrap();
        server.send(&out).await;
    })
    .await;
    assert!(client.unwrap_err().to_string().contains("larger than 1000 bytes"));
}

#[tokio::test]
async fn close_differs_from_cut_reply() {
    let (near, far) = tokio::io::duplex(1000);
    drop(far);
    let error = Client::builder().connect_stream(near).await.unwrap_err();
    assert!(matches!(error, ConnectError::Io(_) | ConnectError::Closed), "{error}");
    for (sent, cut) in [(&b""[..], false), (b"\x01\0", true), (b"\x01\0\0\x05{", true)] {
        let (client, ..) = connecting(&Client::builder(), async |server| {
            server.packet().await;
            server.send(sent).await;
            server.stream.shutdown().await.unwrap();
        })
        .await;
        match client.unwrap_err() {
            ConnectError::Closed => assert!(!cut),
            ConnectError::Protocol(_) => assert!(cut),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let builder = Client::builder().connect_timeout(Duration::from_secs(3));
    let (client, ..) = connecting(&builder, async |server| server.packet().await).await;
    let error = client.unwrap_err();
    assert!(matches!(error, ConnectError::Timeout(t) if t == Duration::from_secs(3)));
    assert_eq!(Error::from(error).code(), "PIT-504");
}

struct Shout;

impl CustomSerializer for Shout {
    fn name(&self) -> &str {
        "shout"
    }
    fn serialize(
        &self,
        value: &dyn erased_serde::Serialize,
        out: &mut Vec<u8>,
    ) -> Result<(), crate::BoxError> {
        let json = serde_json::to_string(value)?;
        out.extend_from_slice(json.to_uppercase().as_bytes());
        Ok(())
    }
    fn deserialize(
        &self,
        body: &[u8],
        visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), crate::BoxError> {
        let quiet = body.to_ascii_lowercase();
        let mut json = serde_json::Deserializer::from_slice(&quiet);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
        Ok(())
    }
}

#[tokio::test]
async fn a_serializer_of_ones_own_is_spoken_both_ways() {
    let shout = Reply { serializer: "shout".to_owned(), ..reply() };
    let (client, mut server) = connected_with(&Client::builder().serializer(Shout), shout).await;
    let message = say("hi");
    let (answer, ()) = tokio::join!(client.request_route::<_, Say>("a.b", &message), async {
        let got = server.message().await;
        assert_eq!(got.body, br#"{"TEXT":"HI"}"#);
        server.respond(got.id, &got.body).await;
    });
    assert_eq!(answer.unwrap(), say("hi"));
}

#[tokio::test]
async fn a_serializer_that_was_not_expected_is_named() {
    for (wish, server, text) in [
        (None, "yaml", "the server speaks `yaml`: give the client that serializer with `.serializer(…)`"),
        (Some(Serializer::Protobuf), "json", "the server speaks `json`, this client speaks `protobuf`"),
    ] {
        let mut builder = Client::builder();
        if let Some(wish) = wish {
            builder = builder.serializer(wish);
        }
        let said = Reply { serializer: server.to_owned(), ..reply() };
        let (client, ..) = connecting(&builder, async |server| server.welcome(&said, false).await).await;
        assert_eq!(client.unwrap_err().to_string(), text);
    }
}

#[tokio::test]
async fn user_data_must_be_an_object() {
    let (near, far) = tokio::io::duplex(1000);
    let error = Client::builder().handshake_user([1, 2]).connect_stream(near).await.unwrap_err();
    assert!(matches!(error, ConnectError::User(_)));
    assert_eq!(Server::new(far).packet().await, None);
}
