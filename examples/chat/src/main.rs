//! Starts the chat: alone, or a server of a cluster over NATS and etcd (`cargo xtask up` starts both).
//!
//! ```text
//! cargo run -p chat                                             the socket on port 3250, the page on port 3251
//! cargo run -p chat --features cluster -- room                  the room; start as many as you like
//! cargo run -p chat --features cluster -- connector             a connector with socket and page, on the same ports
//! cargo run -p chat --features cluster -- connector --port 3260 another one, on ports 3260 and 3261
//! ```
//!
//! `CHAT_WS` and `CHAT_WEB` are addresses for socket and page, if they are to be others.

use chat::page;
use pitaya::acceptor::WebSocket;
use pitaya::app::Builder;
use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;
use pitaya::serialize::NarrowJson;
use tokio::net::TcpListener;

pitaya::link!(chat);

const PORT: u16 = 3250;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let mut config = Config::from_env()?;
    if std::env::var_os("PITAYA_HANDLER_MESSAGES_COMPRESSION").is_none() {
        config.message_compression = false; // the original's page cannot inflate
    }
    if print_if_asked(&config) {
        return Ok(());
    }
    let app = App::builder().config(config.clone()).serializer(NarrowJson); // nor can it decode an emoji otherwise
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => front(chat::standalone(app), PORT).await,
        ["connector"] => front(chat::connector(app, &config)?, PORT).await,
        ["connector", "--port", port] => {
            front(chat::connector(app, &config)?, port.parse().map_err(|_| usage())?).await
        }
        ["room"] => chat::room(app, &config)?.run().await,
        _ => Err(usage()),
    }
}

fn usage() -> Error {
    Error::new("CHAT-002", "usage: chat [room | connector [--port PORT]]")
}

/// Serves people: the socket at a port, the page at the next one.
async fn front(app: Builder, port: u16) -> Result<()> {
    let address = |name, port| std::env::var(name).unwrap_or_else(|_| format!("0.0.0.0:{port}"));
    let app = app.acceptor(WebSocket::bind(address("CHAT_WS", port))).start().await?;
    let listener = TcpListener::bind(address("CHAT_WEB", port.saturating_add(1))).await.internal()?;
    let web = listener.local_addr().internal()?.port();
    let socket = app.socket_addrs().first().map_or(port, std::net::SocketAddr::port);
    tokio::spawn(page::serve(listener, socket));
    println!(
        "The chat listens on {}. Open http://localhost:{web}/web/ in two tabs.",
        app.addresses().join(", ")
    );
    app.wait().await;
    Ok(())
}
