//! Where the HTTP requests of a plugin go: to the endpoints it was granted, and nowhere else.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderName;
use http::uri::Scheme;
use wasmtime_wasi_http::{Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks};

/// How the host part of an address ends that stands for an endpoint.
const ENDING: &str = ".endpoint";

/// The endpoints of a plugin by name.
pub(crate) type Endpoints = Arc<BTreeMap<String, ()>>;

/// Programs of jobs have none.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    endpoints: Endpoints,
}

impl Hooks {
    pub(super) fn new(endpoints: Endpoints) -> Hooks {
        Hooks { endpoints }
    }
}

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _sent: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async move { Err(Error::HttpRequestDenied) })
    }
}
