//! A process that stood still for a while closes no client and cuts off no handler for it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use pitaya::acceptor::Tcp;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya_tests::raw_client::{Got, RawClient, request};
use pitaya_tests::server::{self, config};
use pitaya_tests::{soon, until};
use tokio::io::AsyncWriteExt;
use tokio::sync::Notify;

pitaya::link!(pitaya_tests);

#[derive(Component)]
struct Sleeper {
    signal: State<Arc<Notify>>,
}

#[handler(server = "stalls")]
impl Sleeper {
    /// Takes half of the time that a handler has.
    pub async fn nap(&self) -> Result<()> {
        self.signal.notify_one();
        tokio::time::sleep(LIMIT / 2).await;
        Ok(())
    }
}

/// The whole process stands still: the test blocks the only thread of the runtime.
fn stand_still(time: Duration) {
    std::thread::sleep(time);
}

const LIMIT: Duration = Duration::from_millis(200);
const LONGER: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_packet_that_came_during_a_stall_is_in_time() {
    let mut config = config();
    config.limit.packet_deadline = LIMIT;
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    let packet = request(1, "arena.raw", b"hello");
    client.stream.write_all(&packet[..7]).await.unwrap();
    // The server has read the first half and waits for the rest.
    assert_eq!(RawClient::ready(server.tcp).await.ask("arena.raw", "other").await, "other");
    client.stream.write_all(&packet[7..]).await.unwrap();
    stand_still(LONGER);
    let Some(Got::Response { error: false, .. }) = client.next().await else {
        panic!("closed for its silence")
    };
    server.app.stop().await;
}

#[tokio::test]
async fn a_handler_that_ended_during_a_stall_is_in_time() {
    let mut config = config();
    config.handler_timeout = LIMIT;
    let signal = Arc::new(Notify::new());
    let app = App::builder()
        .config(config)
        .server_type("stalls")
        .state(Arc::clone(&signal))
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let mut client = RawClient::of(&app).await;
    client.request("sleeper.nap", "").await;
    soon("the handler to begin", signal.notified()).await;
    stand_still(LONGER);
    let Some(Got::Response { error: false, .. }) = client.next().await else {
        panic!("the handler was cut off")
    };
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_read_during_a_stall_is_not_slow() {
    let mut config = config();
    config.agent.write_timeout = LIMIT;
    let server = server::start(config).await;
    let mut client = RawClient::ready(server.tcp).await;
    client.ask("arena.bind", r#"{"text":"ann"}"#).await;
    let session = server.app.app().sessions().by_uid("ann").unwrap();
    client.request("arena.flood", "").await;
    // The sockets fill until the writer is blocked, which starts its deadline.
    let mut blocking = client.stream.into_std().unwrap();
    until("the outbox to fill", || server.recorder.running.load(std::sync::atomic::Ordering::SeqCst) == 1)
        .await;
    soon("the writer to be blocked", tokio::time::sleep(LIMIT / 4)).await;
    // While the server stands still the client reads all there is.
    let (mut read, mut buffer) = (0, vec![0; 1 << 20]);
    while let Ok(count @ 1..) = blocking.read(&mut buffer) {
        read += count;
    }
    assert!(read > 100_000, "{read}");
    stand_still(LONGER);
    tokio::task::yield_now().await;
    let reader = std::thread::spawn(move || {
        blocking.set_nonblocking(false).unwrap();
        let mut more = 0;
        while let Ok(count @ 1..) = blocking.read(&mut buffer)
            && more < 10_000_000
        {
            more += count;
        }
        more
    });
    until("ten megabytes to be read", || reader.is_finished()).await;
    assert!(reader.join().unwrap() >= 10_000_000, "closed: {:?}", session.close_reason());
    assert_ne!(session.close_reason(), Some(CloseReason::TooSlow));
    server.app.stop().await;
}
