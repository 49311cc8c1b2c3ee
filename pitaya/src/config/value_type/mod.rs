//! How the value of a key is read and shown: one [`ValueType`] for each form a value may have.
//!
//! Reading is forgiving where nothing can be misread (`"10"` is a number, `"true"` a switch, a list may be a
//! comma string), because the same value has to come from a file and from the environment. A value with two
//! possible meanings is refused; the error says what to write.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::path::PathBuf;

use crate::net::{Networks, origins};

mod duration;
mod size;

pub(super) use duration::{Deadline, DurationValue};
pub(super) use size::Size;

/// A value as a layer gives it.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    Toml(&'a toml::Value),
    Text(&'a str),
}

impl<'a> Raw<'a> {
    /// The text of a string, from either layer.
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Toml(toml::Value::String(text)) => Some(text.trim()),
            Self::Toml(_) => None,
            Self::Text(text) => Some(text.trim()),
        }
    }

    /// The value as one would write it, for messages.
    pub(super) fn show(self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Toml(toml::Value::String(text)) => quoted(text),
            Self::Toml(toml::Value::Integer(number)) => number.to_string(),
            Self::Toml(toml::Value::Float(number)) => number.to_string(),
            Self::Toml(toml::Value::Boolean(on)) => on.to_string(),
            Self::Toml(toml::Value::Datetime(when)) => when.to_string(),
            Self::Toml(toml::Value::Array(_)) => "[…]".into(),
            Self::Toml(toml::Value::Table(_)) => "{…}".into(),
        }
    }
}

/// One form of value. `show` gives TOML that `parse` reads back as the same value.
pub(super) trait ValueType {
    type Value;
    /// Its name in the documentation.
    const NAME: &'static str;
    /// Whether a TOML table is the value itself, not a section with keys below it.
    const TABLE: bool = false;

    /// Reads a value; the error completes the sentence "it …".
    fn parse(raw: Raw<'_>) -> Result<Self::Value, String>;
    fn show(value: &Self::Value) -> String;
    /// A limit of every value of this type; the error completes "must be …".
    fn check(_value: &Self::Value) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Whether a name may be a label's or a metric's: letters, digits and `_`, no digit first.
pub(crate) fn is_label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A string in TOML's basic form, whose escapes are those of JSON.
pub(super) fn quoted(text: &str) -> String {
    // JSON leaves one control character that TOML does not allow.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A switch.
pub(super) struct Flag;

impl ValueType for Flag {
    type Value = bool;
    const NAME: &'static str = "bool";

    fn parse(raw: Raw<'_>) -> Result<bool, String> {
        let text = match raw {
            Raw::Toml(toml::Value::Boolean(on)) => return Ok(*on),
            Raw::Toml(toml::Value::Integer(number)) => number.to_string(),
            _ => raw.text().unwrap_or_default().to_ascii_lowercase(),
        };
        match text.as_str() {
            "true" | "t" | "1" => Ok(true),
            "false" | "f" | "0" => Ok(false),
            _ => Err("must be true or false".into()),
        }
    }

    fn show(value: &bool) -> String {
        value.to_string()
    }
}

/// A whole number of type `T`.
pub(super) struct Count<T>(PhantomData<T>);

impl<T: TryFrom<i64> + std::fmt::Display> ValueType for Count<T> {
    type Value = T;
    const NAME: &'static str = "int";

    fn parse(raw: Raw<'_>) -> Result<T, String> {
        let number = match raw {
            Raw::Toml(toml::Value::Integer(number)) => Some(*number),
            _ => raw.text().and_then(|text| text.parse().ok()),
        };
        let number: i64 = number.ok_or("must be a whole number")?;
        T::try_from(number)
            .map_err(|_| if number < 0 { "must not be negative".into() } else { "is too big".to_owned() })
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// A number with a fraction.
pub(super) struct Number;

impl ValueType for Number {
    type Value = f64;
    const NAME: &'static str = "float";

    #[expect(clippy::cast_precision_loss, reason = "a configured integer is small")]
    fn parse(raw: Raw<'_>) -> Result<f64, String> {
        let number = match raw {
            Raw::Toml(toml::Value::Float(number)) => Some(*number),
            Raw::Toml(toml::Value::Integer(number)) => Some(*number as f64),
            _ => raw.text().and_then(|text| text.parse().ok()),
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| "must be a number".into())
    }

    fn show(value: &f64) -> String {
        format!("{value:?}")
    }
}

/// Any text. A bare number or switch counts as its text.
pub(super) struct Text;

impl ValueType for Text {
    type Value = String;
    const NAME: &'static str = "string";

    fn parse(raw: Raw<'_>) -> Result<String, String> {
        match raw {
            Raw::Text(text) => Ok(text.to_owned()),
            Raw::Toml(toml::Value::String(text)) => Ok(text.clone()),
            Raw::Toml(toml::Value::Array(_) | toml::Value::Table(_)) => Err("must be a string".into()),
            Raw::Toml(_) => Ok(raw.show()),
        }
    }

    fn show(value: &String) -> String {
        quoted(value)
    }
}

/// The path of a file; none if it is empty.
pub(super) struct File;

impl ValueType for File {
    type Value = Option<PathBuf>;
    const NAME: &'static str = "file";

    fn parse(raw: Raw<'_>) -> Result<Option<PathBuf>, String> {
        let path = raw.text().ok_or("must be the path of a file, as a string")?;
        Ok((!path.is_empty()).then(|| path.into()))
    }

    fn show(value: &Option<PathBuf>) -> String {
        quoted(&value.as_deref().map(|path| path.to_string_lossy()).unwrap_or_default())
    }
}

/// A list of texts: an array, or a comma string. Blanks around an entry and empty entries are dropped.
pub(super) struct List;

impl ValueType for List {
    type Value = Vec<String>;
    const NAME: &'static str = "list of strings";

    fn parse(raw: Raw<'_>) -> Result<Vec<String>, String> {
        const WRONG: &str = "must be a list of strings, or one string with commas";
        let entries: Vec<&str> = match raw {
            Raw::Toml(toml::Value::Array(entries)) => {
                entries.iter().map(toml::Value::as_str).collect::<Option<_>>().ok_or(WRONG)?
            }
            _ => raw.text().ok_or(WRONG)?.split(',').collect(),
        };
        Ok(entries.into_iter().map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect())
    }

    fn show(value: &Vec<String>) -> String {
        format!("[{}]", value.iter().map(|entry| quoted(entry)).collect::<Vec<_>>().join(", "))
    }
}

/// A list of networks and addresses.
pub(super) struct NetworkList;

impl ValueType for NetworkList {
    type Value = Vec<String>;
    const NAME: &'static str = "list of strings";

    fn parse(raw: Raw<'_>) -> Result<Vec<String>, String> {
        let texts = List::parse(raw)?;
        Networks::parse(&texts).map_err(|why| format!("has an entry that is no network: {why}"))?;
        Ok(texts)
    }

    fn show(value: &Vec<String>) -> String {
        List::show(value)
    }
}

/// A list of origins.
pub(super) struct OriginList;

impl ValueType for OriginList {
    type Value = Vec<String>;
    const NAME: &'static str = "list of strings";

    fn parse(raw: Raw<'_>) -> Result<Vec<String>, String> {
        let texts = List::parse(raw)?;
        origins::parse(&texts).map_err(|why| format!("has an entry that never matches: {why}"))?;
        Ok(texts)
    }

    fn show(value: &Vec<String>) -> String {
        List::show(value)
    }
}

/// Label names with their values: a table, or `name=value,name=value`. The names are lower-cased, because Go
/// Pitaya does so and dashboards use what it exports.
pub(super) struct Labels;

impl ValueType for Labels {
    type Value = BTreeMap<String, String>;
    const NAME: &'static str = "table of strings";
    const TABLE: bool = true;

    fn parse(raw: Raw<'_>) -> Result<Self::Value, String> {
        const WRONG: &str = "must be a table of strings, or one string `name=value,name=value`";
        let given: Vec<(String, String)> = match raw {
            Raw::Toml(toml::Value::Table(table)) => table
                .iter()
                .map(|(name, value)| Ok((name.clone(), Text::parse(Raw::Toml(value))?)))
                .collect::<Result<_, String>>()
                .map_err(|_| WRONG)?,
            _ => List::parse(Raw::Text(raw.text().ok_or(WRONG)?))?
                .iter()
                .map(|pair| pair.split_once('='))
                .map(|pair| pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())))
                .collect::<Option<_>>()
                .ok_or(WRONG)?,
        };
        let mut labels = BTreeMap::new();
        for (name, value) in given {
            if labels.insert(name.to_lowercase(), value).is_some() {
                return Err(format!(
                    "has the label {} twice; case does not matter",
                    quoted(&name.to_lowercase())
                ));
            }
        }
        Ok(labels)
    }

    fn show(value: &Self::Value) -> String {
        let pairs: Vec<_> =
            value.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        if pairs.is_empty() { "{}".into() } else { format!("{{ {} }}", pairs.join(", ")) }
    }

    fn check(value: &Self::Value) -> Result<(), &'static str> {
        if value.keys().all(|name| is_label_name(name)) {
            Ok(())
        } else {
            Err("names of letters, digits and `_` that do not begin with a digit")
        }
    }
}

/// An enum whose values have names.
pub(super) trait Named: Copy + PartialEq + 'static {
    const NAME: &'static str;
    /// Every name with its value; the first name of a value is the one that is shown.
    const NAMES: &'static [(&'static str, Self)];
}

/// One of the names of `T`.
pub(super) struct Choice<T>(PhantomData<T>);

impl<T: Named> ValueType for Choice<T> {
    type Value = T;
    const NAME: &'static str = T::NAME;

    fn parse(raw: Raw<'_>) -> Result<T, String> {
        let text = match raw {
            Raw::Toml(toml::Value::Integer(number)) => number.to_string(),
            _ => raw.text().unwrap_or_default().to_ascii_lowercase(),
        };
        T::NAMES.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = T::NAMES.iter().map(|(name, _)| *name).collect();
            format!("must be one of {}", names.join(", "))
        })
    }

    fn show(value: &T) -> String {
        quoted(T::NAMES.iter().find(|(_, named)| named == value).map_or("", |(name, _)| name))
    }
}
