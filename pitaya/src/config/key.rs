//! One key of the configuration, whatever the type of its value.

use super::Config;
use super::value_type::{Raw, ValueType, quoted};
use crate::util::redact;

/// One row of the key table. The functions know the type of the value.
pub(super) struct Key {
    /// The canonical name, as in `pitaya.heartbeat.interval`. Names are compared without regard to case.
    pub name: &'static str,
    pub help: &'static str,
    pub type_name: &'static str,
    /// Whether a table in a file is this key's value.
    pub table: bool,
    pub aliases: &'static [&'static str],
    /// The allowed values; completes the sentence "must be …".
    pub allowed: Option<&'static str>,
    pub secret: bool,
    /// Whether the value is an address or a list of addresses, which may hold credentials.
    pub addresses: bool,
    /// Why the key is accepted without effect.
    pub no_effect: Option<&'static str>,
    pub read: fn(&mut Config, Raw<'_>) -> Result<(), String>,
    pub show: fn(&Config) -> String,
    pub check: fn(&Config) -> Result<(), &'static str>,
}

impl Key {
    /// The canonical name, then the aliases.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// A value of this key as it may be printed.
    pub(super) fn mask(&self, value: &str) -> String {
        mask(value, self.secret, self.addresses)
    }
}

fn mask(value: &str, secret: bool, addresses: bool) -> String {
    if secret && value != "\"\"" { redact::HIDDEN.into() } else { mask_credentials(value, addresses) }
}

/// The environment variable of a name.
pub(super) fn env_name(name: &str) -> String {
    name.to_ascii_uppercase().replace('.', "_")
}

/// A value in TOML, with the credentials of its addresses hidden. In the value of a key that holds `addresses` every string
/// is one or a list of them; elsewhere only a string with a scheme is.
fn mask_credentials(shown: &str, addresses: bool) -> String {
    let parsed = format!("v = {shown}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
    // Every value is shown in TOML, except a placeholder such as `[…]`, which holds nothing. Another text is hidden.
    let Some(mut value) = parsed else {
        let placeholder = matches!(shown, "[…]" | "{…}" | "(bytes)");
        return if placeholder { shown.to_owned() } else { redact::HIDDEN.to_owned() };
    };
    if hide(&mut value, addresses) { inline(&value) } else { shown.to_owned() }
}

/// Redacts every string of a value. Returns whether one of them changed.
fn hide(value: &mut toml::Value, addresses: bool) -> bool {
    match value {
        toml::Value::String(text) if addresses || text.contains("://") => {
            let redacted = redact::list(text);
            let changed = redacted != *text;
            *text = redacted;
            changed
        }
        toml::Value::Array(entries) => {
            entries.iter_mut().fold(false, |any, entry| hide(entry, addresses) | any)
        }
        toml::Value::Table(table) => {
            table.iter_mut().fold(false, |any, (_, entry)| hide(entry, addresses) | any)
        }
        _ => false,
    }
}

/// A value on one line.
fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quoted(text),
        toml::Value::Array(entries) => {
            format!("[{}]", entries.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Table(table) => {
            let pairs: Vec<_> =
                table.iter().map(|(name, value)| format!("{} = {}", quoted(name), inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => Raw::Toml(other).show(),
    }
}

/// The allowed values, in words and as a check.
type Allowed<T> = (&'static str, fn(&T) -> bool);

/// The optional parts of a row.
pub(super) struct Rule<T> {
    pub aliases: &'static [&'static str],
    pub allowed: Option<Allowed<T>>,
    pub secret: bool,
    pub addresses: bool,
}

impl<T> Rule<T> {
    pub(super) const fn new() -> Self {
        Self { aliases: &[], allowed: None, secret: false, addresses: false }
    }

    /// Other names of the key: those of Go Pitaya's documentation, where they differ from its code.
    pub(super) const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    pub(super) const fn allowed(mut self, text: &'static str, check: fn(&T) -> bool) -> Self {
        self.allowed = Some((text, check));
        self
    }

    pub(super) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    pub(super) const fn addresses(mut self) -> Self {
        self.addresses = true;
        self
    }

    pub(super) const fn text(&self) -> Option<&'static str> {
        match &self.allowed {
            Some((text, _)) => Some(text),
            None => None,
        }
    }

    /// A value of this row as it may be printed.
    pub(super) fn mask(&self, value: &str) -> String {
        mask(value, self.secret, self.addresses)
    }

    /// Checks the limit of the type, then that of the row.
    pub(super) fn check<K: ValueType<Value = T>>(&self, value: &T) -> Result<(), &'static str> {
        K::check(value)?;
        match self.allowed {
            Some((text, check)) if !check(value) => Err(text),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_shown_values_are_hidden() {
        for (addresses, shown, masked) in [
            (true, r#""ann:hunter2@one:4222""#, r#""***@one:4222""#),
            (true, r#""nats://a:b@one:1,nats://c@two:2""#, r#""nats://***@one:1,nats://***@two:2""#),
            (true, r#"["http://a:b@one:1", "two:2"]"#, r#"["http://***@one:1", "two:2"]"#),
            (true, r#""nats://a:\"@\"@one""#, r#""nats://***@one""#),
            (false, r#"["redis://:p@ss@h:1/0"]"#, r#"["redis://***@h:1/0"]"#),
            (false, r#"{ "a" = "nats://a:b@c" }"#, r#"{ "a" = "nats://***@c" }"#),
            (false, r#""ann@example.com""#, r#""ann@example.com""#),
            (false, "[…]", "[…]"),
            (false, "30", "30"),
        ] {
            assert_eq!(mask_credentials(shown, addresses), masked);
        }
    }
}
