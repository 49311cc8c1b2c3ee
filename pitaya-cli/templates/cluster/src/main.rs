//! Starts the servers.
//!
//! ```text
//! cargo run                                    a connector and a room in one process, and the page
//! cargo run -- --print-schema                  prints the schema, and ends
//! cargo run --features cluster -- connector    a connector with the page, in a cluster over NATS and etcd
//! cargo run --features cluster -- room         a room; start any number
//! ```
//!
//! Clients connect to port 3250, and the page is at port 3251. The variables `GAME_WS` and `GAME_WEB` set other addresses.

use std::env;

use ::my_game::{connector, over_the_network, page, room, schema_options};
use pitaya::acceptor::WebSocket;
use pitaya::app::Builder;
use pitaya::cluster::{MemoryBroker, MemoryRegistry};
use pitaya::config::Config;
use pitaya::prelude::*;
use tokio::net::TcpListener;

pitaya::link!(my_game);

#[tokio::main]
async fn main() -> Result<()> {
    if pitaya::schema::print_if_asked(&schema_options())? {
        return Ok(());
    }
    tracing_subscriber::fmt().with_env_filter("info").init();
    let config = Config::from_env()?;
    let app = || App::builder().config(config.clone());
    match env::args().nth(1).as_deref() {
        None => {
            let (registry, broker) = (MemoryRegistry::default(), MemoryBroker::default());
            let app = || {
                app()
                    .discovery(registry.discovery())
                    .transport(broker.transport())
            };
            let room = room(app()).start().await?;
            let served = serve_clients(connector(app())?).await;
            room.stop().await;
            served
        }
        Some("connector") => serve_clients(over_the_network(connector(app())?, &config)?).await,
        Some("room") => over_the_network(room(app()), &config)?.run().await,
        Some(_) => Err(Error::new(
            "GAME-003",
            "usage: my-game [connector | room | --print-schema]",
        )),
    }
}

/// Serves clients and the page, until a signal stops the app.
async fn serve_clients(app: Builder) -> Result<()> {
    let address = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let app = app
        .acceptor(WebSocket::new(address("GAME_WS", ":3250")))
        .start()
        .await?;
    let listener = TcpListener::bind(address("GAME_WEB", "0.0.0.0:3251"))
        .await
        .internal()?;
    let web = listener.local_addr().internal()?.port();
    let socket = app.socket_addrs()[0].port();
    println!(
        "The game listens on {}. Open http://localhost:{web} in two tabs.",
        app.addresses().join(", ")
    );
    tokio::select! {
        served = page::serve(listener, socket) => served.internal(),
        () = app.wait() => Ok(()),
    }
}
