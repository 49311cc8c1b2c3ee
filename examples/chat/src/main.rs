//! Starts the chat: the page on port 3251, the socket on port 3250.

use chat::page;
use pitaya::acceptor::WebSocket;
use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;
use pitaya::serialize::NarrowJson;
use tokio::net::TcpListener;

pitaya::link!(chat);

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let mut config = Config::from_env()?;
    if std::env::var_os("PITAYA_HANDLER_MESSAGES_COMPRESSION").is_none() {
        config.message_compression = false; // nor can it inflate
    }
    if print_if_asked(&config) {
        return Ok(());
    }
    let socket = std::env::var("CHAT_WS").unwrap_or_else(|_| "0.0.0.0:3250".to_owned());
    let web = std::env::var("CHAT_WEB").unwrap_or_else(|_| "0.0.0.0:3251".to_owned());

    let app = App::builder()
        .config(config)
        .server_type("chat")
        .serializer(NarrowJson) // the original's page cannot decode an emoji otherwise
        .acceptor(WebSocket::bind(socket))
        .start()
        .await?;
    let listener = TcpListener::bind(&web).await.internal()?;
    let port = listener.local_addr().internal()?.port();
    tokio::spawn(page::serve(listener));
    println!(
        "The chat listens on {}. Open http://localhost:{port}/web/ in two tabs.",
        app.addresses().join(", ")
    );
    app.wait().await;
    Ok(())
}
