//! OAuth 2.0 client credentials (RFC 6749, section 4.4).

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::super::EndpointError;
use super::super::secret::Secret;
use super::super::wire::Wire;
use super::token::{Fetching, TokenServer, ask, granted};
use super::{basic, insert, read};

/// What a form encodes.
pub(super) const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// Asks a token server for tokens in the name of a client.
pub(in super::super) struct ClientCredentials {
    pub(in super::super) wire: Wire,
    pub(in super::super) uri: Uri,
    pub(in super::super) client_id: String,
    pub(in super::super) client_secret: Secret,
    pub(in super::super) scope: Option<String>,
    pub(in super::super) audience: Option<String>,
    pub(in super::super) secret_in_body: bool,
    pub(in super::super) limit: Duration,
}

impl TokenServer for ClientCredentials {
    fn fetch<'a>(&'a self) -> Fetching<'a> {
        Box::pin(async move {
            let (request, form) = self.request()?;
            ask(&self.wire, request, form, self.limit, granted).await
        })
    }
}

impl ClientCredentials {
    fn request(&self) -> Result<(Request<()>, String), EndpointError> {
        let secret = read(&self.client_secret)?;
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.iter().map(|scope| ("scope", scope.as_str())));
        form.extend(self.audience.iter().map(|audience| ("audience", audience.as_str())));
        let mut request = Request::new(());
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form_type);
        request.headers_mut().insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
        if self.secret_in_body {
            form.push(("client_id", &self.client_id));
            form.push(("client_secret", secret.expose()));
        } else {
            // Section 2.3.1: both are encoded as in a form before they are joined.
            let value = basic(&encode(&self.client_id), &encode(secret.expose()));
            insert(request.headers_mut(), AUTHORIZATION, &value)?;
        }
        let pairs: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        Ok((request, pairs.join("&")))
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}
