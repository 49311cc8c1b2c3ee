//! Starts the chat: alone, or a server of a cluster over NATS and etcd (`cargo xtask up` starts both).
//!
//! ```text
//! cargo run -p chat                                             the socket on port 3250, the page on port 3251
//! cargo run -p chat -- --print-schema                            prints the schema, and ends
//! cargo run -p chat -- --metrics 127.0.0.1:9080                 the same, with http://127.0.0.1:9080/metrics
//! cargo run -p chat --features cluster -- room                  the room; start any number
//! cargo run -p chat --features cluster -- connector             a connector with socket and page, on the same ports
//! cargo run -p chat --features cluster -- connector --port 3260 a second connector, on ports 3260 and 3261
//! ```
//!
//! The variables `CHAT_WS` and `CHAT_WEB` set other addresses for the socket and the page.

use std::net::SocketAddr;

use chat::page;
use pitaya::acceptor::WebSocket;
use pitaya::app::Builder;
use pitaya::config::{Config, print_if_asked};
use pitaya::prelude::*;
use pitaya::serialize::NarrowJson;
use tokio::net::TcpListener;

pitaya::link!(chat);

/// The command line.
struct Options {
    server: Option<String>,
    port: u16,
    metrics: Option<String>,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { server: None, port: 3250, metrics: None };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--port" => options.port = args.next()?.parse().ok()?,
                "--metrics" => options.metrics = Some(args.next()?),
                "connector" | "room" if options.server.is_none() => options.server = Some(arg),
                _ => return None,
            }
        }
        Some(options)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    if pitaya::schema::print_if_asked(&chat::schema_options())? {
        return Ok(());
    }
    tracing_subscriber::fmt().with_env_filter("info").init();
    let mut config = Config::from_env()?;
    if std::env::var_os("PITAYA_HANDLER_MESSAGES_COMPRESSION").is_none() {
        config.message_compression = false; // the page of Go Pitaya's chat cannot inflate
    }
    if print_if_asked(&config) {
        return Ok(());
    }
    let options = Options::parse(std::env::args().skip(1)).ok_or_else(|| {
        Error::new("CHAT-002", "usage: chat [connector | room] [--port PORT] [--metrics HOST:PORT]")
    })?;
    if let Some(address) = options.metrics {
        config.http_listen = address;
    }
    // Nor can it decode an emoji that is not escaped.
    let app = App::builder().config(config.clone()).serializer(NarrowJson);
    match options.server.as_deref() {
        None => serve_clients(chat::standalone(app), options.port).await,
        Some("connector") => serve_clients(chat::connector(app, &config)?, options.port).await,
        Some(_) => chat::room(app, &config)?.run().await,
    }
}

/// Serves the socket at a port and the page at the next one, until the app stops.
async fn serve_clients(app: Builder, port: u16) -> Result<()> {
    let address = |name, port| std::env::var(name).unwrap_or_else(|_| format!("0.0.0.0:{port}"));
    let app = app.acceptor(WebSocket::new(address("CHAT_WS", port))).start().await?;
    let listener = TcpListener::bind(address("CHAT_WEB", port.saturating_add(1))).await.internal()?;
    let web = listener.local_addr().internal()?.port();
    let socket = app.socket_addrs().first().map_or(port, SocketAddr::port);
    println!(
        "The chat listens on {}. Open http://localhost:{web}/web/ in two tabs.",
        app.addresses().join(", ")
    );
    tokio::select! {
        served = page::serve(listener, socket) => served.internal(),
        () = app.wait() => Ok(()),
    }
}
