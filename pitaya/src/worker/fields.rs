//! The fields of a job, as JSON.

use serde_json::{Map, Value};

/// The fields of a job.
pub(crate) type Fields = Map<String, Value>;

/// Returns the integer that Go reads from a JSON value: a number without a fraction.
pub(crate) fn integer(value: &Value) -> Option<i64> {
    value.as_i64()
}
