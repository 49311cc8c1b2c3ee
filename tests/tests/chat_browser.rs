//! The chat, in a real browser.

use std::process::Stdio;

use pitaya::acceptor::WebSocket;
use pitaya::config::Config;
use pitaya::prelude::*;
use tokio::net::TcpListener;
use tokio::process::Command;

pitaya::link!(chat);

/// Whether what the browser tests need is there. In CI its absence is a failure.
fn missing() -> Option<&'static str> {
    let browser = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/node_modules/playwright-core");
    if !std::path::Path::new(&browser).exists() {
        Some("a browser: apt-get install chromium")
    } else if !std::path::Path::new(modules).exists() {
        Some("playwright-core: npm ci in tests/browser")
    } else {
        None
    }
}

async fn drive(compression: bool) {
    if let Some(missing) = missing() {
        assert!(std::env::var_os("CI").is_none(), "missing: {missing}");
        eprintln!("skipped, missing {missing}; `cargo xtask test` installs it");
        return;
    }
    let mut config = Config::default();
    config.message_compression = compression;
    config.message_compression_threshold = 1;
    let app = App::builder()
        .config(config)
        .server_type("chat")
        .acceptor(WebSocket::bind("127.0.0.1:0"))
        .start()
        .await
        .expect("the chat starts");
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/web/?ws={}", web.local_addr().unwrap(), app.socket_addrs()[0].port());
    let page = tokio::spawn(chat::page::serve(web));
    let mut driver = Command::new("node");
    driver.arg("chat.mjs").arg(&url).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/browser"));
    if let Some(file) = std::env::var_os("CHAT_SCREENSHOT") {
        driver.arg("--screenshot").arg(file);
    }
    let output = driver.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok - ") && !said.contains("not ok"), "{said}");
    page.abort();
    app.stop().await;
}

#[tokio::test]
async fn two_tabs_chat_see_each_other_come_reload_and_leave() {
    drive(false).await;
}

#[tokio::test]
async fn two_tabs_chat_with_compression_on() {
    drive(true).await;
}
