//! The checks before anything of an app is built.

use super::{Builder, invalid};
use crate::error::Result;

/// Reports the mistakes that can be found before anything is built.
pub(super) fn check(builder: &mut Builder) -> Result<()> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(invalid(
            "no Tokio runtime: start the app in an async fn under `#[tokio::main]`, or in `Runtime::block_on`".to_owned(),
        ));
    }
    let mut problems = std::mem::take(&mut builder.problems);
    if let Err(error) = builder.config.validate() {
        problems.push(error.to_string());
    }
    for note in builder.config.notes() {
        tracing::warn!("configuration: {note}");
    }
    let name = &builder.server_type;
    if name.is_empty() || name.contains(['.', '/', '*', '>']) || name.contains(char::is_whitespace) {
        problems.push(format!(
            "server type `{name}`: give the app one with `.server_type(\"…\")`, of letters, digits, `-` and `_`"
        ));
    }
    match (builder.frontend, builder.acceptors.is_empty()) {
        (Some(false), false) => problems.push("a backend has no acceptors: clients connect to frontends".to_owned()),
        (None | Some(true), true) => problems.push(
            "a frontend needs an acceptor: add `.acceptor(Tcp::new(\"0.0.0.0:3250\"))`, or make it a backend with `.backend()`"
                .to_owned(),
        ),
        _ => {}
    }
    if problems.is_empty() { Ok(()) } else { Err(invalid(problems.join("\n"))) }
}
