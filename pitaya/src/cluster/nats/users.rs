//! The subscriptions of users, over the current connection.

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

/// The served users and the current connection. One lock orders all changes, and the connection's task applies them in
/// that order, so the last change of a user wins.
#[derive(Default)]
pub(super) struct Users {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often each user is served.
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
    /// Answered when all earlier commands have been applied.
    Barrier(oneshot::Sender<()>),
}

impl Attached {
    fn command(&self, command: Command) {
        // Without a task the connection is lost. The next connection starts with all served users.
        let _ = self.commands.send(command);
    }

    fn mark(&self) -> oneshot::Receiver<()> {
        let (mark, marked) = oneshot::channel();
        self.command(Command::Barrier(mark));
        marked
    }
}

impl Users {
    /// Serves a user, and counts how often.
    pub(super) async fn serve(&self, own: &Server, uid: &str) -> Result<(), TransportError> {
        let subjects = subjects(own, uid)?;
        let (guard, pending) = self.add(uid);
        if let Some(PendingSubscription { connection, marked }) = pending
            && marked.await.is_ok()
            && connection.flush().await.is_ok()
        {
            // A broker sends its refusal before the flush returns, but another task may handle the refusal later. Then
            // it is counted and logged.
            yield_now().await;
            yield_now().await;
            for subject in subjects {
                if connection.signals.was_refused(&subject) {
                    return Err(TransportError::Other(format!(
                        "the broker refuses the subscription to `{subject}`"
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

    /// Serves all users over this connection from now on. The returned channel reports when the current users are
    /// subscribed.
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

    /// Removes the connection.
    pub(super) fn detach(&self) {
        self.state().attached = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A user's subscriptions in progress.
struct PendingSubscription {
    connection: Arc<Connection>,
    /// The client has made the subscriptions.
    marked: oneshot::Receiver<()>,
}

/// Undoes serving a user if it fails or is cancelled.
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

/// Subscribes and unsubscribes over one connection, in the order of the commands.
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
                    // The subscriptions end with the task. They must end before the same user is served again, or
                    // messages would arrive twice.
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
