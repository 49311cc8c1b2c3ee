//! Stand-ins for remotes in tests: an implementation of a contract, or closures by route.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;

use super::method::{ContractRoutes, Methods};
use super::run_remote::{run_remote, within};
use super::{Entry, Tables};
use crate::context::Current;
use crate::error::{Error, Result, code, text};
use crate::peers::{RemoteRequest, Remotes};
use crate::pipeline::Pipeline;
use crate::route::Route;
use crate::serialize::{Body, Message, rpc};

type Answer = Box<dyn Fn(Bytes) -> BoxFuture<'static, Result<Bytes>> + Send + Sync>;

/// Answers calls of remotes in a test, with the encoding of the wire.
///
/// ```
/// use pitaya::component::Fake;
/// use pitaya::prelude::*;
/// use pitaya::{Route, Rpc};
///
/// #[message] struct Add { a: i64, b: i64 }
/// #[message] struct Sum { sum: i64 }
///
/// const ADD: Route<Add, Sum> = Route::new("calc.calc.add");
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let rpc = Rpc::fake(Fake::new().on(&ADD, |add: Add| async move { Ok(Sum { sum: add.a + add.b }) }));
/// assert_eq!(rpc.call(&ADD, &Add { a: 1, b: 2 }).await.unwrap().sum, 3);
/// # }
/// ```
#[derive(Default)]
pub struct Fake {
    answers: HashMap<String, Answer>,
}

impl Fake {
    /// Creates a stand-in without routes, whose calls fail with `route not found`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers one route. A later answer for the route replaces it.
    #[must_use]
    pub fn on<Req, Rep, F, Fut>(mut self, route: &Route<Req, Rep>, answer: F) -> Self
    where
        Req: Message,
        Rep: Message,
        F: Fn(Req) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Rep>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        self.answers.insert(
            route.path().to_owned(),
            Box::new(move |body| {
                let answer = Arc::clone(&answer);
                Box::pin(async move {
                    let request = rpc::decode(&Body::shared(&body))
                        .map_err(|error| Error::new(code::BAD_REQUEST, error.to_string()))?;
                    let reply = answer(request).await?;
                    let mut out = BytesMut::new();
                    rpc::encode(&reply, &mut out)
                        .map_err(|error| Error::new(code::UNKNOWN, error.to_string()))?;
                    Ok(out.freeze())
                })
            }),
        );
        self
    }

    /// Answers every route of a contract by an implementation of it. For generated code.
    #[doc(hidden)]
    pub fn contract<S: Send + Sync + 'static>(routes: ContractRoutes, implementation: S) -> Self {
        let mut fake = Self::new();
        let instance: super::Instance = Arc::new(implementation);
        let mut tables = Tables::default();
        let mut ids = Vec::new();
        for (info, call) in Methods::Remotes(routes.methods).list() {
            let route = format!("{}.{}.{}", routes.server, routes.service, info.name);
            let (pipeline, instance) = (Pipeline::default(), Arc::clone(&instance));
            let entry = Entry { route: route.as_str().into(), info, call, pipeline, instance };
            ids.extend(tables.remotes.add(entry).map(|id| (route, id)));
        }
        let tables = Arc::new(tables);
        for (route, id) in ids {
            let tables = Arc::clone(&tables);
            let answer: Answer = Box::new(move |body| {
                let tables = Arc::clone(&tables);
                Box::pin(async move { run_remote(tables, id, &body, Current::get(), None).await })
            });
            fake.answers.insert(route, answer);
        }
        fake
    }
}

impl Remotes for Fake {
    fn call(&self, request: RemoteRequest) -> BoxFuture<'_, Result<Bytes>> {
        match self.answers.get(&request.route) {
            Some(answer) => {
                let RemoteRequest { route, body, timeout, current, .. } = request;
                Box::pin(within(timeout, route, current.scope(answer(body))))
            }
            None => Box::pin(async move {
                Err(Error::new(code::NOT_FOUND, text::ROUTE_NOT_FOUND).with_metadata("route", request.route))
            }),
        }
    }
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut routes: Vec<_> = self.answers.keys().collect();
        routes.sort_unstable();
        f.debug_tuple("Fake").field(&routes).finish()
    }
}
