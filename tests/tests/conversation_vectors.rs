//! Whole conversations, byte by byte, against a server over an acceptor in memory, with time paused.

use std::collections::BTreeMap;

use pitaya::prelude::*;
use pitaya::testing::memory_acceptor;
use pitaya_tests::vectors::{self, Case, Checked, hex, run, to_hex};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

#[message]
struct Answer {
    code: i32,
    msg: String,
}

#[derive(Component)]
struct TestSvc;

#[handler(server = "connector", service = "testsvc")]
impl TestSvc {
    /// Answers as the test server of Go Pitaya does.
    #[route("testrequestonlysessionreturnsptr")]
    pub async fn hello(&self, _session: Session) -> Result<Answer> {
        Ok(Answer { code: 200, msg: "hello".to_owned() })
    }

    /// Fails as the test server of Go Pitaya does.
    #[route("testrequestreturnserror")]
    pub async fn error(&self, _body: Bytes) -> Result<Bytes> {
        Err(Error::new("PIT-555", "somerror"))
    }

    /// The error that the body describes.
    #[route("fail")]
    pub async fn fail(&self, body: Bytes) -> Result<Bytes> {
        #[derive(serde::Deserialize)]
        struct Wanted {
            code: String,
            msg: String,
            metadata: BTreeMap<String, String>,
        }
        let wanted: Wanted = serde_json::from_slice(&body).internal()?;
        let error = Error::new(wanted.code, wanted.msg);
        Err(wanted.metadata.into_iter().fold(error, |error, (key, value)| error.with_metadata(key, value)))
    }
}

#[test]
fn every_kind_runs_and_asserts() {
    vectors::complete(
        "conversation_vectors",
        &[
            ("conversation", vectors_conversation),
            ("heartbeat_drop", vectors_heartbeat_drop),
            ("error_payload", vectors_error_payload),
        ],
    );
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

async fn read(stream: &mut DuplexStream, count: usize) -> Checked<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.map_err(|error| format!("the server closed: {error}"))?;
    Ok(bytes)
}

async fn read_end(stream: &mut DuplexStream) -> Checked<Vec<u8>> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await.map_err(|error| error.to_string())?;
    Ok(rest)
}

async fn converse(case: &Case<'_>) -> Checked {
    let (acceptor, dialer) = memory_acceptor();
    let app = App::builder()
        .server_type("connector")
        .acceptor(acceptor)
        .start()
        .await
        .map_err(|e| e.to_string())?;
    let mut stream = dialer.connect().unwrap();
    let steps = case.get("steps")?.as_array().ok_or("steps")?;
    let refused = case.opt("port_should").is_some() && case.refused()?;
    for step in steps {
        let bytes = step.get("hex").and_then(Value::as_str).map(hex).transpose()?;
        match (step["from"].as_str(), bytes) {
            (Some("client"), Some(bytes)) => {
                if let Err(error) = stream.write_all(&bytes).await {
                    // Only a server that has refused already may have closed.
                    case.holds(&format!("the server takes what the client says: {error}"), refused)?;
                }
            }
            (Some("server"), Some(bytes)) => {
                if bytes == hex("05000000")? {
                    for session in app.app().sessions().all() {
                        session.kick().await.map_err(|error| error.to_string())?;
                    }
                }
                let got = read(&mut stream, bytes.len()).await?;
                case.same("the server says", &to_hex(&got), &to_hex(&bytes))?;
            }
            (Some("server"), None) if step.get("close").is_some() => {
                case.bytes("nothing before the close", &read_end(&mut stream).await?, b"")?;
            }
            // Go Pitaya is not to be copied here: see `port_should` below.
            (Some("server"), None) => case.holds("a step of Go Pitaya alone", refused)?,
            other => return Err(format!("an unknown step: {other:?}")),
        }
    }
    if refused {
        case.bytes("closed without a word", &read_end(&mut stream).await?, b"")?;
    }
    app.stop().await;
    Ok(())
}

#[test]
fn vectors_conversation() {
    run("conversation", |case| block_on(converse(case)));
}

async fn silence(case: &Case<'_>) -> Checked {
    let seconds = |field: &str| case.get(field)?.as_f64().ok_or_else(|| format!("{field} is no number"));
    let (accepted, last, closed) =
        (seconds("accepted_at_s")?, seconds("last_packet_at_s")?, seconds("closed_at_s")?);
    let interval = seconds("interval_s")?;
    let mut config = pitaya::config::Config::default();
    config.heartbeat_interval = std::time::Duration::from_secs_f64(interval);
    let (acceptor, dialer) = memory_acceptor();
    let app = App::builder()
        .config(config)
        .server_type("connector")
        .acceptor(acceptor)
        .start()
        .await
        .map_err(|error| error.to_string())?;
    let begin = tokio::time::Instant::now();
    let at = move |second: f64| begin + std::time::Duration::from_secs_f64(second - accepted);
    let mut stream = dialer.connect().unwrap();
    stream.write_all(b"\x01\x00\x00\x02{}\x02\x00\x00\x00").await.map_err(|error| error.to_string())?;
    let reply = read(&mut stream, 4).await?;
    read(&mut stream, usize::from(reply[3])).await?;
    let (mut receive, mut send) = tokio::io::split(stream);
    let talk = tokio::spawn(async move {
        let mut next = accepted + interval;
        while next < last {
            tokio::time::sleep_until(at(next)).await;
            let _ = send.write_all(b"\x03\x00\x00\x00").await;
            next += interval;
        }
        tokio::time::sleep_until(at(last)).await;
        let _ = send.write_all(b"\x03\x00\x00\x00").await;
        // Silent from now on, and still there.
        std::future::pending::<()>().await;
    });
    let mut beats = Vec::new();
    receive.read_to_end(&mut beats).await.map_err(|error| error.to_string())?;
    let took = begin.elapsed().as_secs_f64() + accepted;
    case.holds(&format!("closed at {took} s, not at {closed} s"), (took - closed).abs() < 0.05)?;
    case.bytes(
        "heartbeats before",
        &beats,
        &hex("03000000")?
            .repeat(usize::try_from(case.u64("heartbeats_sent_before_close")?).map_err(|e| e.to_string())?),
    )?;
    talk.abort();
    app.stop().await;
    Ok(())
}

#[test]
fn vectors_heartbeat_drop() {
    run("heartbeat_drop", |case| block_on(silence(case)));
}

async fn error_payload(
    case: &Case<'_>,
    serializer: pitaya::serialize::Serializer,
    expected: &[u8],
    exact: bool,
) -> Checked {
    let mut config = pitaya::config::Config::default();
    config.message_compression = false;
    let (acceptor, dialer) = memory_acceptor();
    let app = App::builder()
        .config(config)
        .server_type("connector")
        .serializer(serializer)
        .explicit_components()
        .register(Failing)
        .acceptor(acceptor)
        .start()
        .await
        .map_err(|error| error.to_string())?;
    let mut client = pitaya_tests::raw_client::RawClient::over(dialer.connect().unwrap());
    client.handshake().await;
    let wanted = serde_json::json!({"code": case.str("code")?, "msg": case.str("msg")?, "metadata": case.get("metadata")?});
    client
        .send(&pitaya_tests::raw_client::request(1, "connector.failing.fail", wanted.to_string().as_bytes()))
        .await;
    let head = read(&mut client.stream, 4).await?;
    let length = usize::from(head[2]) << 8 | usize::from(head[3]);
    let message = read(&mut client.stream, length).await?;
    if exact {
        case.same("the message", &to_hex(&message), &to_hex(expected))?;
    } else {
        case.same("its length", &message.len(), &expected.len())?;
    }
    app.stop().await;
    Ok(())
}

#[derive(Component)]
struct Failing;

#[handler(server = "connector")]
impl Failing {
    /// The error that the body describes.
    pub async fn fail(&self, body: Bytes) -> Result<Bytes> {
        TestSvc.fail(body).await
    }
}

#[test]
fn vectors_error_payload() {
    run("error_payload", |case| {
        let json = case.hex("response_message_json_id_1_hex")?;
        block_on(error_payload(case, pitaya::serialize::Serializer::Json, &json, true))?;
        let proto = case.hex("response_message_protobuf_id_1_hex")?;
        let exact = case.opt("protobuf_exact").is_none_or(|exact| exact != false);
        block_on(error_payload(case, pitaya::serialize::Serializer::Protobuf, &proto, exact))
    });
}
