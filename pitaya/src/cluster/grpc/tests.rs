use std::net::TcpListener as StdListener;
use std::pin::pin;

use tokio::sync::{Notify, mpsc};
use tonic::client::Grpc;
use tonic::codegen::http::Uri;
use tonic::{Code, Status};

use super::codec::BytesCodec;
use super::dial::{Dialed, Target, dial};
use super::*;
use crate::binding::{BindingStorage as _, MemoryBindingStorage};
use crate::cluster::response::{KICKED, NESTED_ACK};
use crate::error::{Error, code, text};

mod links;

const LONG: Duration = Duration::from_secs(20);

/// Records what arrives. A request is answered with its body, and `wait…` only after `go`.
struct Scribe {
    came: mpsc::UnboundedSender<String>,
    go: Arc<Notify>,
}

impl Scribe {
    fn write(&self, what: &str, body: &Bytes) {
        let _ = self.came.send(format!("{what} {}", String::from_utf8_lossy(body)));
    }
}

impl Receiver for Scribe {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        let (came, go) = (self.came.clone(), Arc::clone(&self.go));
        Box::pin(async move {
            if body.starts_with(b"wait") {
                let _ = came.send("began".to_owned());
                go.notified().await;
                let _ = came.send("ended".to_owned());
            }
            body
        })
    }
    fn push(&self, body: Bytes) -> Bytes {
        self.write("push", &body);
        match body.starts_with(b"ann") {
            true => NESTED_ACK,
            false => response::write(Err(Error::new(code::UNKNOWN, text::SESSION_NOT_FOUND)), false),
        }
    }
    fn kick(&self, body: Bytes) -> Bytes {
        self.write("kick", &body);
        if body.starts_with(b"ann") { KICKED } else { Bytes::new() }
    }
    fn bound(&self, body: Bytes) {
        self.write("bound", &body);
    }
    fn broadcast(&self, body: Bytes) {
        self.write("broadcast", &body);
    }
    fn reconnected(&self) {
        self.write("reconnected", &Bytes::new());
    }
    fn binds(&self) -> Vec<Bytes> {
        self.write("binds", &Bytes::new());
        vec!["again".into()]
    }
}

use super::super::response;

/// A server with its transport.
struct Node {
    transport: GrpcTransport,
    server: Server,
    came: mpsc::UnboundedReceiver<String>,
    go: Arc<Notify>,
}

impl Node {
    async fn start(id: &str, options: GrpcOptions, servers: &Arc<Servers>) -> Self {
        Self::at(id, options, servers, StdListener::bind("127.0.0.1:0").unwrap(), None).await
    }

    async fn at(
        id: &str,
        options: GrpcOptions,
        servers: &Arc<Servers>,
        listener: StdListener,
        users: Option<&Lookup>,
    ) -> Self {
        let options = GrpcOptions { advertised_host: "127.0.0.1".into(), ..options };
        let transport = GrpcTransport::with_listener(options, listener).unwrap();
        let metadata = transport.metadata().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let server = Server { metadata, ..Server::new("front", id).frontend(true) };
        let ((sender, came), go) = (mpsc::unbounded_channel(), Arc::new(Notify::new()));
        transport.follow(servers, users);
        let scribe = Scribe { came: sender, go: Arc::clone(&go) };
        transport.start(Arc::new(server.clone()), Arc::new(scribe)).await.unwrap();
        servers.put(server.clone());
        Self { transport, server, came, go }
    }

    async fn next(&mut self) -> String {
        timeout(LONG, self.came.recv()).await.expect("nothing came").unwrap()
    }

    async fn ask(&self, to: &Self, body: impl Into<Bytes>) -> Result<Bytes, TransportError> {
        self.transport.request(&to.server, body.into(), LONG).await
    }
}

async fn pair() -> (Node, Node) {
    // Each server has its own list.
    let (one, two) = (Arc::<Servers>::default(), Arc::<Servers>::default());
    let a = Node::start("a", GrpcOptions::default(), &one).await;
    let b = Node::start("b", GrpcOptions::default(), &two).await;
    one.put(b.server.clone());
    two.put(a.server.clone());
    (a, b)
}

/// Calls a method as another implementation does.
async fn raw(to: &Node, kind: Delivery, body: &'static [u8]) -> Result<Bytes, Status> {
    let address = address::of(&to.server, "").unwrap();
    let origin: Uri = format!("http://{address}").parse().unwrap();
    let target = Target {
        answers: Arc::new(Limits::new(4 << 20)),
        address,
        is_peer: false,
        #[cfg(feature = "tls")]
        tls: None,
    };
    let Dialed { http, carrier, .. } = dial(&target).await.unwrap();
    tokio::spawn(carrier);
    let request = tonic::Request::new(Bytes::from_static(body));
    let answer =
        Grpc::with_origin(http, origin).unary(request, Method::Deliver(kind).path(), BytesCodec).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn requests_are_answered() {
    let (a, b) = pair().await;
    assert_eq!(a.ask(&b, "hello").await.unwrap(), "hello");
    let big = Bytes::from(vec![7; 3 << 20]);
    assert_eq!(b.ask(&a, big.clone()).await.unwrap(), big);
    assert_eq!(a.ask(&b, Bytes::new()).await.unwrap(), Bytes::new());
    let many = (0..500).map(|n| a.ask(&b, n.to_string()));
    for (n, answer) in join_all(many).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), n.to_string());
    }
}

/// One frontend has the user, the other has not.
#[tokio::test]
async fn message_to_a_user_finds_its_frontend() {
    let (a, mut b) = pair().await;
    for (to, what) in [
        (Address::Push { frontend_type: "front", uid: "ann" }, "push"),
        (Address::Kick { frontend_type: "front", uid: "ann" }, "kick"),
    ] {
        a.transport.publish(to, "ann".into()).await.unwrap();
        assert_eq!(b.next().await, format!("{what} ann"));
        let unknown = a.transport.publish(to, "bob".into()).await.unwrap_err();
        assert_eq!(unknown, TransportError::Other(text::SESSION_NOT_FOUND.into()));
        assert_eq!(b.next().await, format!("{what} bob"));
    }
    let nowhere = Address::Push { frontend_type: "other", uid: "ann" };
    assert_eq!(a.transport.publish(nowhere, "ann".into()).await, Err(TransportError::NoResponders));
    let bad = Address::Push { frontend_type: "front", uid: "a b" };
    assert!(matches!(a.transport.publish(bad, "ann".into()).await, Err(TransportError::BadAddress(_))));
}

#[tokio::test]
async fn binding_storage_names_the_frontend_of_a_user() {
    let storage = MemoryBindingStorage::new();
    let users = Lookup::new(Arc::new(storage.clone()), LONG);
    let servers = Arc::<Servers>::default();
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let a = Node::at("a", GrpcOptions::default(), &servers, listener, Some(&users)).await;
    let (mut b, mut c) = (
        Node::start("b", GrpcOptions::default(), &servers).await,
        Node::start("c", GrpcOptions::default(), &servers).await,
    );
    let push = |uid| a.transport.publish(Address::Push { frontend_type: "front", uid }, "ann".into());
    assert_eq!(push("ann").await, Err(TransportError::Other(text::BINDING_NOT_FOUND.into())));
    for to in [&b, &c] {
        storage.put(&to.server, "ann").await.unwrap();
        push("ann").await.unwrap();
    }
    assert_eq!([b.next().await, c.next().await], ["push ann", "push ann"]);
    assert!(b.came.try_recv().is_err() && c.came.try_recv().is_err(), "each came to one frontend");
    servers.remove("front", "c");
    assert_eq!(push("ann").await, Err(TransportError::NoResponders), "its frontend has gone");
}

#[tokio::test]
async fn push_waits_for_a_frontend_that_is_listed_soon() {
    let storage = MemoryBindingStorage::new();
    let users = Lookup::new(Arc::new(storage.clone()), LONG);
    let servers = Arc::<Servers>::default();
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let a = Node::at("a", GrpcOptions::default(), &servers, listener, Some(&users)).await;
    let mut b = Node::start("b", GrpcOptions::default(), &Arc::default()).await;
    storage.put(&b.server, "ann").await.unwrap();
    let mut push =
        pin!(a.transport.publish(Address::Push { frontend_type: "front", uid: "ann" }, "ann".into()));
    assert!(timeout(Duration::from_millis(10), push.as_mut()).await.is_err(), "it waits");
    servers.put(b.server.clone());
    push.await.unwrap();
    assert_eq!(b.next().await, "push ann");
}

#[tokio::test]
async fn messages_of_one_server_stay_in_order() {
    let (a, mut b) = pair().await;
    for n in 0..1000 {
        let message = Bytes::from(n.to_string());
        match n % 2 {
            0 => a.transport.publish(Address::Broadcast(&b.server), message).await.unwrap(),
            _ => a.transport.publish(Address::Bindings { server_type: "front" }, message).await.unwrap(),
        }
    }
    for n in 0..1000 {
        let what = if n % 2 == 0 { "broadcast" } else { "bound" };
        assert_eq!(b.next().await, format!("{what} {n}"));
    }
}

/// A Go caller reads the status only.
#[tokio::test]
async fn unknown_user_is_an_error_status() {
    let (_a, b) = pair().await;
    assert_eq!(raw(&b, Delivery::Push, b"ann").await.unwrap(), NESTED_ACK);
    assert_eq!(raw(&b, Delivery::Kick, b"ann").await.unwrap(), KICKED);
    assert_eq!(raw(&b, Delivery::Bound, b"ann").await.unwrap(), NESTED_ACK);
    for kind in [Delivery::Push, Delivery::Kick] {
        let status = raw(&b, kind, b"bob").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unknown, text::SESSION_NOT_FOUND));
    }
}

#[tokio::test]
async fn server_without_peer_service_gets_calls() {
    let (a, mut b) = pair().await;
    let mut go = b.server.clone();
    go.id = "go".into();
    go.metadata.remove(address::PEER);
    a.transport.links.servers.get().unwrap().put(go.clone());
    a.transport.publish(Address::Bindings { server_type: "front" }, "ann".into()).await.unwrap();
    assert_eq!([b.next().await, b.next().await], ["bound ann", "bound ann"]);
    assert!(a.transport.publish(Address::Broadcast(&go), "ann".into()).await.is_err());
    assert_eq!(a.transport.request(&go, "x".into(), LONG).await.unwrap(), "x");
}

#[tokio::test]
async fn request_runs_on_after_its_deadline() {
    let (a, mut b) = pair().await;
    assert!(a.ask(&b, "x").await.is_ok(), "the deadline below must not include the connecting");
    let late = a.transport.request(&b.server, "wait".into(), Duration::from_secs(1)).await;
    assert_eq!(late, Err(TransportError::Timeout));
    assert_eq!(b.next().await, "began");
    b.go.notify_one();
    assert_eq!(b.next().await, "ended");
}

#[tokio::test]
async fn request_runs_on_after_its_caller_has_gone() {
    let (a, mut b) = pair().await;
    let to = b.server.clone();
    let call = tokio::spawn(async move { a.transport.request(&to, "wait".into(), LONG).await });
    assert_eq!(b.next().await, "began");
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    b.go.notify_one();
    assert_eq!(b.next().await, "ended");
}

#[tokio::test]
async fn drain_refuses_requests_and_answers_the_last() {
    let (a, mut b) = pair().await;
    let to = b.server.clone();
    let mut last = pin!(a.transport.request(&to, "wait".into(), LONG));
    tokio::select! {
        answer = &mut last => panic!("answered: {answer:?}"),
        began = b.next() => assert_eq!(began, "began"),
    }
    {
        let mut drain = pin!(b.transport.drain());
        assert!(timeout(Duration::from_millis(50), &mut drain).await.is_err());
        assert_eq!(a.ask(&b, "x").await, Err(TransportError::NoResponders), "it was not handled");
        a.transport.publish(Address::Broadcast(&b.server), "still".into()).await.unwrap();
        b.go.notify_one();
        let (answer, ()) = tokio::join!(last, drain);
        assert_eq!(answer.unwrap(), "wait");
    }
    let mut came = Vec::new();
    for _ in 0..2 {
        came.push(b.next().await);
    }
    assert!(came.contains(&"broadcast still".to_owned()), "{came:?}");
}

/// The server is reached as soon as it listens.
#[tokio::test]
async fn call_to_an_absent_server_fails_immediately() {
    let servers = Arc::<Servers>::default();
    let mut a = Node::start("a", GrpcOptions::default(), &servers).await;
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let b = a.server.clone().with_metadata(address::PORT, address.port().to_string());
    let b = Server { id: "b".into(), ..b };
    drop(listener);
    servers.put(b.clone());
    assert_eq!(a.transport.request(&b, "x".into(), LONG).await, Err(TransportError::NoResponders));
    let began = tokio::time::Instant::now();
    assert_eq!(a.transport.request(&b, "x".into(), LONG).await, Err(TransportError::NoResponders));
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    let listener = StdListener::bind(address).unwrap();
    let mut c = Node::start("c", GrpcOptions::default(), &servers).await;
    let mut b_node = Node::at("b", GrpcOptions::default(), &Arc::default(), listener, None).await;
    let back = async {
        while a.transport.request(&b, "x".into(), LONG).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), back).await.expect("it is back within 5 s");
    assert_eq!(a.next().await, "binds ");
    assert_eq!(b_node.next().await, "bound again");
    a.transport.publish(Address::Broadcast(&c.server), "x".into()).await.unwrap();
    assert_eq!(c.next().await, "broadcast x", "only the server that was away receives the binds again");
}

#[tokio::test]
async fn loss_of_a_connection_ends_waiting_calls() {
    let (a, mut b) = pair().await;
    let (to, b_came) = (b.server.clone(), &mut b.came);
    let call = a.transport.request(&to, "wait".into(), LONG);
    let lose = async {
        assert_eq!(b_came.recv().await.unwrap(), "began");
        // The end of the transport waits for a while, then cuts.
        b.transport.close().await;
        drop(b.transport);
    };
    let began = tokio::time::Instant::now();
    let (answer, ()) = tokio::join!(call, lose);
    assert_eq!(answer, Err(TransportError::Lost));
    assert!(began.elapsed() < LONG);
}

#[tokio::test]
async fn oversized_messages_are_refused() {
    let small = || GrpcOptions { max_message: 1000, ..GrpcOptions::default() };
    let (one, two) = (Arc::<Servers>::default(), Arc::<Servers>::default());
    let a = Node::start("a", GrpcOptions::default(), &one).await;
    let b = Node::start("b", small(), &two).await;
    let big = || Bytes::from(vec![0; 2000]);
    assert_eq!(b.ask(&a, big()).await, Err(TransportError::TooLarge { size: 2000, limit: 1000 }));
    let sent = b.transport.publish(Address::Broadcast(&a.server), big()).await;
    assert!(matches!(sent, Err(TransportError::TooLarge { limit: 1000, .. })), "{sent:?}");
    let refused = a.ask(&b, big()).await;
    assert!(matches!(refused, Err(TransportError::TooLarge { size: 2000, .. })), "{refused:?}");
    assert_eq!(a.ask(&b, "small").await.unwrap(), "small", "the connection is still good");
}

/// The limit of the sender is greater.
#[tokio::test]
async fn oversized_broadcast_loses_no_other() {
    let small = GrpcOptions { max_message: 1000, ..GrpcOptions::default() };
    let servers = Arc::<Servers>::default();
    let a = Node::start("a", GrpcOptions::default(), &servers).await;
    let mut b = Node::start("b", small, &Arc::default()).await;
    for body in [&b"1"[..], &[b'x'; 1000], b"2", &[b'x'; 100_000], b"3"] {
        a.transport.publish(Address::Broadcast(&b.server), Bytes::from_static(body)).await.unwrap();
    }
    for n in 1..=3 {
        assert_eq!(b.next().await, format!("broadcast {n}"));
    }
    let counted = |node: &Node| {
        let counters = node.transport.counters();
        counters
            .into_iter()
            .find(|(metric, _)| metric.name() == TRANSPORT_OVERSIZED_MESSAGES.name())
            .unwrap()
            .1
    };
    assert_eq!((counted(&b), a.transport.links.reconnects()), (2, 0));
}

#[tokio::test]
async fn beyond_its_limit_a_server_refuses_requests() {
    let few = || GrpcOptions { messages: 2, ..GrpcOptions::default() };
    let (one, two) = (Arc::<Servers>::default(), Arc::<Servers>::default());
    let a = Node::start("a", GrpcOptions::default(), &one).await;
    let mut b = Node::start("b", few(), &two).await;
    let to = b.server.clone();
    let mut waiting = pin!(join_all((0..2).map(|_| a.transport.request(&to, "wait".into(), LONG))));
    for _ in 0..2 {
        tokio::select! {
            answers = &mut waiting => panic!("answered: {answers:?}"),
            began = b.next() => assert_eq!(began, "began"),
        }
    }
    let refused = response::read(a.ask(&b, "x").await.unwrap()).unwrap_err();
    assert_eq!(refused.code(), code::UNAVAILABLE);
    assert_eq!(b.transport.dropped(), 1);
    b.go.notify_waiters();
    for answer in waiting.await {
        assert_eq!(answer.unwrap(), "wait");
    }
    let calls: Vec<_> = (0..3).map(|_| Box::pin(b.ask(&a, "wait"))).collect();
    let first = futures_util::future::select_all(calls).await.0;
    assert_eq!(first, Err(TransportError::Busy));
}

#[tokio::test]
async fn lazy_connection_is_made_by_the_first_call() {
    let lazy = GrpcOptions { lazy_connection: true, ..GrpcOptions::default() };
    let (one, two) = (Arc::<Servers>::default(), Arc::<Servers>::default());
    let a = Node::start("a", lazy, &one).await;
    let b = Node::start("b", GrpcOptions::default(), &two).await;
    one.put(b.server.clone());
    assert_eq!(a.transport.links.count(), 0);
    assert!(a.ask(&b, "x").await.is_ok());
    assert_eq!(a.transport.links.count(), 1);
}

#[tokio::test]
async fn closed_transport_fails() {
    let (a, b) = pair().await;
    let mut other = a.transport.metadata();
    assert!(other.pop().is_some() && a.transport.is_connected());
    let again = a.transport.start(Arc::new(a.server.clone()), Arc::new(Nobody)).await;
    assert!(matches!(again, Err(TransportError::Other(_))));
    a.transport.close().await;
    assert!(!a.transport.is_connected());
    assert_eq!(a.ask(&b, "x").await, Err(TransportError::Unavailable));
    let to = Address::Bindings { server_type: "front" };
    assert_eq!(a.transport.publish(to, "x".into()).await, Err(TransportError::Unavailable));
}

#[tokio::test]
async fn port_zero_needs_a_listener() {
    let error = GrpcTransport::new(GrpcOptions { port: 0, ..GrpcOptions::default() }).unwrap_err();
    assert_eq!(error.option, "port");
    assert!(error.to_string().contains("with_listener"), "{error}");
}

struct Nobody;

impl Receiver for Nobody {
    fn request(&self, body: Bytes) -> BoxFuture<'static, Bytes> {
        Box::pin(std::future::ready(body))
    }
    fn push(&self, body: Bytes) -> Bytes {
        body
    }
    fn kick(&self, body: Bytes) -> Bytes {
        body
    }
    fn bound(&self, _: Bytes) {}
    fn broadcast(&self, _: Bytes) {}
    fn reconnected(&self) {}
}

#[cfg(feature = "tls")]
mod over_tls {
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    /// Writes a CA and a certificate for 127.0.0.1.
    fn certificates(dir: &Path) -> GrpcTls {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned(), "servers.internal".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap();
        let write = |name: &str, text: String| {
            std::fs::write(dir.join(name), text).unwrap();
            dir.join(name)
        };
        GrpcTls {
            ca_file: write("ca.pem", ca.pem()),
            cert_file: write("cert.pem", certificate.pem()),
            key_file: write("key.pem", key.serialize_pem()),
            mutual: true,
            server_name: None,
        }
    }

    async fn with(id: &str, tls: Option<&GrpcTls>) -> Node {
        let options = GrpcOptions { tls: tls.cloned(), ..GrpcOptions::default() };
        Node::start(id, options, &Arc::default()).await
    }

    #[tokio::test]
    async fn servers_of_one_ca_call_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let tls = certificates(dir.path());
        let named = GrpcTls { server_name: Some("servers.internal".into()), ..tls.clone() };
        let (a, mut b) = (with("a", Some(&tls)).await, with("b", Some(&named)).await);
        assert_eq!(a.ask(&b, "hello").await.unwrap(), "hello");
        assert_eq!(b.ask(&a, "hello").await.unwrap(), "hello");
        a.transport.publish(Address::Broadcast(&b.server), "x".into()).await.unwrap();
        assert_eq!(b.next().await, "broadcast x");
    }

    #[tokio::test]
    async fn stranger_is_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (tls, strange) = (certificates(dir.path()), certificates(other.path()));
        let server = with("server", Some(&tls)).await;
        let plain = with("plain", None).await;
        // The stranger trusts the server, but its own certificate is of another CA.
        let half = GrpcTls { ca_file: tls.ca_file.clone(), ..strange.clone() };
        let half = with("half", Some(&half)).await;
        let misnamed = GrpcTls { server_name: Some("elsewhere".into()), ..tls.clone() };
        let misnamed = with("misnamed", Some(&misnamed)).await;
        let strange = with("strange", Some(&strange)).await;
        for caller in [&plain, &half, &misnamed, &strange] {
            let answer = caller.ask(&server, "x").await;
            assert!(answer.is_err(), "{:?}: {answer:?}", caller.server.id);
        }
        let own = with("own", Some(&tls)).await;
        assert!(own.ask(&plain, "x").await.is_err(), "it does not talk in the clear");
        let one_sided = GrpcTls { mutual: false, ..tls };
        let one_sided = with("one-sided", Some(&one_sided)).await;
        assert_eq!(half.ask(&one_sided, "x").await.unwrap(), "x", "its certificate is not checked");
    }

    #[test]
    fn missing_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let good = certificates(dir.path());
        let absent = dir.path().join("absent.pem");
        for tls in [
            GrpcTls { ca_file: absent.clone(), ..good.clone() },
            GrpcTls { cert_file: absent.clone(), ..good.clone() },
            GrpcTls { key_file: absent.clone(), ..good.clone() },
        ] {
            let options = GrpcOptions { tls: Some(tls), ..GrpcOptions::default() };
            let error = GrpcTransport::new(options).unwrap_err();
            assert!(error.option == "tls" && error.why.contains("absent.pem"), "{error}");
        }
        let swapped = GrpcTls { key_file: good.ca_file.clone(), ..good };
        let options = GrpcOptions { tls: Some(swapped), ..GrpcOptions::default() };
        assert!(GrpcTransport::new(options).is_err());
    }
}
