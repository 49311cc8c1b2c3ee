#![doc = include_str!("docs/overview.md")]
#![cfg_attr(feature = "testing", doc = include_str!("docs/testing.md"))]
#![cfg_attr(
    not(feature = "testing"),
    doc = "# Testing\n\nSee the feature `testing`: whole clusters within one test.\n"
)]
#![doc = include_str!("docs/reference.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Not for all crates: examples and tests have handlers, whose errors are their clients' business.
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

// ARCHITECTURE.md of the repository lists what each module owns, in the order in which they may use each other, and
// where to change what.
pub mod acceptor;
pub mod app;
pub mod binding;
pub mod client;
pub mod cluster;
pub mod component;
pub mod config;
mod connection;
pub mod context;
pub mod documentation;
pub mod error;
#[cfg(feature = "etcd")]
mod etcd;
pub mod group;
#[cfg(feature = "http")]
mod http;
mod lifecycle;
pub mod metrics;
pub mod module;
mod net;
#[cfg(feature = "otel")]
#[cfg_attr(docsrs, doc(cfg(feature = "otel")))]
pub mod otel;
mod peers;
pub mod pipeline;
pub mod route;
pub mod schema;
pub mod serialize;
pub mod services;
pub mod session;
mod span;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod timer;
mod util;
mod validate;
#[doc(hidden)]
pub mod wire;
#[cfg(feature = "worker")]
#[cfg_attr(docsrs, doc(cfg(feature = "worker")))]
pub mod worker;

pub use bytes::Bytes;
pub use error::{AnyError, BoxError, Error, ErrorKind, Result, ResultExt};
/// Not public API.
#[doc(hidden)]
pub use pitaya_duration as go_duration;

pub use app::App;
pub use component::{Context, Lifecycle, Rpc, State};
pub use config::Config;
pub use group::{Groups, Users};
pub use pitaya_macros::{
    Component, PitayaError, concurrent, every, handler, idempotent, link, message, remote, route, session,
    skip, timeout, timers,
};
pub use route::Route;
pub use session::{Session, SessionData, SessionPool};
pub use timer::Timers;

/// The names that most handler files use: `use pitaya::prelude::*;`.
///
/// Everything else is imported by its path: `use pitaya::{Context, Users};`, `use pitaya::component::Extract;`.
pub mod prelude {
    pub use crate::app::App;
    pub use crate::component::{Component, State};
    pub use crate::error::{Error, Result, ResultExt as _};
    pub use crate::group::Groups;
    pub use crate::session::Session;

    pub use bytes::Bytes;
    pub use pitaya_macros::{Component, handler, message, remote};
}

/// For the fuzz targets and the cost test of this repository: not public API. A feature and not `cfg(fuzzing)`, so that
/// the cost test runs on the same build as all other tests.
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub mod __fuzz {
    pub use crate::acceptor::hidden_proxy_header as proxy_header;
    #[cfg(feature = "websocket")]
    pub use crate::acceptor::hidden_websocket as websocket;
}

/// For generated code: not public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::app::App;
    pub use crate::client::private as client;
    pub use crate::component::private::*;
    pub use crate::component::{
        Component, Context, Fake, FromServices, Handler, HandlerArg, HandlerCall, Remote, RemoteArg,
        RemoteCall, Reply, Rpc,
    };
    pub use crate::error::{
        Coded, CodedError, Error, ErrorCodes, ErrorRecognizer, IntoError, Result, VariantCode, coded,
    };
    pub use crate::route::{Notify, Route};
    pub use crate::serialize::{
        Codecs, EnumSchema, EnumValue, Field, FieldForm, FieldType, Message, Nanos, NanosForm, Push,
        PushType, Schema, Text, TextForm, Type, UnionSchema, VariantBody, VariantSchema, fields, names,
        union,
    };
    pub use crate::services::Services;
    pub use crate::session::SessionData;
    pub use std::{
        option::Option::{None, Some},
        result::Result::Ok,
    };
    pub use {bytes, inventory, prost, serde};
}
