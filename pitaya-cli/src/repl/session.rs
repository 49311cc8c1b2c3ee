//! The connection of the REPL, and what its commands do.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pitaya::client::{AllPushes, Client};
use pitaya::error::{Error, code};

use super::Known;
use super::command::{self, Command};
use super::event::Event;
use super::handshake::Handshake;
use crate::client::{Address, Contract, Target, TlsArgs, ask};

/// Takes the events. An error ends the program.
pub(crate) type Sink = Box<dyn FnMut(&Event) -> io::Result<()> + Send>;

/// The result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// The command could not be done, or the server refused it.
    Failed,
    Exit,
}

/// The state of the REPL.
pub(crate) struct Session {
    pub(crate) handshake: Handshake,
    pub(crate) contract: Contract,
    timeout: Duration,
    tls: TlsArgs,
    /// The documentation route to ask after each connect.
    docs: Option<String>,
    known: Known,
    address: Option<Address>,
    link: Option<Link>,
    sink: Sink,
}

/// A connection.
struct Link {
    client: Client,
    pushes: AllPushes,
}

impl Session {
    pub(crate) fn new(tls: TlsArgs, timeout: Duration, contract: Contract, known: Known, sink: Sink) -> Self {
        let handshake = Handshake::default();
        Self { handshake, contract, timeout, tls, docs: None, known, address: None, link: None, sink }
    }

    /// Asks a route for the documentation after each connect.
    pub(crate) fn ask_docs(&mut self, route: Option<String>) {
        self.docs = route;
    }

    /// Prints pushes as they arrive, and the end of the connection. Never returns otherwise; cancel safe.
    pub(crate) async fn watch(&mut self) -> io::Result<()> {
        loop {
            let event = match &mut self.link {
                None => pending().await,
                Some(link) => next_event(link, &self.contract).await,
            };
            if matches!(event, Event::Closed(_)) {
                self.link = None;
            }
            (self.sink)(&event)?;
        }
    }

    /// Runs a command. Dropping the future gives the command up; the connection stays.
    pub(crate) async fn run(&mut self, command: Command) -> io::Result<Outcome> {
        match command {
            Command::Connect(address) => self.connect(address).await,
            Command::Disconnect => self.disconnect().await,
            Command::Request { route, data } => self.request(route, data.as_deref()).await,
            Command::Notify { route, data } => self.notify(&route, data.as_deref()).await,
            Command::Expect { route, within } => self.expect(&route, within).await,
            Command::Push { route, message } => {
                self.contract.name_push(route, message);
                Ok(Outcome::Done)
            }
            Command::SetHandshake(setting) => match self.handshake.set(&setting) {
                Err(why) => self.fail(why),
                Ok(()) if self.link.is_some() => self.text("the next connection has it"),
                Ok(()) => Ok(Outcome::Done),
            },
            Command::Routes => self.routes(),
            Command::Help => self.text(command::help()),
            Command::Exit => Ok(Outcome::Exit),
        }
    }

    /// Prints why a command cannot be done.
    pub(crate) fn fail(&mut self, why: impl Into<String>) -> io::Result<Outcome> {
        (self.sink)(&Event::Failed(why.into()))?;
        Ok(Outcome::Failed)
    }

    /// Closes the connection without printing it.
    pub(crate) async fn close(&mut self) {
        if let Some(link) = self.link.take() {
            link.client.disconnect().await;
        }
    }

    fn text(&mut self, text: impl Into<String>) -> io::Result<Outcome> {
        (self.sink)(&Event::Text(text.into()))?;
        Ok(Outcome::Done)
    }

    async fn connect(&mut self, address: Option<Address>) -> io::Result<Outcome> {
        if self.link.as_ref().is_some_and(|link| link.client.is_connected()) {
            return self.fail("already connected; `disconnect` first");
        }
        let Some(address) = address.or_else(|| self.address.clone()) else {
            return self.fail("no address: connect ADDRESS");
        };
        self.address = Some(address.clone());
        let builder = self.handshake.builder().request_timeout(self.timeout).connect_timeout(self.timeout);
        let connected = match Target::new(address.clone(), &self.tls) {
            Ok(target) => target.connect(&builder).await,
            Err(why) => Err(why),
        };
        match connected {
            Err(why) => self.fail(why),
            Ok(client) => {
                let serializer = client.serializer_name().to_owned();
                self.link = Some(Link { pushes: client.all_pushes(), client });
                (self.sink)(&Event::Connected { address: address.to_string(), serializer })?;
                self.learn().await
            }
        }
    }

    /// Asks for the documentation.
    async fn learn(&mut self) -> io::Result<Outcome> {
        let (Some(route), Some(client)) = (self.docs.clone(), self.client()) else {
            return Ok(Outcome::Done);
        };
        match self.watching(ask(&client, &route)).await? {
            Err(why) => self.fail(why),
            Ok(mut contract) => {
                contract.keep_pushes_of(&self.contract);
                self.contract = contract;
                if let Ok(mut known) = self.known.write() {
                    *known = Arc::new(self.contract.schema().clone());
                }
                Ok(Outcome::Done)
            }
        }
    }

    async fn disconnect(&mut self) -> io::Result<Outcome> {
        let Some(link) = self.link.take() else { return self.fail("not connected") };
        let closed = link.client.disconnect().await;
        (self.sink)(&Event::Closed(closed.to_string()))?;
        Ok(Outcome::Done)
    }

    async fn request(&mut self, route: String, data: Option<&str>) -> io::Result<Outcome> {
        let Some(client) = self.client() else { return self.fail("not connected") };
        let body = match self.contract.encode(client.serializer_name(), &route, data) {
            Ok(body) => body,
            Err(why) => return self.fail(why),
        };
        match self.watching(client.request_raw(&route, body)).await? {
            Ok(body) => {
                let data = self.contract.decode_answer(client.serializer_name(), &route, &body);
                (self.sink)(&Event::Answer { route, data })?;
                Ok(Outcome::Done)
            }
            Err(error) => self.refused(route, &error),
        }
    }

    async fn notify(&mut self, route: &str, data: Option<&str>) -> io::Result<Outcome> {
        let Some(client) = self.client() else { return self.fail("not connected") };
        let body = match self.contract.encode(client.serializer_name(), route, data) {
            Ok(body) => body,
            Err(why) => return self.fail(why),
        };
        match self.watching(client.notify_raw(route, body)).await? {
            Ok(()) => Ok(Outcome::Done),
            Err(error) => self.refused(route.to_owned(), &error),
        }
    }

    /// Waits for a push, which the session prints as any other. A push that came before the command counts, once.
    async fn expect(&mut self, route: &str, within: Duration) -> io::Result<Outcome> {
        let Some(client) = self.client() else { return self.fail("not connected") };
        let mut pushes = client.pushes_raw(route);
        let push = async {
            loop {
                match pushes.next().await {
                    // Older pushes were dropped; a newer one follows.
                    Err(error) if error.code() == code::UNAVAILABLE => {}
                    other => return other,
                }
            }
        };
        match self.watching(tokio::time::timeout(within, push)).await? {
            Ok(Ok(_)) => {
                self.print_arrived()?;
                Ok(Outcome::Done)
            }
            Ok(Err(error)) => self.refused(route.to_owned(), &error),
            Err(_) => self.fail(format!("no push of `{route}` within {}", pitaya_duration::text(within))),
        }
    }

    fn routes(&mut self) -> io::Result<Outcome> {
        let schema = self.contract.schema();
        let pushes = schema.pushes.keys().map(|route| format!("{route} (push)"));
        let lines: Vec<_> = schema.handlers.keys().cloned().chain(pushes).collect();
        if lines.is_empty() {
            return self.fail("no routes are known; give --schema FILE or --docs ROUTE");
        }
        self.text(lines.join("\n"))
    }

    fn client(&self) -> Option<Client> {
        Some(self.link.as_ref()?.client.clone())
    }

    /// Waits for a result of the connection and prints the pushes that arrive before it.
    async fn watching<T>(&mut self, result: impl Future<Output = T>) -> io::Result<T> {
        let result = tokio::select! {
            result = result => result,
            error = self.watch() => return Err(error.err().unwrap_or_else(|| io::ErrorKind::Other.into())),
        };
        self.print_arrived()?;
        Ok(result)
    }

    /// Prints the pushes that have arrived.
    fn print_arrived(&mut self) -> io::Result<()> {
        while let Some(link) = &mut self.link {
            match link.pushes.try_next() {
                Ok(None) => break,
                Ok(Some(push)) => {
                    let data =
                        self.contract.decode_push(link.client.serializer_name(), push.route(), push.body());
                    (self.sink)(&Event::Push { route: push.route().to_owned(), data })?;
                }
                Err(error) if error.code() == code::UNAVAILABLE => {
                    (self.sink)(&Event::Text(error.msg().to_owned()))?;
                }
                // `watch` prints the end.
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn refused(&mut self, route: String, error: &Error) -> io::Result<Outcome> {
        let (code, text) = (error.code().to_owned(), error.msg().to_owned());
        (self.sink)(&Event::Refused { route, code, text, metadata: error.metadata().clone() })?;
        Ok(Outcome::Failed)
    }
}

async fn next_event(link: &mut Link, contract: &Contract) -> Event {
    match link.pushes.next().await {
        Ok(push) => Event::Push {
            route: push.route().to_owned(),
            data: contract.decode_push(link.client.serializer_name(), push.route(), push.body()),
        },
        Err(error) if error.code() == code::UNAVAILABLE => Event::Text(error.msg().to_owned()),
        Err(_) => Event::Closed(link.client.closed().await.to_string()),
    }
}
