//! Authenticating a handshake: validators in their order, then the application's own authentication.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::error::BoxError;
use crate::session::Session;
use crate::util::panic::panic_error;
use crate::util::throttle::{GLOBAL, throttled};
use crate::wire::handshake::{self, Reply, Request};

/// A handshake that was refused: what the client is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    code: u32,
    payload: Option<Value>,
}

impl Refusal {
    /// A refusal with code 400 and nothing else.
    pub fn new() -> Self {
        Self { code: handshake::REFUSED, payload: None }
    }

    /// With another code. Clients take 200 for a welcome, so that is no refusal: it becomes 400.
    #[must_use]
    pub fn with_code(mut self, code: u32) -> Self {
        self.code = if code == handshake::OK { handshake::REFUSED } else { code };
        self
    }

    /// With something for the client to read, under `user`.
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

/// Everything a handshake needs, made once for an app.
pub(crate) struct HandshakePolicy {
    pub(crate) validators: Vec<(String, Validator)>,
    pub(crate) authenticate: Option<Authenticate>,
    /// The reply that accepts, whole.
    pub(crate) accept: Bytes,
    /// What a refusal is made from.
    pub(crate) template: Reply,
    pub(crate) compression: bool,
    /// The reply that refuses with code 400 and no payload.
    pub(crate) refuse_plain: Bytes,
}

impl HandshakePolicy {
    /// Runs the validators; the first error stops. A panic is an error.
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

    /// Starts the application's own judgement, if there is one. A panic refuses.
    pub(crate) fn start(
        &self,
        session: Session,
        request: &Arc<Request>,
    ) -> Option<BoxFuture<'static, Result<(), Refusal>>> {
        let hook = Arc::clone(self.authenticate.as_ref()?);
        let request = Arc::clone(request);
        let judge = async move { hook(session, request).await };
        Some(Box::pin(AssertUnwindSafe(judge).catch_unwind().map(|result| {
            result.unwrap_or_else(|panic| {
                panic_error("the authentication hook", &*panic);
                Err(Refusal::new().with_code(500))
            })
        })))
    }

    /// The reply that refuses.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Bytes {
        if refusal == Refusal::new() {
            return self.refuse_plain.clone();
        }
        let mut reply = self.template.clone();
        reply.code = refusal.code;
        reply.payload = refusal.payload;
        // Only a payload of many megabytes does not fit: then the client is told without it.
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
