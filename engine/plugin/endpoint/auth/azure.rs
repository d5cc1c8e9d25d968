//! The managed identity of an Azure machine, from its metadata service.

use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Request, Uri};

use super::super::wire::Wire;
use super::token::{Fetching, TokenServer, ask, granted};

/// Proves that no server was talked into asking on somebody's behalf.
const METADATA: HeaderName = HeaderName::from_static("metadata");

/// Asks the metadata service for tokens.
pub(in super::super) struct Metadata {
    pub(in super::super) wire: Wire,
    /// With all of its query.
    pub(in super::super) uri: Uri,
    pub(in super::super) limit: Duration,
}

impl TokenServer for Metadata {
    fn fetch<'a>(&'a self) -> Fetching<'a> {
        let mut request = Request::new(());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(METADATA, HeaderValue::from_static("true"));
        Box::pin(ask(&self.wire, request, String::new(), self.limit, granted))
    }
}
