//! The users whose messages are taken in, over whichever connection there is.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};

use super::connection::Connection;
use super::message_handler::{MessageHandler, USER};
use super::subscriptions::Subscriptions;
use crate::cluster::subject::{self, BadPart};
use crate::cluster::{Server, TransportError};
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};

/// Who is served, and over what. What is to be subscribed is decided here, under one lock, and done in that order by
/// the task of the connection, so that the last word on a user is the last that is done.
#[derive(Default)]
pub(super) struct Users {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many times each is served.
    served: BTreeMap<Arc<str>, usize>,
    attached: Option<Attached>,
}

struct Attached {
    connection: Arc<Connection>,
    commands: mpsc::UnboundedSender<Command>,
}

enum Command {
    Subscribe(Arc<str>),
    Unsubscribe(Arc<str>),
    /// All before is done.
    Barrier(oneshot::Sender<()>),
}

impl Attached {
    fn command(&self, command: Command) {
        // without a task the connection is gone; the next one begins with all that are served
        let _ = self.commands.send(command);
    }

    fn mark(&self) -> oneshot::Receiver<()> {
        let (mark, marked) = oneshot::channel();
        self.command(Command::Barrier(mark));
        marked
    }
}

impl Users {
    /// Serves a user, once more if it is served already.
    pub(super) async fn serve(&self, own: &Server, uid: &str) -> Result<(), TransportError> {
        let subjects = subjects(own, uid)?;
        let (guard, pending) = self.add(uid);
        if let Some(PendingSubscription { connection, marked }) = pending
            && marked.await.is_ok()
            && connection.flush().await.is_ok()
        {
            // What the broker refuses it says before it sends our message back; but another task hears it, perhaps
            // later. Then it is counted, and in the log.
            yield_now().await;
            yield_now().await;
            for subject in subjects {
                if connection.signals.was_refused(&subject) {
                    return Err(TransportError::Other(format!(
                        "the broker does not let us subscribe to `{subject}`"
                    )));
                }
            }
        }
        guard.keep();
        Ok(())
    }

    fn add(&self, uid: &str) -> (ServeGuard<'_>, Option<PendingSubscription>) {
        let mut state = self.state();
        let State { served, attached } = &mut *state;
        let uid: Arc<str> = match served.get_key_value(uid) {
            Some((known, _)) => Arc::clone(known),
            None => uid.into(),
        };
        let times = served.entry(Arc::clone(&uid)).or_default();
        *times += 1;
        let pending = attached.as_ref().map(|attached| {
            if *times == 1 {
                attached.command(Command::Subscribe(Arc::clone(&uid)));
            }
            PendingSubscription { connection: Arc::clone(&attached.connection), marked: attached.mark() }
        });
        (ServeGuard { users: self, uid: Some(uid) }, pending)
    }

    /// Undoes serving a user once.
    pub(super) fn forget(&self, uid: &str) {
        let mut state = self.state();
        let Some(times) = state.served.get_mut(uid) else { return };
        *times -= 1;
        if *times == 0
            && let Some((uid, _)) = state.served.remove_entry(uid)
            && let Some(attached) = &state.attached
        {
            attached.command(Command::Unsubscribe(uid));
        }
    }

    /// Serves all over this connection from now on. What is given tells when those of now are subscribed.
    pub(super) fn attach(
        &self,
        connection: &Arc<Connection>,
        handler: MessageHandler,
    ) -> oneshot::Receiver<()> {
        let (commands, tasks) = mpsc::unbounded_channel();
        connection.tasks.spawn(apply_commands(tasks, Arc::clone(connection), handler));
        let attached = Attached { connection: Arc::clone(connection), commands };
        let mut state = self.state();
        for uid in state.served.keys() {
            attached.command(Command::Subscribe(Arc::clone(uid)));
        }
        let marked = attached.mark();
        state.attached = Some(attached);
        marked
    }

    /// There is no connection.
    pub(super) fn detach(&self) {
        self.state().attached = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A user's subscriptions that are being made.
struct PendingSubscription {
    connection: Arc<Connection>,
    /// The client has them.
    marked: oneshot::Receiver<()>,
}

/// Undoes serving a user if it fails, or is given up half-way.
struct ServeGuard<'a> {
    users: &'a Users,
    uid: Option<Arc<str>>,
}

impl ServeGuard<'_> {
    fn keep(mut self) {
        self.uid = None;
    }
}

impl Drop for ServeGuard<'_> {
    fn drop(&mut self) {
        if let Some(uid) = self.uid.take() {
            self.users.forget(&uid);
        }
    }
}

/// Subscribes and unsubscribes over one connection, in the order in which it was said.
async fn apply_commands(
    mut commands: mpsc::UnboundedReceiver<Command>,
    connection: Arc<Connection>,
    handler: MessageHandler,
) {
    let mut tasks: BTreeMap<Arc<str>, JoinHandle<()>> = BTreeMap::new();
    loop {
        let command = tokio::select! {
            biased;
            () = connection.signals.lost.cancelled() => return,
            command = commands.recv() => command,
        };
        match command {
            None => return,
            Some(Command::Barrier(mark)) => {
                let _ = mark.send(());
            }
            Some(Command::Unsubscribe(uid)) => {
                if let Some(task) = tasks.remove(&uid) {
                    // Its subscriptions end with it. They are to have ended before the same user is served again,
                    // or what comes would come twice.
                    task.abort();
                    let _ = task.await;
                }
            }
            Some(Command::Subscribe(uid)) => match subscribe(&connection, &handler, &uid).await {
                Ok(subscriptions) => {
                    let task = handler.clone().take(subscriptions, Arc::clone(&connection), USER);
                    tasks.insert(uid, connection.tasks.spawn(task));
                }
                Err(TransportError::Unavailable) => return,
                Err(error) => {
                    throttled!(GLOBAL, error, "user subscriptions", %error, "failed to subscribe to a user's messages");
                }
            },
        }
    }
}

async fn subscribe(
    connection: &Arc<Connection>,
    handler: &MessageHandler,
    uid: &str,
) -> Result<Subscriptions, TransportError> {
    let [push, kick] = subjects(&handler.own, uid)?;
    let push = connection.subscribe(push).await?;
    let kick = connection.subscribe(kick).await?;
    Ok(Subscriptions::new(Arc::clone(connection), vec![push, kick], connection.drain.clone()))
}

fn subjects(own: &Server, uid: &str) -> Result<[String; 2], BadPart> {
    Ok([subject::push(&own.server_type, uid)?, subject::kick(&own.server_type, uid)?])
}
