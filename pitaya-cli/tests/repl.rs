//! The program `pitaya repl` with a pipe in place of a terminal.

mod server;

use std::io::Write as _;

use pitaya::serialize::Serializer;
use server::{Over, Server, code, err, out, pitaya};

#[test]
fn script_prints_answers_and_pushes() {
    let server = Server::json();
    let script = "# smoke\nrequest game.room.join {\"name\": \"ann  b\"}\nnotify room.say {\"text\":\"x\"}\nexpect onSaid\nexpect onSaid\n";
    let output = pitaya(&["repl", &server.address()], script);
    let lines: Vec<_> = out(&output).lines().map(str::to_owned).collect();
    assert_eq!(code(&output), 0, "{lines:?} {}", err(&output));
    assert_eq!(lines[0], format!("connected tcp://{} (json)", server.addr));
    assert_eq!(
        lines[1], r#"push onSaid {"text":"hello ann  b","from":{"name":"ann  b"}}"#,
        "a push before its answer"
    );
    assert!(lines[2].starts_with("answer {\"id\":") && lines[2].ends_with(r#""members":["ann  b"]}"#));
    assert_eq!(lines[3..], [r#"push onSaid {"text":"x"}"#]);
}

#[test]
fn failed_command_ends_a_script() {
    let server = Server::json();
    let script = "request room.fail {\"text\":\"no\"}\nrequest room.echo {\"text\":\"late\"}\n";
    let output = pitaya(&["repl", &server.address()], script);
    assert_eq!(code(&output), 1);
    let text = out(&output);
    assert!(text.contains("error GAME-001: no {\"room\":\"7\"}") && !text.contains("late"), "{text}");
    let output = pitaya(&["repl", &server.address(), "--keep-going"], script);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("answer {\"text\":\"late\"}"));
}

#[test]
fn json_events_are_one_object_a_line() {
    let server = Server::json();
    let script = "request room.echo {\"text\":\"x\"}\nrequest room.fail {\"text\":\"no\"}\n";
    let output = pitaya(&["repl", &server.address(), "--json"], script);
    let events: Vec<serde_json::Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        events[1],
        serde_json::json!({ "event": "answer", "route": "room.echo", "data": { "text": "x" } })
    );
    assert_eq!((&events[2]["event"], &events[2]["code"]), (&"error".into(), &"GAME-001".into()));
}

#[test]
fn commands_may_come_from_a_file() {
    let server = Server::json();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "connect {}\nrequest room.raw not json\ndisconnect\nexit\nrequest x", server.addr)
        .unwrap();
    let output = pitaya(&["repl", "-f", file.path().to_str().unwrap(), "--pretty"], "");
    assert_eq!(code(&output), 0, "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("\nanswer not json\nclosed: closed by this client\n"), "{text}");
}

#[test]
fn dead_address_fails_within_seconds() {
    let began = std::time::Instant::now();
    let output = pitaya(&["repl", "127.0.0.1:1"], "request a.b\n");
    assert_eq!(code(&output), 1);
    assert!(out(&output).starts_with("failed: tcp://127.0.0.1:1: the connection failed"), "{}", out(&output));
    assert!(began.elapsed().as_secs() < 5);
}

#[test]
fn missing_answer_and_kick_fail_a_script() {
    let server = Server::json();
    let output =
        pitaya(&["repl", &server.address(), "--timeout", "100ms"], "request room.hang {\"text\":\"\"}\n");
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("error PIT-504: request timeout"), "{}", out(&output));
    let output = pitaya(&["repl", &server.address()], "request room.kick {\"text\":\"\"}\n");
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("kicked by the server"), "{}", out(&output));
    let output = pitaya(&["repl", &server.address()], "expect onNothing 50ms\n");
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("failed: no push of `onNothing` within 50ms"), "{}", out(&output));
}

#[test]
fn unusable_input_has_its_own_exit_code() {
    for args in [
        &["repl", "nowhere"][..],
        &["repl", "--filename", "/does/not/exist"],
        &["repl", "--schema", "/does/not/exist", "localhost:1"],
        &["repl", "--user", "[]"],
        &["repl", "--pretty", "--json"],
    ] {
        let output = pitaya(args, "");
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{args:?}");
        assert!(!err(&output).is_empty());
    }
    for line in ["bogus\n", "request\n", "request a.b\n", "disconnect\n", "routes\n"] {
        let output = pitaya(&["repl"], line);
        assert_eq!(code(&output), 1, "{line}");
        assert!(out(&output).starts_with("failed: "), "{line}");
    }
}

#[test]
fn server_is_reached_over_websocket_and_tls() {
    let server = Server::start(Serializer::Json, Over::WebSocket);
    let script = "request room.echo {\"text\":\"x\"}\n";
    let output = pitaya(&["repl", &format!("ws://{}", server.addr)], script);
    assert!(out(&output).ends_with("answer {\"text\":\"x\"}\n"), "{}", out(&output));
    let output = pitaya(&["repl", &server.address()], script);
    assert!(out(&output).contains(&format!("has the address ws://{}", server.addr)), "{}", out(&output));

    let server = Server::start(Serializer::Json, Over::Tls);
    let mut ca = tempfile::NamedTempFile::new().unwrap();
    ca.write_all(server.ca.as_ref().unwrap().as_bytes()).unwrap();
    let address = format!("tls://localhost:{}", server.addr.port());
    let trusted = pitaya(&["repl", &address, "--ca", ca.path().to_str().unwrap()], script);
    assert!(out(&trusted).ends_with("answer {\"text\":\"x\"}\n"), "{}", out(&trusted));
    let any = pitaya(&["repl", &address, "-k"], script);
    assert!(out(&any).ends_with("answer {\"text\":\"x\"}\n"), "{}", out(&any));
    let output = pitaya(&["repl", &address], script);
    assert_eq!(code(&output), 1, "an unknown certificate");
}

/// Writes the schema of the server's program.
fn schema(package: &str) -> tempfile::NamedTempFile {
    let options = pitaya::schema::ExportOptions::new("game").package(package);
    let schema = pitaya::schema::export(&options).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(schema.to_json().as_bytes()).unwrap();
    file
}

#[test]
fn protobuf_is_spoken_by_the_schema() {
    let server = Server::start(Serializer::Protobuf, Over::Tcp);
    let (address, schema) = (server.address(), schema("any.package"));
    let script =
        "request game.room.join {\"name\":\"ann\",\"points\":-3}\nrequest room.fail {\"text\":\"no\"}\n";
    let output = pitaya(&["repl", &address, "--schema", schema.path().to_str().unwrap()], script);
    let text = out(&output);
    assert!(
        text.contains(r#"push onSaid {"text":"hello ann","from":{"name":"ann","points":-3}}"#)
            && text.contains(r#""members":["ann"]}"#)
            && text.contains("error GAME-001: no {\"room\":\"7\"}"),
        "{text}"
    );
    let output = pitaya(&["repl", &address], "request room.echo {\"text\":\"x\"}\n");
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("failed: the server speaks Protobuf"), "{}", out(&output));
}

#[test]
fn documentation_route_takes_the_place_of_a_schema() {
    let server = Server::start(Serializer::Protobuf, Over::Tcp);
    let script = "push onSaid protos.Say\nnotify room.say {\"text\":\"x\"}\nexpect onSaid\nroutes\n";
    let output = pitaya(&["repl", &server.address(), "--docs", "game.docs.documentation"], script);
    let text = out(&output);
    assert!(text.contains("push onSaid {\"text\":\"x\"}\n") && text.contains("game.room.join\n"), "{text}");

    let json = Server::json();
    let script = "request game.room.echo {\nrequest game.room.echo {\"text\":\"x\"}\n";
    let args = ["repl", &json.address(), "--docs", "game.docs.documentation", "--keep-going"];
    let text = out(&pitaya(&args, script));
    assert!(
        text.contains("failed: the data is not JSON") && text.contains("answer {\"text\":\"x\"}"),
        "{text}"
    );

    let output = pitaya(&["repl", &json.address(), "--docs", "game.room.none"], "");
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("failed: the documentation route game.room.none: "), "{}", out(&output));
}

#[test]
fn messagepack_is_spoken() {
    let server = Server::start(Serializer::MessagePack, Over::Tcp);
    let script = "request game.room.join {\"name\":\"ann\"}\nrequest room.raw abc\n";
    let schema = schema("x");
    let output = pitaya(&["repl", &server.address(), "--schema", schema.path().to_str().unwrap()], script);
    let text = out(&output);
    assert_eq!(code(&output), 0, "{text}");
    assert!(text.contains("\"members\":[\"ann\"]") && text.ends_with("answer abc\n"), "{text}");
}
