use super::*;

const WHOLE: &str = r#"
server: ws://localhost:3250
load: { bots: 10, ramp: 1s, duration: 10s }
timeout: 2s
seed: 7
setup:
  - connect: { token: "bot-${bot}" }
  - request: game.room.join
    data: { name: "bot-${bot}", points: "${random 1..6}" }
    save: { id: /id }
steps:
  - loop: 3
    steps:
      - notify: room.say
        data: { text: "from ${id}" }
      - expect: onSaid
        where: { /text: "from ${id}" }
        within: 1s
  - think: 100ms..200ms
thresholds: { p99: 50ms, errors: 0.5%, rate: 600/m }
"#;

fn refused(text: &str) -> String {
    Plan::parse(text).map(|plan| format!("{plan:?}")).unwrap_err()
}

#[test]
fn scenario_is_read_whole() {
    let plan = Plan::parse(WHOLE).unwrap();
    assert_eq!(
        plan.labels,
        ["connect", "request game.room.join", "notify room.say", "expect onSaid", "loop", "think"]
    );
    assert_eq!(plan.expected, ["onSaid"]);
    assert_eq!((plan.timeout, plan.seed, plan.setup.len()), (Duration::from_secs(2), 7, 2));
    assert_eq!(plan.thresholds.errors.unwrap().0, 0.005);
    assert_eq!(plan.thresholds.rate.unwrap().0, 10.0);
    plan.load.check().unwrap();
}

#[test]
fn bots_connect_if_no_step_does() {
    let plan = Plan::parse("steps: [ { request: a.b } ]").unwrap();
    assert!(matches!(plan.setup[..], [Step { action: Action::Connect(_), .. }]));
    let plan = Plan::parse("steps: [ { connect: {} }, { disconnect: {} } ]").unwrap();
    assert!(plan.setup.is_empty());
}

#[test]
fn mistakes_are_refused_with_their_line() {
    for (text, parts) in [
        ("steps:\n  - request: a.b\n    colour: red", &["line 3", "colour"][..]),
        ("bogus: 1\nsteps: []", &["line 1", "bogus"]),
        ("steps:\n  - request: a.b\n    data: { x: \"${y}\" }", &["line 2", "no step saves `${y}`"]),
        ("steps:\n  - think: 5", &["line 2"]),
        ("steps:\n  - think: 3s..1s", &["line 2", "ends before"]),
        ("steps:\n  - loop: many", &["line 2"]),
        ("steps:\n  - request: [a]", &["line 2"]),
        ("steps:\n  - request: a.b\n    notify: c.d", &["line 2", "only one of request, notify"]),
        ("steps:\n  - data: {}", &["line 2", "one of connect"]),
        ("steps:\n  - think: 1s\n    save: { a: /b }", &["line 2", "`save` belongs to"]),
        ("steps:\n  - request: a.b\n    save: { bot: /b }", &["line 2", "cannot be the name"]),
        ("steps:\n  - request: a.b\n    where: { b: 1 }", &["line 2", "JSON pointer"]),
        ("steps:\n  - connect: 5", &["line 2", "must be a map"]),
        ("steps:\n  - loop: 0\n    steps: [ { request: a.b } ]", &["line 2", "at least once"]),
        ("steps:\n  - loop: 2", &["line 2", "a loop has `steps`"]),
        ("steps:\n  - request: a.b\n    data: \"${random 5}\"", &["line 2", "FROM..TO"]),
        ("steps: [ { request: a.b } ]\nthresholds: { errors: 5 }", &["line 2", "share"]),
        ("steps: [ { request: a.b } ]\nload: { rate: fast }", &["line 2", "rate"]),
        ("steps: [ { request: a.b } ]\nserver: nowhere", &["HOST:PORT"]),
        ("steps: [", &["line"]),
        ("", &["line 1"]),
        ("steps: []", &["no steps"]),
        ("steps: [ { notify: a.b } ]", &["takes time"]),
        ("steps: [ { loop: 5, steps: [ { think: 0s } ] } ]", &["takes time"]),
    ] {
        let error = refused(text);
        for part in parts {
            assert!(error.contains(part), "{text}\nwithout `{part}`: {error}");
        }
    }
}

#[test]
fn cycles_and_deep_loops_are_refused() {
    refused("steps: &a\n  - loop: 2\n    steps: *a\n");
    let deep = (0..20)
        .fold("[ { request: a.b } ]".to_owned(), |steps, _| format!("[ {{ loop: 2, steps: {steps} }} ]"));
    assert!(refused(&format!("steps: {deep}")).contains("16 deep"));
}

#[test]
fn load_without_end_is_refused() {
    let check = |load: &str| {
        Plan::parse(&format!("steps: [ {{ request: a.b }} ]\nload: {load}")).unwrap().load.check()
    };
    for (load, part) in [
        ("{}", "no end"),
        ("{ bots: 0, duration: 1s }", "from 1"),
        ("{ rate: 5/s, runs: 3 }", "needs a `duration`"),
        ("{ rate: 5/s, duration: 1s, runs: 3 }", "exclude"),
        ("{ duration: 0s }", "zero"),
    ] {
        assert!(check(load).unwrap_err().contains(part), "{load}");
    }
    check("{ bots: 5, runs: 3, duration: 1m }").unwrap();
}
