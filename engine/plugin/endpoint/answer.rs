//! The body of an answer on its way in: small pieces joined, length and pauses bounded, its place given back at the end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::EndpointError;
use super::error::{Part, Wait};

/// Pieces are joined up to this.
const JOINED_BYTES: usize = 64 << 10;
/// A first piece of this size is handed on as it is, without a copy.
const LARGE_BYTES: usize = 16 << 10;
/// How often in a row others are let run in the hope of one more piece.
const YIELDS: u8 = 2;

/// Joins small pieces.
///
/// A server may send every line of a log as a chunk of its own, and hyper hands on chunk by chunk: it decodes the next
/// one only when the last was taken, in another task. So when nothing is there and something has been taken already, that
/// task is let run before the piece is handed on. Nothing is waited for: a line that comes alone goes on alone.
pub(super) struct Joined<B> {
    inner: B,
    taken: Taken,
    yields: u8,
    /// What came instead of more data.
    next: Option<Option<Result<Frame<Bytes>, EndpointError>>>,
}

/// Data that was taken and not handed on yet. A piece that stays alone is not copied.
#[derive(Default)]
struct Taken {
    first: Bytes,
    joined: BytesMut,
}

impl Taken {
    fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    fn push(&mut self, data: Bytes) {
        if self.len() == 0 {
            self.first = data;
            return;
        }
        if self.joined.is_empty() {
            self.joined.reserve(4 << 10);
            self.joined.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.joined.extend_from_slice(&data);
    }

    fn take(&mut self) -> Bytes {
        if self.joined.is_empty() { std::mem::take(&mut self.first) } else { self.joined.split().freeze() }
    }
}

impl<B> Joined<B> {
    pub(super) fn new(inner: B) -> Joined<B> {
        Joined { inner, taken: Taken::default(), yields: 0, next: None }
    }

    fn hand_on(&mut self) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        self.yields = 0;
        Poll::Ready(Some(Ok(Frame::data(self.taken.take()))))
    }
}

impl<B> HttpBody for Joined<B>
where
    B: HttpBody<Data = Bytes, Error = EndpointError> + Unpin,
{
    type Data = Bytes;
    type Error = EndpointError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        if let Some(next) = self.next.take() {
            return Poll::Ready(next);
        }
        loop {
            let next = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending if self.taken.len() == 0 => return Poll::Pending,
                Poll::Pending if self.yields < YIELDS => {
                    self.yields += 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Pending => return self.hand_on(),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.yields = 0;
                        self.taken.push(data);
                        if self.taken.len() >= if self.taken.joined.is_empty() { LARGE_BYTES } else { JOINED_BYTES } {
                            return self.hand_on();
                        }
                        continue;
                    }
                    Err(trailers) => Some(Ok(trailers)),
                },
                Poll::Ready(other) => other,
            };
            if self.taken.len() == 0 {
                return Poll::Ready(next);
            }
            self.next = Some(next);
            return self.hand_on();
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.len() == 0 && self.next.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let taken = self.taken.len() as u64;
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(taken));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(taken));
        }
        hint
    }
}

/// Holds an answer to its limits.
pub(super) struct Bounded<B> {
    inner: B,
    left: u64,
    limit: u64,
    pause: Option<Duration>,
    /// Running while something is waited for; made when that first happens.
    sleep: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
    /// The turn of the request, over with the answer.
    turn: Option<OwnedSemaphorePermit>,
    is_over: bool,
}

impl<B> Bounded<B> {
    pub(super) fn new(inner: B, limit: u64, pause: Option<Duration>, turn: OwnedSemaphorePermit) -> Bounded<B> {
        Bounded { inner, left: limit, limit, pause, sleep: None, is_waiting: false, turn: Some(turn), is_over: false }
    }

    fn over(&mut self) {
        self.is_over = true;
        self.turn = None;
    }

    /// Whether the pause has become too long.
    fn is_late(&mut self, cx: &mut Context<'_>) -> Option<Duration> {
        let pause = self.pause?;
        let ends = Instant::now() + pause;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends)));
        if !self.is_waiting {
            sleep.as_mut().reset(ends);
            self.is_waiting = true;
        }
        sleep.as_mut().poll(cx).is_ready().then_some(pause)
    }
}

impl<B> HttpBody for Bounded<B>
where
    B: HttpBody<Data = Bytes, Error = EndpointError> + Unpin,
{
    type Data = Bytes;
    type Error = EndpointError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Poll::Ready(next) = Pin::new(&mut self.inner).poll_frame(cx) else {
            let Some(limit) = self.is_late(cx) else {
                return Poll::Pending;
            };
            self.over();
            return Poll::Ready(Some(Err(EndpointError::Timeout { wait: Wait::Bytes, limit })));
        };
        self.is_waiting = false;
        match &next {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(left) = self.left.checked_sub(bytes) else {
                    self.over();
                    let error = EndpointError::TooLarge { part: Part::Response, limit: self.limit };
                    return Poll::Ready(Some(Err(error)));
                };
                self.left = left;
                if self.inner.is_end_stream() {
                    self.over();
                }
            }
            Some(Err(_)) | None => self.over(),
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_over { SizeHint::with_exact(0) } else { self.inner.size_hint() }
    }
}
