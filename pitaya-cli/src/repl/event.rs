//! The events of the REPL, as text and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::Body;

/// Something that happened on the connection, or a command that cannot be done.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Connected {
        address: String,
        serializer: String,
    },
    Answer {
        route: String,
        data: Body,
    },
    Refused {
        route: String,
        code: String,
        text: String,
        metadata: BTreeMap<String, String>,
    },
    Push {
        route: String,
        data: Body,
    },
    /// The connection is over.
    Closed(String),
    /// The command cannot be done.
    Failed(String),
    /// Text for people, such as the help.
    Text(String),
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Style {
    /// One line for each event.
    #[default]
    Line,
    /// JSON bodies are indented.
    Pretty,
    /// One JSON object for each event.
    Json,
}

impl Event {
    /// Returns the text to print, without the last line feed.
    pub(crate) fn text(&self, style: Style) -> String {
        if style == Style::Json {
            return self.json().to_string();
        }
        let body = |data: &Body| match data {
            Body::Json(json) if style == Style::Pretty => indent(json),
            // A line feed in JSON is outside of its texts.
            Body::Json(text) | Body::Other(text) => text.replace(['\r', '\n'], " "),
        };
        match self {
            Self::Connected { address, serializer } => format!("connected {address} ({serializer})"),
            Self::Answer { data, .. } => format!("answer {}", body(data)).trim_end().to_owned(),
            Self::Refused { code, text, metadata, .. } => {
                let metadata =
                    if metadata.is_empty() { String::new() } else { format!(" {}", json!(metadata)) };
                format!("error {}: {}{metadata}", code.escape_debug(), text.escape_debug())
            }
            Self::Push { route, data } => {
                format!("push {} {}", route.escape_debug(), body(data)).trim_end().to_owned()
            }
            Self::Closed(reason) => format!("closed: {}", reason.escape_debug()),
            Self::Failed(why) => format!("failed: {}", why.escape_debug()),
            Self::Text(text) => text.clone(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Connected { address, serializer } => {
                json!({ "event": "connected", "address": address, "serializer": serializer })
            }
            Self::Answer { route, data } => json!({ "event": "answer", "route": route, "data": value(data) }),
            Self::Refused { route, code, text, metadata } => {
                json!({ "event": "error", "route": route, "code": code, "message": text, "metadata": metadata })
            }
            Self::Push { route, data } => json!({ "event": "push", "route": route, "data": value(data) }),
            Self::Closed(reason) => json!({ "event": "closed", "reason": reason }),
            Self::Failed(why) => json!({ "event": "failed", "message": why }),
            Self::Text(text) => json!({ "event": "text", "text": text }),
        }
    }
}

fn value(data: &Body) -> Value {
    match data {
        Body::Json(json) => serde_json::from_str(json).unwrap_or_else(|_| json.clone().into()),
        Body::Other(text) => text.clone().into(),
    }
}

/// Indents valid JSON by two spaces. The order of its keys stays, which a parser would lose.
fn indent(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let mut chars = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(next) = chars.next() {
        match next {
            '"' => {
                out.push('"');
                let mut escaped = false;
                for inner in chars.by_ref() {
                    out.push(inner);
                    match inner {
                        '"' if !escaped => break,
                        _ => escaped = inner == '\\' && !escaped,
                    }
                }
            }
            '{' | '[' => {
                out.push(next);
                while chars.next_if(|space| space.is_ascii_whitespace()).is_some() {}
                if let Some(close) = chars.next_if(|close| matches!(close, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(next);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            space if space.is_ascii_whitespace() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> Event {
        Event::Answer { route: "a.b".to_owned(), data: Body::Json(json.to_owned()) }
    }

    #[test]
    fn pretty_json_keeps_keys_in_order() {
        let event = answer(r#"{"z":[1,{"b": "x,\"{"}],"a":{ },"e":[]}"#);
        let text = event.text(Style::Pretty);
        assert_eq!(
            text,
            "answer {\n  \"z\": [\n    1,\n    {\n      \"b\": \"x,\\\"{\"\n    }\n  ],\n  \"a\": {},\n  \"e\": []\n}"
        );
    }

    #[test]
    fn events_are_one_line() {
        assert_eq!(answer("{\"a\": 1}").text(Style::Line), "answer {\"a\": 1}");
        let refused = Event::Refused {
            route: "a.b".to_owned(),
            code: "E-1".to_owned(),
            text: "two\nlines".to_owned(),
            metadata: BTreeMap::from([("room".to_owned(), "7".to_owned())]),
        };
        assert_eq!(refused.text(Style::Line), "error E-1: two\\nlines {\"room\":\"7\"}");
        let push = Event::Push { route: "onX".to_owned(), data: Body::Other(String::new()) };
        assert_eq!(push.text(Style::Line), "push onX");
        assert_eq!(Event::Closed("kicked".to_owned()).text(Style::Pretty), "closed: kicked");
    }

    #[test]
    fn json_events_have_their_data() {
        let text = answer("{\"a\":1}").text(Style::Json);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value, json!({ "event": "answer", "route": "a.b", "data": { "a": 1 } }));
    }
}
