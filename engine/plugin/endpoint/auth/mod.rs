//! How requests show who sends them. Nothing of it is ever seen by a plugin.

mod aws;
mod azure;
mod challenge;
mod oauth;
mod recent;
mod registry;
mod token;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use tokio::time::Instant;

use super::EndpointError;
use super::call::Call;
use super::secret::{Secret, SecretText};

pub(super) use aws::{Keys, Signer};
pub(super) use azure::Metadata;
pub(super) use oauth::ClientCredentials;
pub(super) use registry::{Account, Realm, Registry};
pub(super) use token::Tokens;

/// How the requests of one endpoint show who sends them.
pub(super) enum Credential {
    None,
    Bearer(Secret),
    Basic { user: String, password: Secret },
    Header { name: HeaderName, value: Secret },
    Token(Tokens),
    Registry(Registry),
    Aws(Signer),
}

/// What was used for a request, so that it can be said to be refused.
pub(super) enum Used {
    /// Nothing that could be another one.
    Fixed,
    /// The number of the token.
    Token(u64),
    /// The token for a registry, where one was needed.
    Registry(Option<registry::Shown>),
}

/// An answer that says 401.
pub(super) struct Refusal<'a> {
    pub(super) headers: &'a HeaderMap,
    /// When the request began that it answers.
    pub(super) began: Instant,
    /// How many there were, this one included.
    pub(super) count: u8,
}

impl Credential {
    /// The headers that carry it.
    pub(super) fn headers(&self) -> Vec<HeaderName> {
        match self {
            Credential::Header { name, .. } => vec![name.clone()],
            Credential::Aws(_) => aws::HEADERS.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Whether the body has to be at hand, and how much of it at most.
    pub(super) fn wants_body(&self, parts: &Parts) -> Option<u64> {
        match self {
            Credential::Aws(signer) => signer.wants_body(parts),
            _ => None,
        }
    }

    /// Puts it into the head of a request. `body` is known where it is empty or was asked for.
    pub(super) async fn apply(
        &self,
        parts: &mut Parts,
        host: &str,
        body: Option<&[Bytes]>,
        call: &Call,
    ) -> Result<Used, EndpointError> {
        match self {
            Credential::None => {}
            Credential::Bearer(secret) => {
                insert(&mut parts.headers, AUTHORIZATION, &bearer(read(secret)?.as_ref()))?;
            }
            Credential::Basic { user, password } => {
                insert(&mut parts.headers, AUTHORIZATION, &basic(user, read(password)?.expose()))?;
            }
            Credential::Header { name, value } => {
                insert(&mut parts.headers, name.clone(), read(value)?.expose())?;
            }
            Credential::Token(tokens) => {
                let held = tokens.get().await?;
                insert(&mut parts.headers, AUTHORIZATION, &bearer(&held.text))?;
                return Ok(Used::Token(held.number));
            }
            Credential::Registry(registry) => return registry.apply(parts).await.map(Used::Registry),
            Credential::Aws(signer) => signer.sign(parts, host, body, call.aws.as_ref())?,
        }
        Ok(Used::Fixed)
    }

    /// The platform refused what was used. Whether something else can be used now; an error where the refusal itself is
    /// of no use to anybody.
    pub(super) async fn refused(
        &self,
        parts: &Parts,
        used: &Used,
        refusal: &Refusal<'_>,
    ) -> Result<bool, EndpointError> {
        match (self, used) {
            (Credential::Token(tokens), Used::Token(number)) => Ok(refusal.count == 1 && tokens.refused(*number).await),
            (Credential::Registry(registry), Used::Registry(shown)) => {
                registry.refused(parts, shown.as_ref(), refusal).await
            }
            _ => Ok(false),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::Bearer(_) => "Bearer(***)",
            Credential::Basic { .. } => "Basic(***)",
            Credential::Header { .. } => "Header(***)",
            Credential::Token(_) => "Token(***)",
            Credential::Registry(_) => "Registry(***)",
            Credential::Aws(_) => "Aws(***)",
        })
    }
}

fn read(secret: &Secret) -> Result<Arc<SecretText>, EndpointError> {
    secret.get().map_err(EndpointError::Auth)
}

fn bearer(token: &SecretText) -> String {
    format!("Bearer {}", token.expose())
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Whether a text can stand in a header.
pub(super) fn fits_header(text: &str) -> bool {
    HeaderValue::from_str(text).is_ok()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, text: &str) -> Result<(), EndpointError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| EndpointError::Auth("the secret holds a character that no header may hold".to_owned()))?;
    // Keeps it out of `Debug` and out of the tables of HTTP/2.
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
