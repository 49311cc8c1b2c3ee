//! Values with variables: `{ "name": "bot-${bot}" }`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// A value in which texts may have variables.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Template {
    Fixed(Value),
    /// A text that is one variable. It has the type of the variable.
    Variable(Variable),
    Text(Vec<Part>),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Literal(String),
    Variable(Variable),
}

/// A variable between `${` and `}`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Variable {
    /// The number of the bot, from 1.
    Bot,
    /// The number of the run of this bot, from 1.
    Run,
    /// A random integer, both ends included.
    Random(i64, i64),
    /// A value that a step has saved.
    Saved(String),
}

/// The values of the variables of one bot.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) bot: u64,
    pub(super) run: u64,
    pub(super) random: fastrand::Rng,
    pub(super) saved: BTreeMap<String, Value>,
}

impl Template {
    /// Reads a value. The error names the variable.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::parse_text(text)?,
            Value::Array(all) => {
                let all = all.iter().map(Self::parse).collect::<Result<Vec<_>, _>>()?;
                if all.iter().all(Self::is_fixed) { Self::Fixed(value.clone()) } else { Self::List(all) }
            }
            Value::Object(all) => {
                let parse = |(key, value): (&String, &Value)| Ok((key.clone(), Self::parse(value)?));
                let all = all.iter().map(parse).collect::<Result<Vec<_>, String>>()?;
                let fixed = all.iter().all(|(_, value)| value.is_fixed());
                if fixed { Self::Fixed(value.clone()) } else { Self::Map(all) }
            }
            other => Self::Fixed(other.clone()),
        })
    }

    fn parse_text(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some(after) = rest.strip_prefix('{') {
                let (name, after) =
                    after.split_once('}').ok_or_else(|| format!("`{text}`: `${{` without `}}`"))?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Variable(Variable::parse(name)?));
                rest = after;
            } else {
                literal.push('$');
            }
        }
        literal.push_str(rest);
        Ok(match <[Part; 1]>::try_from(parts) {
            Ok([Part::Variable(variable)]) if literal.is_empty() => Self::Variable(variable),
            Ok([part]) => Self::text([part].into(), literal),
            Err(parts) if parts.is_empty() => Self::Fixed(literal.into()),
            Err(parts) => Self::text(parts, literal),
        })
    }

    fn text(mut parts: Vec<Part>, literal: String) -> Self {
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Self::Text(parts)
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// Adds the names of the saved values that this template uses.
    pub(super) fn names<'a>(&'a self, into: &mut BTreeSet<&'a str>) {
        match self {
            Self::Variable(Variable::Saved(name)) => {
                into.insert(name);
            }
            Self::Text(parts) => {
                for part in parts {
                    if let Part::Variable(Variable::Saved(name)) = part {
                        into.insert(name);
                    }
                }
            }
            Self::List(all) => all.iter().for_each(|value| value.names(into)),
            Self::Map(all) => all.iter().for_each(|(_, value)| value.names(into)),
            Self::Fixed(_) | Self::Variable(_) => {}
        }
    }

    /// Returns the value. A saved value that no step has saved yet is `null`.
    pub(super) fn render(&self, values: &mut Values) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Variable(variable) => variable.value(values),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Variable(variable) => match variable.value(values) {
                            Value::String(value) => text.push_str(&value),
                            other => text.push_str(&other.to_string()),
                        },
                    }
                }
                Value::String(text)
            }
            Self::List(all) => all.iter().map(|value| value.render(values)).collect(),
            Self::Map(all) => Value::Object(Map::from_iter(
                all.iter().map(|(key, value)| (key.clone(), value.render(values))),
            )),
        }
    }
}

impl Variable {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(range) = text.strip_prefix("random ") {
            let ends = range
                .trim()
                .split_once("..")
                .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
            return match ends {
                Some((from, to)) if from <= to => Ok(Self::Random(from, to)),
                _ => Err(format!("`${{{text}}}` is not `${{random FROM..TO}}` with integers")),
            };
        }
        match text {
            "bot" => Ok(Self::Bot),
            "run" => Ok(Self::Run),
            _ if is_name(text) => Ok(Self::Saved(text.to_owned())),
            _ => Err(format!("`${{{text}}}` is no variable")),
        }
    }

    fn value(&self, values: &mut Values) -> Value {
        match self {
            Self::Bot => values.bot.into(),
            Self::Run => values.run.into(),
            Self::Random(from, to) => values.random.i64(*from..=*to).into(),
            Self::Saved(name) => values.saved.get(name).cloned().unwrap_or_default(),
        }
    }
}

/// Returns whether a text may name a saved value.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|next| next.is_ascii_alphanumeric() || next == '_')
        && !matches!(text, "bot" | "run" | "random")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> Values {
        let saved = BTreeMap::from([("id".to_owned(), json!(7)), ("name".to_owned(), json!("ann"))]);
        Values { bot: 3, run: 1, random: fastrand::Rng::with_seed(1), saved }
    }

    fn rendered(value: &Value) -> Value {
        Template::parse(value).unwrap().render(&mut values())
    }

    #[test]
    fn variables_are_replaced_anywhere() {
        let value = json!({ "a": "bot-${bot}/${name}!", "b": ["${id}", "${bot}"], "c": "$$5 $x", "d": 1 });
        assert_eq!(
            rendered(&value),
            json!({ "a": "bot-3/ann!", "b": [7, 3], "c": "$5 $x", "d": 1 }),
            "a text that is one variable has its type"
        );
        assert_eq!(rendered(&json!("${later}")), Value::Null);
    }

    #[test]
    fn random_numbers_stay_in_range_and_repeat() {
        let template = Template::parse(&json!("${random -2..2}")).unwrap();
        let draw = || {
            let mut values = values();
            (0..50).map(|_| template.render(&mut values).as_i64().unwrap()).collect::<Vec<_>>()
        };
        assert!(draw().iter().all(|n| (-2..=2).contains(n)));
        assert_eq!(draw(), draw());
    }

    #[test]
    fn wrong_variables_are_refused() {
        for text in ["${", "${}", "${a b}", "${random}", "${random 2..1}", "${random a..b}", "${1}"] {
            assert!(Template::parse(&json!([text])).is_err(), "{text}");
        }
    }

    #[test]
    fn value_without_variables_is_fixed() {
        assert!(Template::parse(&json!({ "a": ["x", 1, null] })).unwrap().is_fixed());
        let template = Template::parse(&json!({ "a": ["${x}", "${y}-${bot}"] })).unwrap();
        let mut names = BTreeSet::new();
        template.names(&mut names);
        assert_eq!(names, BTreeSet::from(["x", "y"]));
    }
}
