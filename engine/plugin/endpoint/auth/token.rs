//! Bearer tokens that another server gives out: fetched once for all who need one, used until shortly before their end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::super::EndpointError;
use super::super::outgoing::{Limits, Outgoing};
use super::super::secret::SecretText;
use super::super::wire::Wire;
use super::fits_header;

/// The longest answer of a token server.
const ANSWER_BYTES: usize = 1 << 20;
/// A token is no longer used this long before its end, or when nine tenths of its time are over if it lives shortly.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a token lives of which nothing is said.
const UNSAID: Duration = Duration::from_secs(300);
/// The longest that is believed.
const LONGEST: Duration = Duration::from_secs(86_400);
/// The longest token: as long as any other secret may be.
const TOKEN_BYTES: usize = 64 << 10;
/// Between two tokens that are fetched because the platform refused the one before: some answer 401 for ever.
const REFUSAL_PAUSE: Duration = Duration::from_secs(30);

/// Fetches tokens.
pub(in super::super) trait TokenServer: Send + Sync {
    /// A new token.
    fn fetch<'a>(&'a self) -> Fetching<'a>;
}

pub(in super::super) type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Token, EndpointError>> + Send + 'a>>;

/// A token and how long it lives.
pub(in super::super) struct Token {
    text: Arc<SecretText>,
    lives: Duration,
}

impl Token {
    /// A token that can be used. How long it lives is what the server says, or `unsaid`.
    pub(super) fn new(text: SecretText, says: Option<&Seconds>, unsaid: Duration) -> Result<Token, EndpointError> {
        let bad = |what: String| Err(EndpointError::Auth(what));
        if text.expose().len() > TOKEN_BYTES {
            return bad(format!("its token is longer than {TOKEN_BYTES} bytes"));
        }
        if text.expose().is_empty() || !fits_header(text.expose()) {
            return bad("its token is none that a header can hold".to_owned());
        }
        let lives = says.and_then(Seconds::lives).unwrap_or(unsaid).min(LONGEST);
        Ok(Token { text: Arc::new(text), lives })
    }

    #[cfg(test)]
    pub(super) fn lives(&self) -> Duration {
        self.lives
    }
}

/// The tokens of one endpoint, or of one scope of it, one at a time.
pub(in super::super) struct Tokens {
    server: Box<dyn TokenServer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    /// Tokens so far.
    count: u64,
    failed: Option<(Instant, EndpointError)>,
    refused: Option<Instant>,
}

struct Current {
    held: Held,
    until: Instant,
}

/// A token to be used now.
#[derive(Clone)]
pub(super) struct Held {
    /// Tells it from those before and after it.
    pub(super) number: u64,
    pub(super) text: Arc<SecretText>,
    /// When it came.
    pub(super) given: Instant,
}

impl Tokens {
    pub(in super::super) fn new(server: Box<dyn TokenServer>) -> Tokens {
        Tokens { server, state: Mutex::default() }
    }

    /// The token to use now. Whoever comes while one is fetched waits for it.
    pub(super) async fn get(&self) -> Result<Held, EndpointError> {
        let came = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(current) = &state.current
            && Instant::now() < current.until
        {
            return Ok(current.held.clone());
        }
        // Whoever waited for a fetch that failed has asked, too.
        if let Some((at, error)) = &state.failed
            && *at >= came
        {
            return Err(error.clone());
        }
        match self.server.fetch().await {
            Ok(token) => {
                state.count += 1;
                let given = Instant::now();
                let until = given + token.lives.saturating_sub(MARGIN.min(token.lives / 10));
                let held = Held { number: state.count, text: token.text, given };
                state.current = Some(Current { held: held.clone(), until });
                Ok(held)
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The platform refused this token. Whether it makes sense to try again with another one.
    pub(super) async fn refused(&self, number: u64) -> bool {
        let mut state = self.state.lock().await;
        let Some(current) = &state.current else {
            return true;
        };
        if current.held.number != number {
            return true;
        }
        if state.refused.is_some_and(|at| at.elapsed() < REFUSAL_PAUSE) {
            return false;
        }
        state.refused = Some(Instant::now());
        state.current = None;
        true
    }
}

/// What token servers answer; Azure writes the time as text.
#[derive(Deserialize)]
struct Answer {
    access_token: SecretText,
    token_type: Option<String>,
    expires_in: Option<Seconds>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Number(f64),
    Text(String),
}

impl Seconds {
    fn lives(&self) -> Option<Duration> {
        let seconds = match self {
            Seconds::Number(seconds) => *seconds,
            Seconds::Text(text) => text.parse().ok()?,
        };
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// Asks a token server. Its answer is never quoted: it may repeat what it was sent.
pub(super) async fn ask(
    wire: &Wire,
    request: Request<()>,
    body: String,
    limit: Duration,
    read: impl FnOnce(&Response<Bytes>) -> Result<Token, EndpointError>,
) -> Result<Token, EndpointError> {
    let limits = Limits { most: u64::MAX, exact: None };
    let pieces = if body.is_empty() { Vec::new() } else { vec![Bytes::from(body)] };
    let request = request.map(|()| Outgoing::again(pieces, limits));
    let whole = async {
        let answer = wire.request(request, limit).await.map_err(|failure| failure.error)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| EndpointError::Auth("the answer broke off or is too long".to_owned()))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    match tokio::time::timeout(limit, whole).await {
        Ok(answer) => answer.and_then(|answer| read(&answer)).map_err(of_token_server),
        Err(_) => Err(of_token_server(EndpointError::Auth(format!("no answer within {} ms", limit.as_millis())))),
    }
}

fn of_token_server(error: EndpointError) -> EndpointError {
    let why = match error {
        EndpointError::Auth(why) => why,
        EndpointError::Unauthenticated(why) => {
            return EndpointError::Unauthenticated(format!("the token server: {why}"));
        }
        other => other.to_string(),
    };
    EndpointError::Auth(format!("the token server: {why}"))
}

/// Reads an answer of OAuth 2.0.
pub(super) fn granted(answer: &Response<Bytes>) -> Result<Token, EndpointError> {
    if answer.status() != StatusCode::OK {
        let code = known_code(answer.body()).map(|code| format!(" ({code})")).unwrap_or_default();
        return Err(EndpointError::Auth(format!("it answered {}{code}", answer.status().as_u16())));
    }
    let bad = |what: &str| EndpointError::Auth(what.to_owned());
    let answer: Answer = serde_json::from_slice(answer.body()).map_err(|_| bad("its answer holds no token"))?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(bad("its token is no bearer token"));
    }
    Token::new(answer.access_token, answer.expires_in.as_ref(), UNSAID)
}

/// The code of an error, if it is one of RFC 6749: anything else might be what we sent.
fn known_code(body: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let codes = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
    ];
    codes.into_iter().find(|code| *code == refusal.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, body: &'static str) -> Result<Token, String> {
        let answer = Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap();
        granted(&answer).map_err(|error| error.to_string())
    }

    #[test]
    fn answers_are_read() {
        let cases = [
            (r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}"#, 3600),
            (r#"{"access_token": "t", "expires_in": "86399", "resource": "x"}"#, 86_399),
            (r#"{"access_token": "t", "token_type": "bearer"}"#, 300),
            (r#"{"access_token": "t", "expires_in": -1}"#, 300),
            (r#"{"access_token": "t", "expires_in": 1e300}"#, 300),
            (r#"{"access_token": "t", "expires_in": 999999999}"#, 86_400),
        ];
        for (body, seconds) in cases {
            let token = answered(200, body).expect(body);
            assert_eq!((token.text.expose(), token.lives.as_secs()), ("t", seconds), "{body}");
        }
    }

    #[test]
    fn refusals_say_no_more_than_they_must() {
        let cases = [
            (401, r#"{"error": "invalid_client", "error_description": "hush"}"#, "it answered 401 (invalid_client)"),
            (400, r#"{"error": "hush"}"#, "it answered 400"),
            (302, "hush", "it answered 302"),
            (200, r#"{"token": "hush"}"#, "no token"),
            (200, r#"{"access_token": "hush", "token_type": "mac"}"#, "no bearer token"),
            (200, r#"{"access_token": "hu\nsh"}"#, "none that a header can hold"),
            (200, r#"{"access_token": ""}"#, "none that a header can hold"),
        ];
        for (status, body, expected) in cases {
            let text = answered(status, body).err().expect(body);
            assert!(text.contains(expected) && !text.contains("hush"), "{text}");
        }
    }
}
