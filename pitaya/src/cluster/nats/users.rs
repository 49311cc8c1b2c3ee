//! The users whose messages are taken in, over whichever connection there is.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, yield_now};

use super::intake::Intake;
use super::link::Link;
use super::messages::{Taker, USER};
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
    link: Arc<Link>,
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    Serve(Arc<str>),
    Forget(Arc<str>),
    /// All before is done.
    Mark(oneshot::Sender<()>),
}

impl Attached {
    fn order(&self, order: Order) {
        // without a task the connection is gone; the next one begins with all that are served
        let _ = self.orders.send(order);
    }

    fn mark(&self) -> oneshot::Receiver<()> {
        let (mark, marked) = oneshot::channel();
        self.order(Order::Mark(mark));
        marked
    }
}

impl Users {
    /// Serves a user, once more if it is served already.
    pub(super) async fn serve(&self, own: &Server, uid: &str) -> Result<(), TransportError> {
        let subjects = subjects(own, uid)?;
        let (undo, under_way) = self.add(uid);
        if let Some(UnderWay { link, marked }) = under_way
            && marked.await.is_ok()
            && link.round_trip().await.is_ok()
        {
            // What the broker refuses it says before it sends our message back; but another task hears it, perhaps
            // later. Then it is counted, and in the log.
            yield_now().await;
            yield_now().await;
            for subject in subjects {
                if link.signals.was_refused(&subject) {
                    return Err(TransportError::Other(format!(
                        "the broker does not let us subscribe to `{subject}`"
                    )));
                }
            }
        }
        undo.not();
        Ok(())
    }

    fn add(&self, uid: &str) -> (Undo<'_>, Option<UnderWay>) {
        let mut state = self.state();
        let State { served, attached } = &mut *state;
        let uid: Arc<str> = match served.get_key_value(uid) {
            Some((known, _)) => Arc::clone(known),
            None => uid.into(),
        };
        let times = served.entry(Arc::clone(&uid)).or_default();
        *times += 1;
        let under_way = attached.as_ref().map(|attached| {
            if *times == 1 {
                attached.order(Order::Serve(Arc::clone(&uid)));
            }
            UnderWay { link: Arc::clone(&attached.link), marked: attached.mark() }
        });
        (Undo { users: self, uid: Some(uid) }, under_way)
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
            attached.order(Order::Forget(uid));
        }
    }

    /// Serves all over this connection from now on. What is given tells when those of now are subscribed.
    pub(super) fn attach(&self, link: &Arc<Link>, taker: Taker) -> oneshot::Receiver<()> {
        let (orders, tasks) = mpsc::unbounded_channel();
        link.loops.spawn(obey(tasks, Arc::clone(link), taker));
        let attached = Attached { link: Arc::clone(link), orders };
        let mut state = self.state();
        for uid in state.served.keys() {
            attached.order(Order::Serve(Arc::clone(uid)));
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
struct UnderWay {
    link: Arc<Link>,
    /// The client has them.
    marked: oneshot::Receiver<()>,
}

/// Undoes serving a user if it fails, or is given up half-way.
struct Undo<'a> {
    users: &'a Users,
    uid: Option<Arc<str>>,
}

impl Undo<'_> {
    fn not(mut self) {
        self.uid = None;
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(uid) = self.uid.take() {
            self.users.forget(&uid);
        }
    }
}

/// Subscribes and unsubscribes over one connection, in the order in which it was said.
async fn obey(mut orders: mpsc::UnboundedReceiver<Order>, link: Arc<Link>, taker: Taker) {
    let mut tasks: BTreeMap<Arc<str>, JoinHandle<()>> = BTreeMap::new();
    loop {
        let order = tokio::select! {
            biased;
            () = link.signals.gone.cancelled() => return,
            order = orders.recv() => order,
        };
        match order {
            None => return,
            Some(Order::Mark(mark)) => {
                let _ = mark.send(());
            }
            Some(Order::Forget(uid)) => {
                if let Some(task) = tasks.remove(&uid) {
                    // Its subscriptions end with it. They are to have ended before the same user is served again,
                    // or what comes would come twice.
                    task.abort();
                    let _ = task.await;
                }
            }
            Some(Order::Serve(uid)) => match subscribe(&link, &taker, &uid).await {
                Ok(intake) => {
                    let task = taker.clone().take(intake, Arc::clone(&link), USER);
                    tasks.insert(uid, link.loops.spawn(task));
                }
                Err(TransportError::Unavailable) => return,
                Err(error) => {
                    throttled!(GLOBAL, error, "user subscriptions", %error, "failed to subscribe to a user's messages");
                }
            },
        }
    }
}

async fn subscribe(link: &Arc<Link>, taker: &Taker, uid: &str) -> Result<Intake, TransportError> {
    let [push, kick] = subjects(&taker.own, uid)?;
    let push = link.subscribe(push).await?;
    let kick = link.subscribe(kick).await?;
    Ok(Intake::new(Arc::clone(link), vec![push, kick], link.finish.clone()))
}

fn subjects(own: &Server, uid: &str) -> Result<[String; 2], BadPart> {
    Ok([subject::push(&own.server_type, uid)?, subject::kick(&own.server_type, uid)?])
}
