//! No output of a configuration holds a password.

use proptest::prelude::*;

use super::super::value_type::quoted;
use super::super::{Config, keys};
use super::{error, with_env};

/// Everything that a configuration shows of itself.
fn outputs(config: &Config) -> String {
    let validated = config.validate().err().map(|error| format!("{error} {error:?}"));
    format!("{} {config:?} {config:#?} {:?} {validated:?}", config.print(), config.notes())
}

#[test]
fn passwords_and_addresses_are_shown_masked() {
    let text = "[pitaya]\nworker.redis.password = 'hunter2'\ncluster.sd.etcd.pass = 'hunter2'\n\
        cluster.rpc.client.nats.connect = 'ann:hunter2@one:4222,nats://ann:hunt/er2@two'\n\
        cluster.rpc.client.nats.tls.keyfile = 'secrets/key.pem'";
    let config = Config::parse(text).unwrap();
    let shown = outputs(&config);
    assert!(!shown.contains("hunter2") && !shown.contains("er2"), "{shown}");
    assert!(shown.contains("***@one:4222,nats://***@two") && shown.contains("secrets/key.pem"), "{shown}");
    let message = error("[pitaya.worker.redis]\npassword = ['hunter2']");
    assert!(message.contains("*** (file (text)) must be a string"), "{message}");
}

#[test]
fn a_syntax_error_names_the_place_without_the_line() {
    for text in [
        "[pitaya.cluster.sd.etcd]\npass = hunter2",
        "[pitaya.cluster.sd.etcd]\npass = 'hunter2",
        "[pitaya.cluster.sd.etcd]\npass = 'hunter2' x",
        "[pitaya.cluster.sd.etcd]\npass = 'hunter2'\npass = 'hunter2'",
    ] {
        let message = error(text);
        assert!(!message.contains("hunter2"), "{message}");
        assert!(message.contains("is not TOML: line "), "{message}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// `Zq7` stands in each password and nowhere else.
    #[test]
    fn no_output_of_any_key_holds_a_password(
        before in "[^,]{0,5}",
        after in "[^,]{0,5}",
        scheme in prop_oneof![Just(""), Just("nats://"), Just("https://")],
        form in 0_usize..4,
    ) {
        let secret = format!("{before}Zq7{after}");
        let form = &[
            format!("{scheme}ann:{secret}@one:4222"),
            format!("{scheme}{secret}@one:4222"),
            format!("{scheme}one:4222/0?password={secret}"),
            format!("{scheme}ann:x@one:4222,{scheme}ann:{secret}@two:4222"),
        ][form];
        for key in keys().filter(|key| key.addresses || key.secret) {
            let value = if key.secret { &secret } else { form };
            let lines = [
                format!("{} = {}", key.name, quoted(value)),
                format!("{} = [{}, \"two\"]", key.name, quoted(value)),
                // a value that is wrong, and two names with two values
                format!("{} = [[{}]]", key.name, quoted(value)),
                key.aliases.iter().map(|name| format!("{name} = \"x\"\n")).collect::<String>()
                    + &format!("{} = {}", key.name, quoted(value)),
            ];
            for line in lines {
                let shown = match Config::parse(&line) {
                    Ok(config) => outputs(&config),
                    Err(error) => format!("{error} {error:?}"),
                };
                prop_assert!(!shown.contains("Zq7"), "{} shown in {}", line, shown);
            }
            let variable = super::env_name(key.name);
            let shown = match with_env("", [(variable.as_str(), value.as_str())]) {
                Ok(config) => outputs(&config),
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!shown.contains("Zq7"), "{} shown in {}", variable, shown);
        }
    }
}
