//! The page: a few fixed files, served from memory.

use std::io;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Redirect;
use axum::routing::{MethodRouter, get};
use pitaya::Bytes;
use tokio::net::TcpListener;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The page itself. It names the port of the socket.
const INDEX: &str = include_str!("../web/index.html");
const SOCKET: &str = r#"name="pitaya-ws" content="3250""#;

/// Path, content type and bytes of each other file.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/web/style.css", CSS, include_bytes!("../web/style.css")),
    ("/web/icon.svg", "image/svg+xml", include_bytes!("../web/icon.svg")),
    // Bundled from web/src.
    ("/web/chat.js", JS, include_bytes!("../web/chat.js")),
];

/// Serves the page until the future is dropped. The page connects to the socket at port `socket` of its own host.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, socket: u16) -> io::Result<()> {
    axum::serve(listener, router(socket)).await
}

fn router(socket: u16) -> Router {
    let index = INDEX.replace(SOCKET, &SOCKET.replace("3250", &socket.to_string()));
    let index = file(HTML, index.into());
    let mut router = Router::new()
        .route("/", get(Redirect::temporary("/web/")))
        .route("/web/", index.clone())
        .route("/web/index.html", index);
    for (path, content_type, bytes) in FILES {
        router = router.route(path, file(content_type, Bytes::from_static(bytes)));
    }
    router
}

fn file(content_type: &'static str, bytes: Bytes) -> MethodRouter {
    get(([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], bytes))
}
