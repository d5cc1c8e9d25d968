//! Where the HTTP requests of a plugin go: to the endpoints it was granted, and nowhere else.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use super::cut::{Cut, step};
use crate::plugin::endpoint::{AwsCredentials, Body, Call, Endpoint, EndpointError, ErrorKind, Rights};

/// How the host part of an address ends that stands for an endpoint.
const ENDING: &str = ".endpoint";

/// An endpoint that a plugin may use.
pub(crate) struct Granted {
    pub(crate) endpoint: Endpoint,
    /// What its manifest asks for.
    pub(crate) rights: Arc<Rights>,
}

/// The endpoints of a plugin by name.
pub(crate) type Endpoints = Arc<BTreeMap<String, Granted>>;

/// The way out of one call. Programs of jobs have none.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    endpoints: Endpoints,
    plugin: String,
    /// Answers may be silent for as long as the call lasts.
    may_be_silent: bool,
    aws: Option<AwsCredentials>,
    cut: Option<Arc<Cut>>,
    /// What went wrong last, which the codes of wasi:http cannot say.
    last_error: Arc<Mutex<Option<String>>>,
}

impl Hooks {
    pub(super) fn new(plugin: &str, endpoints: Endpoints) -> Hooks {
        Hooks { endpoints, plugin: plugin.to_owned(), ..Hooks::default() }
    }

    /// The same for one call.
    pub(super) fn for_call(&self, may_be_silent: bool, aws: Option<AwsCredentials>, cut: Option<Arc<Cut>>) -> Hooks {
        Hooks { may_be_silent, aws, cut, last_error: Arc::default(), ..self.clone() }
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn call(&self, rights: &Arc<Rights>, options: Option<RequestOptions>) -> Call {
        let options = options.unwrap_or_default();
        Call {
            rights: rights.clone(),
            may_be_silent: self.may_be_silent,
            response: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
            aws: self.aws.clone(),
        }
    }
}

type Answered = (http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Answered, Error>> + Send> {
        let authority = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let hooks = self.clone();
        Box::new(async move {
            let sent = step(hooks.cut.as_deref(), hooks.send(&authority, request, options)).await;
            let sent = match sent {
                Err(EndpointError::Unauthenticated(why)) => Ok(unauthenticated(&why)),
                sent => sent,
            };
            let response = sent.map_err(|error| {
                let (code, told) = code_of(&authority, error);
                tracing::debug!(plugin = hooks.plugin, told, "a request of a plugin failed");
                *hooks.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
                code
            })?;
            let body = response.map(|body| body.map_err(|error| code_of("", error).0).boxed_unsync());
            let nothing_follows: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(async { Ok(()) });
            Ok((body, nothing_follows))
        })
    }
}

impl Hooks {
    async fn send(
        &self,
        authority: &str,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<http::Response<Body>, EndpointError> {
        let name = authority.strip_suffix(ENDING).unwrap_or_default();
        let Some(granted) = self.endpoints.get(name) else {
            let known: Vec<&str> = self.endpoints.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message =
                format!("{authority:?} stands for no endpoint that was asked for and granted; there is {known}");
            return Err(EndpointError::Request(message));
        };
        let mut request = request.map(|body| {
            body.map_err(|error| EndpointError::Closed(format!("the plugin's body: {error}"))).boxed_unsync()
        });
        // wasmtime makes it of the authority, which only stands for the platform; the endpoint has the real one.
        request.headers_mut().remove(http::header::HOST);
        granted.endpoint.send(request, &self.call(&granted.rights, options)).await
    }
}

/// A platform that does not know who asks has answered, and there is no code for that: it stays an answer, with what is
/// known of the reason in place of the platform's own words.
fn unauthenticated(why: &str) -> http::Response<Body> {
    let text = serde_json::json!({ "message": why }).to_string();
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {});
    let mut answer = http::Response::new(Body::new(body));
    *answer.status_mut() = http::StatusCode::UNAUTHORIZED;
    let kind = http::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    answer
}

/// What a plugin is told, and what people are.
fn code_of(authority: &str, error: EndpointError) -> (Error, String) {
    let told = format!("{authority}: {error}");
    let code = match error.kind() {
        ErrorKind::Denied | ErrorKind::Request => Error::HttpRequestDenied,
        ErrorKind::Address => Error::DestinationIpProhibited,
        ErrorKind::Name => Error::DnsError { rcode: None, info_code: None },
        ErrorKind::Connect => Error::ConnectionRefused,
        ErrorKind::Certificate => Error::TlsCertificateError,
        ErrorKind::Tls => Error::TlsProtocolError,
        ErrorKind::TurnTimeout => Error::ConnectionLimitReached,
        ErrorKind::ConnectTimeout => Error::ConnectionTimeout,
        ErrorKind::HeadTimeout => Error::HttpResponseTimeout,
        ErrorKind::BytesTimeout => Error::ConnectionReadTimeout,
        ErrorKind::RequestTooLarge => Error::HttpRequestBodySize(None),
        ErrorKind::ResponseTooLarge => Error::HttpResponseBodySize(None),
        ErrorKind::Closed => Error::ConnectionTerminated,
        ErrorKind::Protocol => Error::HttpProtocolError,
        // One that is refused is an answer.
        ErrorKind::Auth | ErrorKind::Unauthenticated => Error::ConfigurationError,
    };
    (code, told)
}
