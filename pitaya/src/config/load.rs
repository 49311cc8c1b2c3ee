//! Layers: defaults, then a file, then the environment.
//!
//! Each layer is first turned into a flat list of names with values. The keys of a layer are then set one by one
//! over what is there, so setting one key never drops another.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::{Origin, Problem};
use super::key::{Key, env_name};
use super::suggest::suggest;
use super::value_type::Raw;
use super::{Config, ConfigError, keys};

/// One name with its value, as a layer has it.
struct Setting<'a> {
    /// As it is spelled in the layer.
    name: String,
    raw: Raw<'a>,
}

/// Every setting of one layer, and what they are called in its messages.
#[derive(Default)]
struct Layer<'a> {
    by_key: BTreeMap<usize, Vec<Setting<'a>>>,
}

pub(super) struct Loader {
    config: Config,
    problems: Vec<Problem>,
}

impl Loader {
    pub(super) fn new() -> Self {
        Self { config: Config::default(), problems: Vec::new() }
    }

    /// Sets what a TOML text sets. `path` is how the text is called in messages.
    pub(super) fn file(&mut self, path: &str, text: &str) {
        let origin = Origin::File(path.to_owned());
        let root: toml::Table = match text.parse() {
            Ok(root) => root,
            Err(error) => {
                self.problems.push(Problem::Syntax { origin, why: syntax(text, &error) });
                return;
            }
        };
        let mut leaves = Vec::new();
        flatten(String::new(), &root, &mut leaves);
        let mut layer = Layer::default();
        for (name, value) in leaves {
            match find(&name) {
                Some(at) => layer.add(at, name, Raw::Toml(value)),
                None => self.unknown_in_file(&name, &origin),
            }
        }
        self.apply(layer, |_| origin.clone());
    }

    /// Sets what variables that begin with `PITAYA_` set. An empty one is as if it were not set.
    pub(super) fn env(&mut self, vars: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut vars: Vec<(String, OsString)> = vars
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, value)| name.starts_with("PITAYA_") && !value.is_empty())
            .collect();
        vars.sort_unstable(); // so that messages come in one order
        let mut layer = Layer::default();
        for (name, value) in &vars {
            let key = keys().position(|key| key.names().any(|known| env_name(known) == *name));
            match (key, value.to_str()) {
                (Some(at), Some(text)) => layer.add(at, name.clone(), Raw::Text(text)),
                (Some(_), None) => self.problems.push(Problem::Value {
                    key: name.clone(),
                    value: "(bytes)".into(),
                    origin: Origin::Env(name.clone()),
                    why: "must be UTF-8".into(),
                }),
                (None, _) => {
                    let known = keys().flat_map(Key::names).map(env_name);
                    let hint = hint(suggest(name, known));
                    self.config.loaded.notes.push(format!("unknown configuration variable {name}{hint}"));
                }
            }
        }
        self.apply(layer, |name| Origin::Env(name.to_owned()));
    }

    /// The configuration, unless anything is wrong with it.
    pub(super) fn finish(mut self) -> Result<Config, ConfigError> {
        self.problems.extend(self.config.problems());
        ConfigError::unless_empty(self.problems)?;
        let default = Config::default();
        let ignored = keys().filter_map(|key| {
            let (origin, shown) = self.config.loaded.set.get(key.name)?;
            if *shown == (key.show)(&default) {
                return None; // nothing was asked for
            }
            Some(format!("{} is set ({origin}) but has no effect: {}", key.name, key.no_effect?))
        });
        self.config.loaded.notes.extend(ignored.collect::<Vec<_>>());
        Ok(self.config)
    }

    fn apply(&mut self, layer: Layer<'_>, origin: impl Fn(&str) -> Origin) {
        for (at, settings) in layer.by_key {
            let Some(key) = keys().nth(at) else { continue };
            let mut first: Option<(&Setting<'_>, String)> = None;
            for setting in &settings {
                let origin = origin(&setting.name);
                // A value that cannot be read must not disturb the one below it.
                let mut with = self.config.clone();
                if let Err(why) = (key.read)(&mut with, setting.raw) {
                    self.problems.push(Problem::Value {
                        key: key.name.to_owned(),
                        value: key.mask(&setting.raw.show()),
                        origin,
                        why,
                    });
                    continue;
                }
                let shown = (key.show)(&with);
                match &first {
                    Some((other, value)) if *value != shown => self.problems.push(Problem::Conflict {
                        first: other.name.clone(),
                        first_value: key.mask(value),
                        second: setting.name.clone(),
                        second_value: key.mask(&shown),
                        origin,
                    }),
                    Some(_) => {}
                    None => {
                        self.config = with;
                        self.config.loaded.set.insert(key.name, (origin, shown.clone()));
                        first = Some((setting, shown));
                    }
                }
            }
        }
    }

    fn unknown_in_file(&mut self, name: &str, origin: &Origin) {
        let (root, _) = name.split_once('.').unwrap_or((name, ""));
        let known = || keys().flat_map(Key::names).map(str::to_owned);
        let lower = name.to_lowercase();
        let note = if root.eq_ignore_ascii_case("pitaya") {
            if known().any(|key| key.to_lowercase().starts_with(&format!("{lower}."))) {
                format!("{name} ({origin}) is a section, not a key")
            } else {
                format!("unknown key {name} ({origin}){}", hint(suggest(&lower, known())))
            }
        } else if find(&format!("pitaya.{name}")).is_some() {
            format!("{name} ({origin}) is not read; did you mean pitaya.{name}?")
        } else if suggest(&root.to_lowercase(), ["pitaya".to_owned()]).is_some() {
            format!("unknown key {name} ({origin}){}", hint(suggest(&lower, known())))
        } else {
            return; // the rest of the file may be the application's own
        };
        self.config.loaded.notes.push(note);
    }
}

impl<'a> Layer<'a> {
    fn add(&mut self, at: usize, name: String, raw: Raw<'a>) {
        self.by_key.entry(at).or_default().push(Setting { name, raw });
    }
}

/// Where a text is not TOML, and why. The parser's own text quotes the line, which may hold a secret.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else { return error.message().to_owned() };
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message())
}

fn hint(suggested: Option<String>) -> String {
    suggested.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The place in [`keys`] of the key with this name.
fn find(name: &str) -> Option<usize> {
    keys().position(|key| key.names().any(|known| known.eq_ignore_ascii_case(name)))
}

/// The leaves of a table by their dotted names. A table that is the value of a key is a leaf.
fn flatten<'a>(prefix: String, table: &'a toml::Table, leaves: &mut Vec<(String, &'a toml::Value)>) {
    for (name, value) in table {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner)
                if !find(&name).and_then(|at| keys().nth(at)).is_some_and(|key| key.table) =>
            {
                flatten(name, inner, leaves);
            }
            _ => leaves.push((name, value)),
        }
    }
}
