//! The program `pitaya bots` against real servers, and against none.

mod server;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pitaya::serialize::Serializer;
use serde_json::Value;
use server::{Over, Server, code, err, out, pitaya};

/// Runs a scenario that comes on the standard input. Prints its result as JSON.
fn bots(server: &str, scenario: &str, more: &[&str]) -> Output {
    pitaya(&[&["bots", "-", "--server", server, "--json", "--quiet"], more].concat(), scenario)
}

fn result(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{} {}", out(output), err(output)))
}

/// Returns the results of a step.
fn step<'a>(result: &'a Value, name: &str) -> &'a Value {
    result["steps"].as_array().unwrap().iter().find(|step| step["step"] == name).unwrap()
}

const WHOLE: &str = r#"
load: { bots: 4, runs: 5 }
setup:
  - connect: { token: "${bot}" }
  - request: game.room.join
    data: { name: "bot-${bot}" }
    where: { /members/0: "bot-${bot}" }
    save: { id: /id }
steps:
  - loop: 2
    steps:
      - notify: room.say
        data: { text: "${id}/${run}" }
      - expect: onSaid
        where: { /text: "${id}/${run}" }
  - request: room.echo
    data: { text: "n${random 1..6}" }
  - think: 1ms..3ms
thresholds: { errors: 0%, p99: 5s, rate: 1/s }
"#;

#[test]
fn scenario_runs_whole_and_passes() {
    let server = Server::json();
    let output = bots(&server.address(), WHOLE, &[]);
    let result = result(&output);
    assert_eq!(code(&output), 0, "{result:#}");
    assert_eq!((&result["runs"]["done"], &result["error_share"]), (&20.into(), &0.0.into()));
    for (name, done) in [
        ("connect", 4),
        ("request game.room.join", 4),
        ("notify room.say", 40),
        ("expect onSaid", 40),
        ("request room.echo", 20),
    ] {
        assert_eq!(step(&result, name)["done"], done, "{name}");
    }
    assert_eq!((&result["requests"]["done"], &result["ended"]), (&24.into(), &"all runs are done".into()));
    assert!(result["requests"]["latency_us"]["p99"].as_u64().unwrap() > 0);
}

#[test]
fn open_loop_keeps_its_rate() {
    let server = Server::json();
    let scenario =
        "load: { bots: 50, rate: 200/s, duration: 2s }\nsteps: [ { request: room.echo, data: { text: x } } ]";
    let output = bots(&server.address(), scenario, &[]);
    let result = result(&output);
    let done = result["runs"]["done"].as_u64().unwrap();
    assert!((300..=400).contains(&done), "{result:#}");
}

#[test]
fn open_loop_counts_the_wait_for_a_free_bot() {
    let server = Server::json();
    // One bot can do 20 runs a second, and 100 are due. The last of them waits for most of the time.
    let scenario = "load: { bots: 1, rate: 100/s, duration: 1s }\nsteps: [ { think: 50ms }, { request: room.echo, data: { text: x } } ]";
    let output = bots(&server.address(), scenario, &[]);
    let max = result(&output)["requests"]["latency_us"]["max"].as_u64().unwrap();
    assert!(max > 400_000, "{max} us");
}

#[test]
fn missed_threshold_has_its_exit_code() {
    let server = Server::json();
    let scenario = "load: { bots: 2, runs: 3 }\nsteps: [ { request: room.fail, data: { text: no } } ]\nthresholds: { errors: 10% }";
    let output = bots(&server.address(), scenario, &[]);
    let result = result(&output);
    assert_eq!((code(&output), &result["passed"]), (1, &false.into()));
    assert_eq!(step(&result, "request room.fail")["errors"]["GAME-001"], 6);
    let text = pitaya(&["bots", "-", "--server", &server.address(), "--quiet"], scenario);
    assert_eq!(code(&text), 1);
    assert!(out(&text).contains("FAILED") && out(&text).contains("GAME-001"), "{}", out(&text));
}

#[test]
fn unexpected_answers_and_pushes_are_counted() {
    let server = Server::json();
    let scenario = "load: { bots: 1, runs: 1 }\nsteps: [ { request: room.echo, data: { text: x }, where: { /text: y } } ]";
    let wrong = result(&bots(&server.address(), scenario, &[]));
    assert_eq!(step(&wrong, "request room.echo")["errors"]["unexpected"], 1);
    let scenario = "load: { bots: 1, runs: 1 }\nsteps: [ { expect: onNothing, within: 50ms } ]";
    let missing = result(&bots(&server.address(), scenario, &[]));
    assert_eq!(step(&missing, "expect onNothing")["errors"]["PIT-504"], 1);
}

#[test]
fn missing_answers_are_timeouts() {
    let server = Server::json();
    let scenario =
        "timeout: 100ms\nload: { bots: 3, runs: 1 }\nsteps: [ { request: room.hang, data: { text: x } } ]";
    let output = bots(&server.address(), scenario, &[]);
    assert_eq!(step(&result(&output), "request room.hang")["errors"]["PIT-504"], 3);
    let scenario = "timeout: 1m\nload: { bots: 3, duration: 200ms }\nsteps: [ { request: room.hang, data: { text: x } } ]";
    let began = Instant::now();
    let output = bots(&server.address(), scenario, &[]);
    assert_eq!(step(&result(&output), "request room.hang")["errors"]["unanswered"], 3);
    assert!(began.elapsed() < Duration::from_secs(10), "it ends by itself");
}

#[test]
fn dead_address_is_an_error_within_seconds() {
    let began = Instant::now();
    let scenario = "load: { bots: 20, duration: 1m }\nsteps: [ { request: a.b } ]";
    let output = bots("127.0.0.1:1", scenario, &[]);
    assert_eq!((code(&output), out(&output).as_str()), (2, ""));
    assert!(err(&output).contains("no bot could connect: tcp://127.0.0.1:1"), "{}", err(&output));
    assert!(began.elapsed() < Duration::from_secs(8));
    // A server that accepts and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let scenario = "timeout: 500ms\nload: { bots: 2, duration: 1m }\nsteps: [ { request: a.b } ]";
    let output = bots(&silent.local_addr().unwrap().to_string(), scenario, &[]);
    assert_eq!(code(&output), 2);
}

#[test]
fn server_that_kicks_is_connected_again() {
    let server = Server::json();
    let scenario =
        "load: { bots: 2, duration: 2500ms }\nsteps: [ { request: room.kick, data: { text: x } } ]";
    let output = bots(&server.address(), scenario, &[]);
    let result = result(&output);
    assert_eq!(code(&output), 0, "no threshold is given");
    assert!(step(&result, "connect")["done"].as_u64().unwrap() >= 4, "{result:#}");
    assert!(step(&result, "connect")["done"].as_u64().unwrap() <= 8, "a pause between connects: {result:#}");
}

#[test]
fn server_that_goes_away_ends_the_load() {
    let server = Server::json();
    let scenario = "load: { bots: 2, duration: 1m }\nsteps: [ { request: room.echo, data: { text: x } }, { think: 10ms } ]";
    let address = server.address();
    let began = Instant::now();
    let load = std::thread::spawn(move || bots(&address, scenario, &[]));
    server.wait_for_clients(2);
    drop(server);
    let output = load.join().unwrap();
    let result = result(&output);
    assert_eq!(code(&output), 1);
    assert!(result["ended"].as_str().unwrap().starts_with("the server is gone: "), "{result:#}");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[cfg(unix)]
#[test]
fn interrupt_ends_with_the_result_so_far() {
    let server = Server::json();
    let mut child = Command::new(env!("CARGO_BIN_EXE_pitaya"))
        .args(["bots", "-", "--json", "--server", &server.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let scenario = "load: { bots: 2, duration: 1m }\nsteps: [ { request: room.echo, data: { text: x } }, { think: 5ms } ]";
    child.stdin.take().unwrap().write_all(scenario.as_bytes()).unwrap();
    // The first line of the progress: the load runs.
    let mut line = [0; 1];
    child.stderr.as_mut().unwrap().read_exact(&mut line).unwrap();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let result = result(&output);
    assert_eq!((code(&output), &result["ended"]), (0, &"interrupted".into()));
    assert!(result["requests"]["done"].as_u64().unwrap() > 0);
}

#[test]
fn unusable_scenario_has_its_own_exit_code() {
    for (scenario, part) in [
        ("steps:\n  - request: a.b\n    colour: red", "colour"),
        ("steps: [ { request: a.b } ]", "no end"),
        ("steps: &a [ { loop: 2, steps: *a } ]", "-: "),
        ("", "-: "),
    ] {
        let output = bots("127.0.0.1:1", scenario, &[]);
        assert_eq!((code(&output), out(&output).as_str()), (2, ""), "{scenario}");
        assert!(err(&output).contains(part), "{scenario}: {}", err(&output));
    }
    let output = pitaya(&["bots", "-", "--duration", "1s"], "steps: [ { request: a.b } ]");
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("no server"));
    assert_eq!(code(&pitaya(&["bots", "/does/not/exist"], "")), 2);
}

#[test]
fn bots_speak_websocket_and_messagepack() {
    let server = Server::start(Serializer::MessagePack, Over::WebSocket);
    let output = bots(&format!("ws://{}", server.addr), WHOLE, &[]);
    assert_eq!((code(&output), &result(&output)["runs"]["done"]), (0, &20.into()));
}
