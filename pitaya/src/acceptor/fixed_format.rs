//! An acceptor whose sessions have one serializer.

use std::{fmt, io};

use super::{Acceptor, BoxFuture, IncomingConnection, ListenOptions, Listening};
use crate::serialize::Format;

/// An acceptor that fixes the serializer of its sessions. [`Acceptor::serializer`] returns it.
pub struct FixedFormat<A> {
    inner: A,
    format: Format,
}

impl<A> FixedFormat<A> {
    pub(super) fn new(inner: A, format: Format) -> Self {
        Self { inner, format }
    }
}

impl<A: Acceptor> Acceptor for FixedFormat<A> {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        self.inner.listen(options)
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        let accept = self.inner.accept();
        let format = &self.format;
        Box::pin(async move {
            let mut incoming = accept.await?;
            incoming.fix_format(format);
            Ok(incoming)
        })
    }

    fn drain(&mut self) -> bool {
        self.inner.drain()
    }
}

impl<A: fmt::Debug> fmt::Debug for FixedFormat<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedFormat").field("inner", &self.inner).field("format", &self.format).finish()
    }
}
