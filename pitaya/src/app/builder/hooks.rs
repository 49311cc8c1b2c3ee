//! Hooks, checks and callbacks of an app.

use std::future::Future;
use std::sync::Arc;

use super::Builder;
use crate::app::App;
use crate::connection::{Refusal, Validator, authenticate};
use crate::error::{BoxError, Result};
use crate::pipeline::{After, Before};
use crate::schema::Schema;
use crate::session::{Session, bind_callback, close_callback};
use crate::wire::handshake;

/// # Hooks and callbacks
impl Builder {
    /// Adds a hook that runs before handlers. Hooks run in the order in which they are added.
    #[must_use]
    pub fn before(mut self, hook: impl Before) -> Self {
        self.handler_pipeline.before.push(Arc::new(hook));
        self
    }

    /// Adds a hook that runs after handlers.
    #[must_use]
    pub fn after(mut self, hook: impl After) -> Self {
        self.handler_pipeline.after.push(Arc::new(hook));
        self
    }

    /// Adds a hook that runs before remotes.
    #[must_use]
    pub fn before_remotes(mut self, hook: impl Before) -> Self {
        self.remote_pipeline.before.push(Arc::new(hook));
        self
    }

    /// Adds a hook that runs after remotes.
    #[must_use]
    pub fn after_remotes(mut self, hook: impl After) -> Self {
        self.remote_pipeline.after.push(Arc::new(hook));
        self
    }

    /// Adds a check of every handshake. Checks run in the order in which they are added. The first error rejects the
    /// client with code 400 and is logged with the name. A second check of one name replaces the first.
    #[must_use]
    pub fn handshake_validator<F>(mut self, name: impl Into<String>, check: F) -> Self
    where
        F: Fn(&handshake::Request) -> Result<(), BoxError> + Send + Sync + 'static,
    {
        let (name, check): (_, Validator) = (name.into(), Arc::new(check));
        match self.validators.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = check,
            None => self.validators.push((name, check)),
        }
        self
    }

    /// Sets the authentication of clients, which runs in every handshake after the validators.
    ///
    /// It may reject the client with a code and a payload, bind the session and set its data. It must finish within
    /// `pitaya.limit.handshake.deadline`; the server reads nothing else from the client meanwhile.
    ///
    /// ```
    /// use pitaya::app::Refusal;
    /// use pitaya::prelude::*;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Login {
    ///     token: String,
    /// }
    ///
    /// /// Returns the uid of a valid token.
    /// fn uid_of(token: &str) -> Option<String> {
    ///     token.strip_prefix("token-of-").map(str::to_owned)
    /// }
    ///
    /// let app = App::builder().authenticate(|session, request| async move {
    ///     let refused = || Refusal::new().with_code(401);
    ///     // The `user` of the client's handshake.
    ///     let login: Login = request.user().ok().flatten().ok_or_else(refused)?;
    ///     let uid = uid_of(&login.token).ok_or_else(refused)?;
    ///     session.bind(&uid).await.map_err(|_| refused())
    /// });
    /// ```
    #[doc(alias = "auth")]
    #[doc(alias = "login")]
    #[doc(alias = "token")]
    #[must_use]
    pub fn authenticate<F, Fut>(mut self, check: F) -> Self
    where
        F: Fn(Session, Arc<handshake::Request>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        self.authenticate = Some(authenticate(check));
        self
    }

    /// Tells generated clients whether they were generated from this schema.
    ///
    /// Such a client sends the [hash](Schema::client_hash) of its schema in the handshake. A client with another one
    /// is accepted too: it warns, or closes if it is strict. Clients that send no hash get the same reply as without
    /// this method.
    ///
    /// ```no_run
    /// use pitaya::prelude::*;
    /// use pitaya::schema::{ExportOptions, export};
    ///
    /// let app = App::builder().schema(&export(&ExportOptions::new("chat"))?);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// The schema of a frontend whose program has not all handlers of the cluster is a file:
    /// `Schema::from_json(include_str!("../schema.json"))`.
    #[must_use]
    pub fn schema(mut self, schema: &Schema) -> Self {
        self.schema = Some(schema.client_hash());
        self
    }

    /// Adds a hook that runs once the app is built, before it serves anything. If it fails, the app does not start.
    #[doc(alias = "AddOnBuiltHook")]
    #[must_use]
    pub fn on_built<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(App) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.on_built.push(Box::new(move |app| Box::pin(hook(app))));
        self
    }

    /// Calls `f` when a session binds, before the session can be found by uid. An error unbinds the session and goes to
    /// the caller of [`Session::bind`]. Callbacks run in the order in which they were added.
    #[must_use]
    pub fn on_bind<F, Fut>(self, f: F) -> Self
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.callbacks.on_bind.add(bind_callback(f));
        self
    }

    /// Calls `f` after a session was bound and can be found by uid. An error unbinds the session.
    #[must_use]
    pub fn on_after_bind<F, Fut>(self, f: F) -> Self
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.callbacks.on_after_bind.add(bind_callback(f));
        self
    }

    /// Calls `f` when a session has ended, after its last handler and its own callbacks.
    ///
    /// A running app adds such callbacks with [`SessionPool::on_close`](crate::SessionPool::on_close).
    #[must_use]
    pub fn on_session_close<F, Fut>(self, f: F) -> Self
    where
        F: Fn(Session) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.callbacks.on_close.add(close_callback(f));
        self
    }
}
