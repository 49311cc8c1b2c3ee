//! The answers of this framework against the recorded ones of Go Pitaya: `docs/cluster.md`, "Requests" and
//! "Answers".

use std::time::Duration;

use pitaya::acceptor::Tcp;
use pitaya::app::Running;
use pitaya::cluster::protos::{Request, Response};
use pitaya::cluster::{Server, TransportError};
use pitaya::prelude::*;
use pitaya::serialize::Serializer;
use pitaya_tests::cluster::MemoryCluster;
use pitaya_tests::transport::Peer;
use pitaya_tests::vectors::{self, Case, Checked};
use prost::Message as _;

#[message(proto, lenient)]
struct Ask {
    #[tag(1)]
    msg: String,
}

#[message(proto, lenient)]
struct Answer {
    #[tag(1)]
    code: i32,
    #[tag(2)]
    msg: String,
}

fn got(msg: impl Into<String>) -> Answer {
    Answer { code: 200, msg: msg.into() }
}

#[derive(Component)]
struct R;

#[remote(server = "room")]
impl R {
    pub async fn echo(&self, req: Ask) -> Result<Answer> {
        Ok(got(format!("got {}", req.msg)))
    }

    pub async fn slow(&self) -> Result<Answer> {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok(Answer { code: 0, msg: "slow".to_owned() })
    }

    pub async fn empty(&self) -> Result<()> {
        Ok(())
    }

    pub async fn nil(&self) -> Result<Option<Answer>> {
        Ok(None)
    }
}

#[derive(Component)]
struct H;

#[handler(server = "room")]
impl H {
    pub async fn echo(&self, msg: Ask) -> Result<Ask> {
        Ok(msg)
    }

    pub async fn setpush(&self, session: Session, _msg: Bytes) -> Result<Ask> {
        session.set("k", "v")?;
        session.push_to_front().await?;
        Ok(Ask { msg: "ok".to_owned() })
    }

    pub async fn bind(&self, session: Session, uid: Bytes) -> Result<Ask> {
        session.bind(std::str::from_utf8(&uid).internal()?).await?;
        Ok(Ask { msg: "ok".to_owned() })
    }
}

/// So that the frontend has something to serve.
#[derive(Component)]
struct C;

#[handler(server = "conn")]
impl C {
    pub async fn nothing(&self) {}
}

async fn start(cluster: &MemoryCluster) -> [Running; 2] {
    let app = |server_type, id| cluster.server(server_type, id).serializer(Serializer::Protobuf);
    let room = app("room", "room-1").backend().start().await.unwrap();
    let conn = app("conn", "conn-1").acceptor(Tcp::new("127.0.0.1:0")).start().await.unwrap();
    [room, conn]
}

#[test]
fn every_kind_runs_and_asserts() {
    vectors::complete("answer_vectors", &[("go_answers", vectors_go_answers)]);
}

#[test]
fn vectors_go_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cluster = MemoryCluster::default();
    let apps = runtime.block_on(start(&cluster));
    let asks = runtime.block_on(Peer::start(Server::new("asks", "x"), cluster.broker.transport()));
    let ask = |to: &Server, body: Vec<u8>| runtime.block_on(asks.ask(to, body));
    vectors::run("go_answers", |case| {
        let to = match case.str("to")? {
            "backend room-1" | "backend" => Server::new("room", "room-1"),
            "frontend conn-1" => Server::new("conn", "conn-1"),
            "no such server" => Server::new("room", "nobody"),
            other => return Err(format!("no test knows the server {other}")),
        };
        let request = case.hex("request_hex")?;
        check(case, &|body| ask(&to, body), request)
    });
    runtime.block_on(async {
        for app in apps {
            app.stop().await;
        }
    });
}

type Ask1<'a> = &'a dyn Fn(Vec<u8>) -> Result<Bytes, TransportError>;

fn check(case: &Case<'_>, ask: Ask1<'_>, request: Vec<u8>) -> Checked {
    let answer = ask(request.clone());
    if let Ok(why) = case.str("no_answer") {
        if why == "NoRespondersError" {
            return case.same("answer", &answer, &Err(TransportError::NoResponders));
        }
        // Where Go Pitaya sends no answer, or crashes, this framework answers with an error.
        let answer = decoded(answer)?;
        let error = answer.error.ok_or("answered as if all were well")?;
        let code = if why.contains("panics") { "PIT-500" } else { "PIT-400" };
        return case.same("code", &&*error.code, &code);
    }
    if case.str("port_should").is_ok_and(|said| said.contains("as for {}")) {
        let mut same = Request::decode(&*request).map_err(|error| error.to_string())?;
        same.session.as_mut().ok_or("no session")?.data = "{}".into();
        return case.same("answer", &decoded(answer)?, &decoded(ask(same.encode_to_vec()))?);
    }
    let answer = decoded(answer)?;
    let expected = case.hex("response_hex")?;
    let expected = Response::decode(&*expected).map_err(|error| error.to_string())?;
    let Some(theirs) = &expected.error else { return case.same("answer", &answer, &expected) };
    let error = answer.error.as_ref().ok_or("answered as if all were well")?;
    case.same("code", &error.code, &theirs.code)?;
    case.same("metadata", &error.metadata, &theirs.metadata)?;
    // The texts of a library of Go Pitaya are not part of the protocol.
    let libraries = ["invalid character", "json:", "proto:"];
    if libraries.iter().any(|library| theirs.msg.starts_with(library)) {
        return Ok(());
    }
    case.same("msg", &error.msg, &theirs.msg)
}

fn decoded(answer: Result<Bytes, TransportError>) -> Result<Response, String> {
    let bytes = answer.map_err(|error| error.to_string())?;
    Response::decode(bytes).map_err(|error| error.to_string())
}
