//! Plugins that take outputs out.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::exports_of_sink as wire;
use crate::bindings::types;
use crate::descriptor::{Attempt, Descriptor};
use crate::error::{Problem, Result};
use crate::handle::{self, Handle};
use crate::options;

pub use crate::bindings::exports_of_sink::Stored;

/// Takes outputs out. It reads below [`crate::work::path`].
///
/// What is stored appears whole or not at all: `begin`, then `put` for each file, then `commit`; `abort` instead when the
/// attempt comes to nothing. Every call gets an instance of its own and may be cut off at any point and made again, with
/// what the call before returned.
pub trait Sink {
    /// What a user writes for a request, read from JSON. Derive `Deserialize` with `deny_unknown_fields`.
    type Options: DeserializeOwned;
    /// What is known of what was begun.
    type Handle: Handle;

    /// Who it is.
    fn describe() -> Descriptor;

    /// Whether the store can be reached and lets this engine in.
    fn check() -> Result<()> {
        Ok(())
    }

    /// Checks what the types of the options cannot. Must not ask the store.
    fn validate(options: &Self::Options) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Begins, or finds what was begun for this attempt.
    fn begin(request: &Request<Self::Options>) -> Result<Self::Handle>;

    /// Takes the file at this path under `/work` and stages it under a name.
    fn put(request: &Request<Self::Options>, begun: Self::Handle, path: &str, name: &str) -> Result<Self::Handle>;

    /// Has everything that was staged appear.
    fn commit(request: &Request<Self::Options>, begun: Self::Handle) -> Result<Vec<Stored>>;

    /// Removes everything that was staged. Not there is fine.
    fn abort(request: &Request<Self::Options>, begun: Self::Handle) -> Result<()>;
}

/// Where outputs go to.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<O> {
    /// The attempt whose outputs they are.
    pub attempt: Attempt,
    /// What the user wrote.
    pub options: O,
}

/// What `sink!` exports.
#[doc(hidden)]
pub struct Export<S: Sink>(PhantomData<S>);

impl<S: Sink> wire::Guest for Export<S> {
    fn describe() -> types::Descriptor {
        S::describe()
    }

    fn check() -> Result<(), types::Error> {
        Ok(S::check()?)
    }

    fn validate(options: String) -> Vec<types::Problem> {
        options::read(&options).map_or_else(|problems| problems, |options| S::validate(&options))
    }

    fn begin(request: wire::Request) -> Result<types::Handle, types::Error> {
        Ok(handle::encode(&S::begin(&read(request)?)?)?)
    }

    fn put(
        request: wire::Request,
        begun: types::Handle,
        path: String,
        name: String,
    ) -> Result<types::Handle, types::Error> {
        let begun = S::put(&read(request)?, handle::decode(&begun)?, &path, &name)?;
        Ok(handle::encode(&begun)?)
    }

    fn commit(request: wire::Request, begun: types::Handle) -> Result<Vec<Stored>, types::Error> {
        Ok(S::commit(&read(request)?, handle::decode(&begun)?)?)
    }

    fn abort(request: wire::Request, begun: types::Handle) -> Result<(), types::Error> {
        Ok(S::abort(&read(request)?, handle::decode(&begun)?)?)
    }
}

fn read<O: DeserializeOwned>(request: wire::Request) -> Result<Request<O>> {
    let options = options::read_again(&request.options, "the options of the request")?;
    Ok(Request { attempt: request.attempt, options })
}
