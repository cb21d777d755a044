//! An answer's way to the agent, and to the meter.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{Shared, meter::Meter, proxy::SILENCE};
use crate::account::Reservation;

/// Pieces of an answer that wait for an agent that reads slowly.
const PIECES: usize = 8;

/// A request under way: what is reserved for it, and its slot.
pub(super) struct UnderWay {
    /// None for a request that is free.
    pub(super) reservation: Option<Reservation>,
    pub(super) _slot: OwnedSemaphorePermit,
}

impl UnderWay {
    /// Whether the service has the request, and may bill it.
    pub(super) fn sent(&mut self, sent: bool) {
        if let Some(reservation) = &mut self.reservation {
            reservation.sent(sent);
        }
    }
}

/// An answer that is being counted. If it is dropped before its end, nobody knows what it costs, and
/// it costs what is reserved.
struct Counted {
    over: bool,
    meter: Meter,
    under_way: UnderWay,
    shared: Arc<Shared>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(reservation) = self.under_way.reservation.take_if(|_| self.over) {
            self.shared.book(reservation, std::mem::take(&mut self.meter));
        }
    }
}

/// What the agent reads of an answer.
pub(super) struct Piped<E> {
    pieces: mpsc::Receiver<Result<Bytes, E>>,
    /// Of the whole answer.
    size: SizeHint,
}

impl<E> HttpBody for Piped<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

/// Reads an answer in a task of its own, meters it and hands it on. An agent that hangs up has still
/// caused the whole answer, and it is read to its end: only there stands what it cost, and what was
/// seen until then may be a small part of it (<https://docs.claude.com/en/docs/build-with-claude/extended-thinking>).
pub(super) fn pipe<B>(
    mut answer: B,
    meter: Meter,
    under_way: UnderWay,
    shared: Arc<Shared>,
) -> Piped<B::Error>
where
    B: HttpBody<Data = Bytes> + Unpin + Send + 'static,
    B::Error: Send + 'static,
{
    let (agent, pieces) = mpsc::channel(PIECES);
    let size = answer.size_hint();
    tokio::spawn(async move {
        let mut counted = Counted { over: false, meter, under_way, shared };
        let cut = loop {
            let next = std::future::poll_fn(|context| Pin::new(&mut answer).poll_frame(context));
            // One that says nothing for that long is given up, and costs what is reserved.
            let Ok(next) = tokio::time::timeout(SILENCE, next).await else { return };
            match next {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    counted.meter.feed(&data);
                    // One that has hung up wants no more of it.
                    let _ = agent.send(Ok(data)).await;
                }
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        // Booked first: an agent that sees the end may be gone at once.
        counted.over = true;
        drop(counted);
        if let Some(error) = cut {
            let _ = agent.send(Err(error)).await;
        }
    });
    Piped { pieces, size }
}
