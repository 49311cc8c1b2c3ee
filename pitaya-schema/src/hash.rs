//! The canonical form of a schema, and its hashes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::{Field, Schema, Type, TypeDef, VariantBody};

impl Schema {
    /// Returns the part that clients use: handlers, pushes, the types that they reach, and errors.
    #[must_use]
    pub fn client_part(&self) -> Self {
        let methods = self.handlers.values().flat_map(|method| method.message.iter().chain(&method.reply));
        let reached = self.reached(methods.chain(self.pushes.values().map(|push| &push.message)));
        let types = self.types.iter().filter(|(name, _)| reached.contains(name.as_str()));
        Self {
            name: self.name.clone(),
            types: types.map(|(name, def)| (name.clone(), def.clone())).collect(),
            handlers: self.handlers.clone(),
            pushes: self.pushes.clone(),
            errors: self.errors.clone(),
            ..Self::default()
        }
    }

    /// Returns the names of the types that `roots` contain, with those of their fields. Types may nest in themselves.
    pub fn reached<'a>(&'a self, roots: impl IntoIterator<Item = &'a Type>) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&str> = Vec::new();
        for root in roots {
            root.for_each_name(&mut |name| left.push(name));
        }
        while let Some(name) = left.pop() {
            if !reached.insert(name) {
                continue;
            }
            for ty in self.types.get(name).into_iter().flat_map(TypeDef::types) {
                ty.for_each_name(&mut |name| left.push(name));
            }
        }
        reached
    }

    /// Returns the text that is hashed: compact JSON without name and docs, with sorted fields.
    pub fn canonical(&self) -> String {
        let mut schema = self.clone();
        schema.name.clear();
        for def in schema.types.values_mut() {
            match def {
                TypeDef::Struct(def) => {
                    def.doc.clear();
                    canonical_fields(&mut def.fields);
                }
                // The order of values stays, because the first one is the default.
                TypeDef::Enum(def) => {
                    def.doc.clear();
                    def.values.iter_mut().for_each(|value| value.doc.clear());
                }
                // As in an enum, the first variant is the default.
                TypeDef::Union(def) => {
                    def.doc.clear();
                    for variant in &mut def.variants {
                        variant.doc.clear();
                        if let VariantBody::Fields(fields) = &mut variant.body {
                            canonical_fields(fields);
                        }
                    }
                }
            }
        }
        for method in schema.handlers.values_mut().chain(schema.remotes.values_mut()) {
            method.doc.clear();
            method.errors.iter_mut().for_each(|codes| codes.sort());
        }
        schema.pushes.values_mut().for_each(|push| push.doc.clear());
        for error in schema.errors.values_mut() {
            error.doc.clear();
            error.metadata.sort();
        }
        // As for `to_json`: there is nothing in it that serde_json cannot write.
        serde_json::to_string(&schema).unwrap_or_default()
    }

    /// Returns the SHA-256 of [`canonical`](Self::canonical), as 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in hmac_sha256::Hash::hash(self.canonical().as_bytes()) {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// Returns the hash of [`client_part`](Self::client_part), which generated clients carry.
    pub fn client_hash(&self) -> String {
        self.client_part().hash()
    }
}

/// Clears the docs of fields and sorts them, because their order has no meaning.
fn canonical_fields(fields: &mut [Field]) {
    fields.iter_mut().for_each(|field| field.doc.clear());
    fields.sort_by(|a, b| a.name.cmp(&b.name));
}
