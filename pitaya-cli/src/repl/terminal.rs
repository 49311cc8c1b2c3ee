//! The terminal: line editing, history, completion.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, ExternalPrinter, Helper};

use super::complete::complete;
use super::input::Input;
use super::session::Sink;
use super::{Known, event};

const PROMPT: &str = "pitaya> ";
/// The variable with the path of the history, as in Go Pitaya.
const HISTORY: &str = "PITAYACLI_HISTORY_PATH";

/// Opens the terminal. Returns its lines, and the sink that prints while a line is edited.
pub(crate) fn open(style: event::Style, known: Known) -> Result<(Input, Sink), String> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    let mut editor = Editor::<Assistant, FileHistory>::with_config(config).map_err(|e| e.to_string())?;
    editor.set_helper(Some(Assistant(known)));
    let history = history_path();
    if let Some(path) = &history {
        match editor.load_history(path) {
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => eprintln!("pitaya: the history {}: {error}", path.display()),
            Ok(()) => {}
        }
    }
    let mut printer = editor.create_external_printer().map_err(|error| error.to_string())?;
    let sink: Sink = Box::new(move |event| {
        // A line without a line feed would stay in the terminal's buffer.
        printer.print(format!("{}\n", event.text(style))).map_err(io::Error::other)
    });
    let input = Input::start(move || {
        let line = match editor.readline(PROMPT) {
            Ok(line) => Some(Ok(line)),
            // Ctrl-C clears the line.
            Err(ReadlineError::Interrupted) => Some(Ok(String::new())),
            Err(ReadlineError::Eof) => None,
            Err(error) => Some(Err(io::Error::other(error))),
        };
        if let Some(path) = &history
            && let Err(error) = editor.append_history(path)
        {
            eprintln!("pitaya: the history {}: {error}", path.display());
        }
        line
    });
    Ok((input, sink))
}

fn history_path() -> Option<PathBuf> {
    match std::env::var_os(HISTORY) {
        Some(path) if !path.is_empty() => Some(path.into()),
        _ => Some(std::env::home_dir()?.join(".pitayacli_history")),
    }
}

/// Completes lines by the known routes.
struct Assistant(Known);

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _ctx: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let known = self.0.read().map(|known| Arc::clone(&known)).unwrap_or_default();
        let (start, words) = complete(line.get(..pos).unwrap_or_default(), &known);
        let pair = |word: String| Pair { display: word.trim_end().to_owned(), replacement: word };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

impl Hinter for Assistant {
    type Hint = String;
}
impl Highlighter for Assistant {}
impl Validator for Assistant {}
impl Helper for Assistant {}
