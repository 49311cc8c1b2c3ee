//! Which types clients send and receive.

use std::collections::BTreeSet;

use pitaya_schema::{Schema, Type};

/// The names of the types that clients use.
pub(super) struct Reach<'a> {
    /// Types of messages, and of what is in them.
    pub(super) sent: BTreeSet<&'a str>,
    /// Types of replies and pushes, and of what is in them.
    pub(super) received: BTreeSet<&'a str>,
}

impl<'a> Reach<'a> {
    pub(super) fn of(schema: &'a Schema) -> Self {
        let handlers = schema.handlers.values();
        Self {
            sent: reach(schema, handlers.clone().filter_map(|method| method.message.as_ref())),
            received: reach(
                schema,
                handlers
                    .filter_map(|method| method.reply.as_ref())
                    .chain(schema.pushes.values().map(|push| &push.message)),
            ),
        }
    }
}

/// Returns the names in types, and in the types of those names. It takes a list and no recursion, because a schema may
/// be a chain of any length.
fn reach<'a>(schema: &'a Schema, from: impl Iterator<Item = &'a Type>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&Type> = from.collect();
    while let Some(ty) = open.pop() {
        ty.for_each_name(&mut |name| {
            if found.insert(name)
                && let Some(def) = schema.types.get(name)
            {
                open.extend(def.types());
            }
        });
    }
    found
}
