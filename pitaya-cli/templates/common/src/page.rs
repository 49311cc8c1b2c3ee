//! The page: fixed files, served from memory.

use std::io;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::{MethodRouter, get};
use tokio::net::TcpListener;

const INDEX: &str = include_str!("../web/index.html");
/// The port of the socket, as the page has it.
const SOCKET: &str = r#"name="pitaya-ws" content="3250""#;

/// Serves the page, which connects to the socket at a port of its own host, until the future is dropped.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, socket: u16) -> io::Result<()> {
    let index = INDEX.replace(SOCKET, &SOCKET.replace("3250", &socket.to_string()));
    let router = Router::new()
        .route("/", file("text/html; charset=utf-8", index))
        .route(
            "/style.css",
            file(
                "text/css; charset=utf-8",
                include_str!("../web/style.css").into(),
            ),
        )
        // Bundled from web/src.
        .route(
            "/page.js",
            file(
                "text/javascript; charset=utf-8",
                include_str!("../web/page.js").into(),
            ),
        );
    axum::serve(listener, router).await
}

fn file(content_type: &'static str, text: String) -> MethodRouter {
    get((
        [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")],
        text,
    ))
}
