//! Write plugins for the Windlass job engine: executors, fetchers and sinks.
//!
//! A plugin is a WebAssembly component. It is a crate of the type `cdylib` that implements [`Executor`], [`Fetcher`] or
//! [`Sink`], names the implementation in [`executor!`], [`fetcher!`] or [`sink!`], and is built with
//! `cargo build --release --target wasm32-wasip2`. Beside it stands its manifest `plugin.toml`, which says what it wants to
//! be allowed.
//!
//! The same code is built natively for its unit tests; then the calls to the platform and to the engine go to
//! [`testing`].
//!
//! An executor for a platform that runs jobs by itself, whole:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use windlass_plugin::prelude::*;
//!
//! struct Batch;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Options {
//!     script: String,
//! }
//!
//! #[derive(Deserialize)]
//! struct Answer {
//!     state: String,
//!     code: Option<i32>,
//! }
//!
//! fn path(attempt: &Attempt) -> String {
//!     format!("/batches/{attempt}")
//! }
//!
//! impl Executor for Batch {
//!     type Options = Options;
//!     type Handle = ();
//!
//!     fn describe() -> Descriptor {
//!         Descriptor::new("batch", env!("CARGO_PKG_VERSION"), "Runs scripts on a batch server")
//!     }
//!
//!     fn submit(task: &Task<Options>) -> Result<()> {
//!         let body = serde_json::json!({ "script": task.options.script, "owner": host::engine_id() });
//!         http::endpoint("batch").put(path(&task.attempt)).json(&body)?.send()?.ok()?;
//!         Ok(())
//!     }
//!
//!     fn observe_one(run: &Run<()>) -> Result<Observation<()>> {
//!         let Some(answer) = http::endpoint("batch").get(path(&run.attempt)).send()?.found()? else {
//!             return Ok(Observation::Gone);
//!         };
//!         let answer: Answer = answer.json()?;
//!         Ok(match (answer.state.as_str(), answer.code) {
//!             ("done", Some(code)) => Observation::ended(Outcome::of_code(code)),
//!             ("done", None) => Observation::ended(Outcome::Stopped),
//!             _ => Observation::running(),
//!         })
//!     }
//!
//!     fn stop(run: &Run<()>, grace: Duration) -> Result<Option<()>> {
//!         let stop = http::endpoint("batch").post(path(&run.attempt) + "/stop").query("grace", grace.as_secs());
//!         stop.send()?.found()?;
//!         Ok(None)
//!     }
//!
//!     fn remove(run: &Run<()>) -> Result<()> {
//!         http::endpoint("batch").delete(path(&run.attempt)).send()?.found()?;
//!         Ok(())
//!     }
//! }
//!
//! windlass_plugin::executor!(Batch);
//!
//! // Its test:
//! use windlass_plugin::testing::{self, Reply};
//!
//! testing::endpoint("batch")
//!     .on("PUT", "/batches/*", |asked| {
//!         assert_eq!(asked.json::<serde_json::Value>().unwrap()["script"], "make");
//!         Reply::status(201)
//!     })
//!     .on("GET", "/batches/*", |_| Reply::json(200, &serde_json::json!({ "state": "done", "code": 3 })));
//! let task = testing::task(&serde_json::json!({ "script": "make" })).unwrap();
//! Batch::submit(&task)?;
//! let found = Batch::observe_one(&testing::run(Some(())))?;
//! assert_eq!(found, Observation::ended(Outcome::Exited(3)));
//! # Ok::<(), Error>(())
//! ```

#[doc(hidden)]
pub mod bindings;
pub mod cursor;
mod descriptor;
mod error;
mod executor;
mod exit;
mod export;
mod fetcher;
mod handle;
pub mod host;
pub mod http;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
pub mod net;
mod options;
mod sink;
pub mod sql;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod work;

pub use descriptor::{Attempt, Descriptor};
pub use error::{Error, ErrorKind, Problem, Result, Retry};
pub use executor::{
    Channel, Definition, Executor, LogSink, Observation, Outcome, Page, Phase, Run, Status, Task, Variable,
};
pub use exit::exit;
pub use fetcher::{Fetched, Fetcher, Item};
pub use handle::{Handle, MOST_HANDLE_BYTES};
pub use sink::{Sink, Stored};

/// What a fetcher is asked for.
pub type FetchRequest<O> = fetcher::Request<O>;
/// What a sink is asked for.
pub type SinkRequest<O> = sink::Request<O>;

/// What nearly every plugin names.
pub mod prelude {
    pub use std::time::Duration;

    pub use crate::{
        Attempt, Channel, Descriptor, Error, ErrorKind, Executor, Fetcher, Handle, LogSink, Observation, Outcome, Page,
        Problem, Result, Retry, Run, Sink, Task, cursor, host, http, net, work,
    };
}

#[doc(hidden)]
pub mod exports {
    pub use crate::executor::Export as Executor;
    pub use crate::fetcher::Export as Fetcher;
    pub use crate::sink::Export as Sink;
}
