//! The handlers that serve the documentation.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Documents, framework};
use crate::__private::{self as __p, fallback::*};
use crate::app::App;
use crate::error::{Error, Result, code};
use crate::serialize::{Codecs, Message, Schema};

/// The most names in one request for descriptors.
const NAMES: usize = 1000;
/// The most bytes of files in one reply, because a short name may stand for a large file.
const FILES: usize = 4 << 20;

/// Serves the documentation of this server to clients, once it is [registered](crate::app::Builder::register).
///
/// | route | takes | replies |
/// |---|---|---|
/// | `<server type>.docs.documentation` | nothing | `protos.Doc`: the JSON of [`App::documentation`] with names |
/// | `<server type>.docs.descriptors` | `protos.ProtoNames`: at most 1000 names, each once | `protos.ProtoDescriptors`: [`App::descriptors`], at most 4 MiB |
///
/// The server makes each document once and keeps it.
///
/// Every client may call them. Do not register them where the routes are a secret.
///
/// ```
/// use pitaya::documentation::DocsRoutes;
/// use pitaya::prelude::*;
///
/// let app = App::builder().server_type("connector").register(DocsRoutes);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DocsRoutes;

impl DocsRoutes {
    fn documentation(app: &App) -> Doc {
        Doc { doc: Documents::of(app).text(app).to_owned() }
    }

    fn descriptors(app: &App, names: &ProtoNames) -> Result<ProtoDescriptors> {
        if names.name.len() > NAMES {
            return Err(Error::new(code::BAD_REQUEST, format!("more than {NAMES} names")));
        }
        let mut seen = HashSet::new();
        if let Some(name) = names.name.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::new(code::BAD_REQUEST, "a name is given twice").with_metadata("name", name));
        }
        let desc = app.descriptors(&names.name)?;
        if desc.iter().map(Bytes::len).sum::<usize>() > FILES {
            return Err(Error::new(code::BAD_REQUEST, "the files are too large: ask for fewer names"));
        }
        Ok(ProtoDescriptors { desc })
    }
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
struct Doc {
    #[prost(string, tag = 1)]
    doc: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
struct ProtoNames {
    #[prost(string, repeated, tag = 1)]
    #[serde(default)]
    name: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
struct ProtoDescriptors {
    #[prost(bytes = "bytes", repeated, tag = 1)]
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    desc: Vec<Bytes>,
}

/// Go writes bytes in JSON as base64.
fn write_base64<S: Serializer>(all: &[Bytes], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().map(|bytes| STANDARD.encode(bytes)))
}

fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Bytes>, D::Error> {
    let all = Vec::<String>::deserialize(deserializer)?;
    let read = |text: String| STANDARD.decode(text).map(Bytes::from).map_err(serde::de::Error::custom);
    all.into_iter().map(read).collect()
}

macro_rules! messages {
    ($($message:ty = $schema:ident),*) => { $(
        impl Message for $message {
            const CODECS: Codecs<Self> = Codecs::serde_and_proto();
            const SCHEMA: &'static Schema = &framework::$schema;
        }
    )* };
}

messages!(Doc = DOC, ProtoNames = PROTO_NAMES, ProtoDescriptors = PROTO_DESCRIPTORS);

/// The handlers, as `#[handler]` writes them. They are not collected at link time, because only apps that register
/// [`DocsRoutes`] serve them.
pub(crate) fn block() -> &'static __p::Block {
    static METHODS: &[__p::Method<__p::Handler>] = &[
        __p::Method {
            doc: "Describes all routes of this server.",
            reply: <__p::ReplyProbe<Result<Doc>>>::SCHEMA,
            needs: &[("App", <__p::ArgDecode<App, _>>::handler_needs)],
            ..__p::Method::new("documentation", line!(), |mut call, body| {
                let mut a0 = <__p::ArgDecode<App, _>>::handler(&call, body);
                Box::pin(async move {
                    let guard = call.guard();
                    let work = async {
                        call.before(&mut [&mut a0]).await?;
                        let a0 = a0.resolve(&mut call).await?;
                        Ok(Ok(DocsRoutes::documentation(&a0)))
                    };
                    let reply = guard.run(work).await;
                    <__p::ReplyProbe<Result<Doc>>>::finish_handler(&call, reply).await
                })
            })
        },
        __p::Method {
            doc: "Returns the Protobuf files of messages.",
            message: <__p::ArgProbe<ProtoNames>>::SCHEMA,
            reply: <__p::ReplyProbe<Result<ProtoDescriptors>>>::SCHEMA,
            needs: &[("App", <__p::ArgDecode<App, _>>::handler_needs)],
            ..__p::Method::new("descriptors", line!(), |mut call, body| {
                let mut a0 = <__p::ArgDecode<App, _>>::handler(&call, body);
                let mut a1 = <__p::ArgDecode<ProtoNames, _>>::handler(&call, body);
                Box::pin(async move {
                    let guard = call.guard();
                    let work = async {
                        call.before(&mut [&mut a0, &mut a1]).await?;
                        let a0 = a0.resolve(&mut call).await?;
                        let a1 = a1.resolve(&mut call).await?;
                        Ok(DocsRoutes::descriptors(&a0, &a1))
                    };
                    let reply = guard.run(work).await;
                    <__p::ReplyProbe<Result<ProtoDescriptors>>>::finish_handler(&call, reply).await
                })
            })
        },
    ];
    static BLOCK: __p::Block = __p::Block {
        server: None,
        service: "docs",
        doc: "Documents this server.",
        file: file!(),
        component: || {
            __p::ComponentType::new(
                <__p::ComponentProbe<DocsRoutes>>::BUILD,
                <__p::ComponentProbe<DocsRoutes>>::LIFECYCLE,
            )
        },
        methods: __p::Methods::Handlers(METHODS),
    };
    &BLOCK
}
