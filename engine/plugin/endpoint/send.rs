//! A request on its way: checked, turned, signed, sent, and its answer held to the limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Extensions, Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::address::Address;
use super::answer::{Bounded, Joined};
use super::auth::{Credential, Refusal};
use super::call::Call;
use super::config::EndpointConfig;
use super::error::{Part, Wait};
use super::outgoing::{Limits, Outgoing};
use super::request::{Checks, rewrite, strip_answer};
use super::resolve::{Resolve, SystemResolver};
use super::rights::Rights;
use super::setup::{Made, make};
use super::wire::{Failure, Wire};
use super::{Body, EndpointError};
use crate::clock::Clock;
use crate::error::Problem;

/// A connection to a platform, by name.
pub struct Endpoint {
    name: String,
    address: Address,
    wire: Wire,
    credential: Credential,
    /// Headers that carry the credential.
    taken: Vec<HeaderName>,
    rights: Rights,
    turns: Arc<Semaphore>,
    limits: Bounds,
}

/// The limits of the configuration.
struct Bounds {
    wait: Duration,
    response: Duration,
    between_bytes: Option<Duration>,
    response_bytes: u64,
    request_bytes: u64,
}

impl Endpoint {
    /// Makes an endpoint. Nothing is connected to yet; files and secrets are read.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, at `endpoint.NAME.…`. No problem holds a secret.
    pub fn new(name: &str, config: EndpointConfig) -> Result<Endpoint, Vec<Problem>> {
        Endpoint::with_resolver(name, config, Arc::new(SystemResolver))
    }

    /// Makes an endpoint that looks names up elsewhere than with the system.
    ///
    /// # Errors
    /// As [`Endpoint::new`].
    pub fn with_resolver(
        name: &str,
        config: EndpointConfig,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Endpoint, Vec<Problem>> {
        let Made { address, wire, credential, rights } = make(name, &config, &resolver, &Clock::system())?;
        Ok(Endpoint {
            name: name.to_owned(),
            address,
            wire,
            taken: credential.headers(),
            credential,
            rights,
            turns: Arc::new(Semaphore::new(config.connections)),
            limits: Bounds {
                wait: Duration::from_millis(config.wait_ms),
                response: Duration::from_millis(config.response_ms),
                between_bytes: config.between_bytes_ms.map(Duration::from_millis),
                response_bytes: config.response_bytes,
                request_bytes: config.request_bytes,
            },
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a request and waits for the head of the answer. Dropping the future, or the body of the answer before its
    /// end, ends the request.
    ///
    /// To be called in a tokio runtime with IO and time; connections that are kept live on the runtime of the request
    /// that made them.
    ///
    /// # Errors
    /// See [`EndpointError`]; [`EndpointError::kind`] says what a caller may want to know. Any status is an answer.
    pub async fn send(&self, request: Request<Body>, call: &Call) -> Result<Response<Body>, EndpointError> {
        let (mut parts, body) = request.into_parts();
        let checks = Checks { granted: &self.rights, asked: &call.rights, taken: &self.taken };
        let exact = rewrite(&mut parts, &self.address, &checks)?;
        let turn = self.turn().await?;
        let limits = Limits { most: self.limits.request_bytes, exact };
        let limit = self.limits.response.min(call.response.unwrap_or(Duration::MAX));
        let prepared = tokio::time::timeout(limit, self.prepare(&mut parts, body, limits)).await;
        let prepared = prepared.map_err(|_| EndpointError::Timeout { wait: Wait::Head, limit })?;
        let answer = self.exchange(&parts, prepared?, limits, limit, call).await?;
        self.hand_over(answer, &parts.method, call, turn)
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, EndpointError> {
        let limit = self.limits.wait;
        match tokio::time::timeout(limit, self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(EndpointError::Timeout { wait: Wait::Turn, limit }),
        }
    }

    /// The body as it is going to be sent, and all of it where the credential depends on it.
    async fn prepare(&self, parts: &mut Parts, body: Body, limits: Limits) -> Result<Prepared, EndpointError> {
        let mut body = Outgoing::begin(body, limits).await?;
        if body.is_empty() {
            // Where a body is usual, its absence is said.
            if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) {
                parts.headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            }
            return Ok(Prepared { body, known: Some(Vec::new()) });
        }
        let mut known = None;
        if let Some(most) = self.credential.wants_body(parts) {
            let pieces = body.collect(most).await?;
            body = Outgoing::again(pieces.clone(), limits);
            known = Some(pieces);
        }
        Ok(Prepared { body, known })
    }

    /// Sends it, once more when the connection was stale, and again with another token when that was refused, as often as
    /// the credential says; both only if it can be sent as it was.
    async fn exchange(
        &self,
        parts: &Parts,
        prepared: Prepared,
        limits: Limits,
        limit: Duration,
        call: &Call,
    ) -> Result<Response<impl HttpBody<Data = Bytes, Error = EndpointError> + Unpin + Send + use<>>, EndpointError>
    {
        let Prepared { mut body, known } = prepared;
        let (began, mut was_stale, mut refusals) = (Instant::now(), false, 0);
        loop {
            let mut signed = parts.clone();
            let used =
                self.credential.apply(&mut signed, self.address.authority.as_str(), known.as_deref(), call).await?;
            let journal = body.journal();
            let may_be_sent_again = || journal.whole().or_else(|| known.clone());
            match self.wire.request(Request::from_parts(signed, body), limit).await {
                Err(Failure { error, may_be_stale }) => {
                    let may_repeat = may_be_stale && !was_stale && parts.method.is_idempotent();
                    let Some(pieces) = may_be_sent_again().filter(|_| may_repeat) else {
                        return Err(error);
                    };
                    was_stale = true;
                    body = Outgoing::again(pieces, limits);
                }
                Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
                    refusals += 1;
                    let refusal = Refusal { headers: answer.headers(), began, count: refusals };
                    let has_another = self.credential.refused(parts, &used, &refusal).await?;
                    let Some(pieces) = may_be_sent_again().filter(|_| has_another) else {
                        return Ok(answer);
                    };
                    body = Outgoing::again(pieces, limits);
                }
                Ok(answer) => return Ok(answer),
            }
        }
    }

    fn hand_over(
        &self,
        answer: Response<impl HttpBody<Data = Bytes, Error = EndpointError> + Unpin + Send + 'static>,
        method: &Method,
        call: &Call,
        turn: OwnedSemaphorePermit,
    ) -> Result<Response<Body>, EndpointError> {
        let (mut parts, body) = answer.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(EndpointError::Protocol("the server wants to speak another protocol".to_owned()));
        }
        let limit = self.limits.response_bytes;
        if method != Method::HEAD && body.size_hint().lower() > limit {
            return Err(EndpointError::TooLarge { part: Part::Response, limit });
        }
        strip_answer(&mut parts.headers, &self.taken);
        parts.extensions = Extensions::new();
        let pause = match call.may_be_silent {
            true => None,
            false => self.limits.between_bytes.into_iter().chain(call.between_bytes).min(),
        };
        Ok(Response::from_parts(parts, Body::new(Bounded::new(Joined::new(body), limit, pause, turn))))
    }
}

struct Prepared {
    body: Outgoing,
    /// All of the body, where it is empty or had to be known.
    known: Option<Vec<Bytes>>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("place", &self.address.place.to_string())
            .field("credential", &self.credential)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}
