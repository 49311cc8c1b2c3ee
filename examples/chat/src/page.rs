//! The page, served from memory: a few fixed files over plain HTTP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The most bytes of a request that are looked at, and how long it may take.
const HEAD: u64 = 8 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The page itself, with the port of the usual socket, and where it says so.
const INDEX: &str = include_str!("../web/index.html");
const SOCKET: &str = r#"name="pitaya-ws" content="3250""#;

/// Path, content type and bytes of each other file.
const FILES: &[(&str, &str, &[u8])] = &[
    ("/web/style.css", CSS, include_bytes!("../web/style.css")),
    ("/web/icon.svg", "image/svg+xml", include_bytes!("../web/icon.svg")),
    ("/web/chat.js", JS, include_bytes!("../web/chat.js")),
    ("/web/view.js", JS, include_bytes!("../web/view.js")),
    ("/web/pitaya.js", JS, include_bytes!("../web/pitaya.js")),
    ("/web/codec.js", JS, include_bytes!("../web/codec.js")),
];

/// Serves the page until the task is dropped. It connects to the socket at this port of the machine it came from.
pub async fn serve(listener: TcpListener, socket: u16) {
    let index: Arc<str> = INDEX.replace(SOCKET, &SOCKET.replace("3250", &socket.to_string())).into();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let index = Arc::clone(&index);
                tokio::spawn(async move {
                    // A visitor that breaks off is no news.
                    let _ = tokio::time::timeout(DEADLINE, answer(stream, &index)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the page's listener");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, index: &str) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = (&mut stream).take(HEAD);
    let mut first = String::new();
    head.read_line(&mut first).await?;
    let mut line = String::new();
    while head.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let file = match path {
        "/web/" | "/web/index.html" => Some((HTML, index.as_bytes())),
        _ => FILES.iter().find(|(known, ..)| *known == path).map(|(_, kind, body)| (*kind, *body)),
    };
    let reply = match (method, file) {
        ("GET" | "HEAD", Some((kind, body))) => {
            response("200 OK", &format!("Content-Type: {kind}\r\n"), body)
        }
        ("GET" | "HEAD", None) if path == "/" => response("302 Found", "Location: /web/\r\n", b""),
        ("GET" | "HEAD", None) => response("404 Not Found", "", b"not found"),
        _ => response("405 Method Not Allowed", "Allow: GET, HEAD\r\n", b""),
    };
    let end = if method == "HEAD" {
        reply.windows(4).position(|w| w == b"\r\n\r\n").map_or(reply.len(), |at| at + 4)
    } else {
        reply.len()
    };
    stream.write_all(&reply[..end]).await?;
    stream.shutdown().await
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
