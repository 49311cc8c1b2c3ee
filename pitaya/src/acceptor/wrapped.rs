//! An acceptor whose connections have a filter.

use std::{fmt, io, sync::Arc};

use super::{Acceptor, BoxFuture, IncomingConnection, ListenOptions, Listening, Wrapper};

/// An acceptor with a wrapper. [`Acceptor::wrap`] returns it.
pub struct Wrapped<A> {
    inner: A,
    wrapper: Arc<dyn Wrapper>,
}

impl<A> Wrapped<A> {
    pub(super) fn new(inner: A, wrapper: Arc<dyn Wrapper>) -> Self {
        Self { inner, wrapper }
    }
}

impl<A: Acceptor> Acceptor for Wrapped<A> {
    fn listen(&mut self, options: &ListenOptions) -> BoxFuture<'_, io::Result<Listening>> {
        self.inner.listen(options)
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<IncomingConnection>> {
        let accept = self.inner.accept();
        let wrapper = &self.wrapper;
        Box::pin(async move {
            let mut incoming = accept.await?;
            incoming.add_wrapper(Arc::clone(wrapper));
            Ok(incoming)
        })
    }

    fn drain(&mut self) -> bool {
        self.inner.drain()
    }
}

impl<A: fmt::Debug> fmt::Debug for Wrapped<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped").field("inner", &self.inner).finish_non_exhaustive()
    }
}
