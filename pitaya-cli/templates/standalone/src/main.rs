//! Starts the server.
//!
//! ```text
//! cargo run                      the server and the page
//! cargo run -- --print-schema    prints the schema, and ends
//! ```
//!
//! Clients connect to port 3250, and the page is at port 3251. The variables `GAME_WS` and `GAME_WEB` set other addresses.

use std::env;

use ::my_game::{game, page, schema_options};
use pitaya::acceptor::WebSocket;
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
    let app = game(App::builder().config(Config::from_env()?))?;
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
