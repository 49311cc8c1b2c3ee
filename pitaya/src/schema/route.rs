//! The handler that serves the schema.

use std::fmt;

use bytes::Bytes;

use crate::__private::{self as __p, fallback::*};
use crate::error::Result;
use crate::schema::Schema;

/// Serves a schema to clients, once it is [registered](crate::app::Builder::register).
///
/// The route is `<server type>.docs.schema`. It takes nothing and replies with the text of the file as raw bytes,
/// whatever the serializer. `pitaya schema pull` calls it. Every client may, so do not register it where routes are a
/// secret.
///
/// ```no_run
/// use pitaya::prelude::*;
/// use pitaya::schema::{ExportOptions, SchemaRoute, export};
///
/// let schema = export(&ExportOptions::new("chat"))?;
/// let app = App::builder().server_type("connector").register(SchemaRoute::new(&schema));
/// # Ok::<(), Error>(())
/// ```
pub struct SchemaRoute {
    text: Bytes,
}

impl SchemaRoute {
    /// Creates the route of a schema.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        Self { text: schema.to_json().into() }
    }

    fn schema(&self) -> Bytes {
        self.text.clone()
    }

    /// Returns the handler, as `#[handler]` writes it. It is not collected at link time, because only apps that
    /// register this route serve it.
    pub(crate) fn block() -> &'static __p::Block {
        static METHODS: &[__p::Method<__p::Handler>] = &[__p::Method {
            doc: "Returns the schema of this server.",
            reply: <__p::ReplyProbe<Result<Bytes>>>::SCHEMA,
            ..__p::Method::new("schema", line!(), |call, _| {
                Box::pin(async move {
                    let guard = call.guard();
                    let work = async {
                        call.before(&mut []).await?;
                        Ok(Ok(call.component::<SchemaRoute>()?.schema()))
                    };
                    let reply = guard.run(work).await;
                    <__p::ReplyProbe<Result<Bytes>>>::finish_handler(&call, reply).await
                })
            })
        }];
        static BLOCK: __p::Block = __p::Block {
            server: None,
            service: "docs",
            doc: "The schema of this server.",
            file: file!(),
            component: || {
                __p::ComponentType::new(
                    <__p::ComponentProbe<SchemaRoute>>::BUILD,
                    <__p::ComponentProbe<SchemaRoute>>::LIFECYCLE,
                )
            },
            methods: __p::Methods::Handlers(METHODS),
        };
        &BLOCK
    }
}

impl fmt::Debug for SchemaRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaRoute").field("bytes", &self.text.len()).finish()
    }
}
