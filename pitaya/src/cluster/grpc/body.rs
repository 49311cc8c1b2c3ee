//! The body of a request or an answer, handed over in whole messages.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::framing::{Framing, Limits};

/// A body that hands over complete messages. Each message of a request must arrive within a time.
///
/// Most messages are there already when they are read, and need no timer.
pub(super) struct LimitedBody {
    body: Incoming,
    framing: Framing,
    /// How long a message may take; `None` if the caller limits the time.
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The limit of a unary body holds before its first byte too.
    is_stream: bool,
}

impl LimitedBody {
    pub(super) fn unary(body: Incoming, limit: Duration, limits: Arc<Limits>) -> Self {
        Self::new(body, Some(limit), limits, false)
    }

    /// The body of an answer. The caller limits its time.
    pub(super) fn answer(body: Incoming, limits: Arc<Limits>) -> Self {
        Self::new(body, None, limits, false)
    }

    /// A stream may wait between two messages, and loses a message that is too large.
    pub(super) fn stream(body: Incoming, limit: Duration, limits: Arc<Limits>) -> Self {
        Self::new(body, Some(limit), limits, true)
    }

    fn new(body: Incoming, limit: Option<Duration>, limits: Arc<Limits>, is_stream: bool) -> Self {
        Self { body, framing: Framing::new(limits, is_stream), limit, timer: None, is_stream }
    }

    fn take(&mut self, data: Bytes) -> Result<Bytes, Status> {
        let whole = self.framing.take(data)?;
        if self.is_stream && (!whole.is_empty() || self.framing.is_between()) {
            self.timer = None;
        }
        Ok(whole)
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        let is_between = self.is_stream && self.framing.is_between();
        let Some(limit) = self.limit.filter(|_| !is_between) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(context).map(|()| Status::deadline_exceeded("the request is not whole"))
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        loop {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                return Poll::Ready(Some(Err(ready!(this.poll_timer(context)))));
            };
            return Poll::Ready(match frame.transpose() {
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) => match this.take(data) {
                        Ok(whole) if whole.is_empty() => continue,
                        whole => Some(whole.map(Frame::data)),
                    },
                    Err(trailers) => Some(Ok(trailers)),
                },
                Ok(None) if this.framing.is_between() => None,
                Ok(None) => Some(Err(Status::internal("the body ended within a message"))),
                Err(error) => Some(Err(Status::from_error(Box::new(error)))),
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.framing.is_between() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
