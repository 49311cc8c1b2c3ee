//! An acceptor whose sessions have one serializer.

use std::{fmt, io};

use super::{Acceptor, BoxFuture, IncomingConnection, ListenOptions, Listening};
use crate::serialize::Serializer;

/// An acceptor that fixes the serializer of its sessions. [`Acceptor::serializer`] returns it.
pub struct FixedSerializer<A> {
    inner: A,
    serializer: Serializer,
}

impl<A> FixedSerializer<A> {
    pub(super) fn new(inner: A, serializer: Serializer) -> Self {
        Self { inner, serializer }
    }
}

impl<A: Acceptor> Acceptor for FixedSerializer<A> {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        self.inner.listen(options)
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        let accept = self.inner.accept();
        let serializer = &self.serializer;
        Box::pin(async move {
            let mut incoming = accept.await?;
            incoming.fix_serializer(serializer);
            Ok(incoming)
        })
    }

    fn drain(&mut self) -> bool {
        self.inner.drain()
    }
}

impl<A: fmt::Debug> fmt::Debug for FixedSerializer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedSerializer")
            .field("inner", &self.inner)
            .field("serializer", &self.serializer)
            .finish()
    }
}
