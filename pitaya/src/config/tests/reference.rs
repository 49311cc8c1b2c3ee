//! `docs/configuration.md` is this text.

use super::super::key::env_name;
use super::super::{Config, Key, ignored, table};

const HEAD: &str = "\
# Configuration

Every key, from the table in `pitaya/src/config`. This page is generated: `BLESS=1 cargo test -p pitaya reference`
writes it again.

Values come in layers, each over the one before: defaults, a TOML file (`Config::load`), the environment, and what
code sets on the `Config`. The variable of a key is its name in capitals with `_` for dots:
`pitaya.heartbeat.interval` is `PITAYA_HEARTBEAT_INTERVAL`. An empty variable is as if it were not set. Names in a
file are compared without regard to case; tables and dotted names are the same.

| type | written as |
|---|---|
| bool | `true`, `false` (also `1`, `0`) |
| int, float | a number |
| duration | a text with units: `\"10s\"`, `\"1m30s\"`, `\"300ms\"`, `\"1.5h\"`; a bare number but `0` is refused |
| file | a path, as a text; relative ones begin where the server was started |
| size | a number of bytes, or `\"64KiB\"`, `\"1MiB\"`, `\"10MB\"` |
| list of strings | an array, or one text with commas |
| table of strings | a table, or one text `name=value,name=value` |
| list of tables | an array of tables; not from the environment |

A key's other names, which are those of Go Pitaya's documentation where they differ from its code, are read too;
two names with different values in one layer are an error. All mistakes are reported together. Unknown keys and keys
without effect are logged at start. A server that calls `print_if_asked` prints all of it, with the source of each
value, when started with `--print-config`.

`pitaya.handler.messages.compression` is a key and the beginning of another one. In one table, quote the longer
(`\"compression.threshold\" = 128`), or write `compression = { enabled = true, threshold = 128 }`.
";

fn row(key: &Key, default: &Config) -> String {
    let mut text = key.help.trim().to_owned();
    if let Some(allowed) = key.allowed {
        text += &format!(" Must be {allowed}.");
    }
    if !key.aliases.is_empty() {
        text += &format!(" Also `{}`.", key.aliases.join("`, `"));
    }
    if let Some(why) = key.no_effect {
        text += &format!(" No effect: {why}.");
    }
    let value = (key.show)(default);
    format!("| `{}` | {} | `{value}` | {text} |\n", key.name, key.type_name)
}

fn reference() -> String {
    let default = Config::default();
    let mut text = HEAD.to_owned();
    let ignored = ("Keys that are accepted without effect", ignored::IGNORED);
    for &(title, keys) in table::PARTS.iter().chain([&ignored]) {
        text += &format!("\n## {title}\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
        for key in keys {
            text += &row(key, &default);
        }
    }
    text
}

#[test]
fn the_reference_in_docs_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == reference(),
        "docs/configuration.md is out of date: run `BLESS=1 cargo test -p pitaya reference`"
    );
}

#[test]
fn reference_variables_follow_the_stated_rule() {
    assert_eq!(env_name("pitaya.heartbeat.interval"), "PITAYA_HEARTBEAT_INTERVAL");
}
