//! The names of routes: their derivation and their check.

use heck::{ToLowerCamelCase, ToShoutySnakeCase, ToSnakeCase, ToUpperCamelCase};
use proc_macro2::Span;
use syn::LitStr;

use crate::attr::list;
use crate::errors::Sink;

/// The case of method names on the wire.
#[derive(Clone, Copy, Default)]
pub(crate) enum Rename {
    /// The name of the function.
    #[default]
    Keep,
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
}

const RULES: [(&str, Rename); 6] = [
    ("lowercase", Rename::Lower),
    ("UPPERCASE", Rename::Upper),
    ("PascalCase", Rename::Pascal),
    ("camelCase", Rename::Camel),
    ("snake_case", Rename::Snake),
    ("SCREAMING_SNAKE_CASE", Rename::ScreamingSnake),
];

impl Rename {
    pub(crate) fn parse(text: &LitStr, sink: &Sink<'_>) -> Self {
        let value = text.value();
        if let Some((_, rule)) = RULES.iter().find(|(name, _)| *name == value) {
            return *rule;
        }
        sink.on(
            text,
            format!("unknown case `{value}`: write one of {}", list(RULES.iter().map(|(n, _)| *n), "or")),
        );
        Self::Keep
    }

    pub(crate) fn apply(self, name: &str) -> String {
        match self {
            Self::Keep => name.to_owned(),
            Self::Lower => name.to_upper_camel_case().to_lowercase(),
            Self::Upper => name.to_upper_camel_case().to_uppercase(),
            Self::Pascal => name.to_upper_camel_case(),
            Self::Camel => name.to_lower_camel_case(),
            Self::Snake => name.to_snake_case(),
            Self::ScreamingSnake => name.to_shouty_snake_case(),
        }
    }
}

/// Returns the service of a type or of a contract, without the trailing `Api` of a contract.
pub(crate) fn service_of(name: &str, contract: bool) -> String {
    let name = match name.strip_suffix("Api") {
        Some(short) if contract && !short.is_empty() => short,
        _ => name,
    };
    name.to_snake_case()
}

/// Reports a name that cannot be a part of a route. `what` names the part, as in "a service".
pub(crate) fn check_part(name: &str, what: &str, span: Span, sink: &Sink<'_>) {
    let possible = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if possible {
        return;
    }
    let fix: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect::<String>()
        .trim_matches('_')
        .to_owned();
    let fix = if fix.is_empty() { "join".to_owned() } else { fix };
    sink.at(
        span,
        format!("`{name}` cannot be {what}: write letters, digits and `_` only, such as `\"{fix}\"`"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rename_rules_work_on_words() {
        let all: Vec<_> = RULES.iter().map(|(_, rule)| rule.apply("join_room")).collect();
        assert_eq!(all, ["joinroom", "JOINROOM", "JoinRoom", "joinRoom", "join_room", "JOIN_ROOM"]);
        assert_eq!(Rename::Keep.apply("joinRoom"), "joinRoom");
    }

    #[test]
    fn the_service_of_a_contract_drops_its_api() {
        assert_eq!(service_of("RoomApi", true), "room");
        assert_eq!(service_of("RoomApi", false), "room_api");
        assert_eq!(service_of("Api", true), "api");
    }
}
