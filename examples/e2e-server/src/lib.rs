//! The server that end-to-end suites of the protocol start, as a frontend or as a backend.
//!
//! Every server has all of these handlers and remotes.

pub mod flags;
pub mod log;

use pitaya::prelude::*;
use pitaya::serialize::Message;
use pitaya::{Lifecycle, Route, SessionPool, Users};

/// A text.
#[message(proto, lenient)]
pub struct TestRequest {
    /// The text.
    #[tag(1)]
    pub msg: String,
}

/// A number and a text.
#[message(proto, lenient)]
pub struct TestResponse {
    /// The number.
    #[tag(1)]
    pub code: i32,
    /// The text.
    #[tag(2)]
    pub msg: String,
}

impl TestResponse {
    fn ok(msg: impl Into<String>) -> Self {
        Self { code: 200, msg: msg.into() }
    }
}

/// A call of a remote.
#[message(proto, lenient)]
pub struct TestRpcRequest {
    /// The route of the remote.
    #[tag(1)]
    pub route: String,
    /// The text to send.
    #[tag(2)]
    pub data: String,
}

/// A message for some users.
#[message(proto, lenient)]
pub struct TestSendToUsers {
    /// The users.
    #[tag(1)]
    pub uids: Vec<String>,
    /// The message.
    #[tag(2)]
    pub msg: String,
}

/// The group of all bound users.
const GROUP: &str = "g1";
/// The type of the frontends.
const FRONTENDS: &str = "connector";

/// The handlers.
#[derive(Debug, Component)]
pub struct TestSvc {
    app: App,
    groups: Groups,
    users: Users,
    sessions: SessionPool,
}

impl Lifecycle for TestSvc {
    async fn init(&self) -> Result<()> {
        self.groups.group(GROUP).create().await
    }
}

#[handler(service = "testsvc")]
impl TestSvc {
    /// Kicks a user of this server.
    pub async fn testrequestkickuser(&self, uid: Bytes) -> Result<TestResponse> {
        let session =
            self.sessions.by_uid(&text(&uid)).ok_or_else(|| Error::new("PIT-404", "session not found"))?;
        session.kick().await?;
        Ok(TestResponse::ok("ok"))
    }

    /// Kicks the caller.
    pub async fn testrequestkickme(&self, session: Session) -> Result<TestResponse> {
        session.kick().await?;
        Ok(TestResponse::ok("ok"))
    }

    /// Returns a greeting.
    pub async fn testrequestonlysessionreturnsptr(&self) -> Result<TestResponse> {
        Ok(TestResponse::ok("hello"))
    }

    /// Returns no reply to a request.
    pub async fn testrequestonlysessionreturnsptrnil(&self) -> Result<Option<TestResponse>> {
        Ok(None)
    }

    /// Returns no reply to a request, as a raw handler.
    pub async fn testrequestonlysessionreturnsrawnil(&self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    /// Returns the text.
    pub async fn testrequestreturnsptr(&self, msg: TestRequest) -> Result<TestResponse> {
        Ok(TestResponse::ok(msg.msg))
    }

    /// Returns the text as raw bytes.
    pub async fn testrequestreturnsraw(&self, msg: TestRequest) -> Result<Bytes> {
        Ok(msg.msg.into())
    }

    /// Returns the bytes.
    pub async fn testrequestreceivereturnsraw(&self, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    /// Returns an error.
    pub async fn testrequestreturnserror(&self) -> Result<Bytes> {
        Err(Error::new("PIT-555", "somerror"))
    }

    /// Binds the session to a new user, and adds it to the group.
    pub async fn testbind(&self, session: Session) -> Result<Bytes> {
        self.enter(&session, &uuid::Uuid::new_v4().to_string()).await
    }

    /// Binds the session to a user, and adds it to the group.
    pub async fn testbindid(&self, session: Session, uid: Bytes) -> Result<Bytes> {
        self.enter(&session, &text(&uid)).await
    }

    /// Pushes the bytes to the group.
    pub async fn testsendgroupmsg(&self, body: Bytes) {
        self.tell("route.test", &body).await;
    }

    /// Pushes the message to the group.
    pub async fn testsendgroupmsgptr(&self, msg: TestRequest) {
        self.tell("route.testptr", &msg).await;
    }

    /// Pushes a text to some users.
    pub async fn testsendtousers(&self, msg: TestSendToUsers) {
        let body = Bytes::from(msg.msg);
        let sent = self.users.on_frontends(FRONTENDS).push_route(&msg.uids, "route.sendtousers", &body).await;
        if let Err(error) = sent.and_then(pitaya::group::Delivery::complete) {
            tracing::warn!(%error, "users were not reached");
        }
    }

    /// Calls a remote.
    pub async fn testsendrpc(&self, msg: TestRpcRequest) -> Result<TestResponse> {
        self.app.rpc(&Route::owned(msg.route), &TestRequest { msg: msg.data }).await
    }

    /// Calls a remote without an argument.
    pub async fn testsendrpcnoargs(&self, msg: TestRpcRequest) -> Result<TestResponse> {
        self.app.rpc(&Route::owned(msg.route), &()).await
    }
}

impl TestSvc {
    async fn enter(&self, session: &Session, uid: &str) -> Result<Bytes> {
        session.bind(uid).await.map_err(|error| coded("PIT-444", &error))?;
        self.groups.group(GROUP).add(uid).await.map_err(|error| coded("PIT-441", &error))?;
        Ok(Bytes::from_static(b"ack"))
    }

    async fn tell<M: Message>(&self, route: &str, message: &M) {
        if let Err(error) = self.groups.group(GROUP).on_frontends(FRONTENDS).push_route(route, message).await
        {
            tracing::warn!(%error, "the group was not told");
        }
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn coded(code: &'static str, error: &Error) -> Error {
    Error::new(code, error.msg().to_owned())
}

/// The remotes.
#[derive(Debug, Component)]
pub struct TestRemoteSvc;

#[remote(service = "testremotesvc")]
impl TestRemoteSvc {
    /// Returns the text.
    pub async fn rpctestrawptrreturnsptr(&self, req: TestRequest) -> Result<TestResponse> {
        Ok(TestResponse::ok(format!("got {}", req.msg)))
    }

    /// Returns the text.
    pub async fn rpctestptrreturnsptr(&self, req: TestRequest) -> Result<TestResponse> {
        Ok(TestResponse::ok(format!("got {}", req.msg)))
    }

    /// Returns an error with metadata.
    pub async fn rpctestreturnserror(&self) -> Result<TestResponse> {
        Err(Error::new("PIT-433", "test error").with_metadata("some", "meta"))
    }

    /// Answers a call without an argument.
    pub async fn rpctestnoargs(&self) -> Result<TestResponse> {
        Ok(TestResponse::ok("got nothing"))
    }
}
