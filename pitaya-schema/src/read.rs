//! Reads a schema file.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json::error::Category;

use crate::{Problem, Schema, VERSION};

/// The reason why a text is no schema that this crate can use.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The text is not JSON.
    NotJson(serde_json::Error),
    /// The JSON is not an object with a version under the key `pitaya`.
    NotASchema,
    /// The file has a newer version of the format.
    Newer {
        /// The version of the file.
        version: u64,
    },
    /// A key is unknown or missing, or a value has the wrong type.
    Shape(serde_json::Error),
    /// The parts of the file contradict each other.
    Invalid(Vec<Problem>),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A broken file may have a problem for each of its types.
        const SHOWN: usize = 20;
        match self {
            Self::NotJson(error) => write!(f, "invalid JSON: {error}"),
            Self::NotASchema => f.write_str("not a schema: the file has no version under the key `pitaya`"),
            Self::Newer { version } => write!(
                f,
                "unsupported version {version} of the schema format: this program reads up to {VERSION}; update it"
            ),
            Self::Shape(error) => write!(f, "invalid schema: {error}"),
            Self::Invalid(problems) => {
                f.write_str("invalid schema:")?;
                for problem in problems.iter().take(SHOWN) {
                    write!(f, "\n  {problem}")?;
                }
                match problems.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotJson(error) | Self::Shape(error) => Some(error),
            _ => None,
        }
    }
}

/// The part of the file that every version of the format has.
#[derive(Deserialize)]
struct Head {
    pitaya: Value,
}

impl Schema {
    /// Reads a schema file and checks it.
    ///
    /// # Errors
    /// [`ReadError`], with the place in the text or in the schema.
    pub fn from_json(text: &str) -> Result<Self, ReadError> {
        let head: Head = serde_json::from_str(text).map_err(|error| match error.classify() {
            Category::Data => ReadError::NotASchema,
            Category::Io | Category::Syntax | Category::Eof => ReadError::NotJson(error),
        })?;
        match head.pitaya.as_u64() {
            None | Some(0) => return Err(ReadError::NotASchema),
            Some(version) if version > u64::from(VERSION) => return Err(ReadError::Newer { version }),
            Some(_) => {}
        }
        let schema: Self = serde_json::from_str(text).map_err(ReadError::Shape)?;
        match schema.check() {
            problems if problems.is_empty() => Ok(schema),
            problems => Err(ReadError::Invalid(problems)),
        }
    }
}
