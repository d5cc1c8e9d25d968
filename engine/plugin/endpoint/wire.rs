//! One platform's connections, kept and used again, and requests over them.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, capture_connection};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, sleep_until};

use super::config::Http2;
use super::connector::Connector;
use super::error::Wait;
use super::outgoing::{Journal, Outgoing};
use super::stream::History;
use super::{EndpointError, tls};

/// How long after the end of its connection a request may go without an answer or an error.
const FORGOTTEN: Duration = Duration::from_secs(1);

/// The connections to one platform. Their tasks are started by hyper on the runtime that the request runs on.
pub(super) struct Wire {
    client: Client<Connector, Outgoing>,
    has_client_certificate: bool,
}

/// A request that failed.
pub(super) struct Failure {
    pub(super) error: EndpointError,
    /// The connection had been used before and ended without an answer: most likely the server closed it, being idle,
    /// just as the request came.
    pub(super) may_be_stale: bool,
}

impl Wire {
    pub(super) fn new(connector: Connector, http2: Http2, idle: Duration, connections: usize) -> Wire {
        let has_client_certificate = connector.has_client_certificate();
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(connections)
            .http2_only(http2 == Http2::PriorKnowledge)
            .http2_adaptive_window(true);
        Wire { client: builder.build(connector), has_client_certificate }
    }

    /// Sends a request. `limit` is for the time without progress until the head of the answer is there.
    pub(super) async fn request(
        &self,
        mut request: Request<Outgoing>,
        limit: Duration,
    ) -> Result<Response<impl http_body::Body<Data = Bytes, Error = EndpointError> + Unpin + Send + use<>>, Failure>
    {
        let journal = request.body().journal();
        journal.begin();
        let captured = capture_connection(&mut request);
        let answer = tokio::select! {
            biased;
            answer = self.client.request(request) => answer,
            history = lost(captured) => return Err(self.lost(&history)),
            () = stalled(&journal, limit) => {
                let error = EndpointError::Timeout { wait: Wait::Head, limit };
                return Err(Failure { error, may_be_stale: false });
            }
        };
        let has_client_certificate = self.has_client_certificate;
        match answer {
            Ok(answer) => {
                if let Some(history) = answer.extensions().get::<History>() {
                    history.serve();
                }
                Ok(answer.map(|body| body.map_err(move |error| explain(&error, has_client_certificate))))
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    /// The request was lost with its connection.
    fn lost(&self, history: &History) -> Failure {
        let error = match history.tls_failure() {
            Some(tls) => tls::failure(&tls, self.has_client_certificate),
            None => EndpointError::Closed("the connection ended".to_owned()),
        };
        let may_be_stale = history.serve() && matches!(error, EndpointError::Closed(_));
        Failure { error, may_be_stale }
    }

    fn failure(&self, error: &ClientError) -> Failure {
        let mut extras = http::Extensions::new();
        if let Some(connected) = error.connect_info() {
            connected.get_extras(&mut extras);
        }
        let history = extras.get::<History>();
        let had_served = history.is_some_and(History::serve);
        let mut error = explain(error, self.has_client_certificate);
        if let (EndpointError::Closed(_), Some(tls)) = (&error, history.and_then(History::tls_failure)) {
            error = tls::failure(&tls, self.has_client_certificate);
        }
        let may_be_stale = had_served && matches!(error, EndpointError::Closed(_));
        Failure { error, may_be_stale }
    }
}

/// Returns when the connection that has taken the request is gone for a while and nobody has said what became of it: a
/// request that reaches a connection in the moment in which it ends is forgotten by its queue, and hyper waits for ever.
async fn lost(mut captured: CaptureConnection) -> History {
    loop {
        let Some(history) = history_of(captured.wait_for_connection_metadata().await.as_ref()) else {
            return std::future::pending().await;
        };
        history.gone().await;
        tokio::time::sleep(FORGOTTEN).await;
        // It may have gone on over another one meanwhile.
        if history_of(captured.connection_metadata().as_ref()).is_some_and(|now| now.is(&history)) {
            return history;
        }
    }
}

fn history_of(connected: Option<&Connected>) -> Option<History> {
    let mut extras = http::Extensions::new();
    connected?.get_extras(&mut extras);
    extras.remove::<History>()
}

/// Returns when nothing of the request has moved for this long.
async fn stalled(journal: &Journal, limit: Duration) {
    loop {
        let until = journal.moved() + limit;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// Finds the reason in an error of hyper. Its own words never hold what was sent.
fn explain(error: &(dyn StdError + 'static), has_client_certificate: bool) -> EndpointError {
    let mut next = Some(error);
    let mut found = None;
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<EndpointError>() {
            return ours.clone();
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return tls::failure(error, has_client_certificate);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if let Some(inside) = tls::inside(error) {
                return tls::failure(inside, has_client_certificate);
            }
            if is_end(error.kind()) {
                return EndpointError::Closed(error.to_string());
            }
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
        {
            found = Some(EndpointError::Closed(error.to_string()));
        }
        next = error.source();
    }
    found.unwrap_or_else(|| EndpointError::Protocol(last_words(error)))
}

fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(
        kind,
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected | K::UnexpectedEof | K::TimedOut
    )
}

/// The innermost error says most.
fn last_words(error: &dyn StdError) -> String {
    let mut last = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        last = error.to_string();
        next = error.source();
    }
    last
}
