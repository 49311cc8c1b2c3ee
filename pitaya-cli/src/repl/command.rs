//! The commands of the REPL.

use std::time::Duration;

use crate::client::{Address, duration};

/// The commands with their arguments and a short text, for `help` and completion.
pub(crate) const COMMANDS: &[(&str, &str, &str)] = &[
    ("connect", "[ADDRESS]", "connects, to the last address by default"),
    ("disconnect", "", "closes the connection"),
    ("request", "ROUTE [DATA]", "sends a request and waits for the answer"),
    ("notify", "ROUTE [DATA]", "sends a message without an answer"),
    ("expect", "ROUTE [TIME]", "waits for a push of the route, 5s by default"),
    ("push", "ROUTE TYPE", "names the Protobuf message of a push route"),
    ("sethandshake", "JSON", "sets `sys` and `user` of the next handshake"),
    ("sethandshake", "KEY VALUE", "sets platform, version or buildNumber of the next handshake"),
    ("routes", "", "lists the routes of the schema"),
    ("help", "", "prints this text"),
    ("exit", "", "ends the program"),
];

/// The time for which `expect` waits if the command does not say it.
const EXPECT: Duration = Duration::from_secs(5);

/// A command. Its data is the rest of the line, with spaces and quotes as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Connect(Option<Address>),
    Disconnect,
    Request { route: String, data: Option<String> },
    Notify { route: String, data: Option<String> },
    Expect { route: String, within: Duration },
    Push { route: String, message: String },
    SetHandshake(Setting),
    Routes,
    Help,
    Exit,
}

/// The part of the handshake that a command sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    Platform(String),
    Version(String),
    BuildNumber(String),
    /// JSON with `sys` and `user`.
    Json(String),
}

/// Reads a line. Empty lines and those that begin with `#` are no command.
pub(crate) fn parse(line: &str) -> Result<Option<Command>, String> {
    let (name, rest) = word(line.trim());
    let command = match name {
        "" => return Ok(None),
        _ if name.starts_with('#') => return Ok(None),
        "connect" => Command::Connect(optional(rest).map(str::parse).transpose()?),
        "disconnect" => nothing(name, rest, Command::Disconnect)?,
        "request" => {
            let (route, data) = route_and_data(name, rest)?;
            Command::Request { route, data }
        }
        "notify" => {
            let (route, data) = route_and_data(name, rest)?;
            Command::Notify { route, data }
        }
        "expect" => {
            let (route, within) = route_and_data(name, rest)?;
            Command::Expect { route, within: within.map_or(Ok(EXPECT), |text| duration(&text))? }
        }
        "push" => match word(rest) {
            (route, message) if !message.is_empty() && !message.contains(' ') => {
                Command::Push { route: route.to_owned(), message: message.to_owned() }
            }
            _ => return Err(usage(name)),
        },
        "sethandshake" => Command::SetHandshake(setting(name, rest)?),
        "routes" => nothing(name, rest, Command::Routes)?,
        "help" => nothing(name, rest, Command::Help)?,
        "exit" | "quit" => nothing(name, rest, Command::Exit)?,
        _ => return Err(format!("unknown command `{}`; `help` lists the commands", name.escape_debug())),
    };
    Ok(Some(command))
}

fn setting(name: &str, rest: &str) -> Result<Setting, String> {
    if rest.starts_with('{') {
        return Ok(Setting::Json(rest.to_owned()));
    }
    let (key, value) = word(rest);
    let value = value.to_owned();
    match key {
        _ if value.is_empty() => Err(usage(name)),
        "platform" => Ok(Setting::Platform(value)),
        "version" => Ok(Setting::Version(value)),
        "buildNumber" => Ok(Setting::BuildNumber(value)),
        _ => Err(usage(name)),
    }
}

/// Splits off the first word.
fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn route_and_data(name: &str, rest: &str) -> Result<(String, Option<String>), String> {
    let (route, data) = word(rest);
    if route.is_empty() {
        return Err(usage(name));
    }
    Ok((route.to_owned(), optional(data).map(str::to_owned)))
}

fn nothing(name: &str, rest: &str, command: Command) -> Result<Command, String> {
    if rest.is_empty() { Ok(command) } else { Err(usage(name)) }
}

fn usage(name: &str) -> String {
    let forms = COMMANDS.iter().filter(|(command, ..)| *command == name);
    let forms: Vec<_> = forms.map(|(_, arguments, _)| format!("{name} {arguments}")).collect();
    format!("usage: {}", forms.join(", or ").trim_end())
}

/// Returns the text of `help`.
pub(crate) fn help() -> String {
    let lines = COMMANDS
        .iter()
        .map(|(name, arguments, text)| format!("  {:<26} {text}", format!("{name} {arguments}")));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Command {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn data_keeps_its_spaces_and_quotes() {
        assert_eq!(
            parsed("  request  room.join   {\"name\":  \"a b\"} "),
            Command::Request { route: "room.join".to_owned(), data: Some("{\"name\":  \"a b\"}".to_owned()) }
        );
        assert_eq!(parsed("notify r"), Command::Notify { route: "r".to_owned(), data: None });
    }

    #[test]
    fn every_command_is_parsed() {
        for (name, arguments, _) in COMMANDS {
            let arguments = match *arguments {
                "[ADDRESS]" => "localhost:1",
                "ROUTE [TIME]" => "onX 2s",
                "JSON" => "{}",
                "KEY VALUE" => "platform ios",
                other => other,
            };
            assert!(parse(&format!("{name} {arguments}")).unwrap().is_some(), "{name}");
        }
        assert_eq!(
            parsed("expect onX 2s"),
            Command::Expect { route: "onX".to_owned(), within: Duration::from_secs(2) }
        );
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        for line in ["", "   ", "# request", "#"] {
            assert_eq!(parse(line).unwrap(), None);
        }
    }

    #[test]
    fn wrong_lines_are_refused_with_the_usage() {
        for (line, part) in [
            ("request", "usage: request ROUTE [DATA]"),
            ("exit now", "usage: exit"),
            ("push onX", "usage: push ROUTE TYPE"),
            ("sethandshake colour red", "or sethandshake KEY VALUE"),
            ("sethandshake platform", "usage: sethandshake JSON"),
            ("expect onX soon", "duration"),
            ("expect onX -1s", "negative"),
            ("connect nowhere", "not HOST:PORT"),
            ("rm -rf", "unknown command `rm`"),
            ("\u{1b}[2J", "unknown command `\\u{1b}[2J`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
