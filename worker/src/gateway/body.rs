//! A response body that is metered while it streams through.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};

use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, meter::Meter};

/// Passes every frame on as it comes. What was metered is booked when the body ends or is dropped:
/// an agent that hangs up has still paid for what was sent.
pub(super) struct MeteredBody<B> {
    inner: B,
    /// `None` once it is booked.
    meter: Option<(Meter, UnderWay)>,
    shared: Arc<Shared>,
}

/// A request under way, of one lease.
pub(super) struct UnderWay {
    pub(super) lease: u64,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl<B> MeteredBody<B> {
    pub(super) fn new(inner: B, meter: Meter, under_way: UnderWay, shared: Arc<Shared>) -> Self {
        Self { inner, meter: Some((meter, under_way)), shared }
    }

    fn book(&mut self) {
        if let Some((meter, under_way)) = self.meter.take() {
            let (model, used) = meter.finish();
            self.shared.book(under_way.lease, &model, used);
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for MeteredBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let (Some(data), Some((meter, _))) = (frame.data_ref(), &mut self.meter) {
                    meter.feed(data);
                }
            }
            Some(Err(_)) | None => self.book(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for MeteredBody<B> {
    fn drop(&mut self) {
        self.book();
    }
}
