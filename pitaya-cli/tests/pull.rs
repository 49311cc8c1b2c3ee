//! `pitaya schema pull` against servers.
#![allow(missing_docs)]

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;

use pitaya::acceptor::{Tcp, WebSocket};
use pitaya::app::Running;
use pitaya::prelude::*;
use pitaya::schema::{ExportOptions, Schema, SchemaRoute, export};
use tokio::process::Command;

#[message]
pub struct Hello {
    /// A name.
    pub name: String,
}

#[derive(Debug, Component)]
pub struct Hall;

#[handler(server = "hall")]
impl Hall {
    /// Greets.
    pub async fn greet(&self, msg: Hello) -> Result<Hello> {
        Ok(msg)
    }
}

/// Answers with a text that is no schema.
#[derive(Debug, Component)]
pub struct Docs;

#[handler(server = "liar")]
impl Docs {
    pub async fn schema(&self) -> Result<Bytes> {
        Ok("{\"pitaya\": 99}".into())
    }
}

fn schema() -> Schema {
    export(&ExportOptions::new("hall")).unwrap()
}

async fn start(
    build: impl FnOnce(pitaya::app::Builder) -> pitaya::app::Builder,
) -> (Running, [SocketAddr; 2]) {
    let app = App::builder().server_type("hall").acceptor(Tcp::new("127.0.0.1:0"));
    let app = build(app.acceptor(WebSocket::new("127.0.0.1:0"))).start().await.unwrap();
    let addresses = app.socket_addrs();
    (app, [addresses[0], addresses[1]])
}

async fn pull(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_pitaya");
    Command::new(program).args(["schema", "pull"]).args(arguments).output().await.unwrap()
}

/// Returns what a pull that must fail prints.
async fn refused(arguments: &[&str]) -> String {
    let output = pull(arguments).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{text}");
    text
}

#[tokio::test]
async fn schema_is_pulled_over_tcp_and_websocket() {
    let (app, [tcp, ws]) = start(|app| app.register(SchemaRoute::new(&schema()))).await;
    for address in [tcp.to_string(), format!("tcp://{tcp}"), format!("ws://{ws}")] {
        let output = pull(&[&address]).await;
        assert_eq!(String::from_utf8(output.stdout).unwrap(), schema().to_json(), "{address}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    let output = pull(&[&tcp.to_string(), "-o", file.to_str().unwrap()]).await;
    assert!(output.status.success() && output.stdout.is_empty());
    assert_eq!(std::fs::read_to_string(file).unwrap(), schema().to_json());
    app.stop().await;
}

#[tokio::test]
async fn server_that_serves_no_schema_is_told() {
    let (app, [tcp, _]) = start(|app| app).await;
    assert!(refused(&[&tcp.to_string()]).await.contains("does not serve its schema"));
    app.stop().await;
}

#[tokio::test]
async fn answer_that_is_no_schema_is_refused() {
    let (app, [tcp, _]) = start(|app| app.server_type("liar")).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema.json");
    let text = refused(&[&tcp.to_string(), "-o", file.to_str().unwrap()]).await;
    assert!(text.contains("99") && !Path::new(&file).exists(), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn address_that_cannot_be_used_is_an_error() {
    assert!(refused(&["127.0.0.1:1"]).await.starts_with("pitaya: tcp://127.0.0.1:1: "));
    assert!(refused(&["gopher://x"]).await.contains("gopher"));
    assert!(refused(&["nowhere"]).await.contains("not HOST:PORT"));
    assert!(refused(&["wss://localhost:1", "--ca", "missing.pem"]).await.contains("missing.pem"));
}
