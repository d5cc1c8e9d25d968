//! AWS signatures: the request is signed as it is sent, with the operator's key or the job's.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;

use super::super::EndpointError;
use super::super::call::AwsCredentials;
use super::super::secret::{Secret, SecretText};
use super::{insert, read};
use crate::clock::Clock;
use crate::job::Timestamp;
use crate::secret::{Scope, ToSign, aws_authorization, sha256_hex};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");
const DIGEST: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// A body in chunks that end in a checksum of their own, which no key is needed for.
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// What a signature brings with it.
pub(super) const HEADERS: [HeaderName; 2] = [DATE, TOKEN];

/// Signs requests to one service.
pub(in super::super) struct Signer {
    pub(in super::super) region: String,
    pub(in super::super) service: String,
    /// `None` takes the job's.
    pub(in super::super) keys: Option<Keys>,
    /// Bytes of a body that is held to be signed.
    pub(in super::super) signed_bytes: u64,
    pub(in super::super) clock: Clock,
}

/// The operator's key.
pub(in super::super) struct Keys {
    pub(in super::super) id: Secret,
    pub(in super::super) key: Secret,
    pub(in super::super) token: Option<Secret>,
}

impl Signer {
    pub(super) fn wants_body(&self, parts: &Parts) -> Option<u64> {
        let is_said = self.service == "s3" || parts.headers.contains_key(DIGEST);
        (!is_said).then_some(self.signed_bytes)
    }

    pub(super) fn sign(
        &self,
        parts: &mut Parts,
        host: &str,
        body: Option<&[Bytes]>,
        of_job: Option<&AwsCredentials>,
    ) -> Result<(), EndpointError> {
        let keys = self.keys(of_job)?;
        let digest = self.digest(parts, body)?;
        let moment = moment(self.clock.now());
        insert(&mut parts.headers, DATE, &moment)?;
        if let Some(token) = &keys.session_token {
            insert(&mut parts.headers, TOKEN, token.expose())?;
        }
        if self.service == "s3" {
            insert(&mut parts.headers, DIGEST, &digest)?;
        }
        let headers = signed_headers(parts, host)?;
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = ToSign {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &headers,
            payload: &digest,
        };
        let scope = Scope { region: &self.region, service: &self.service, moment: &moment };
        let (id, key) = (keys.access_key_id.expose(), keys.secret_access_key.expose().as_bytes());
        insert(&mut parts.headers, http::header::AUTHORIZATION, &aws_authorization(&request, &scope, id, key))
    }

    fn keys(&self, of_job: Option<&AwsCredentials>) -> Result<AwsCredentials, EndpointError> {
        let Some(keys) = &self.keys else {
            let missing =
                || EndpointError::Auth("the job brings no AWS key, and the endpoint takes no other".to_owned());
            return of_job.cloned().ok_or_else(missing);
        };
        let plain = |secret: &Secret| read(secret).map(|text: Arc<SecretText>| SecretText::clone(&text));
        Ok(AwsCredentials {
            access_key_id: plain(&keys.id)?,
            secret_access_key: plain(&keys.key)?,
            session_token: keys.token.as_ref().map(plain).transpose()?,
        })
    }

    /// What the signature says of the body: what the plugin says, what it is, or that it is not signed.
    fn digest(&self, parts: &Parts, body: Option<&[Bytes]>) -> Result<String, EndpointError> {
        if let Some(value) = parts.headers.get(DIGEST) {
            return said(value);
        }
        Ok(match body {
            Some(pieces) => sha256_hex(&pieces.concat()),
            None => UNSIGNED.to_owned(),
        })
    }
}

fn said(value: &HeaderValue) -> Result<String, EndpointError> {
    let text = value.to_str().unwrap_or_default();
    let is_digest = text.len() == 64 && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if is_digest || text == UNSIGNED || text == UNSIGNED_CHUNKS {
        return Ok(text.to_owned());
    }
    Err(EndpointError::Request(format!(
        "x-amz-content-sha256 is neither a digest in lower-case hex nor {UNSIGNED} nor {UNSIGNED_CHUNKS}"
    )))
}

/// What must not change on the way: the host, the type of the body, and all that is of AWS.
fn signed_headers(parts: &Parts, host: &str) -> Result<Vec<(String, String)>, EndpointError> {
    let mut signed = vec![("host".to_owned(), host.to_owned())];
    for (name, value) in &parts.headers {
        let name = name.as_str();
        if name.starts_with("x-amz-") || name == "content-type" || name == "content-md5" {
            let Ok(value) = value.to_str() else {
                return Err(EndpointError::Request(format!("the header {name} is no text and cannot be signed")));
            };
            signed.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(signed)
}

/// As `20130524T000000Z`.
fn moment(now: Timestamp) -> String {
    let text = now.to_string();
    let seconds = text.split('.').next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_aws_wants_them() {
        assert_eq!(moment(Timestamp::from_millis(1_369_353_600_000)), "20130524T000000Z");
        assert_eq!(moment(Timestamp::from_millis(951_782_400_999)), "20000229T000000Z");
    }

    #[test]
    fn a_plugin_says_a_digest_or_that_there_is_none() {
        let digest = sha256_hex(b"x");
        for good in [digest.as_str(), UNSIGNED, UNSIGNED_CHUNKS] {
            assert_eq!(said(&HeaderValue::from_str(good).unwrap()).unwrap(), good);
        }
        for bad in ["", "abc", &digest.to_uppercase(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
            assert!(said(&HeaderValue::from_str(bad).unwrap()).is_err(), "{bad}");
        }
    }
}
