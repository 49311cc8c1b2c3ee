//! Completion of commands, routes and fields.

use pitaya_schema::{Schema, Type};

use super::command::COMMANDS;
use crate::client::{Shape, find};

/// Returns where the word at the end of `line` begins, and the words that may take its place.
pub(crate) fn complete(line: &str, schema: &Schema) -> (usize, Vec<String>) {
    if let Some((route, data)) = data(line) {
        let message = find(schema, route).and_then(|method| method.message.as_ref());
        let (start, fields) = complete_data(&line[data..], message, schema);
        return (data + start, fields);
    }
    let start = line.char_indices().rfind(|(_, c)| c.is_whitespace()).map_or(0, |(at, c)| at + c.len_utf8());
    let word = &line[start..];
    let before: Vec<&str> = line[..start].split_whitespace().collect();
    let candidates: Vec<String> = match before[..] {
        [] => {
            let mut names: Vec<_> = COMMANDS.iter().map(|(name, ..)| *name).collect();
            names.dedup();
            names.into_iter().map(str::to_owned).collect()
        }
        ["request"] => {
            let requests = schema.handlers.iter().filter(|(_, method)| !method.notify);
            requests.map(|(route, _)| route.clone()).collect()
        }
        ["notify"] => schema.handlers.keys().cloned().collect(),
        ["expect" | "push"] => schema.pushes.keys().cloned().collect(),
        ["sethandshake"] => ["platform", "version", "buildNumber"].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    let fitting = candidates.into_iter().filter(|candidate| candidate.starts_with(word));
    (start, fitting.map(|candidate| candidate + " ").collect())
}

/// Returns the route of a request or notify, and where its data begins.
fn data(line: &str) -> Option<(&str, usize)> {
    let (command, rest) = line.trim_start().split_once(char::is_whitespace)?;
    let (route, data) = rest.trim_start().split_once(char::is_whitespace)?;
    let is_call = matches!(command, "request" | "notify");
    is_call.then(|| (route, line.len() - data.trim_start().len()))
}

/// An object or a list that is not closed.
struct Open<'a> {
    shape: Option<Shape<'a>>,
    object: bool,
    /// The names of the object's fields so far, with their values that are texts.
    fields: Vec<(String, Option<String>)>,
    /// The elements of a list before this one.
    before: usize,
    /// Whether the value of the last field has not ended.
    value: bool,
}

/// Completes the name of a field in JSON that is not complete.
fn complete_data(json: &str, message: Option<&Type>, schema: &Schema) -> (usize, Vec<String>) {
    if json.is_empty() {
        let open = message.is_some_and(|ty| matches!(ty, Type::Named(_)));
        return (0, if open { vec!["{".to_owned()] } else { Vec::new() });
    }
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut chars = json.char_indices();
    while let Some((at, next)) = chars.next() {
        match next {
            '{' | '[' => {
                let shape = match open.last() {
                    None => message.map(Shape::Type),
                    Some(outer) => outer.inner(schema),
                };
                open.push(Open { shape, object: next == '{', fields: Vec::new(), before: 0, value: false });
            }
            '}' | ']' => {
                open.pop();
            }
            ',' => {
                if let Some(last) = open.last_mut() {
                    last.value = false;
                    last.before += 1;
                }
            }
            ':' => {
                if let Some(last) = open.last_mut() {
                    last.value = true;
                }
            }
            '"' => {
                let mut text = String::new();
                let mut closed = false;
                while let Some((_, inner)) = chars.next() {
                    match inner {
                        '"' => {
                            closed = true;
                            break;
                        }
                        '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                        other => text.push(other),
                    }
                }
                match open.last_mut() {
                    Some(last) if last.object && !last.value && closed => last.fields.push((text, None)),
                    Some(last) if last.object && !last.value => return (at, last.names(&text, schema)),
                    Some(last) if last.object && closed => {
                        if let Some((_, value)) = last.fields.last_mut() {
                            *value = Some(text);
                        }
                    }
                    Some(last) if last.object => return (at, last.texts(&text, schema)),
                    _ if closed => {}
                    _ => return (json.len(), Vec::new()),
                }
            }
            _ => {}
        }
    }
    match open.last() {
        Some(last) if last.object && !last.value && json.ends_with(['{', ',', ' ']) => {
            (json.len(), last.names("", schema))
        }
        _ => (json.len(), Vec::new()),
    }
}

impl<'a> Open<'a> {
    fn text(&self, member: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(name, _)| name == member)?;
        value.as_deref()
    }

    /// Returns the shape of what begins inside.
    fn inner(&self, schema: &'a Schema) -> Option<Shape<'a>> {
        if !self.object {
            return self.shape?.element(self.before);
        }
        let (name, _) = self.fields.last()?;
        self.shape?.member(schema, name, |member| self.text(member))
    }

    /// Returns the fields that the object does not have yet, as text of JSON.
    fn names(&self, prefix: &str, schema: &Schema) -> Vec<String> {
        let names = self.shape.map(|shape| shape.names(schema, |member| self.text(member)));
        let is_new = |name: &str| !self.fields.iter().any(|(other, _)| other == name);
        let names = names.into_iter().flatten().filter(|name| name.starts_with(prefix) && is_new(name));
        names.map(|name| format!("\"{name}\": ")).collect()
    }

    /// Returns the texts that the value of the last field may be, as text of JSON.
    fn texts(&self, prefix: &str, schema: &Schema) -> Vec<String> {
        let (Some(shape), Some((name, _))) = (self.shape, self.fields.last()) else { return Vec::new() };
        let texts = shape.texts(schema, name).into_iter().filter(|text| text.starts_with(prefix));
        texts.map(|text| format!("\"{text}\"")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{ "pitaya": 1, "types": {
        "Join": { "fields": [ { "name": "name", "type": "string" }, { "name": "next", "type": { "opt": "Join" } },
                              { "name": "all", "type": { "list": "Join" } } ] } },
        "handlers": { "a.room.join": { "message": "Join" }, "a.room.say": { "message": "Join", "notify": true },
                      "b.raw.put": { "message": "bytes" } },
        "pushes": { "onSaid": { "message": "Join" } } }"#;

    fn completed(line: &str) -> (usize, Vec<String>) {
        complete(line, &Schema::from_json(SCHEMA).unwrap())
    }

    fn words(line: &str) -> Vec<String> {
        completed(line).1
    }

    #[test]
    fn commands_and_routes_are_completed() {
        assert_eq!(completed("re"), (0, vec!["request ".to_owned()]));
        assert_eq!(completed("request a."), (8, vec!["a.room.join ".to_owned()]));
        assert_eq!(words("notify a.room."), ["a.room.join ", "a.room.say "]);
        assert_eq!(words("expect "), ["onSaid "]);
        assert_eq!(words("sethandshake v"), ["version "]);
        assert!(words("bogus ").is_empty() && words("connect x").is_empty());
        assert_eq!(words("").len(), 10);
    }

    #[test]
    fn fields_are_completed_by_their_place() {
        assert_eq!(completed("request room.join "), (18, vec!["{".to_owned()]));
        assert_eq!(words("request room.join {"), ["\"name\": ", "\"next\": ", "\"all\": "]);
        assert_eq!(completed("request room.join {\"na"), (19, vec!["\"name\": ".to_owned()]));
        assert_eq!(words("request room.join {\"name\": \"n, {\", "), ["\"next\": ", "\"all\": "]);
        assert_eq!(words("request room.join {\"next\": {\"name\": 1, \"n"), ["\"next\": "]);
        assert_eq!(words("request room.join {\"all\": [{\"a"), ["\"all\": "]);
        assert_eq!(words("request room.join {\"all\": [{}], \"na"), ["\"name\": "]);
    }

    #[test]
    fn variants_and_their_fields_are_completed() {
        let shapes = include_str!("../../../pitaya-schema/tests/fixtures/shapes.json");
        let schema = Schema::from_json(shapes).unwrap();
        let words = |line: &str| complete(&format!("request match.{line}"), &schema).1;
        assert_eq!(words("input {"), ["\"type\": "]);
        assert_eq!(words("input {\"type\": \"S"), ["\"Say\"", "\"Score\"", "\"Stop\""]);
        assert_eq!(words("input {\"type\": \"Say\", "), ["\"data\": "]);
        assert_eq!(words("input {\"type\": \"Say\", \"data\": {\""), ["\"text\": ", "\"after\": "]);
        assert_eq!(words("draw {\"shape\": {\"kind\": \"circle\", \"r"), ["\"radius\": "]);
        assert!(words("input {\"type\": \"Jump\", \"d").is_empty());
        assert!(words("input {\"type\": \"Say\", \"data\": {\"text\": \"").is_empty());
        assert!(words("maybe [\"").is_empty());
    }

    #[test]
    fn nothing_is_completed_where_nothing_is_known() {
        for line in [
            "request room.join {\"name\": \"n",
            "request room.join {\"name\": ",
            "request room.join {\"bogus\": {\"",
            "request room.join [\"",
            "request raw.put ",
            "request unknown {",
            "request room.join }}{",
            "request ä\u{a0}ö {\"\\",
            "request room.join {\"é\u{1f600}\\",
        ] {
            let (start, words) = completed(line);
            assert!(words.is_empty() || line.ends_with('{'), "{line}: {words:?}");
            assert!(line.is_char_boundary(start), "{line}");
        }
    }
}
