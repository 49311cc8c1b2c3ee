//! Completion of commands, routes and fields.

use pitaya_schema::Schema;

use super::command::COMMANDS;

/// Returns where the word at the end of `line` begins, and the words that may take its place.
pub(crate) fn complete(line: &str, schema: &Schema) -> (usize, Vec<String>) {
    let start = line.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let word = &line[start..];
    let before: Vec<&str> = line[..start].split_whitespace().collect();
    let candidates: Vec<String> = match before[..] {
        [] => {
            let mut names: Vec<_> = COMMANDS.iter().map(|(name, ..)| format!("{name} ")).collect();
            names.dedup();
            names
        }
        ["request"] => {
            routes(schema.handlers.iter().filter(|(_, method)| !method.notify).map(|(route, _)| route))
        }
        ["notify"] => routes(schema.handlers.keys()),
        ["expect" | "push"] => routes(schema.pushes.keys()),
        ["sethandshake"] => ["platform ", "version ", "buildNumber "].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    };
    (start, candidates.into_iter().filter(|candidate| candidate.starts_with(word)).collect())
}

fn routes<'a>(routes: impl Iterator<Item = &'a String>) -> Vec<String> {
    routes.map(|route| format!("{route} ")).collect()
}
