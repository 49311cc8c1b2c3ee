//! The results of loading besides the values.

use std::collections::BTreeMap;

use super::error::Origin;

/// The results of loading besides the values.
#[derive(Clone, Default)]
pub(super) struct Loaded {
    /// The values of keys without effect, as they are shown.
    pub ignored: BTreeMap<&'static str, String>,
    /// The keys that a layer set, with the layer and the value.
    pub set: BTreeMap<&'static str, (Origin, String)>,
    pub notes: Vec<String>,
}
