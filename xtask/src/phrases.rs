//! `cargo xtask phrases`: refuses phrases that readers have to solve, in Markdown and in the doc comments of Rust files;
//! and names of functions that are too long.
//!
//! Each phrase has a reason and a better wording, which are printed. Code is not looked at: fenced blocks and text between
//! backticks are skipped.

use std::process::{Command, ExitCode};

use crate::{names, root};

/// A phrase that is refused.
struct Phrase {
    /// In lower case. It matches whole words, also across a line break.
    text: &'static str,
    reason: &'static str,
    instead: &'static str,
}

const PHRASES: &[Phrase] = &[
    Phrase { text: "anew", reason: "archaic", instead: "again" },
    Phrase {
        text: "are not there",
        reason: "says not what is wrong",
        instead: "are missing; are unreachable",
    },
    Phrase { text: "at once", reason: "means two things", instead: "immediately; at the same time" },
    Phrase {
        text: "come to their end",
        reason: "a process is not a person",
        instead: "finish; end; are finished",
    },
    Phrase { text: "come to an end", reason: "a process is not a person", instead: "finish; end" },
    Phrase { text: "comes to an end", reason: "a process is not a person", instead: "finishes; ends" },
    Phrase { text: "comes to its end", reason: "a process is not a person", instead: "finishes; ends" },
    Phrase { text: "for ever", reason: "says not how long", instead: "without a limit; permanently" },
    Phrase { text: "gives how", reason: "not the usual verb", instead: "returns how" },
    Phrase { text: "gives what", reason: "not the usual verb", instead: "returns the …" },
    Phrase { text: "gives whether", reason: "not the usual verb", instead: "returns whether" },
    Phrase { text: "goes on", reason: "says not what continues", instead: "continues; keeps serving" },
    Phrase { text: "has heard", reason: "a server is not a person", instead: "has received" },
    Phrase { text: "hears of", reason: "a server is not a person", instead: "receives" },
    Phrase { text: "is told", reason: "hides who sends what", instead: "receives; the server sends it …" },
    Phrase {
        text: "are told", reason: "hides who sends what", instead: "receive; the server sends them …"
    },
    Phrase { text: "is none", reason: "a riddle", instead: "is invalid; is not a …; does not exist" },
    Phrase {
        text: "is no longer there",
        reason: "says not what is wrong",
        instead: "is gone; is removed; is closed",
    },
    Phrase { text: "is not there", reason: "says not what is wrong", instead: "is missing; is unreachable" },
    Phrase {
        text: "is there again",
        reason: "says not what changed",
        instead: "is back; is reachable again",
    },
    Phrase { text: "on and on", reason: "says not how often", instead: "repeatedly" },
    Phrase { text: "taken for gone", reason: "a riddle", instead: "removed; considered lost" },
    Phrase { text: "tells of", reason: "a server is not a person", instead: "announces; reports" },
    Phrase { text: "that is none", reason: "a riddle", instead: "that is invalid; that cannot be decoded" },
    Phrase { text: "that are none", reason: "a riddle", instead: "that are invalid; that cannot be decoded" },
    Phrase { text: "mended", reason: "not the field's word", instead: "fixed; repaired; replaced with …" },
    Phrase { text: "the mending", reason: "not the field's word", instead: "the fix" },
    Phrase { text: "nobody", reason: "hides the actor", instead: "no client; no server; no handler" },
    Phrase { text: "of ours", reason: "relative to the speaker", instead: "of this framework; of the app" },
    Phrase { text: "pass on", reason: "one word for one thing", instead: "forward" },
    Phrase { text: "passed on", reason: "one word for one thing", instead: "forwarded" },
    Phrase { text: "passes on", reason: "one word for one thing", instead: "forwards" },
    Phrase { text: "somebody", reason: "hides the actor", instead: "a client; a server; a caller" },
    Phrase { text: "the original", reason: "unknown to the reader", instead: "Go Pitaya" },
    Phrase { text: "those who", reason: "hides the actor", instead: "clients that; users that" },
    Phrase { text: "what is for", reason: "hides the actor", instead: "the message for; the request for" },
    Phrase { text: "whoever", reason: "hides the actor", instead: "the client that; the caller" },
];

/// Markdown that is not checked yet: it is generated from Rust sources.
const EXEMPT_MARKDOWN: &[&str] = &["docs/configuration.md"];

/// Checks all files that git knows.
pub(crate) fn main() -> ExitCode {
    match check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The step of `cargo xtask test`.
pub(crate) fn check() -> Result<(), String> {
    let mut found = Vec::new();
    let mut long = Vec::new();
    for file in files()? {
        let text = std::fs::read_to_string(root().join(&file)).map_err(|error| format!("{file}: {error}"))?;
        if file.ends_with(".rs") {
            long.extend(
                names::too_long(&text).into_iter().map(|(line, name)| format!("{file}:{line}: {name}")),
            );
        }
        if EXEMPT_MARKDOWN.contains(&file.as_str()) {
            continue;
        }
        let prose = match file.ends_with(".rs") {
            true => doc_comments(&text),
            false => markdown(&text),
        };
        found.extend(findings(&prose).into_iter().map(|(line, finding)| format!("{file}:{line}: {finding}")));
    }
    match found.is_empty() && long.is_empty() {
        true => Ok(()),
        false => {
            let lines = [long.as_slice(), found.as_slice()].concat().join("\n");
            Err(format!("{lines}\n{} phrases to reword, {} names to shorten", found.len(), long.len()))
        }
    }
}

/// The Markdown and Rust files of the repository.
fn files() -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md", "*.rs"]).current_dir(root());
    let output = git.output().map_err(|error| format!("git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files ended with {}", output.status));
    }
    let list = String::from_utf8_lossy(&output.stdout);
    Ok(list.lines().filter(|file| root().join(file).is_file()).map(str::to_owned).collect())
}

/// A line of prose with its number, counted from 1.
type Line = (usize, String);

/// The prose of a Markdown text, without its code. An empty line separates sentences that have nothing to do with each other.
fn markdown(text: &str) -> Vec<Line> {
    prose(text.lines().enumerate().map(|(at, line)| (at + 1, line)))
}

/// The prose of the doc comments of a Rust file. Other lines separate them.
fn doc_comments(text: &str) -> Vec<Line> {
    prose(text.lines().enumerate().map(|(at, line)| {
        let line = line.trim_start();
        let comment = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        (at + 1, comment.unwrap_or_default())
    }))
}

fn prose<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Line> {
    let mut fenced = false;
    let mut prose = Vec::new();
    for (number, line) in lines {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        let code = fenced || fence;
        prose.push((number, if code { String::new() } else { without_code(line) }));
    }
    prose
}

/// A line without what is between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("`")
}

/// Returns the findings in a text: the line where each begins, and how to reword it.
fn findings(lines: &[Line]) -> Vec<(usize, String)> {
    // All words with their lines, so that a phrase is found across a line break. An empty line is a word of its own.
    let mut words: Vec<(usize, String)> = Vec::new();
    for (number, line) in lines {
        if line.trim().is_empty() {
            words.push((*number, String::new()));
        }
        for word in line
            .split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '-'))
            .filter(|word| !word.is_empty())
        {
            words.push((*number, word.trim_end_matches("'s").to_lowercase()));
        }
    }
    let mut found = Vec::new();
    for at in 0..words.len() {
        for phrase in PHRASES {
            let parts = phrase.text.split(' ');
            let here = words[at..].iter().map(|(_, word)| word.as_str());
            if parts.clone().count() <= words.len() - at && parts.zip(here).all(|(part, word)| part == word) {
                let Phrase { text, reason, instead } = phrase;
                found.push((words[at].0, format!("`{text}` ({reason}). Write: {instead}")));
            }
        }
    }
    found.extend(headless(lines).into_iter().map(|line| {
        (
            line,
            "a sentence that begins with `What` and is no question. Write: a subject and an active verb"
                .to_owned(),
        )
    }));
    found.sort();
    found
}

/// The lines of sentences that begin with "What" and do not end with a question mark.
fn headless(lines: &[Line]) -> Vec<usize> {
    let mut found = Vec::new();
    // The line of a sentence that begins so, until its end is known.
    let mut open = None;
    let mut begins = true;
    for (number, line) in lines {
        if line.starts_with('#') {
            // A heading: "What is measured" is a common one.
            found.extend(open.take());
            begins = true;
            continue;
        }
        let text = line.trim_start_matches(|c: char| c.is_whitespace() || "#*->|".contains(c));
        if text.is_empty() || text.len() < line.trim_start().len() {
            // A paragraph, an item of a list or a row of a table begins: the sentence before has ended.
            found.extend(open.take());
            begins = true;
        }
        for word in text.split_whitespace() {
            let word = word.trim_matches(['*', '(', ')', '"', '|']);
            if begins && word == "What" {
                open = Some(*number);
            }
            begins = word.ends_with(['.', '!', '?', ':']);
            if begins {
                found.extend(open.take().filter(|_| !word.ends_with('?')));
            }
        }
    }
    found.extend(open);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(found: Vec<(usize, String)>) -> Vec<usize> {
        found.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn phrases_are_found_outside_of_code() {
        let text = "\
Nobody waits.
It happens at
once, unlike `at once`.

```text
at once
```
It is at

once.";
        assert_eq!(lines_of(findings(&markdown(text))), [1, 2]);
    }

    #[test]
    fn a_sentence_that_begins_with_what_is_a_question() {
        let text = "\
What is lost is lost. What is it?
Why? What
happens next.

# What a heading says

- What next?
- What an item";
        assert_eq!(lines_of(findings(&markdown(text))), [1, 2, 8]);
    }

    #[test]
    fn only_doc_comments_of_rust_files_are_prose() {
        let text =
            ["//! Done anew.", "// anew", "let anew = 1;", "    /// The", "    /// original."].join("\n");
        assert_eq!(lines_of(findings(&doc_comments(&text))), [1, 4]);
    }

    #[test]
    fn every_exempted_path_exists() {
        for path in EXEMPT_MARKDOWN {
            assert!(root().join(path).exists(), "{path} is gone: remove it from the list");
        }
    }
}
