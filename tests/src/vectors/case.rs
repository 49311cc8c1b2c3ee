//! One entry of the vectors.

use std::fmt::{self, Debug, Display};

use serde_json::Value;

use super::Count;

/// The result of a check: nothing, or the reason of its failure.
pub type Checked<T = ()> = Result<T, String>;

/// One entry and what has been compared with it so far.
#[derive(Debug)]
pub struct Case<'a> {
    kind: &'a str,
    number: usize,
    entry: &'a Value,
    count: Count,
}

impl<'a> Case<'a> {
    pub(super) fn new(kind: &'a str, number: usize, entry: &'a Value) -> Self {
        Self { kind, number, entry, count: Count::default() }
    }

    pub(super) fn compared(&self) -> usize {
        self.count.0.get()
    }

    /// The entry's `name` or `case`, else its number with what tells it from the others best.
    #[must_use]
    pub fn name(&self) -> String {
        match self.opt("name").or_else(|| self.opt("case")).and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => match ["what", "text", "route", "in_answer_to", "subject", "string", "in", "json", "hex"]
                .into_iter()
                .find_map(|field| self.opt(field)?.as_str())
            {
                Some(what) => format!("#{} ({what})", self.number),
                None => format!("#{}", self.number),
            },
        }
    }

    /// Compares, and counts it.
    ///
    /// # Errors
    /// Both values, where they differ.
    pub fn same<T: PartialEq + Debug>(&self, what: &str, got: &T, want: &T) -> Checked {
        self.count.same(what, got, want)
    }

    /// Compares bytes, shown in hex, and counts it.
    ///
    /// # Errors
    /// Both, where they differ.
    pub fn bytes(&self, what: &str, got: &[u8], want: &[u8]) -> Checked {
        self.count.same(what, &to_hex(got), &to_hex(want))
    }

    /// Demands that something holds, and counts it.
    ///
    /// # Errors
    /// `what`, where it does not.
    pub fn holds(&self, what: &str, it: bool) -> Checked {
        self.count.same(what, &it, &true)
    }

    /// A field that need not be there.
    #[must_use]
    pub fn opt(&self, field: &str) -> Option<&'a Value> {
        self.entry.get(field)
    }

    /// A field.
    ///
    /// # Errors
    /// If it is missing.
    pub fn get(&self, field: &str) -> Checked<&'a Value> {
        self.opt(field).ok_or_else(|| format!("the entry has no {field}"))
    }

    /// A string.
    ///
    /// # Errors
    /// If it is missing or not a string.
    pub fn str(&self, field: &str) -> Checked<&'a str> {
        let value = self.get(field)?;
        value.as_str().ok_or_else(|| format!("{field} is not a string: {value}"))
    }

    /// A boolean.
    ///
    /// # Errors
    /// If it is missing or not a boolean.
    pub fn bool(&self, field: &str) -> Checked<bool> {
        let value = self.get(field)?;
        value.as_bool().ok_or_else(|| format!("{field} is not a boolean: {value}"))
    }

    /// A whole number, as a number or as decimal digits in a string.
    ///
    /// # Errors
    /// If it is missing or not such a number.
    pub fn u64(&self, field: &str) -> Checked<u64> {
        let value = self.get(field)?;
        value
            .as_u64()
            .or_else(|| value.as_str()?.parse().ok())
            .ok_or_else(|| format!("{field} is not a whole number: {value}"))
    }

    /// A whole number with a sign.
    ///
    /// # Errors
    /// If it is missing or not such a number.
    pub fn i64(&self, field: &str) -> Checked<i64> {
        let value = self.get(field)?;
        value.as_i64().ok_or_else(|| format!("{field} is not a whole number: {value}"))
    }

    /// Bytes written in hex.
    ///
    /// # Errors
    /// If the field is missing or not hex.
    pub fn hex(&self, field: &str) -> Checked<Vec<u8>> {
        hex(self.str(field)?).map_err(|e| format!("{field}: {e}"))
    }

    /// Route and code of each entry of `dictionary`, which need not be there.
    ///
    /// # Errors
    /// If a code is not one.
    pub fn dictionary(&self) -> Checked<Vec<(String, u16)>> {
        let Some(entries) = self.opt("dictionary").and_then(Value::as_object) else {
            return Ok(Vec::new());
        };
        let code = |value: &Value| value.as_u64().and_then(|code| u16::try_from(code).ok());
        entries
            .iter()
            .map(|(route, value)| {
                let code = code(value).ok_or_else(|| format!("the code of {route}: {value}"))?;
                Ok((route.clone(), code))
            })
            .collect()
    }

    /// Whether the input must be refused: as the entry says of a port, otherwise as Go Pitaya does.
    ///
    /// # Errors
    /// If its word does not begin with "reject", "refuse" or "close", or is missing where Go Pitaya misbehaves.
    pub fn refused(&self) -> Checked<bool> {
        if self.opt("port_should").is_some() {
            let should = self.str("port_should")?;
            let refuse = ["reject", "refuse", "close"];
            return if refuse.iter().any(|word| should.starts_with(word)) {
                Ok(true)
            } else {
                Err(format!("no test knows how to follow {should:?}"))
            };
        }
        match self.opt("go_behavior").map(Value::as_str) {
            None => Ok(self.opt("go_error").is_some()),
            Some(Some(behavior)) if behavior.starts_with("panic") => Ok(true),
            Some(other) => Err(format!("nothing says what to do instead of {other:?}")),
        }
    }
}

impl Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name())
    }
}

/// Bytes of a hex text.
///
/// # Errors
/// If it is not hex.
pub fn hex(text: &str) -> Checked<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("not hex: {text}"));
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|e| e.to_string()))
        .collect()
}

/// Hex of bytes.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Equality of JSON in which `30` and `30.0` are one number.
#[must_use]
pub fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_json(x, y))
        }
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same_json(x, y)))
        }
        _ => a == b,
    }
}
