//! A broadcast costs one encoding and one compression, however many members it has and however they are connected.
//! The process's compressor counts its runs, so this file holds one test only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pitaya::BoxError;
use pitaya::acceptor::WebSocket;
use pitaya::client::Client;
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya::serialize::CustomSerializer;
use pitaya::wire::zlib::deflate_calls;
use pitaya_tests::server::{self, OnText, Text};

pitaya::link!(pitaya_tests);

/// JSON, and how often something was serialized.
struct Counting(Arc<AtomicUsize>);

impl CustomSerializer for Counting {
    fn name(&self) -> &str {
        "json"
    }

    fn serialize(&self, value: &dyn erased_serde::Serialize, out: &mut Vec<u8>) -> Result<(), BoxError> {
        self.0.fetch_add(1, SeqCst);
        Ok(serde_json::to_writer(out, value)?)
    }

    fn deserialize(
        &self,
        body: &[u8],
        visit: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BoxError> {
        let mut json = serde_json::Deserializer::from_slice(body);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))?;
        Ok(json.end()?)
    }
}

/// For all members over TCP and WebSocket together.
#[tokio::test]
async fn broadcast_is_encoded_and_compressed_once() {
    let serialized = Arc::new(AtomicUsize::new(0));
    let counting = Counting(Arc::clone(&serialized));
    let server = server::start_with(Config::default(), |builder| {
        builder.serializer(counting).acceptor(WebSocket::new("127.0.0.1:0"))
    })
    .await;
    let websocket = format!("ws://{}", server.app.socket_addrs()[1]);
    let mut members = Vec::new();
    for n in 0..20 {
        let client = match n % 2 {
            0 => Client::builder().connect_tcp(server.tcp).await.unwrap(),
            _ => Client::builder().connect_ws(&websocket).await.unwrap(),
        };
        let text = Text { text: format!("member-{n}") };
        let _: Text = client.request_route("arena.bind", &text).await.unwrap();
        let _: () = client.request_route("arena.enter", &()).await.unwrap();
        let pushes = client.pushes::<OnText>();
        members.push((client, pushes));
    }

    let text = "said to everybody, ".repeat(50);
    let (serialized_before, compressed_before) = (serialized.load(SeqCst), deflate_calls());
    server.app.app().groups().group("arena").push(&OnText { text: text.clone() }).await.unwrap();
    for (_, pushes) in &mut members {
        assert_eq!(pushes.next().await.unwrap().text, text);
    }
    assert_eq!(serialized.load(SeqCst) - serialized_before, 1);
    assert_eq!(deflate_calls() - compressed_before, 1);
    server.app.stop().await;
}
