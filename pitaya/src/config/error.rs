//! The errors of a configuration.

use std::fmt;

/// Where the value of a key comes from.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// It has its default.
    #[default]
    Default,
    /// A file, by its path, or the text given to [`Config::parse`](super::Config::parse).
    File(String),
    /// An environment variable, by its name.
    Env(String),
    /// Code, after loading.
    Code,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Env(name) => write!(f, "env {name}"),
            Self::Code => f.write_str("code"),
        }
    }
}

/// One thing that is wrong. The text of a secret is never in it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {why}")]
    Unreadable {
        /// The path, as given.
        path: String,
        /// The operating system's reason.
        why: String,
    },
    /// The file is not TOML.
    #[error("{origin} is not TOML: {why}")]
    Syntax {
        /// The file.
        origin: Origin,
        /// The parser's reason, with line and column.
        why: String,
    },
    /// A key has a value that it cannot have.
    #[error("{key} = {value} ({origin}) {why}")]
    Value {
        /// The key.
        key: String,
        /// The value as it was written.
        value: String,
        /// The layer that set it.
        origin: Origin,
        /// The allowed values.
        why: String,
    },
    /// Two names of one key are set to different values in the same layer.
    #[error(
        "{first} = {first_value} and {second} = {second_value} ({origin}) are two names of one key; set one of them"
    )]
    Conflict {
        /// One name.
        first: String,
        /// Its value.
        first_value: String,
        /// The other name.
        second: String,
        /// Its value.
        second_value: String,
        /// The layer both are in.
        origin: Origin,
    },
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", list(problems))]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Nothing wrong is no error.
    pub(super) fn unless_empty(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    /// Every problem, in the order of the key table.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

fn list(problems: &[Problem]) -> String {
    match problems {
        [one] => format!("bad configuration: {one}"),
        _ => {
            let lines: Vec<_> = problems.iter().map(|problem| format!("\n  {problem}")).collect();
            format!("bad configuration, {} problems:{}", problems.len(), lines.concat())
        }
    }
}

/// A configuration that cannot be used keeps an app from starting.
impl From<ConfigError> for crate::error::Error {
    fn from(error: ConfigError) -> Self {
        Self::new(crate::error::code::INTERNAL, error.to_string()).with_source(error)
    }
}
