//! A real browser: two tabs that chat.

use std::process::Stdio;

use tokio::process::Command;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser");

/// Returns the first program that is missing.
fn missing() -> Option<&'static str> {
    let browser = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !std::path::Path::new(&browser).exists() {
        Some("chromium")
    } else if !std::path::Path::new(FOLDER).join("node_modules/playwright-core").exists() {
        Some("playwright-core, by npm ci in tests/browser")
    } else {
        None
    }
}

/// Drives two tabs through the chat, each on its page.
///
/// # Panics
/// If anything in them is not as it should be.
pub async fn chat(urls: [&str; 2]) {
    assert_eq!(missing(), None, "run `cargo xtask test needs`");
    let mut driver = Command::new("node");
    driver.arg("chat.mjs").args(urls).current_dir(FOLDER);
    if let Some(file) = std::env::var_os("CHAT_SCREENSHOT") {
        driver.arg("--screenshot").arg(file);
    }
    let output = driver.stdin(Stdio::null()).kill_on_drop(true).output().await.expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok - ") && !said.contains("not ok"), "{said}");
}
