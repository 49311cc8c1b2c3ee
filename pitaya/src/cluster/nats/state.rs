//! The state of a NATS transport: its options, its current connection, and everything that outlives a connection.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use tokio_util::sync::CancellationToken;

use super::address::Addresses;
use super::broker_discovery::BrokerDiscovery;
use super::brokers::Brokers;
use super::connection::{Connection, Current};
use super::dedup::{Dedup, DedupSlot, Side};
use super::error::{ConnectFailure, ConnectionLost};
use super::message_handler::{MessageHandler, SERVER};
use super::options::NatsOptions;
use super::requests::Requests;
use super::signals::{Counts, Signals};
use super::subscriptions::Subscriptions;
use super::users::Users;
use crate::cluster::subject::{self, BadPart};
use crate::cluster::{Server, TransportError};

/// See the module.
pub(super) struct State {
    pub(super) options: Arc<NatsOptions>,
    discovery: Arc<BrokerDiscovery>,
    pub(super) connection: Current,
    pub(super) users: Users,
    pub(super) counts: Arc<Counts>,
    pub(super) handler: OnceLock<MessageHandler>,
    requests: Arc<Requests>,
    pub(super) closing: CancellationToken,
}

impl State {
    pub(super) fn new(options: NatsOptions, addresses: Addresses) -> Self {
        let (options, counts) = (Arc::new(options), Arc::<Counts>::default());
        let (connection, closing) = (Arc::new(ArcSwapOption::empty()), CancellationToken::new());
        let discovery = BrokerDiscovery {
            brokers: Brokers::new(&addresses.servers, options.tls.required),
            options: Arc::clone(&options),
            login: addresses.login,
            counts: Arc::clone(&counts),
            closing: closing.clone(),
        };
        let requests = Requests::new(options.messages, Arc::clone(&counts), Arc::clone(&connection));
        Self {
            options,
            discovery: Arc::new(discovery),
            connection,
            users: Users::default(),
            counts,
            handler: OnceLock::new(),
            requests: Arc::new(requests),
            closing,
        }
    }

    /// Opens a connection with all subscriptions, which the broker has processed. While `leaving` has them too,
    /// messages that arrive over both are delivered once.
    pub(super) async fn open(
        self: &Arc<Self>,
        handler: &MessageHandler,
        leaving: Option<&Connection>,
    ) -> Result<Arc<Connection>, ConnectFailure> {
        let signals = Arc::new(Signals::new(&self.closing, Arc::clone(&self.counts)));
        let name = format!("{}/{}", handler.own.server_type, handler.own.id);
        let (login, servers) = (self.discovery.login.as_ref(), self.discovery.brokers.all());
        let dedup = DedupSlot::default();
        let connection = Arc::new(
            Connection::open(&self.options, login, &servers, &name, Arc::clone(&signals), dedup).await?,
        );
        if let Some(leaving) = leaving {
            // Not earlier: a message before the new subscriptions arrives over one connection only.
            let dedup = Arc::new(Dedup::default());
            leaving.dedup.set(Some((Arc::clone(&dedup), Side::Old)));
            connection.dedup.set(Some((dedup, Side::New)));
        }
        match self.subscribe(handler, &connection).await {
            Ok(()) => {
                self.discovery.follow(&connection, signals);
                Ok(connection)
            }
            Err(error) => {
                connection.end().await;
                Err(error)
            }
        }
    }

    async fn subscribe(
        self: &Arc<Self>,
        handler: &MessageHandler,
        connection: &Arc<Connection>,
    ) -> Result<(), ConnectFailure> {
        let lost = |error: TransportError| ConnectFailure::Transient(error.to_string());
        let gone = |gone: ConnectionLost| ConnectFailure::Transient(gone.to_string());

        let (requests, others) =
            subjects(&handler.own).map_err(|error| ConnectFailure::Permanent(error.to_string()))?;
        if !self.requests.is_drained() {
            let subscriber = connection.subscribe(requests).await.map_err(lost)?;
            self.requests.listen(Arc::clone(&handler.receiver), subscriber, connection);
        }
        let mut subscribers = Vec::new();
        for subject in others {
            subscribers.push(connection.subscribe(subject).await.map_err(lost)?);
        }
        let subscriptions = Subscriptions::new(Arc::clone(connection), subscribers, connection.drain.clone());
        connection.tasks.spawn(handler.clone().take(subscriptions, Arc::clone(connection), SERVER));
        connection.flush().await.map_err(gone)?;
        let users = self.users.attach(connection, handler.clone());
        let subscribed = users.await.is_ok();
        connection.flush().await.map_err(gone)?;
        if subscribed { Ok(()) } else { Err(gone(ConnectionLost)) }
    }

    /// Checks that the broker allows the subscriptions of this server.
    ///
    /// A broker refuses a subscription by an error, which the client reports to a separate task at some time. Only when
    /// a client has ended are all its events known, so the check uses its own connection. Messages that this connection
    /// receives arrive over the other one too.
    pub(super) async fn check_permissions(&self, handler: &MessageHandler) -> Result<(), ConnectFailure> {
        let (requests, mut all) =
            subjects(&handler.own).map_err(|error| ConnectFailure::Permanent(error.to_string()))?;
        all.push(requests);
        let signals = Arc::new(Signals::new(&self.closing, Arc::clone(&self.counts)));
        let (login, servers) = (self.discovery.login.as_ref(), self.discovery.brokers.all());
        let connection = Connection::open(
            &self.options,
            login,
            &servers,
            "permissions",
            Arc::clone(&signals),
            DedupSlot::default(),
        )
        .await?;
        let asked = async {
            let mut subscribers = Vec::new();
            for subject in &all {
                subscribers.push(connection.subscribe(subject.clone()).await?);
            }
            connection.flush().await.map_err(TransportError::from)
        };
        asked.await.map_err(|error| ConnectFailure::Transient(error.to_string()))?;
        let _ = connection.client.drain().await;
        if tokio::time::timeout(self.options.silence_limit(), signals.events_drained.cancelled())
            .await
            .is_err()
        {
            return Err(ConnectFailure::Transient(ConnectionLost.to_string()));
        }
        match all.iter().find(|subject| signals.was_refused(subject)) {
            None => Ok(()),
            Some(subject) => {
                Err(ConnectFailure::Permanent(format!("the broker refuses the subscription to `{subject}`")))
            }
        }
    }

    /// Stops receiving requests, and waits until those in progress are answered.
    pub(super) async fn drain(&self) {
        self.requests.drain().await;
        // Returns when the broker has the answers.
        if let Some(connection) = self.connection.load_full() {
            let _ = connection.flush().await;
        }
    }

    /// Sends queued messages, and closes. Messages that arrive before the broker has processed the end are still
    /// delivered.
    pub(super) async fn close(&self) {
        let connection = self.connection.load_full();
        if let Some(connection) = &connection {
            connection.drain.cancel();
            connection.tasks.close();
            self.users.detach();
            connection.tasks.wait().await;
            let _ = connection.flush().await;
        }
        self.closing.cancel();
        self.connection.store(None);
        self.users.detach();
        if let Some(connection) = connection {
            connection.end().await;
        }
    }
}

/// Returns the subject of a server's requests, and its other subjects except those of users.
fn subjects(own: &Server) -> Result<(String, Vec<String>), BadPart> {
    let mut others = vec![subject::bindings(&own.server_type)?];
    if own.frontend {
        others.push(subject::broadcast(&own.server_type, &own.id)?);
    }
    Ok((subject::rpc(&own.server_type, &own.id)?, others))
}
