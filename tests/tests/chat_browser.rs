//! The chat in one server: in a real browser, and with the requests of the page of Go Pitaya.

use std::net::SocketAddr;
use std::process::Stdio;

use pitaya::acceptor::{Tcp, WebSocket};
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya_tests::http::{ask, get};
use pitaya_tests::programs::free_port;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::{browser, soon};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

pitaya::link!(chat);

async fn drive(compression: bool) {
    let mut config = Config::default();
    config.message_compression = compression;
    config.message_compression_threshold = 1;
    let app = chat::standalone(App::builder().config(config))
        .acceptor(WebSocket::new("127.0.0.1:0"))
        .start()
        .await
        .expect("the chat starts");
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/web/", web.local_addr().unwrap());
    let page = tokio::spawn(chat::page::serve(web, app.socket_addrs()[0].port()));
    browser::chat([&url, &url]).await;
    page.abort();
    app.stop().await;
}

#[tokio::test]
#[ignore = "needs chromium"]
async fn two_tabs_chat_see_each_other_come_reload_and_leave() {
    drive(false).await;
}

#[tokio::test]
#[ignore = "needs chromium"]
async fn two_tabs_chat_with_compression_on() {
    drive(true).await;
}

#[tokio::test]
async fn program_serves_page_and_metrics() {
    let metrics: SocketAddr = ([127, 0, 0, 1], free_port()).into();
    let mut process = Command::new(env!("CARGO_BIN_EXE_tested-chat"))
        .args(["--metrics", &metrics.to_string()])
        .env_clear()
        .env("CHAT_WS", "127.0.0.1:0")
        .env("CHAT_WEB", "127.0.0.1:0")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = soon("the address", async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the program runs");
            if line.contains("Open http://") {
                return line;
            }
        }
    });
    let line = line.await;
    let port = |before: &str| -> u16 {
        let after = line.split_once(before).unwrap().1;
        after.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let web: SocketAddr = ([127, 0, 0, 1], port("http://localhost:")).into();
    let close = [("Connection", "close")];
    let page = get(web, "/web/", &close).await;
    assert_eq!((page.status, &*page.headers["content-type"]), (200, "text/html; charset=utf-8"));
    let socket = format!(r#"name="pitaya-ws" content="{}""#, port("127.0.0.1:"));
    assert!(page.body.contains(&socket), "the page names the port of the socket: {socket}");
    for (method, path, status) in [
        ("GET", "/", 307),
        ("GET", "/web/index.html", 200),
        ("GET", "/web/chat.js?x=1", 200),
        ("HEAD", "/web/style.css", 200),
        ("GET", "/web/../Cargo.toml", 404),
        ("POST", "/web/", 405),
    ] {
        assert_eq!(ask(web, method, path, &close).await.status, status, "{method} {path}");
    }
    let scrape = get(metrics, "/metrics", &[]).await;
    let counter = "pitaya_acceptor_exceeded_rate_limiting{serverType=\"room\"} 0\n";
    assert!(scrape.body.contains(counter), "{}", scrape.body);
}

#[tokio::test]
async fn the_originals_page_is_served_too() {
    let app = chat::standalone(App::builder()).acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    let mut first = RawClient::of(&app).await;
    let mut second = RawClient::of(&app).await;
    let push = |route: &str, body: &str| (route.to_owned(), body.to_owned());
    // It leaves the type of the server out, and gives no name.
    first.request("room.join", "{}").await;
    assert_eq!(first.pushed().await, push("onNames", r#"{"names":{"1":"guest 1"}}"#));
    assert_eq!(first.pushed().await, push("onMembers", r#"{"members":["1"]}"#));
    assert_eq!(first.next().await.unwrap().text(), r#"{"code":0,"result":"success","uid":"1"}"#);
    second.request("room.join", "{}").await;
    assert_eq!(first.pushed().await, push("onNames", r#"{"names":{"2":"guest 2"}}"#));
    assert_eq!(first.pushed().await, push("onNewUser", r#"{"content":"New user: 2"}"#));
    assert_eq!(first.pushed().await, push("onMembers", r#"{"members":["1","2"]}"#));
    second.notify("room.message", r#"{"name":"guest","content":"hi"}"#).await;
    assert_eq!(first.pushed().await, push("onMessage", r#"{"name":"guest","content":"hi"}"#));
    drop(second);
    assert_eq!(first.pushed().await, push("onUserLeft", r#"{"uid":"2"}"#));
    assert_eq!(first.pushed().await, push("onMembers", r#"{"members":["1"]}"#));
    app.stop().await;
}
