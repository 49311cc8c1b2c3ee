//! `pitaya repl`: an interactive client, and one for scripts.

mod command;
mod complete;
mod event;
mod handshake;
mod input;
mod session;
mod terminal;

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use clap::Args;
use pitaya_schema::Schema;

use crate::client::{Address, Contract, TlsArgs, duration};
use crate::commands::{Done, read_schema};
use event::Style;
use input::Input;
use session::{Outcome, Session, Sink};

/// The schema that completion uses.
type Known = Arc<RwLock<Arc<Schema>>>;

/// The exit code if a command failed.
const FAILED: u8 = 1;

pub(crate) const EXAMPLES: &str = "\
In a terminal, `help` lists the commands, and Tab completes commands, routes and fields. The history is in the file that
PITAYACLI_HISTORY_PATH names, or ~/.pitayacli_history.

Without a terminal the commands come from the standard input or a file, one a line, and the program ends at the first
one that fails. Exit codes: 0 every command was done and every request answered, 1 one failed, 2 unusable input.

Examples:
  pitaya repl localhost:3250
  pitaya repl ws://localhost:3250 --schema schema.json --pretty
  pitaya repl localhost:3250 --docs connector.docs.documentation
  pitaya repl wss://game.example --user '{\"token\": \"x\"}'
  echo 'request room.room.join {\"name\": \"ann\"}' | pitaya repl localhost:3250 --json
  pitaya repl localhost:3250 -f smoke.txt";

#[derive(Args)]
pub(crate) struct Repl {
    /// The server: HOST:PORT, tls://HOST:PORT, ws://HOST:PORT/PATH or wss://HOST:PORT/PATH
    address: Option<Address>,
    /// A file with commands to run, as the standard input has them
    #[arg(short, long = "filename", value_name = "FILE")]
    file: Option<String>,
    /// The schema of the server, for completion, and to check and convert data
    #[arg(short, long, value_name = "FILE")]
    schema: Option<String>,
    /// The route of the server's documentation, in place of a schema
    #[arg(short, long, value_name = "ROUTE", conflicts_with = "schema")]
    docs: Option<String>,
    /// Indents JSON
    #[arg(short, long, conflicts_with = "json")]
    pretty: bool,
    /// Prints each event as a JSON object on one line
    #[arg(long)]
    json: bool,
    /// The user data of the handshake
    #[arg(short, long, value_name = "JSON")]
    user: Option<String>,
    /// The time limit for connecting and for each answer
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    timeout: Duration,
    /// Runs the next commands of a file or a pipe after one that failed
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

impl Repl {
    pub(crate) fn run(self) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let done = runtime.block_on(self.serve());
        // The thread that reads the input may be blocked for longer than the program runs.
        runtime.shutdown_background();
        done
    }

    async fn serve(self) -> Done {
        let style = match (self.json, self.pretty) {
            (true, _) => Style::Json,
            (_, true) => Style::Pretty,
            _ => Style::Line,
        };
        let schema = self.schema.as_deref().map(read_schema).transpose()?.unwrap_or_default();
        let known: Known = Arc::new(RwLock::new(Arc::new(schema.clone())));
        let interactive = self.file.is_none() && io::stdin().is_terminal() && io::stdout().is_terminal();
        let (mut input, sink) = match &self.file {
            _ if interactive => terminal::open(style, Arc::clone(&known))?,
            Some(path) => {
                let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
                (Input::of_reader(BufReader::new(file)), plain(style))
            }
            None => (Input::of_reader(BufReader::new(io::stdin())), plain(style)),
        };
        let contract = Contract::of_schema(schema)?;
        let mut session = Session::new(self.tls, self.timeout, contract, known, sink);
        session.ask_docs(self.docs);
        if let Some(user) = &self.user {
            session.handshake.set_user(user)?;
        }
        let first = self.address.map(|address| command::Command::Connect(Some(address)));
        let stop_at_failure = !interactive && !self.keep_going;
        let ran = run(&mut session, &mut input, first, stop_at_failure, interactive).await;
        session.close().await;
        match ran {
            Ok(failed) if failed && !interactive => Ok(ExitCode::from(FAILED)),
            Ok(_) => Ok(ExitCode::SUCCESS),
            // The reader of a pipe may need no more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::from(FAILED)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Runs the lines until the end. Returns whether one failed.
async fn run(
    session: &mut Session,
    input: &mut Input,
    first: Option<command::Command>,
    stop_at_failure: bool,
    interactive: bool,
) -> io::Result<bool> {
    let mut failed = false;
    let mut first = first;
    loop {
        let (command, from_input) = match first.take() {
            Some(command) => (Ok(Some(command)), false),
            None => {
                let line = tokio::select! {
                    line = input.next() => line,
                    watched = session.watch() => return watched.map(|()| failed),
                };
                let Some(line) = line else { return Ok(failed) };
                (command::parse(&line?), true)
            }
        };
        let outcome = match command {
            Ok(None) => Outcome::Done,
            Err(why) => session.fail(why)?,
            Ok(Some(command)) if interactive => tokio::select! {
                outcome = session.run(command) => outcome?,
                _ = tokio::signal::ctrl_c() => Outcome::Failed,
            },
            Ok(Some(command)) => session.run(command).await?,
        };
        match outcome {
            Outcome::Done => {}
            Outcome::Exit => return Ok(failed),
            Outcome::Failed => {
                failed = true;
                if stop_at_failure {
                    return Ok(true);
                }
            }
        }
        if from_input {
            input.done();
        }
    }
}

/// Prints to the standard output, line by line.
fn plain(style: Style) -> Sink {
    Box::new(move |event| {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", event.text(style))?;
        out.flush()
    })
}
