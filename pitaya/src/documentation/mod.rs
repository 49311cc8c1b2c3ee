//! The documentation of an app's routes, as clients of Go Pitaya read it (`docs/protocol.md`, "Documentation").
//!
//! [`App::documentation`](crate::App::documentation) describes the messages of all handlers and remotes.
//! [`App::descriptor`](crate::App::descriptor) returns the Protobuf file of a message. [`DocsRoutes`] serves both to
//! clients, such as the command line of Go Pitaya: `pitaya repl --docs connector.docs.documentation`.
//!
//! | part | job |
//! |---|---|
//! | `describe` | describes messages as JSON |
//! | `descriptor` | the Protobuf messages of a file descriptor |
//! | `documents` | the documents of an app, made once |
//! | `file` | makes the file of the app's messages |
//! | `framework` | the messages of the framework, and their files |
//! | `routes` | the handlers |

mod describe;
mod descriptor;
mod documents;
mod file;
mod framework;
mod routes;

pub(crate) use documents::Documents;
pub use routes::DocsRoutes;
pub(crate) use routes::block;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::app::{App, RouteInfo};
use crate::error::{Error, Result, code, text};
use describe::Describer;

impl App {
    /// Describes the messages of all handlers and remotes of this app, as Go Pitaya does.
    ///
    /// The result is `{"handlers": {route: method}, "remotes": {route: method}}`. A method is
    /// `{"input": type, "output": [type, "error"]}`; a notify-only one has no output. A message is an object of its
    /// fields, and other types have the names of Go. With `names` a message is in an object whose key is its full
    /// Protobuf name, after a `*` if it has a Protobuf form. A message inside itself is only its name. A description is
    /// cut off after 10 000 types.
    ///
    /// Empty once the app has stopped.
    #[must_use]
    pub fn documentation(&self, names: bool) -> Value {
        let package = self.proto_package();
        let mut describer = Describer::new(package, names);
        let handlers = methods(&mut describer, &self.handlers());
        let mut describer = Describer::new(package, names);
        let mut remotes = methods(&mut describer, &self.remotes());
        if self.servers().is_some() {
            for (name, input, output) in framework::SYS_REMOTES {
                let route = format!("{}.sys.{name}", self.server_type());
                let mut describer = Describer::new(package, names);
                let (input, output) = (describer.message(input), describer.message(output));
                remotes.insert(route, json!({ "input": input, "output": [output, "error"] }));
            }
        }
        json!({ "handlers": object(handlers), "remotes": object(remotes) })
    }

    /// Returns the Protobuf file of a message, as a `FileDescriptorProto` compressed by gzip.
    ///
    /// The name is the full name of a message of this app or of the framework (`protos.Session`), or the name of a file
    /// (`session.proto`). The messages of this app are in one file without imports, `<server type>/messages.proto`, in the
    /// package of [`Builder::proto_package`](crate::app::Builder::proto_package).
    ///
    /// # Errors
    /// `PIT-000`, `failed to get protobuf message descriptor`: the name is unknown, or the file cannot be made, because
    /// two messages have one name. Only the log shows the reason.
    pub fn descriptor(&self, name: &str) -> Result<Bytes> {
        Ok(self.descriptors(&[name])?.remove(0))
    }

    /// Returns the Protobuf files of several messages, in the order of their names.
    ///
    /// # Errors
    /// As [`descriptor`](Self::descriptor), if one name is unknown.
    pub fn descriptors<N: AsRef<str>>(&self, names: &[N]) -> Result<Vec<Bytes>> {
        let documents = Documents::of(self);
        let file = |name: &N| documents.file(name.as_ref());
        let files: std::result::Result<_, _> = names.iter().map(file).collect();
        files.map_err(|why| Error::new(code::UNKNOWN, text::PROTO_DESCRIPTOR).with_source(why))
    }
}

fn methods(describer: &mut Describer<'_>, routes: &[RouteInfo]) -> BTreeMap<String, Value> {
    let method = |route: &RouteInfo| {
        let input = route.message.map_or(Value::Null, |schema| describer.message(schema));
        let output = route.reply.map(|schema| vec![describer.message(schema), "error".into()]);
        (route.route.clone(), json!({ "input": input, "output": output.unwrap_or_default() }))
    };
    routes.iter().map(method).collect()
}

/// Keeps the order of the keys, whatever map `serde_json` has.
fn object(entries: BTreeMap<String, Value>) -> Value {
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}
