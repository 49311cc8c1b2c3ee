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

/// Decides about handshakes. Made once for an app.
pub(crate) struct HandshakePolicy {
    pub(crate) validators: Vec<(String, Validator)>,
    pub(crate) authenticate: Option<Authenticate>,
    /// The encoded reply that accepts.
    pub(crate) accept: Bytes,
    /// The other serializers that clients may name, with the reply that accepts.
    pub(crate) serializers: Vec<(Serializer, Bytes)>,
    /// The other serializers that acceptors fix, with the reply that accepts, from the first session of each on.
    pub(crate) fixed: Mutex<Vec<(Serializer, Bytes)>>,
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
    pub(super) fn accept(&self, own: Option<&Serializer>) -> Bytes {
        let Some(own) = own else { return self.accept.clone() };
        let offered = self.serializers.iter().find(|(serializer, _)| serializer.is(own));
        offered.map_or_else(|| self.accept_fixed(own), |(_, reply)| reply.clone())
    }

    /// Returns the reply for a serializer that only an acceptor fixes.
    fn accept_fixed(&self, own: &Serializer) -> Bytes {
        let mut fixed = self.fixed.lock();
        if let Some((_, reply)) = fixed.iter().find(|(serializer, _)| serializer.is(own)) {
            return reply.clone();
        }
        let reply = self.encode_accept(own);
        fixed.push((own.clone(), reply.clone()));
        reply
    }

    fn encode_accept(&self, own: &Serializer) -> Bytes {
        let mut reply = self.template.clone();
        own.name().clone_into(&mut reply.serializer);
        // The reply in the server's serializer fits, so only a name of megabytes does not.
        reply.encode(self.compression).unwrap_or_else(|error| {
            throttled!(GLOBAL, error, "serializer names too long", %error, "failed to name a serializer");
            self.accept.clone()
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
