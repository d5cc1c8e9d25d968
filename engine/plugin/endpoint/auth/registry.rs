//! Tokens of image registries (the token authentication of the distribution specification): a registry that wants one
//! says in its 401 where it is given out and for what.
//!
//! The registry may be anybody's, so it is believed little: the password goes to token servers that the operator named and
//! to nobody else, over connections that were made for those; and what a registry says is not repeated, since it knows
//! the tokens that it was sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Uri};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::super::EndpointError;
use super::super::address::Address;
use super::super::path;
use super::super::secret::{Secret, SecretText};
use super::super::wire::Wire;
use super::challenge::Challenge;
use super::oauth::FORM;
use super::recent::Recent;
use super::token::{Fetching, Held, Seconds, Token, TokenServer, Tokens, ask};
use super::{Refusal, basic, bearer, insert, read};

/// Scopes whose tokens are kept.
const MOST_SCOPES: usize = 256;
/// Paths of which is known what scope they need.
const MOST_PATHS: usize = 1024;
/// Bytes of a path that are remembered. Paths that differ only after them share what is known, and are corrected.
const MOST_PATH: usize = 1 << 10;
/// How long a token lives of which nothing is said: so the specification has it.
const UNSAID: Duration = Duration::from_secs(60);
/// How often one request is answered 401 before it is given up: the scope was another one, the token was withdrawn.
const MOST_REFUSALS: u8 = 2;

/// A token server that the operator allows.
pub(in super::super) struct Realm {
    /// Its prefix is where the paths that may be asked begin.
    pub(in super::super) address: Address,
    pub(in super::super) wire: Wire,
}

/// Who asks for tokens, and where.
pub(in super::super) struct Account {
    pub(in super::super) realms: Vec<Realm>,
    /// Nobody is somebody too: some images are for all.
    pub(in super::super) login: Option<(String, Secret)>,
    pub(in super::super) limit: Duration,
}

/// The tokens of one registry, one for each scope.
pub(in super::super) struct Registry {
    account: Arc<Account>,
    known: Mutex<Known>,
}

struct Known {
    scopes: Recent<Challenge, Arc<Tokens>>,
    /// What a method needs on a path.
    paths: Recent<(Method, String), Challenge>,
}

/// The token that a request was sent with.
pub(in super::super) struct Shown {
    challenge: Challenge,
    tokens: Arc<Tokens>,
    held: Held,
}

impl Registry {
    pub(in super::super) fn new(account: Account) -> Registry {
        let known = Known { scopes: Recent::new(MOST_SCOPES), paths: Recent::new(MOST_PATHS) };
        Registry { account: Arc::new(account), known: Mutex::new(known) }
    }

    /// Puts a token into the head of a request, where it is known for what it has to be.
    pub(super) async fn apply(&self, parts: &mut Parts) -> Result<Option<Shown>, EndpointError> {
        let Some((challenge, tokens)) = self.tokens(parts) else {
            return Ok(None);
        };
        let held = tokens.get().await?;
        insert(&mut parts.headers, AUTHORIZATION, &bearer(&held.text))?;
        Ok(Some(Shown { challenge, tokens, held }))
    }

    /// The registry refused a request. Whether it makes sense to try again.
    pub(super) async fn refused(
        &self,
        parts: &Parts,
        shown: Option<&Shown>,
        refusal: &Refusal<'_>,
    ) -> Result<bool, EndpointError> {
        let unauthenticated = |why: &str| EndpointError::Unauthenticated(format!("the registry answered 401: {why}"));
        let challenge = Challenge::find(refusal.headers).map_err(unauthenticated)?;
        let allowed = self.account.server(&challenge);
        allowed.map_err(|why| unauthenticated(&self.told(&why)))?;
        let is_new = match shown {
            Some(shown) if shown.challenge == challenge => {
                shown.held.given < refusal.began && shown.tokens.refused(shown.held.number).await
            }
            _ => {
                self.learn(parts, challenge);
                true
            }
        };
        if !is_new || refusal.count > MOST_REFUSALS {
            let why = match self.account.login {
                Some(_) => "it refuses the token that was given out for this; the user may lack the right to it",
                None => "it refuses the token that was given out for this to somebody without a name",
            };
            return Err(unauthenticated(why));
        }
        Ok(true)
    }

    fn tokens(&self, parts: &Parts) -> Option<(Challenge, Arc<Tokens>)> {
        let mut known = self.known();
        let challenge = known.paths.get(&place(parts))?;
        let tokens = known.scopes.get(&challenge).unwrap_or_else(|| {
            let server = Scope { account: self.account.clone(), challenge: challenge.clone() };
            let tokens = Arc::new(Tokens::new(Box::new(server)));
            known.scopes.insert(challenge.clone(), tokens.clone());
            tokens
        });
        Some((challenge, tokens))
    }

    fn learn(&self, parts: &Parts, challenge: Challenge) {
        self.known().paths.insert(place(parts), challenge);
    }

    /// Where a registry leads that it may not lead to. That is shown only while the registry was sent no token yet: an
    /// operator has to see it once, and later it could be the token.
    fn told(&self, why: &NoRealm) -> String {
        let allowed: Vec<String> = self.account.realms.iter().map(|realm| shown(&realm.address)).collect();
        let allowed = allowed.join(", ");
        match why {
            NoRealm::Bad(what) => format!("the address of its token server is none: {what}"),
            NoRealm::Other(address) if self.known().scopes.is_empty() => {
                let other = shown(address);
                format!("it leads to {other} for tokens, which is not in auth.realms of the endpoint: {allowed}")
            }
            NoRealm::Other(_) => {
                format!("it leads to a token server that is not in auth.realms of the endpoint: {allowed}")
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request wants where.
fn place(parts: &Parts) -> (Method, String) {
    let path = parts.uri.path();
    (parts.method.clone(), path.get(..MOST_PATH).unwrap_or(path).to_owned())
}

/// A token server that nothing is asked from.
enum NoRealm {
    Bad(&'static str),
    Other(Address),
}

/// Without the path, which is longer than what is told of it.
fn shown(address: &Address) -> String {
    format!("{}://{}", address.scheme, address.authority)
}

impl Account {
    /// The token server that a challenge names, and what it is to be asked.
    fn server(&self, challenge: &Challenge) -> Result<(&Realm, Uri), NoRealm> {
        let (base, query) = challenge.realm.split_once('?').unwrap_or((&challenge.realm, ""));
        let address = Address::parse(base).map_err(NoRealm::Bad)?;
        path::check_query(query).map_err(NoRealm::Bad)?;
        let uri: Uri = base.parse().map_err(|_| NoRealm::Bad("it is not an address"))?;
        let Some(realm) = self.realms.iter().find(|realm| realm.covers(&address)) else {
            return Err(NoRealm::Other(address));
        };
        let encode = |text: &str| utf8_percent_encode(text, FORM).to_string();
        let mut pairs = Vec::new();
        pairs.extend((!query.is_empty()).then(|| query.to_owned()));
        pairs.extend((!challenge.service.is_empty()).then(|| format!("service={}", encode(&challenge.service))));
        pairs.extend(challenge.scope.split_ascii_whitespace().map(|scope| format!("scope={}", encode(scope))));
        let text = match pairs.is_empty() {
            true => uri.path().to_owned(),
            false => format!("{}?{}", uri.path(), pairs.join("&")),
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(realm.address.scheme.clone());
        parts.authority = Some(realm.address.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(text).map_err(|_| NoRealm::Bad("its path is none"))?);
        let uri = Uri::from_parts(parts).map_err(|_| NoRealm::Bad("its path is none"))?;
        Ok((realm, uri))
    }

    fn request(&self, uri: Uri) -> Result<Request<()>, EndpointError> {
        let mut request = Request::new(());
        *request.uri_mut() = uri;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some((user, password)) = &self.login {
            insert(request.headers_mut(), AUTHORIZATION, &basic(user, read(password)?.expose()))?;
        }
        Ok(request)
    }
}

impl Realm {
    /// Whether an address is of this server, and beneath the path that is allowed.
    fn covers(&self, address: &Address) -> bool {
        let rest = address.prefix.strip_prefix(&self.address.prefix);
        let is_beneath = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.address.leads_where(address) && is_beneath
    }
}

/// Asks for tokens of one scope.
struct Scope {
    account: Arc<Account>,
    challenge: Challenge,
}

impl TokenServer for Scope {
    fn fetch<'a>(&'a self) -> Fetching<'a> {
        Box::pin(async move {
            let account = &self.account;
            let server = account.server(&self.challenge);
            let (realm, uri) = server.map_err(|_| EndpointError::Auth("no token server is allowed".to_owned()))?;
            let request = account.request(uri)?;
            let read = |answer: &Response<Bytes>| granted(answer, account.login.is_some());
            ask(&realm.wire, request, String::new(), account.limit, read).await
        })
    }
}

/// What token servers answer: one of the two names is there, or both with the same token.
#[derive(Deserialize)]
struct Answer {
    token: Option<SecretText>,
    access_token: Option<SecretText>,
    expires_in: Option<Seconds>,
}

fn granted(answer: &Response<Bytes>, has_login: bool) -> Result<Token, EndpointError> {
    let bad = |what: &str| EndpointError::Auth(what.to_owned());
    match (answer.status(), has_login) {
        (StatusCode::OK, _) => {}
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, true) => {
            let why = format!("it refuses the user or the password ({})", answer.status().as_u16());
            return Err(EndpointError::Unauthenticated(why));
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, false) => {
            let why = format!("it gives nothing to somebody without a name ({})", answer.status().as_u16());
            return Err(EndpointError::Unauthenticated(why));
        }
        (status, _) => return Err(bad(&format!("it answered {}", status.as_u16()))),
    }
    let answer: Answer = serde_json::from_slice(answer.body()).map_err(|_| bad("its answer holds no token"))?;
    let text = answer.token.or(answer.access_token).ok_or_else(|| bad("its answer holds no token"))?;
    Token::new(text, answer.expires_in.as_ref(), UNSAID)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_which_nothing_is_said_lives_for_a_minute() {
        let lives = |body: &'static str| {
            let answer = Response::new(Bytes::from_static(body.as_bytes()));
            granted(&answer, true).map(|token| token.lives().as_secs()).map_err(|error| error.to_string())
        };
        assert_eq!(lives(r#"{"token": "t"}"#), Ok(60));
        assert_eq!(lives(r#"{"token": "t", "access_token": "t", "expires_in": 300}"#), Ok(300));
        assert_eq!(lives(r#"{"access_token": "t", "expires_in": "x"}"#), Ok(60));
        assert_eq!(lives(r#"{"access_token": "t", "expires_in": 1e9}"#), Ok(86_400));
    }
}
