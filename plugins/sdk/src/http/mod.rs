//! Talks to the platform over an endpoint that the operator granted. The engine connects, encrypts and authenticates.

mod request;
mod response;
#[cfg(target_arch = "wasm32")]
mod wasi;

pub use request::{Request, endpoint, escape};
pub use response::{Body, Response};

pub use request::Endpoint;

/// Sends a request to where the tests have scripted the answers.
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::http as wasi;
