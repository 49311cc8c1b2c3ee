//! Checks a handshake: first the validators in their order, then the application's authentication.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::error::BoxError;
use crate::serialize::Serializer;
use crate::session::Session;
use crate::util::panic::panic_error;
use crate::util::sync::Mutex;
use crate::util::throttle::{GLOBAL, throttled};
use crate::wire::handshake::{self, Reply, Request};

/// The reply to a client whose handshake is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    code: u32,
    payload: Option<Value>,
}

impl Refusal {
    /// Makes a refusal with code 400 and no payload.
    pub fn new() -> Self {
        Self { code: handshake::REFUSED, payload: None }
    }

    /// Sets the code. 200 becomes 400, because clients read 200 as accepted.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        self.code = if code == handshake::OK { handshake::REFUSED } else { code };
        self
    }

    /// Sets the payload, which the client finds under `user`.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = Some(payload);
        self
    }
}

impl Default for Refusal {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) type Validator = Arc<dyn Fn(&Request) -> Result<(), BoxError> + Send + Sync>;
pub(crate) type Authenticate =
    Arc<dyn Fn(Session, Arc<Request>) -> BoxFuture<'static, Result<(), Refusal>> + Send + Sync>;

pub(crate) fn authenticate<F, Fut>(f: F) -> Authenticate
where
    F: Fn(Session, Arc<Request>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
{
    Arc::new(move |session, request| Box::pin(f(session, request)))
}

/// The encoded replies that accept clients with one serializer.
pub(crate) struct Accept {
    pub(crate) plain: Bytes,
    /// For clients that send the hash of their schema: another than the server's, and the server's.
    pub(crate) schema: Option<[Bytes; 2]>,
}

impl Accept {
    fn reply(&self, matches: Option<bool>) -> &Bytes {
        match (&self.schema, matches) {
            (Some(replies), Some(matches)) => &replies[usize::from(matches)],
            _ => &self.plain,
        }
    }
}

/// Decides about handshakes. Made once for an app.
pub(crate) struct HandshakePolicy {
    pub(crate) validators: Vec<(String, Validator)>,
    pub(crate) authenticate: Option<Authenticate>,
    pub(crate) accept: Accept,
    /// The other serializers that clients may name, with the replies that accept.
    pub(crate) serializers: Vec<(Serializer, Accept)>,
    /// The other serializers that acceptors fix, with the replies that accept, from the first session of each on.
    pub(crate) fixed: Mutex<Vec<(Serializer, Accept)>>,
    /// The hash of the server's schema, as [`Schema::client_hash`](pitaya_schema::Schema::client_hash).
    pub(crate) schema: Option<String>,
    /// The reply that refusals are derived from.
    pub(crate) template: Reply,
    pub(crate) compression: bool,
    /// The encoded reply that refuses with code 400 and no payload.
    pub(crate) refuse_plain: Bytes,
}

impl HandshakePolicy {
    /// Runs the validators up to the first error. A panic is an error.
    pub(crate) fn validate(&self, session: u64, request: &Request) -> Result<(), Refusal> {
        for (name, validator) in &self.validators {
            let failed = match catch_unwind(AssertUnwindSafe(|| validator(request))) {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => panic_error("a handshake validator", &*panic).to_string(),
            };
            tracing::info!("failed to run '{name}' validator: {failed}. SessionId={session}");
            return Err(Refusal::new());
        }
        Ok(())
    }

    /// Returns the serializer that a client names; `None` for the server's.
    ///
    /// An unknown name is as no name. The client reads in the reply what it got.
    pub(super) fn serializer_named(&self, name: &str) -> Option<&Serializer> {
        if name.is_empty() || name == self.template.serializer {
            return None;
        }
        self.serializers.iter().map(|(serializer, _)| serializer).find(|serializer| serializer.name() == name)
    }

    /// Returns the encoded reply that accepts a session, by its own serializer.
    pub(super) fn accept(&self, own: Option<&Serializer>, request: Option<&Request>) -> Bytes {
        let matches = self.schema_matches(request);
        let Some(own) = own else { return self.accept.reply(matches).clone() };
        let offered = self.serializers.iter().find(|(serializer, _)| serializer.is(own));
        match offered {
            Some((_, accept)) => accept.reply(matches).clone(),
            None => self.accept_fixed(own, matches),
        }
    }

    /// Returns whether the client has the server's schema; `None` if one of them does not tell.
    fn schema_matches(&self, request: Option<&Request>) -> Option<bool> {
        let (server, client) = (self.schema.as_ref()?, &request?.sys.schema);
        (!client.is_empty()).then(|| client == server)
    }

    /// Returns the reply for a serializer that only an acceptor fixes.
    fn accept_fixed(&self, own: &Serializer, matches: Option<bool>) -> Bytes {
        let mut fixed = self.fixed.lock();
        if let Some((_, accept)) = fixed.iter().find(|(serializer, _)| serializer.is(own)) {
            return accept.reply(matches).clone();
        }
        let encode = |matches| self.encode_accept(own, matches);
        let schema = self.schema.as_ref().map(|_| [encode(Some(false)), encode(Some(true))]);
        let accept = Accept { plain: encode(None), schema };
        let reply = accept.reply(matches).clone();
        fixed.push((own.clone(), accept));
        reply
    }

    fn encode_accept(&self, own: &Serializer, matches: Option<bool>) -> Bytes {
        let mut reply = self.template.clone();
        own.name().clone_into(&mut reply.serializer);
        reply.schema_matches = matches;
        // The reply in the server's serializer fits, so only a name of megabytes does not.
        reply.encode(self.compression).unwrap_or_else(|error| {
            throttled!(GLOBAL, error, "serializer names too long", %error, "failed to name a serializer");
            self.accept.plain.clone()
        })
    }

    /// Starts the application's authentication, if there is one. A panic refuses.
    pub(super) fn authenticate(
        &self,
        session: Session,
        request: &Arc<Request>,
    ) -> Option<BoxFuture<'static, Result<(), Refusal>>> {
        let hook = Arc::clone(self.authenticate.as_ref()?);
        let request = Arc::clone(request);
        let authentication = async move { hook(session, request).await };
        Some(Box::pin(AssertUnwindSafe(authentication).catch_unwind().map(|result| {
            result.unwrap_or_else(|panic| {
                panic_error("the authentication hook", &*panic);
                Err(Refusal::new().with_code(500))
            })
        })))
    }

    /// Returns the encoded reply of a refusal.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Bytes {
        if refusal == Refusal::new() {
            return self.refuse_plain.clone();
        }
        let mut reply = self.template.clone();
        reply.code = refusal.code;
        reply.payload = refusal.payload;
        // Only a payload of many megabytes does not fit.
        reply.encode(self.compression).unwrap_or_else(|error| {
            throttled!(GLOBAL, error, "refusals too long", %error, "sent a refusal without its payload");
            self.refuse_plain.clone()
        })
    }
}

impl fmt::Debug for HandshakePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.validators.iter().map(|(name, _)| name).collect();
        f.debug_struct("HandshakePolicy").field("validators", &names).finish_non_exhaustive()
    }
}
