//! What is known of a key, whatever its type.

use super::Config;
use super::kind::{Kind, Raw};

/// One row of the key table. The functions carry the key's type.
pub(super) struct Key {
    /// The canonical name, as in `pitaya.heartbeat.interval`. Names are compared without regard to case.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: &'static str,
    /// Whether a table in a file is this key's value.
    pub table: bool,
    pub aliases: &'static [&'static str],
    /// What is allowed; it completes the sentence "must be …".
    pub allowed: Option<&'static str>,
    pub secret: bool,
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
        if self.secret && value != "\"\"" { "***".into() } else { mask_credentials(value) }
    }
}

/// The environment variable of a name.
pub(super) fn env_name(name: &str) -> String {
    name.to_ascii_uppercase().replace('.', "_")
}

/// Replaces the `user:password` of every address in a text.
fn mask_credentials(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, tail) = rest.split_at(at + 3);
        masked += scheme;
        let end = tail.find(['/', ',', '"', ' ']).unwrap_or(tail.len());
        let host = tail[..end].rfind('@').map_or(0, |at| at);
        rest = if host > 0 {
            masked += "***";
            &tail[host..]
        } else {
            tail
        };
    }
    masked + rest
}

/// What is allowed, in words and as a check.
type Allowed<T> = (&'static str, fn(&T) -> bool);

/// The optional parts of a row.
pub(super) struct Rule<T> {
    pub aliases: &'static [&'static str],
    pub allowed: Option<Allowed<T>>,
    pub secret: bool,
}

impl<T> Rule<T> {
    pub(super) const fn new() -> Self {
        Self { aliases: &[], allowed: None, secret: false }
    }

    /// Other names of the key: the ones of the original's documentation, where they differ from its code.
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

    pub(super) const fn text(&self) -> Option<&'static str> {
        match &self.allowed {
            Some((text, _)) => Some(text),
            None => None,
        }
    }

    /// Checks the kind's own limit, then the row's.
    pub(super) fn check<K: Kind<Value = T>>(&self, value: &T) -> Result<(), &'static str> {
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
    fn credentials_in_addresses_are_masked() {
        for (text, masked) in [
            ("nats://localhost:4222", "nats://localhost:4222"),
            ("nats://a:b@one:1,nats://c@two:2", "nats://***@one:1,nats://***@two:2"),
            ("[\"redis://:p@ss@h:1/0\"]", "[\"redis://***@h:1/0\"]"),
            ("a@b", "a@b"),
        ] {
            assert_eq!(mask_credentials(text), masked);
        }
    }
}
