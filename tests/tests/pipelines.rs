//! Hooks around handlers, and what they report.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use pitaya::acceptor::Tcp;
use pitaya::component::{Call, Extract, Handler};
use pitaya::metrics::InMemoryReporter;
use pitaya::pipeline::{Before, HookReply, HookRequest};
use pitaya::prelude::*;
use pitaya_tests::raw_client::RawClient;
use pitaya_tests::server::{self, Text, config};
use pitaya_tests::until;

pitaya::link!(pitaya_tests);

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn log(line: impl Into<String>) {
    LOG.lock().unwrap().push(line.into());
}

#[derive(Component)]
struct Piped;

#[handler(server = "piped")]
impl Piped {
    /// The text back.
    pub async fn echo(&self, msg: Text) -> Result<Text> {
        log(format!("handler {}", msg.text));
        Ok(msg)
    }

    /// Raw bytes back.
    pub async fn raw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }
}

async fn first(call: &mut HookRequest) -> Result<()> {
    if let Some(text) = call.message_mut::<Text>() {
        log(format!("first {} {}", call_route(&text.text), text.text));
        text.text.push('1');
    }
    if let Some(body) = call.message_mut::<Bytes>() {
        *body = Bytes::from([&body[..], b"+"].concat());
    }
    Ok(())
}

fn call_route(text: &str) -> usize {
    text.len()
}

async fn second(call: &mut HookRequest) -> Result<()> {
    let Some(text) = call.message::<Text>() else { return Ok(()) };
    log(format!("second {}", text.text));
    if text.text.starts_with("stop") { Err(Error::new("P-1", "stopped")) } else { Ok(()) }
}

async fn third(call: &mut HookReply) {
    log(format!("third {:?}", call.error().map(Error::code)));
    if let Some(text) = call.reply_mut::<Text>() {
        text.text.push('3');
    }
}

async fn fourth(call: &mut HookReply) {
    log(format!("fourth {:?}", call.reply::<Text>().map(|text| text.text.clone())));
    if call.error().is_some_and(|error| error.code() == "P-1") {
        call.fail(Error::new("P-2", "replaced"));
    }
}

/// An error before the handler ends the call.
#[tokio::test]
async fn hooks_run_in_order_and_may_change_messages() {
    let app = App::builder()
        .config(config())
        .server_type("piped")
        .acceptor(Tcp::new("127.0.0.1:0"))
        .before(first)
        .before(second)
        .after(third)
        .after(fourth)
        .start()
        .await
        .unwrap();
    let mut client = RawClient::of(&app).await;
    assert_eq!(client.ask("piped.echo", r#"{"text":"x"}"#).await, r#"{"text":"x13"}"#);
    let expected = ["first 1 x", "second x1", "handler x1", "third None", r#"fourth Some("x13")"#];
    assert_eq!(LOG.lock().unwrap().drain(..).collect::<Vec<_>>(), expected);
    assert_eq!(client.ask("piped.echo", r#"{"text":"stop"}"#).await, r#"{"code":"P-2","msg":"replaced"}"#);
    let expected = ["first 4 stop", "second stop1", r#"third Some("P-1")"#, "fourth None"];
    assert_eq!(LOG.lock().unwrap().drain(..).collect::<Vec<_>>(), expected);
    assert_eq!(client.ask("piped.raw", "raw").await, "raw+");
    app.stop().await;
}

/// Who a hook before found to be calling.
#[derive(Clone)]
struct Caller(String);

/// An extractor of what a hook handed on.
struct Known(Caller);

impl Extract<Handler> for Known {
    async fn extract(call: &mut Call<Handler>) -> Result<Self> {
        call.extension().map(Self).ok_or_else(|| Error::new("P-3", "nobody was found"))
    }
}

/// A hook with something of its own.
struct Finds(&'static str);

impl Before for Finds {
    fn before<'a>(&'a self, call: &'a mut HookRequest) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let greeting = call.state::<String>()?;
            call.insert(Caller(format!("{} {}", *greeting, self.0)));
            Ok(())
        })
    }
}

#[derive(Component)]
struct Knows;

#[handler(server = "knows")]
impl Knows {
    /// Who was found, after a while.
    pub async fn who(&self, #[extract] known: Known) -> Result<Text> {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok(Text { text: known.0.0 })
    }
}

async fn signs(call: &mut HookReply) {
    let by = call.get::<Caller>().map(|caller| caller.0.clone());
    let slow = call.elapsed() >= Duration::from_millis(30);
    if let Some(text) = call.reply_mut::<Text>() {
        text.text = format!("{} by {by:?}, slow: {slow}", text.text);
    }
}

/// They know the state of the app and the time.
#[tokio::test]
async fn hooks_share_values_with_extractors() {
    let app = App::builder()
        .config(config())
        .server_type("knows")
        .acceptor(Tcp::new("127.0.0.1:0"))
        .state("hello".to_owned())
        .before(Finds("ann"))
        .after(signs)
        .start()
        .await
        .unwrap();
    let mut client = RawClient::of(&app).await;
    let expected = r#"{"text":"hello ann by Some(\"hello ann\"), slow: true"}"#;
    assert_eq!(client.ask("knows.who", "{}").await, expected);
    app.stop().await;
}

#[tokio::test]
async fn what_a_message_waited_for_its_handler_is_reported() {
    let memory = Arc::new(InMemoryReporter::new());
    let reporter = Arc::clone(&memory);
    let mut config = config();
    config.metrics.period = Duration::from_millis(1);
    let server = server::start_with(config, |builder| builder.reporter(reporter)).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.notify("arena.gated", r#"{"text":"wait"}"#).await;
    server.recorder.wrote("begin wait").await;
    let asked = Instant::now();
    client.request("arena.raw", "behind").await;
    until("it to wait", || memory.value("pending_messages", &[]) == Some(1.0)).await;
    let waits = Instant::now();
    tokio::time::sleep(Duration::from_millis(50)).await; // the wait is what is measured
    let at_least = waits.elapsed();
    server.recorder.open("wait");
    assert_eq!(client.next().await.unwrap().text(), "behind");
    let at_most = asked.elapsed();
    let labels = [("route", "test.arena.raw"), ("type", "local")];
    assert_eq!(memory.count("handler_delay_ns", &labels), 1);
    let delay = Duration::from_secs_f64(memory.sum("handler_delay_ns", &labels) / 1e9);
    assert!(at_least <= delay && delay <= at_most, "{at_least:?} to {at_most:?}, not {delay:?}");
    server.app.stop().await;
}
