//! What a NATS transport is: its options, the connection it has now, and all that outlives a connection.

use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::address::Addresses;
use super::brokers::Brokers;
use super::connect::NotConnected;
use super::intake::Intake;
use super::link::{Gone, Link};
use super::messages::{SERVER, Taker};
use super::options::NatsOptions;
use super::overlap::{Overlap, Part, Side};
use super::requests;
use super::signals::{Counts, Signals};
use super::users::Users;
use crate::cluster::subject::{self, BadPart};
use crate::cluster::{Server, TransportError};
use crate::util::sync::Mutex;

/// See the module.
pub(super) struct State {
    pub(super) options: NatsOptions,
    pub(super) addresses: Addresses,
    pub(super) brokers: Brokers,
    /// The connection over which all is sent; none while it is lost.
    pub(super) link: ArcSwapOption<Link>,
    pub(super) users: Users,
    pub(super) counts: Arc<Counts>,
    pub(super) taker: OnceLock<Taker>,
    /// What takes in requests, and what is not answered yet.
    pub(super) requests: TaskTracker,
    pub(super) closing: CancellationToken,
    listening: Mutex<Listening>,
}

/// Over which connections requests are taken in.
#[derive(Default)]
struct Listening {
    /// Over none, and none again.
    drained: bool,
    links: Vec<Weak<Link>>,
}

impl State {
    pub(super) fn new(options: NatsOptions, addresses: Addresses) -> Self {
        Self {
            brokers: Brokers::new(&addresses.servers, options.tls.required),
            options,
            addresses,
            link: ArcSwapOption::empty(),
            users: Users::default(),
            counts: Arc::default(),
            taker: OnceLock::new(),
            requests: TaskTracker::new(),
            closing: CancellationToken::new(),
            listening: Mutex::default(),
        }
    }

    /// A connection to one of the brokers, with all subscriptions, which the broker has seen. While `leaving` has them
    /// too, what comes over both is handed over once.
    pub(super) async fn open(
        self: &Arc<Self>,
        taker: &Taker,
        leaving: Option<&Link>,
    ) -> Result<Arc<Link>, NotConnected> {
        let signals = Arc::new(Signals::new(&self.closing, Arc::clone(&self.counts)));
        let name = format!("{}/{}", taker.own.server_type, taker.own.id);
        let login = self.addresses.login.as_ref();
        let servers = self.brokers.all();
        let part = Part::default();
        let link =
            Arc::new(Link::open(&self.options, login, &servers, &name, Arc::clone(&signals), part).await?);
        if let Some(leaving) = leaving {
            // Not earlier: what came before the new connection subscribes, comes over one of the two only.
            let overlap = Arc::new(Overlap::default());
            leaving.part.set(Some((Arc::clone(&overlap), Side::Leaving)));
            link.part.set(Some((overlap, Side::Coming)));
        }
        match self.subscribe(taker, &link).await {
            Ok(()) => {
                self.follow(&link, signals);
                Ok(link)
            }
            Err(error) => {
                link.end().await;
                Err(error)
            }
        }
    }

    /// Learns which other brokers there are, now and for as long as there is this connection.
    fn follow(self: &Arc<Self>, link: &Link, signals: Arc<Signals>) {
        if self.options.discovery_interval.is_zero() {
            return;
        }
        let info = link.client.server_info();
        self.learn(&info.connect_urls);
        if let Some(at) = link.at.clone() {
            tokio::spawn(Arc::clone(self).discover(at, info.tls_required, signals));
        }
    }

    async fn subscribe(self: &Arc<Self>, taker: &Taker, link: &Arc<Link>) -> Result<(), NotConnected> {
        let lost = |error: TransportError| NotConnected::Now(error.to_string());
        let gone = |gone: Gone| NotConnected::Now(gone.to_string());

        let (requests, others) =
            subjects(&taker.own).map_err(|error| NotConnected::Ever(error.to_string()))?;
        if !self.listening().drained {
            let subscriber = link.subscribe(requests).await.map_err(lost)?;
            let intake = Intake::new(Arc::clone(link), vec![subscriber], link.deaf.clone());
            self.listen(
                link,
                requests::take(Arc::clone(self), Arc::clone(&taker.receiver), intake, Arc::clone(link)),
            );
        }
        let mut subscribers = Vec::new();
        for subject in others {
            subscribers.push(link.subscribe(subject).await.map_err(lost)?);
        }
        let intake = Intake::new(Arc::clone(link), subscribers, link.finish.clone());
        link.loops.spawn(taker.clone().take(intake, Arc::clone(link), SERVER));
        link.round_trip().await.map_err(gone)?;
        let users = self.users.attach(link, taker.clone());
        let subscribed = users.await.is_ok();
        link.round_trip().await.map_err(gone)?;
        if subscribed { Ok(()) } else { Err(gone(Gone)) }
    }

    /// Whether the broker lets us take in what is for this server.
    ///
    /// It refuses a subscription by an error, which the client tells to a task of its own, whenever that comes to run.
    /// Only when a client has ended it is known that all was told; so this asks over a connection of its own. What it
    /// takes in comes over the other one too.
    pub(super) async fn may_subscribe(&self, taker: &Taker) -> Result<(), NotConnected> {
        let (requests, mut all) =
            subjects(&taker.own).map_err(|error| NotConnected::Ever(error.to_string()))?;
        all.push(requests);
        let signals = Arc::new(Signals::new(&self.closing, Arc::clone(&self.counts)));
        let (login, servers) = (self.addresses.login.as_ref(), self.brokers.all());
        let link =
            Link::open(&self.options, login, &servers, "permissions", Arc::clone(&signals), Part::default())
                .await?;
        let asked = async {
            let mut subscribers = Vec::new();
            for subject in &all {
                subscribers.push(link.subscribe(subject.clone()).await?);
            }
            link.round_trip().await.map_err(TransportError::from)
        };
        asked.await.map_err(|error| NotConnected::Now(error.to_string()))?;
        let _ = link.client.drain().await;
        if tokio::time::timeout(self.options.patience(), signals.heard_all.cancelled()).await.is_err() {
            return Err(NotConnected::Now(Gone.to_string()));
        }
        match all.iter().find(|subject| signals.was_refused(subject)) {
            None => Ok(()),
            Some(subject) => {
                Err(NotConnected::Ever(format!("the broker does not let us subscribe to `{subject}`")))
            }
        }
    }

    /// Takes in requests, unless there are to be no more.
    fn listen(&self, link: &Arc<Link>, requests: impl Future<Output = ()> + Send + 'static) {
        let mut listening = self.listening();
        if !listening.drained {
            listening.links.retain(|link| link.strong_count() > 0);
            listening.links.push(Arc::downgrade(link));
            link.loops.spawn(self.requests.track_future(requests));
        }
    }

    /// Takes in no more requests, and waits until those that have come are answered.
    pub(super) async fn drain(&self) {
        let links = {
            let mut listening = self.listening();
            listening.drained = true;
            std::mem::take(&mut listening.links)
        };
        for link in links.iter().filter_map(Weak::upgrade) {
            link.deaf.cancel();
        }
        self.requests.close();
        self.requests.wait().await;
        // the answers are with the broker
        if let Some(link) = self.link.load_full() {
            let _ = link.round_trip().await;
        }
    }

    /// Sends what is on its way, and ends. What comes until the broker has seen that we leave is still taken in.
    pub(super) async fn close(&self) {
        let link = self.link.load_full();
        if let Some(link) = &link {
            link.finish.cancel();
            link.loops.close();
            self.users.detach();
            link.loops.wait().await;
            let _ = link.round_trip().await;
        }
        self.closing.cancel();
        self.link.store(None);
        self.users.detach();
        if let Some(link) = link {
            link.end().await;
        }
    }

    fn listening(&self) -> std::sync::MutexGuard<'_, Listening> {
        self.listening.lock()
    }
}

/// Where a server takes in its requests, and all else but its users' messages.
fn subjects(own: &Server) -> Result<(String, Vec<String>), BadPart> {
    let mut others = vec![subject::bindings(&own.server_type)?];
    if own.frontend {
        others.push(subject::broadcast(&own.server_type, &own.id)?);
    }
    Ok((subject::rpc(&own.server_type, &own.id)?, others))
}
