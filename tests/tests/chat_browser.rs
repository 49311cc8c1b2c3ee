//! The chat in one server: in a real browser, and with the requests of the page of Go Pitaya.

use pitaya::acceptor::{Tcp, WebSocket};
use pitaya::config::Config;
use pitaya::prelude::*;
use pitaya_tests::browser;
use pitaya_tests::raw_client::RawClient;
use tokio::net::TcpListener;

pitaya::link!(chat);

async fn drive(compression: bool) {
    let mut config = Config::default();
    config.message_compression = compression;
    config.message_compression_threshold = 1;
    let app = chat::standalone(App::builder().config(config))
        .acceptor(WebSocket::bind("127.0.0.1:0"))
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
async fn the_originals_page_is_served_too() {
    let app = chat::standalone(App::builder()).acceptor(Tcp::bind("127.0.0.1:0")).start().await.unwrap();
    let mut first = RawClient::ready(app.socket_addrs()[0]).await;
    let mut second = RawClient::ready(app.socket_addrs()[0]).await;
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
