//! Prints the configuration, as `--print-config` does.

use std::io::Write as _;

use super::key::{Key, env_name};
use super::{Config, keys};

impl Config {
    /// Every key with its value, its source, its variable and what it does, as TOML that can be loaded again
    /// (but for secrets, which are masked, and passwords in addresses).
    ///
    /// ```
    /// let text = pitaya::config::Config::default().print();
    /// assert!(text.contains("pitaya.heartbeat.interval = \"30s\""));
    /// ```
    #[must_use]
    pub fn print(&self) -> String {
        let mut text = String::new();
        for key in keys() {
            text += &format!("# {}\n", sentence(key));
            text += &format!("# {}, {}; {}\n", key.type_name, self.origin(key), env_name(key.name));
            let value = key.mask(&(key.show)(self));
            let line = format!("{} = {value}", toml_name(key));
            text += &if value == "***" { format!("# {line}\n\n") } else { format!("{line}\n\n") };
        }
        for note in self.notes() {
            text += &format!("# note: {}\n", note.replace('\n', " "));
        }
        text
    }
}

/// The help of a key with what is allowed, its other names and why it has no effect.
fn sentence(key: &Key) -> String {
    let mut text = key.help.trim().to_owned();
    if let Some(allowed) = key.allowed {
        text += &format!(" Must be {allowed}.");
    }
    if !key.aliases.is_empty() {
        text += &format!(" Also {}.", key.aliases.join(", "));
    }
    if let Some(why) = key.no_effect {
        text += &format!(" No effect: {why}.");
    }
    text
}

/// The key's name in TOML. Where another key is its beginning, the rest is quoted: one name cannot be both a value
/// and a table.
fn toml_name(key: &Key) -> String {
    let outer =
        keys().find(|other| key.name.strip_prefix(other.name).is_some_and(|rest| rest.starts_with('.')));
    match outer {
        Some(outer) => {
            let section = outer.name.rfind('.').map_or(0, |at| at + 1);
            format!("{}\"{}\"", &key.name[..section], &key.name[section..])
        }
        None => key.name.to_owned(),
    }
}

/// Prints the configuration if the program was started with `--print-config`, and says whether it was; the caller
/// then ends.
///
/// ```no_run
/// use pitaya::config::{Config, print_if_asked};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let config = Config::load("config.toml")?;
///     if print_if_asked(&config) {
///         return Ok(());
///     }
///     // … start the server
///     Ok(())
/// }
/// ```
#[must_use]
pub fn print_if_asked(config: &Config) -> bool {
    let asked = std::env::args_os().skip(1).any(|argument| argument == "--print-config");
    if asked && let Err(error) = std::io::stdout().lock().write_all(config.print().as_bytes()) {
        // The reader of a pipe may have seen enough.
        tracing::debug!(%error, "the configuration was not printed to its end");
    }
    asked
}
