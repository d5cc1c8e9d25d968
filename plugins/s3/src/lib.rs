//! A fetcher for objects in S3 and stores like it, over the endpoint `s3`: one object, or every object under a prefix as an
//! item of its own.

mod bring;
mod items;
mod options;
#[cfg(test)]
mod tests;

use windlass_plugin::prelude::*;
use windlass_plugin::{FetchRequest, Fetched, Item};

pub use options::Options;

/// The plugin.
#[derive(Debug)]
pub struct S3;

windlass_plugin::fetcher!(S3, manifest = "../plugin.toml");

impl Fetcher for S3 {
    type Options = Options;

    fn describe() -> Descriptor {
        let summary = "Brings objects of S3 and stores like it";
        Descriptor::new("s3", env!("CARGO_PKG_VERSION"), summary).options(&options::schema())
    }

    fn check() -> Result<()> {
        windlass_s3_client::reach()
    }

    fn validate(options: &Options) -> Vec<Problem> {
        options.problems()
    }

    fn items(request: &FetchRequest<Options>, cursor: Option<&str>) -> Result<Page<Item>> {
        items::page(&request.options, cursor)
    }

    fn fetch(request: &FetchRequest<Options>, item: &Item) -> Result<Fetched> {
        bring::object(request, item)
    }
}
