//! Names in TypeScript: identifiers, property names, and those that are taken.

use std::collections::{BTreeMap, BTreeSet};

use pitaya_schema::{Schema, TypeDef};

use super::GenError;

/// Words that cannot be the name of a type or a constant, and types of the language that the generated file uses.
const RESERVED: &[&str] = &[
    "Pick",
    "Uint8Array",
    "abstract",
    "accessor",
    "any",
    "arguments",
    "as",
    "asserts",
    "async",
    "await",
    "bigint",
    "boolean",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "constructor",
    "continue",
    "debugger",
    "declare",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "from",
    "function",
    "get",
    "global",
    "if",
    "implements",
    "import",
    "in",
    "infer",
    "instanceof",
    "interface",
    "intrinsic",
    "is",
    "keyof",
    "let",
    "module",
    "namespace",
    "never",
    "new",
    "null",
    "number",
    "object",
    "of",
    "out",
    "override",
    "package",
    "pitaya",
    "private",
    "protected",
    "public",
    "readonly",
    "require",
    "return",
    "satisfies",
    "set",
    "static",
    "string",
    "super",
    "switch",
    "symbol",
    "this",
    "throw",
    "true",
    "try",
    "type",
    "typeof",
    "undefined",
    "unique",
    "unknown",
    "using",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// The members of the runtime's client, and what `await` asks an object for.
const CLIENT: &[&str] =
    &["close", "notify", "on", "onAway", "onClosed", "onOpen", "onReset", "request", "state", "then"];

/// The property of a variant that the client does not know.
const UNKNOWN: &str = "$unknown";

/// The names of the declarations of a file.
pub(super) struct Names {
    types: BTreeMap<String, String>,
    /// The exported schema.
    pub(super) root: String,
    /// The interface of the client.
    pub(super) client: String,
    /// The interface of pushes.
    pub(super) pushes: String,
    /// The interface of errors.
    pub(super) errors: String,
}

impl Names {
    /// Chooses the names. Those of types win, and others get `_` until they are free.
    pub(super) fn new(schema: &Schema, root: &str) -> Result<Self, GenError> {
        for (name, def) in &schema.types {
            let parts: Vec<&str> = match def {
                TypeDef::Struct(def) => def.fields.iter().map(|field| field.name.as_str()).collect(),
                TypeDef::Enum(def) => def.values.iter().map(|value| value.name.as_str()).collect(),
                TypeDef::Union(def) => {
                    let fields = def.variants.iter().flat_map(|variant| variant.fields());
                    let variants = def.variants.iter().map(|variant| variant.name.as_str());
                    let own = [def.key.as_str()].into_iter().chain(def.content.as_deref());
                    fields.map(|field| field.name.as_str()).chain(variants).chain(own).collect()
                }
            };
            for part in parts {
                check(part, &format!("type `{name}`"))?;
            }
            if matches!(def, TypeDef::Union(def) if def.key == UNKNOWN) {
                return Err(GenError(format!(
                    "type `{name}`: the runtime uses the key `{UNKNOWN}`: rename it"
                )));
            }
        }
        for name in schema.pushes.keys() {
            check(name, "the pushes")?;
        }
        let mut taken: BTreeSet<String> =
            schema.types.keys().filter(|name| !RESERVED.contains(&name.as_str())).cloned().collect();
        let mut free = |name: String| {
            let mut name = name;
            while RESERVED.contains(&name.as_str()) || !taken.insert(name.clone()) {
                name.push('_');
            }
            name
        };
        let mut types = BTreeMap::new();
        for name in schema.types.keys() {
            let reserved = RESERVED.contains(&name.as_str());
            types.insert(name.clone(), if reserved { free(name.clone()) } else { name.clone() });
        }
        Ok(Self {
            root: free(root.to_owned()),
            client: free(format!("{root}Client")),
            pushes: free(format!("{root}Pushes")),
            errors: free(format!("{root}Errors")),
            types,
        })
    }

    /// Returns the name of a type.
    pub(super) fn of(&self, name: &str) -> &str {
        self.types.get(name).map_or("unknown", String::as_str)
    }
}

/// Refuses the one name that sets the prototype of an object.
pub(super) fn check(name: &str, place: &str) -> Result<(), GenError> {
    if name == "__proto__" {
        return Err(GenError(format!("{place}: `__proto__` cannot be a name in JavaScript: rename it")));
    }
    Ok(())
}

/// Whether a text is an identifier without quotes, of ASCII.
pub(super) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '$'))
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))
}

/// Whether a name is free for a group of handlers.
pub(super) fn is_free_group(name: &str) -> bool {
    !CLIENT.contains(&name)
}

/// Returns the name of a property. Keywords need no quotes there.
pub(super) fn property(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { text(name) }
}

/// Returns a text as a literal.
pub(super) fn text(value: &str) -> String {
    // Line separators are line ends in old engines.
    serde_json::Value::from(value).to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Returns the name in camel case: `late_panic` is `latePanic`.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::new();
    for part in name.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()) {
        let mut chars = part.chars();
        let first = chars.next();
        let first = first.into_iter();
        if out.is_empty() {
            out.extend(first.flat_map(char::to_lowercase));
        } else {
            out.extend(first.flat_map(char::to_uppercase));
        }
        out.extend(chars);
    }
    out
}

/// Returns the name in Pascal case, as an identifier of ASCII.
pub(super) fn pascal(name: &str) -> String {
    let ascii: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let camel = camel(&ascii);
    let mut chars = camel.chars();
    match chars.next() {
        None => "Server".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{camel}"),
        Some(first) => first.to_uppercase().chain(chars).collect(),
    }
}
