//! The body of a request on its way out: counted, held to its announced length, and remembered while it is short, so that
//! the request can be sent a second time.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::error::Part;
use super::{Body, EndpointError};

/// How much of a body is remembered.
const REMEMBERED_BYTES: usize = 64 << 10;

/// A body with its first data at hand.
pub(super) struct Outgoing {
    /// Pieces to hand out before the rest, the last first.
    first: Vec<Bytes>,
    rest: Option<Body>,
    sent: u64,
    limits: Limits,
    journal: Journal,
}

/// How long a body may and must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) most: u64,
    /// What the request announces.
    pub(super) exact: Option<u64>,
}

/// What is known of a body that is under way.
#[derive(Clone)]
pub(super) struct Journal(Arc<Mutex<Notes>>);

struct Notes {
    moved: Instant,
    pieces: Vec<Bytes>,
    bytes: usize,
    /// Every piece there is was handed out and is remembered.
    is_whole: bool,
}

impl Journal {
    fn new() -> Journal {
        let notes = Notes { moved: Instant::now(), pieces: Vec::new(), bytes: 0, is_whole: false };
        Journal(Arc::new(Mutex::new(notes)))
    }

    /// The request begins only now: what it needed before took time of its own.
    pub(super) fn begin(&self) {
        self.notes().moved = Instant::now();
    }

    /// When a piece was last taken.
    pub(super) fn moved(&self) -> Instant {
        self.notes().moved
    }

    /// The whole body, if it was short and has been handed out completely.
    pub(super) fn whole(&self) -> Option<Vec<Bytes>> {
        let notes = self.notes();
        notes.is_whole.then(|| notes.pieces.clone())
    }

    fn piece(&self, piece: &Bytes) {
        let mut notes = self.notes();
        notes.moved = Instant::now();
        notes.bytes = notes.bytes.saturating_add(piece.len());
        if notes.bytes <= REMEMBERED_BYTES {
            notes.pieces.push(piece.clone());
        } else {
            notes.pieces = Vec::new();
        }
    }

    fn end(&self) {
        let mut notes = self.notes();
        notes.is_whole = notes.bytes <= REMEMBERED_BYTES;
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outgoing {
    /// Waits for the first data or the end. A body whose length is not known would be sent as chunks even if it is empty,
    /// and some servers refuse any body where they expect none.
    pub(super) async fn begin(mut body: Body, limits: Limits) -> Result<Outgoing, EndpointError> {
        if limits.exact.is_some_and(|exact| exact > limits.most) {
            return Err(too_large(limits));
        }
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else {
                break;
            };
            if let Ok(data) = frame?.into_data()
                && !data.is_empty()
            {
                if limits.exact.is_some_and(|exact| exact < data.len() as u64) {
                    return Err(wrong_length());
                }
                let ended = body.is_end_stream();
                return Ok(Outgoing::new(vec![data], (!ended).then_some(body), limits));
            }
        }
        if limits.exact.is_some_and(|exact| exact != 0) {
            return Err(wrong_length());
        }
        Ok(Outgoing::new(Vec::new(), None, limits))
    }

    /// The same pieces once more.
    pub(super) fn again(mut pieces: Vec<Bytes>, limits: Limits) -> Outgoing {
        pieces.reverse();
        Outgoing::new(pieces, None, limits)
    }

    fn new(first: Vec<Bytes>, rest: Option<Body>, limits: Limits) -> Outgoing {
        Outgoing { first, rest, sent: 0, limits, journal: Journal::new() }
    }

    /// What will be known of it on its way.
    pub(super) fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.rest.is_none()
    }

    /// All of it, if it is at most `most` bytes.
    pub(super) async fn collect(mut self, most: u64) -> Result<Vec<Bytes>, EndpointError> {
        self.limits.most = self.limits.most.min(most);
        let mut pieces = Vec::new();
        while let Some(frame) = self.frame().await {
            pieces.extend(frame?.into_data());
        }
        Ok(pieces)
    }

    /// The length, where it is known.
    fn length(&self) -> Option<u64> {
        let first: u64 = self.first.iter().map(|piece| piece.len() as u64).sum();
        let rest = match &self.rest {
            None => Some(0),
            Some(rest) => rest.size_hint().exact(),
        };
        self.limits.exact.map(|exact| exact.saturating_sub(self.sent)).or_else(|| Some(first.saturating_add(rest?)))
    }

    fn take(&mut self, piece: Bytes) -> Result<Frame<Bytes>, EndpointError> {
        self.sent = self.sent.saturating_add(piece.len() as u64);
        if self.sent > self.limits.most {
            return Err(too_large(self.limits));
        }
        if self.limits.exact.is_some_and(|exact| self.sent > exact) {
            return Err(wrong_length());
        }
        self.journal.piece(&piece);
        if self.rest.is_none() && self.first.is_empty() {
            self.journal.end();
        }
        Ok(Frame::data(piece))
    }

    fn end(&mut self) -> Option<Result<Frame<Bytes>, EndpointError>> {
        self.rest = None;
        self.journal.end();
        let is_short = self.limits.exact.is_some_and(|exact| self.sent < exact);
        is_short.then(|| Err(wrong_length()))
    }
}

fn too_large(limits: Limits) -> EndpointError {
    EndpointError::TooLarge { part: Part::Request, limit: limits.most }
}

fn wrong_length() -> EndpointError {
    EndpointError::Request("the body is not as long as its Content-Length says".to_owned())
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = EndpointError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
        if let Some(piece) = self.first.pop() {
            return Poll::Ready(Some(self.take(piece)));
        }
        loop {
            let Some(rest) = &mut self.rest else {
                return Poll::Ready(self.end());
            };
            match ready!(Pin::new(rest).poll_frame(cx)) {
                None => return Poll::Ready(self.end()),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Some(self.take(data))),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            }
        }
    }

    /// A body that is shorter than announced must be asked for its end, or nobody would learn of that.
    fn is_end_stream(&self) -> bool {
        self.is_empty() && self.limits.exact.is_none_or(|exact| exact == self.sent)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map(SizeHint::with_exact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    /// A body that pauses before every piece; the last piece comes first.
    struct Pauses(Vec<&'static str>, bool);

    impl HttpBody for Pauses {
        type Data = Bytes;
        type Error = EndpointError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, EndpointError>>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.pop().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
        }
    }

    fn body(pieces: &[&'static str]) -> Body {
        Body::new(Pauses(pieces.iter().rev().copied().collect(), false))
    }

    fn limits(most: u64, exact: Option<u64>) -> Limits {
        Limits { most, exact }
    }

    #[tokio::test]
    async fn empty_pieces_are_no_body() {
        for pieces in [&[][..], &[""], &["", "", ""]] {
            let out = Outgoing::begin(body(pieces), limits(9, None)).await.unwrap();
            assert!(out.is_empty() && out.is_end_stream());
            assert_eq!(out.size_hint().exact(), Some(0));
        }
        let out = Outgoing::begin(body(&["", "a", "", "bc"]), limits(9, None)).await.unwrap();
        assert!(!out.is_empty() && out.size_hint().exact().is_none());
        let journal = out.journal();
        assert_eq!(journal.whole(), None);
        assert_eq!(BodyExt::collect(out).await.unwrap().to_bytes(), "abc");
        let again = Outgoing::again(journal.whole().unwrap(), limits(9, None));
        assert_eq!(again.size_hint().exact(), Some(3));
        assert_eq!(BodyExt::collect(again).await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn a_body_of_one_known_piece_has_a_length() {
        let full = Body::new(Full::new(Bytes::from_static(b"four")).map_err(|never| match never {}));
        let out = Outgoing::begin(full, limits(9, None)).await.unwrap();
        assert_eq!(out.size_hint().exact(), Some(4));
    }

    #[tokio::test]
    async fn lengths_are_held() {
        let cases = [(limits(3, None), true), (limits(9, Some(3)), false), (limits(9, Some(5)), false)];
        for (limits, too_large) in cases {
            let out = Outgoing::begin(body(&["ab", "cd"]), limits).await.unwrap();
            let error = BodyExt::collect(out).await.unwrap_err();
            assert_eq!(matches!(error, EndpointError::TooLarge { .. }), too_large, "{error}");
        }
        assert!(Outgoing::begin(body(&["a"]), limits(3, Some(4))).await.is_err());
        for (pieces, exact) in [(&[][..], 1), (&["ab"], 0), (&["ab"], 1)] {
            assert!(Outgoing::begin(body(pieces), limits(9, Some(exact))).await.is_err());
        }
        let out = Outgoing::begin(body(&["ab", "cd"]), limits(9, Some(4))).await.unwrap();
        assert_eq!(out.size_hint().exact(), Some(4));
        assert_eq!(BodyExt::collect(out).await.unwrap().to_bytes(), "abcd");
    }

    #[tokio::test]
    async fn a_long_body_is_not_remembered() {
        let long: &'static str = Box::leak("x".repeat(REMEMBERED_BYTES).into_boxed_str());
        let out = Outgoing::begin(body(&[long]), limits(u64::MAX, None)).await.unwrap();
        let journal = out.journal();
        BodyExt::collect(out).await.unwrap();
        assert_eq!(journal.whole().unwrap().len(), 1);
        let out = Outgoing::begin(body(&[long, "y"]), limits(u64::MAX, None)).await.unwrap();
        let journal = out.journal();
        BodyExt::collect(out).await.unwrap();
        assert_eq!(journal.whole(), None);
        assert!(journal.0.lock().unwrap().pieces.is_empty());
    }
}
