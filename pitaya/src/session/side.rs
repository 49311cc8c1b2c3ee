//! The two sides of a session.

use std::sync::Arc;

use super::backend::BackendSession;
use super::binding::Binding;
use super::data::Data;
use super::frontend::FrontendSession;
use super::pool::Pool;
use crate::serialize::Serializer;
use crate::span::{ClientMessage, Tracer};

/// A session, on the server that has its connection or on another one.
#[derive(Clone)]
pub(crate) enum Side {
    Frontend(Arc<FrontendSession>),
    /// The copy that a call of another server works with.
    Backend(Arc<BackendSession>),
}

impl Side {
    pub(crate) fn id(&self) -> u64 {
        match self {
            Self::Frontend(session) => session.id(),
            Self::Backend(session) => session.id(),
        }
    }

    #[inline]
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        match self {
            Self::Frontend(session) => session.pool(),
            Self::Backend(session) => session.pool(),
        }
    }

    /// Returns the serializer of the bodies from and to the client. On a backend it is the server's, also towards a
    /// frontend whose session has another.
    #[inline]
    pub(crate) fn serializer(&self) -> &Serializer {
        match self {
            Self::Frontend(session) => session.serializer(),
            Self::Backend(session) => &session.pool().settings().serializer,
        }
    }

    /// Returns the serializer of the bodies from and to the client if this server knows it and it is not the server's.
    #[inline]
    pub(crate) fn own_serializer(&self) -> Option<&Serializer> {
        match self {
            Self::Frontend(session) => session.own_serializer(),
            Self::Backend(_) => None,
        }
    }

    pub(super) fn data(&self) -> &Data {
        match self {
            Self::Frontend(session) => session.data(),
            Self::Backend(session) => session.data(),
        }
    }

    pub(super) fn binding(&self) -> &Binding {
        match self {
            Self::Frontend(session) => session.binding(),
            Self::Backend(session) => session.binding(),
        }
    }

    /// The tracer of the app, if it has one.
    #[inline]
    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.pool().settings().tracer.as_ref()
    }

    /// A message of this session's client, as its span shows it.
    pub(crate) fn client_message<'a>(
        &self,
        route: &'a str,
        request_id: Option<&'a str>,
        is_request: bool,
    ) -> ClientMessage<'a> {
        ClientMessage { route, session: self.id(), uid: self.binding().uid(), request_id, is_request }
    }
}
