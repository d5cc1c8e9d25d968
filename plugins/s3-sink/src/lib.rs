//! A sink for S3 and stores like it, over the endpoint `s3`.
//!
//! What is put is staged under keys that only the attempt has; the commit copies it to where it belongs, writes a record of
//! all that is stored, and removes what was staged. The record is how a second commit finds what the first one did, and how
//! readers know that all of it is there.

mod commit;
mod options;
mod staged;
#[cfg(test)]
mod tests;
mod upload;

use windlass_plugin::prelude::*;
use windlass_plugin::{SinkRequest, Stored};

pub use options::Options;

/// The plugin.
#[derive(Debug)]
pub struct S3Sink;

windlass_plugin::sink!(S3Sink, manifest = "../plugin.toml");

impl Sink for S3Sink {
    type Options = Options;
    type Handle = ();

    fn describe() -> Descriptor {
        let summary = "Stores outputs in S3 and stores like it";
        Descriptor::new("s3-sink", env!("CARGO_PKG_VERSION"), summary).options(&options::schema())
    }

    fn check() -> Result<()> {
        windlass_s3_client::reach()
    }

    fn validate(options: &Options) -> Vec<Problem> {
        options.problems()
    }

    fn begin(_request: &SinkRequest<Options>) -> Result<()> {
        Ok(())
    }

    fn put(request: &SinkRequest<Options>, _begun: (), path: &str, name: &str) -> Result<()> {
        staged::put(request, path, name)
    }

    fn commit(request: &SinkRequest<Options>, _begun: ()) -> Result<Vec<Stored>> {
        commit::commit(request)
    }

    fn abort(request: &SinkRequest<Options>, _begun: ()) -> Result<()> {
        staged::forget(request)
    }
}
