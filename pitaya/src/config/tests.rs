use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use super::key::env_name;
use super::*;

mod reference;
mod secrets;

const SECOND: Duration = Duration::from_secs(1);

fn vars<const N: usize>(vars: [(&str, &str); N]) -> Vec<(OsString, OsString)> {
    vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn with_env<const N: usize>(text: &str, env: [(&str, &str); N]) -> Result<Config, ConfigError> {
    Config::parse_with(text, vars(env))
}

fn error(text: &str) -> String {
    Config::parse(text).expect_err("an error").to_string()
}

#[test]
fn the_defaults_are_the_documented_ones_and_valid() {
    let config = Config::default();
    assert_eq!(config.heartbeat_interval, 30 * SECOND);
    assert_eq!(config.agent.messages, 100);
    assert_eq!(config.agent.write_timeout, 10 * SECOND);
    assert_eq!(config.session.drain.timeout, 6 * 3600 * SECOND);
    assert_eq!((config.rate_limit.limit, config.rate_limit.interval), (20, SECOND));
    assert_eq!(config.limit.packet_before_ack, 65_536);
    assert_eq!(config.limit.packet_after_ack, 1_048_576);
    assert_eq!(config.serializer_type, SerializerType::Json);
    assert!(config.message_compression && !config.acceptor.proxy_protocol);
    assert_eq!(config.validate(), Ok(()));
    assert_eq!(Config::parse("").unwrap(), config);
}

#[test]
fn names_and_variables_are_distinct() {
    let mut names = BTreeSet::new();
    for name in keys().flat_map(Key::names) {
        assert!(name.starts_with("pitaya."), "{name}");
        assert!(names.insert(env_name(name)), "{name} has the variable of another key");
    }
}

#[test]
fn environment_overrides_file_overrides_defaults() {
    let text = "[pitaya]\nheartbeat.interval = \"10s\"\nsession.pending = 5";
    let config =
        with_env(text, [("PITAYA_HEARTBEAT_INTERVAL", "20s"), ("PITAYA_TIMER_PRECISION", "5ms")]).unwrap();
    assert_eq!(config.heartbeat_interval, 20 * SECOND);
    assert_eq!(config.session.pending, 5);
    assert_eq!(config.timer_precision, Duration::from_millis(5));
    assert_eq!(config.agent.messages, 100);
}

#[test]
fn tables_dotted_names_and_any_case_are_the_same_key() {
    for text in [
        "pitaya.heartbeat.interval = '7s'",
        "[pitaya.heartbeat]\ninterval = '7s'",
        "pitaya = { heartbeat = { interval = '7s' } }",
        "'pitaya.heartbeat.interval' = '7s'",
        "[Pitaya.HeartBeat]\nInterval = '7s'",
    ] {
        assert_eq!(Config::parse(text).unwrap().heartbeat_interval, 7 * SECOND, "{text}");
    }
}

/// The environment sets scalars only.
#[test]
fn every_key_is_settable_by_file_and_env() {
    let printed = Config::default().print();
    for line in printed.lines().filter(|line| line.starts_with("pitaya.")) {
        let config = Config::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(config.loaded.set.len(), 1, "{line}");
        let (name, value) = line.split_once(" = ").unwrap();
        if value.starts_with(['[', '{']) || value == "\"\"" {
            continue;
        }
        let name = env_name(&name.replace('"', ""));
        let config = with_env("", [(name.as_str(), value.trim_matches('"'))])
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(config.loaded.set.len(), 1, "{name}");
    }
}

#[test]
fn setting_one_key_never_drops_another() {
    let text = "
        [pitaya.metrics]
        game = 'chess'
        constLabels = { Region = 'eu' }
        prometheus.enabled = false
        [pitaya.buffer.agent]
        conntimeout = '3s'";
    let config =
        with_env(text, [("PITAYA_BUFFER_AGENT_MESSAGES", "7"), ("PITAYA_METRICS_PERIOD", "1s")]).unwrap();
    assert_eq!(config.metrics.game, "chess");
    assert_eq!(config.metrics.const_labels["region"], "eu");
    assert_eq!((config.agent.write_timeout, config.agent.messages), (3 * SECOND, 7));
}

#[test]
fn compression_keys_accept_every_spelling() {
    for text in [
        "[pitaya.handler.messages]\ncompression = false\n'compression.threshold' = 64",
        "[pitaya.handler.messages]\ncompression = { enabled = false, threshold = 64 }",
        "pitaya.handler.messages.compression.enabled = false\npitaya.handler.messages.compression.threshold = 64",
        "'pitaya.handler.messages.compression' = false\n'pitaya.handler.messages.compression.threshold' = 64",
    ] {
        let config = Config::parse(text).unwrap();
        assert_eq!((config.message_compression, config.message_compression_threshold), (false, 64), "{text}");
    }
    let env = [
        ("PITAYA_HANDLER_MESSAGES_COMPRESSION", "false"),
        ("PITAYA_HANDLER_MESSAGES_COMPRESSION_THRESHOLD", "64"),
    ];
    let config = with_env("", env).unwrap();
    assert_eq!((config.message_compression, config.message_compression_threshold), (false, 64));
}

/// Differing values are an error that names both.
#[test]
fn both_names_of_a_key_are_read() {
    let config = Config::parse("pitaya.buffer.agent.writetimeout = '3s'").unwrap();
    assert_eq!(config.agent.write_timeout, 3 * SECOND);
    let config = Config::parse("pitaya.metrics.prometheus.additionalTags = { a = 'b' }").unwrap();
    assert_eq!(config.metrics.additional_labels["a"], "b");
    assert!(Config::parse("[pitaya.buffer.agent]\nwritetimeout = '60s'\nconntimeout = '1m'").is_ok());

    let message = error("[pitaya.buffer.agent]\nwritetimeout = '3s'\nconntimeout = '4s'");
    assert!(message.contains("pitaya.buffer.agent.conntimeout = \"4s\""), "{message}");
    assert!(message.contains("pitaya.buffer.agent.writetimeout = \"3s\""), "{message}");
    let message = error("[pitaya.worker.redis]\nurl = 'a'\nserverurl = 'b'");
    assert!(message.contains("redis.url") && message.contains("redis.serverurl"), "{message}");
}

#[test]
fn a_variable_overrides_the_other_name_in_the_file() {
    let text = "pitaya.buffer.agent.conntimeout = '3s'";
    let config = with_env(text, [("PITAYA_BUFFER_AGENT_WRITETIMEOUT", "4s")]).unwrap();
    assert_eq!(config.agent.write_timeout, 4 * SECOND);
}

#[test]
fn unknown_keys_get_a_suggestion() {
    let text = "
        [pitaya]
        hearbeat.interval = '10s'
        heartbeat = 5
        colour = 'red'
        [heartbeat]
        interval = '10s'
        [pitya.heartbeat]
        interval = '10s'
        [mine]
        anything = 1";
    // TOML has one `pitaya.heartbeat` here, a number: a section, not a key.
    let config =
        with_env(text, [("PITAYA_SESSION_PENDIN", "3"), ("PITAYA_NOISE_XYZ", "1"), ("PATH", "/bin")])
            .unwrap();
    assert_eq!(
        config.notes(),
        [
            "heartbeat.interval (file (text)) is not read; did you mean pitaya.heartbeat.interval?",
            "unknown key pitaya.colour (file (text))",
            "unknown key pitaya.hearbeat.interval (file (text)); did you mean pitaya.heartbeat.interval?",
            "pitaya.heartbeat (file (text)) is a section, not a key",
            "unknown key pitya.heartbeat.interval (file (text)); did you mean pitaya.heartbeat.interval?",
            "unknown configuration variable PITAYA_NOISE_XYZ",
            "unknown configuration variable PITAYA_SESSION_PENDIN; did you mean PITAYA_SESSION_PENDING?",
        ]
    );
}

#[test]
fn keys_without_effect_are_accepted_and_reported() {
    let config = with_env(
        "pitaya.cluster.rpc.server.nats.connect = 'nats://a:1'",
        [("PITAYA_CONCURRENCY_HANDLER_DISPATCH", "50")],
    )
    .unwrap();
    let [first, second] = config.notes() else { panic!("{:?}", config.notes()) };
    assert!(first.starts_with("pitaya.concurrency.handler.dispatch is set (env PITAYA_CONCURRENCY_HANDLER_DISPATCH) but has no effect"));
    assert!(second.starts_with("pitaya.cluster.rpc.server.nats.connect is set"));
    let printed = config.print();
    assert!(printed.contains("pitaya.concurrency.handler.dispatch = 50"));
    assert!(printed.contains("pitaya.cluster.rpc.server.nats.connect = \"nats://a:1\""));
    assert!(printed.contains("No effect: "));
    assert!(error("pitaya.concurrency.handler.dispatch = 'many'").contains("must be a whole number"));
    assert!(error("pitaya.metrics.statsd.rate = 2").contains("must be between 0 and 1"));
}

/// Each with its key, value, source and the allowed values.
#[test]
fn all_problems_are_reported_together() {
    let text = "
        [pitaya]
        heartbeat.interval = '1500ms'
        serializertype = 3
        handler.timeout = 60
        conn.ratelimiting.limit = 0";
    let error = with_env(text, [("PITAYA_SESSION_OUTBOX_POLICY", "explode")]).unwrap_err();
    assert_eq!(error.problems().len(), 5);
    let message = error.to_string();
    for part in [
        "pitaya.heartbeat.interval = \"1s500ms\" (file (text)) must be whole seconds, at least 1s",
        "pitaya.serializertype = 3 (file (text)) must be one of json, protobuf, msgpack, 1, 2",
        "pitaya.handler.timeout = 60 (file (text)) has no unit; write \"60s\" for seconds",
        "pitaya.conn.ratelimiting.limit = 0 (file (text)) must be at least 1",
        "pitaya.session.outbox.policy = \"explode\" (env PITAYA_SESSION_OUTBOX_POLICY) must be one of disconnect",
    ] {
        assert!(message.contains(part), "{part}\nnot in\n{message}");
    }
}

#[test]
fn validate_checks_what_code_has_set() {
    let mut config = Config::default();
    config.rate_limit.limit = 0;
    config.handler_timeout = Duration::MAX;
    config.metrics.const_labels.insert("a-b".into(), String::new());
    let message = config.validate().unwrap_err().to_string();
    assert!(message.contains("pitaya.conn.ratelimiting.limit = 0 (code) must be at least 1"), "{message}");
    assert!(message.contains("pitaya.handler.timeout"), "{message}");
    assert!(message.contains("pitaya.metrics.constLabels"), "{message}");
}

#[test]
fn a_missing_file_is_an_error_that_names_the_path() {
    let error = Config::load("no/such/config.toml").unwrap_err();
    assert!(error.to_string().contains("no/such/config.toml"), "{error}");
    assert!(matches!(error.problems(), [Problem::Unreadable { .. }]));
}

#[test]
fn a_file_is_read_and_named_in_messages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pitaya.toml");
    std::fs::write(&path, "pitaya.session.pending = 0").unwrap();
    let error = Config::load_with(&path, []).unwrap_err().to_string();
    assert!(error.contains(&format!("pitaya.session.pending = 0 (file {})", path.display())), "{error}");
    std::fs::write(&path, "pitaya = [").unwrap();
    let error = Config::load_with(&path, vars([("PITAYA_SESSION_PENDING", "0")])).unwrap_err();
    assert!(matches!(error.problems(), [Problem::Syntax { .. }, Problem::Value { .. }]), "{error}");
}

#[test]
fn an_empty_variable_is_as_if_it_were_not_set() {
    assert_eq!(with_env("", [("PITAYA_HEARTBEAT_INTERVAL", "")]).unwrap(), Config::default());
}

#[test]
fn lists_and_labels_come_from_comma_strings() {
    let env = [
        ("PITAYA_ACCEPTOR_WS_ORIGINS", "https://a, https://b,"),
        ("PITAYA_METRICS_CONSTLABELS", "zone=z0, rack=r=1"),
    ];
    let config = with_env("", env).unwrap();
    assert_eq!(config.acceptor.ws.origins, ["https://a", "https://b"]);
    assert_eq!(config.metrics.const_labels["zone"], "z0");
    assert_eq!(config.metrics.const_labels["rack"], "r=1");
}

#[test]
fn label_names_are_lower_cased() {
    let config = Config::parse("pitaya.metrics.constLabels = { Zone = 'A', rackNo = 'B' }").unwrap();
    let labels: Vec<_> = config.metrics.const_labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(labels, [("rackno", "B"), ("zone", "A")]);
    let message = error("pitaya.metrics.constLabels = { Zone = 'A', zone = 'B' }");
    assert!(message.contains("has the label \"zone\" twice"), "{message}");
}

#[test]
fn origins_and_networks_are_checked_on_read() {
    for (text, write) in [
        ("ws.origins = ['https://a', 'b.example']", "write `https://b.example`"),
        ("ws.origins = 'https://a/b'", "write `https://a`"),
        ("trustedproxies = ['10.0.0.0/33']", "write a network such as `10.0.0.0/8`"),
        ("ws.probe = 'health'", "must be empty or a path that begins with /"),
    ] {
        let message = error(&format!("[pitaya.acceptor]\n{text}"));
        assert!(message.contains(write), "{message}");
    }
    let mut config = Config::default();
    config.acceptor.ws.origins = vec!["b.example".into()];
    config.acceptor.trusted_proxies = vec!["balancer".into()];
    let message = config.validate().unwrap_err().to_string();
    assert!(message.contains("origins such as") && message.contains("networks such as"), "{message}");
}

#[test]
fn weakly_typed_values_are_read() {
    let text =
        "[pitaya]\nsession.pending = '12'\nerrors.expose = 1\nworker.redis.pool = '10'\nmetrics.game = 7";
    let config = Config::parse(text).unwrap();
    assert_eq!((config.session.pending, config.errors_expose, config.metrics.game.as_str()), (12, true, "7"));
}

#[test]
fn custom_metrics_are_defined_in_the_file_only() {
    let text = "
        [[pitaya.metrics.custom.summaries]]
        subsystem = 'room'
        Name = 'took'
        objectives = { '0.99' = 0.001, '0.5' = 0.02 }
        [[pitaya.metrics.custom.histograms]]
        name = 'size'
        buckets = [1, 10.5]";
    let config = Config::parse(text).unwrap();
    assert_eq!(config.metrics.custom.summaries[0].objectives, [(0.5, 0.02), (0.99, 0.001)]);
    assert_eq!(config.metrics.custom.histograms[0].buckets, [1.0, 10.5]);
    assert_eq!(Config::parse(&config.print()).unwrap(), config);
    let error = with_env("", [("PITAYA_METRICS_CUSTOM_COUNTERS", "x")]).unwrap_err().to_string();
    assert!(error.contains("cannot come from the environment"), "{error}");
    for bad in
        ["name = 'a b'", "nam = 'a'", "name = 'a'\nlabels = ['x', 'x']", "name = 'a'\nbuckets = [2, 1]"]
    {
        assert!(Config::parse(&format!("[[pitaya.metrics.custom.histograms]]\n{bad}")).is_err(), "{bad}");
    }
}

#[test]
fn what_is_printed_can_be_loaded_again() {
    let mut config = Config::parse("pitaya.metrics.constLabels = { a = 'b \"c\"' }").unwrap();
    config.session.outbox.policy = OutboxPolicy::Latest;
    config.acceptor.ws.origins = vec!["https://a".into()];
    config.session.drain.timeout = Duration::from_millis(1500);
    assert_eq!(Config::parse(&config.print()).unwrap(), config);
}

#[test]
fn printing_tells_who_set_what() {
    let mut config = with_env("pitaya.session.pending = 5", [("PITAYA_TIMER_PRECISION", "5ms")]).unwrap();
    config.agent.messages = 3;
    let printed = config.print();
    for part in [
        "# int, file (text); PITAYA_SESSION_PENDING\npitaya.session.pending = 5",
        "# duration, env PITAYA_TIMER_PRECISION; PITAYA_TIMER_PRECISION\npitaya.timer.precision = \"5ms\"",
        "# int, code; PITAYA_BUFFER_AGENT_MESSAGES\npitaya.buffer.agent.messages = 3",
        "# int, default; PITAYA_SESSION_CONCURRENT\npitaya.session.concurrent = 64",
    ] {
        assert!(printed.contains(part), "{part}\nnot in\n{printed}");
    }
}

#[test]
fn bad_configuration_fails_the_app_with_a_reason() {
    let error = crate::Error::from(Config::parse("pitaya.heartbeat.interval = 7").unwrap_err());
    assert_eq!(error.code(), "PIT-500");
    assert!(error.msg().contains("pitaya.heartbeat.interval"), "{}", error.msg());
}
