//! Plugins that bring inputs in.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::exports_of_fetcher as wire;
use crate::bindings::types;
use crate::descriptor::Descriptor;
use crate::error::{Problem, Result};
use crate::executor::Page;
use crate::options;

pub use crate::bindings::exports_of_fetcher::{Fetched, Item};

/// Brings inputs in. It writes below [`crate::work::path`].
///
/// Every call gets an instance of its own and may be cut off at any point and made again.
pub trait Fetcher {
    /// What a user writes for a request, read from JSON. Derive `Deserialize` with `deny_unknown_fields`.
    type Options: DeserializeOwned;

    /// Who it is.
    fn describe() -> Descriptor;

    /// Whether the source can be reached and lets this engine in.
    fn check() -> Result<()> {
        Ok(())
    }

    /// Checks what the types of the options cannot. Must not ask the source.
    fn validate(options: &Self::Options) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// What there is; a page from the cursor on.
    fn items(request: &Request<Self::Options>, cursor: Option<&str>) -> Result<Page<Item>>;

    /// Brings one item in. Called again after a failure: what it finds it replaces or goes on with.
    fn fetch(request: &Request<Self::Options>, item: &Item) -> Result<Fetched>;
}

/// What is to be brought in.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<O> {
    /// What the user wrote.
    pub options: O,
    /// The directory under `/work` it goes to.
    pub destination: String,
}

/// What `fetcher!` exports.
#[doc(hidden)]
pub struct Export<F: Fetcher>(PhantomData<F>);

impl<F: Fetcher> wire::Guest for Export<F> {
    fn describe() -> types::Descriptor {
        F::describe()
    }

    fn check() -> Result<(), types::Error> {
        Ok(F::check()?)
    }

    fn validate(options: String) -> Vec<types::Problem> {
        options::read(&options).map_or_else(|problems| problems, |options| F::validate(&options))
    }

    fn items(request: wire::Request, cursor: Option<String>) -> Result<wire::ItemPage, types::Error> {
        let Page { entries, next } = F::items(&read(request)?, cursor.as_deref())?;
        Ok(wire::ItemPage { items: entries, next })
    }

    fn fetch(request: wire::Request, item: Item) -> Result<Fetched, types::Error> {
        Ok(F::fetch(&read(request)?, &item)?)
    }
}

fn read<O: DeserializeOwned>(request: wire::Request) -> Result<Request<O>> {
    let options = options::read_again(&request.options, "the options of the request")?;
    Ok(Request { options, destination: request.destination })
}
