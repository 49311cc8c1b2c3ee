//! Which clients are slow: those that do not read, and no others.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use pitaya::acceptor::{
    Acceptor, BoxFuture, IncomingConnection, Link, ListenOptions, Listening, PacketStream, Peer, Tcp,
    WebSocket,
};
use pitaya::app::Running;
use pitaya::client::Client;
use pitaya::config::OutboxPolicy;
use pitaya::prelude::*;
use pitaya::session::CloseReason;
use pitaya_tests::raw_client::{ACK, Got, HANDSHAKE, RawClient};
use pitaya_tests::server::{OnText, Text, config};
use pitaya_tests::{soon, until};
use tokio::io::DuplexStream;
use tokio::sync::{Notify, mpsc};

#[derive(Component)]
struct Burst {
    signal: State<Arc<Notify>>,
}

#[handler(server = "burst")]
impl Burst {
    pub async fn bind(&self, session: Session, msg: Text) -> Result<()> {
        session.bind(&msg.text).await
    }

    /// Pushes 200 small messages to the caller, more than the cooperative budget of a task allows without a pause.
    pub async fn burst(&self, session: Session) -> Result<()> {
        for n in 0..200u64 {
            session.push(&OnText { text: n.to_string() }).await?;
            if n == 110 {
                self.signal.notify_one();
            }
        }
        Ok(())
    }

    /// Uses up the budget of its task without a push.
    pub async fn spend(&self, session: Session) -> Result<()> {
        for n in 0..200u64 {
            let encoded = OnText { text: n.to_string() };
            session.clone().push(&encoded).await?;
            tokio::task::coop::consume_budget().await;
        }
        self.signal.notify_one();
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::coop::consume_budget().await;
        }
        Ok(())
    }
}

/// Accepts links that a test hands it.
struct Handed(mpsc::UnboundedReceiver<Link>);

impl Acceptor for Handed {
    fn listen(&mut self, _: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        Box::pin(async { Ok(Listening::new("pipe", "pipe")) })
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        Box::pin(async move {
            match self.0.recv().await {
                Some(link) => Ok(IncomingConnection::ready(Peer::new("pipe"), link)),
                None => std::future::pending().await,
            }
        })
    }
}

async fn handed(config: pitaya::config::Config) -> (Running, mpsc::UnboundedSender<Link>) {
    let (connect, links) = mpsc::unbounded_channel();
    let app = App::builder()
        .config(config)
        .server_type("burst")
        .state(Arc::<Notify>::default())
        .acceptor(Handed(links))
        .start()
        .await
        .unwrap();
    (app, connect)
}

/// A client over a pipe that holds so many bytes, bound as `ann`.
async fn piped(
    app: &Running,
    connect: &mpsc::UnboundedSender<Link>,
    bytes: usize,
) -> (RawClient<DuplexStream>, Session) {
    let (theirs, ours) = tokio::io::duplex(bytes);
    connect.send(Link::bytes(theirs)).unwrap();
    let mut client = RawClient::over(ours);
    client.handshake().await;
    client.ask("burst.bind", r#"{"text":"ann"}"#).await;
    (client, app.app().sessions().by_uid("ann").unwrap())
}

/// The packets of a client that always reads, for the handler `busy`, which pushes 200 times while another task pushes once.
async fn burst(policy: OutboxPolicy, route: &str) -> (usize, bool, Option<CloseReason>) {
    let signal = Arc::new(Notify::new());
    let mut config = config();
    config.session.outbox.policy = policy;
    let app = App::builder()
        .config(config)
        .server_type("burst")
        .state(Arc::clone(&signal))
        .acceptor(Tcp::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let mut client = RawClient::of(&app).await;
    client.ask("burst.bind", r#"{"text":"ann"}"#).await;
    let session = app.app().sessions().by_uid("ann").unwrap();
    let other = tokio::spawn({
        let session = session.clone();
        async move {
            signal.notified().await;
            session.push(&OnText { text: "from another".into() }).await
        }
    });
    client.request(route, "").await;
    let (mut pushes, mut answered) = (0, false);
    while !answered || pushes < 201 {
        match client.next().await {
            Some(Got::Push { .. }) => pushes += 1,
            Some(Got::Response { .. }) => answered = true,
            _ => break,
        }
    }
    let sent = other.await.unwrap().is_ok();
    let reason = session.close_reason();
    app.stop().await;
    (pushes, sent, reason)
}

#[tokio::test]
async fn a_burst_leaves_a_reading_client_connected() {
    for route in ["burst.burst", "burst.spend"] {
        assert_eq!(burst(OutboxPolicy::Disconnect, route).await, (201, true, None), "{route}");
    }
}

#[tokio::test]
async fn burst_leaves_tcp_and_websocket_clients_connected() {
    let signal = Arc::new(Notify::new());
    let app = App::builder()
        .config(config())
        .server_type("burst")
        .state(Arc::clone(&signal))
        .acceptor(Tcp::new("127.0.0.1:0"))
        .acceptor(WebSocket::new("127.0.0.1:0"))
        .start()
        .await
        .unwrap();
    let (at, builder) = (app.socket_addrs(), Client::builder().push_queue(300));
    let tcp = builder.connect_tcp(at[0]).await.unwrap();
    burst_of_client(&app, &signal, tcp, "ann").await;
    let ws = builder.connect_ws(&format!("ws://{}/", at[1])).await.unwrap();
    burst_of_client(&app, &signal, ws, "bob").await;
    app.stop().await;
}

/// The client gets all 200 pushes of its handler, and one push of another task in between.
async fn burst_of_client(app: &Running, signal: &Arc<Notify>, client: Client, uid: &str) {
    let mut pushes = client.pushes::<OnText>();
    client.request(&Burst::BIND, &Text { text: uid.to_owned() }).await.unwrap();
    let session = app.app().sessions().by_uid(uid).unwrap();
    let (other, signal) = (session.clone(), Arc::clone(signal));
    let other = tokio::spawn(async move {
        signal.notified().await;
        other.push(&OnText { text: "from another".into() }).await
    });
    client.request(&Burst::BURST, &()).await.unwrap();
    assert!(other.await.unwrap().is_ok(), "the push of another");
    for n in 0..201 {
        soon("a push", pushes.next()).await.unwrap_or_else(|error| panic!("push {n}: {error}"));
    }
    assert_eq!(session.close_reason(), None);
}

#[tokio::test]
async fn no_policy_drops_pushes_to_a_reading_client() {
    for policy in [OutboxPolicy::Drop, OutboxPolicy::Latest] {
        assert_eq!(burst(policy, "burst.burst").await, (201, true, None), "{policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn latest_delivers_the_newest_of_each_route() {
    let mut config = config();
    config.session.outbox.policy = OutboxPolicy::Latest;
    let (app, connect) = handed(config).await;
    let (mut client, session) = piped(&app, &connect, 1024).await;
    for n in 0..150 {
        session.push(&OnText { text: format!("old {n}") }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1)).await; // the writer takes them, and the pipe is full
    for n in 0..50 {
        for route in ["position", "health"] {
            session.push_route(route, &Text { text: n.to_string() }).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    client.request("burst.nothing", "").await;
    let mut newest = (String::new(), String::new());
    while let Some(got @ Got::Push { .. }) = client.next().await {
        let Got::Push { route, .. } = &got else { break };
        match route.as_str() {
            "position" => newest.0 = got.text().to_owned(),
            "health" => newest.1 = got.text().to_owned(),
            _ => {}
        }
    }
    let last = r#"{"text":"49"}"#.to_owned();
    assert_eq!(newest, (last.clone(), last));
    app.stop().await;
}

/// A packet link that takes as many bytes as a test allows.
#[derive(Clone, Default)]
struct Narrow(Arc<Mutex<Narrowed>>);

#[derive(Default)]
struct Narrowed {
    incoming: VecDeque<Bytes>,
    queued: usize,
    allowed: usize,
    written: u64,
    wakers: Vec<Waker>,
}

impl Narrow {
    fn say(&self, packet: &'static [u8]) {
        let mut inner = self.0.lock().unwrap();
        inner.incoming.push_back(Bytes::from_static(packet));
        inner.wakers.drain(..).for_each(Waker::wake);
    }

    fn allow(&self, bytes: usize) {
        let mut inner = self.0.lock().unwrap();
        inner.allowed += bytes;
        inner.wakers.drain(..).for_each(Waker::wake);
    }

    fn written(&self) -> u64 {
        self.0.lock().unwrap().written
    }
}

impl PacketStream for Narrow {
    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut inner = self.0.lock().unwrap();
        if let Some(packet) = inner.incoming.pop_front() {
            return Poll::Ready(Some(Ok(packet)));
        }
        inner.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn written(&self) -> u64 {
        self.0.lock().unwrap().written
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let queued = self.0.lock().unwrap().queued;
        if queued < 8192 { Poll::Ready(Ok(())) } else { self.poll_flush(cx) }
    }

    fn start_send(&mut self, packet: Bytes) -> io::Result<()> {
        self.0.lock().unwrap().queued += packet.len();
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock().unwrap();
        let takes = inner.queued.min(inner.allowed);
        inner.queued -= takes;
        inner.allowed -= takes;
        inner.written += takes as u64;
        if inner.queued == 0 {
            return Poll::Ready(Ok(()));
        }
        inner.wakers.push(cx.waker().clone());
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

/// A packet that the link has taken frees its place, though the rest of the batch is not flushed yet.
#[tokio::test(start_paused = true)]
async fn a_packet_link_makes_room_as_it_is_read() {
    let config = config();
    let messages = config.agent.messages;
    let (app, connect) = handed(config).await;
    let link = Narrow::default();
    link.allow(10_000);
    connect.send(Link::packets(link.clone())).unwrap();
    link.say(HANDSHAKE);
    until("the handshake to be answered", || link.written() > 0).await;
    link.say(ACK);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let session = app.app().sessions().all().remove(0);
    for n in 0..messages * 3 {
        session.push(&OnText { text: format!("{n:0>900}") }).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    // The client takes all but the last few; it is not slow.
    link.allow(messages * 3 * 900 - 10_000 - 5_000);
    tokio::time::sleep(Duration::from_millis(1)).await;
    session.push(&OnText { text: "more".into() }).await.unwrap();
    assert_eq!(session.close_reason(), None);
    app.stop().await;
}
