//! The tracer without the feature `otel`: a type without values.

use std::task::Context as TaskContext;

use futures_util::future::BoxFuture;

use super::Started;
use super::message::{ClientMessage, Named};
use crate::context::{Current, Metadata};
use crate::error::Result;

/// Has no values.
#[derive(Debug, Clone)]
pub(crate) enum Tracer {}

/// Has no values.
#[derive(Debug)]
pub(crate) enum Open {}

impl Tracer {
    pub(crate) fn message(&self, _message: &ClientMessage<'_>, _named: Named, _current: &Current) -> Open {
        match *self {}
    }

    pub(crate) fn remote(&self, _route: &str, _current: &Current) -> Open {
        match *self {}
    }

    pub(crate) fn call(&self, _route: &str, _id: &str, _server_type: &str) -> Open {
        match *self {}
    }
}

impl Open {
    pub(crate) fn inject(&self, _metadata: &Metadata) -> Metadata {
        match *self {}
    }

    pub(crate) fn is_recording(&self) -> bool {
        match *self {}
    }

    pub(crate) fn start<'a, T: 'a>(
        self,
        _call: impl FnOnce() -> BoxFuture<'a, Result<T>>,
        _cx: &mut TaskContext<'_>,
    ) -> Started<'a, T> {
        match self {}
    }

    pub(crate) fn run<'a, T>(
        self,
        _call: impl Future<Output = Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        match self {}
    }
}
