//! Tests of plugins without an engine: natively the calls to the engine go here. Everything belongs to one thread, that is
//! to one test.
//!
//! ```
//! use windlass_plugin::http;
//! use windlass_plugin::testing::{self, Reply};
//!
//! testing::endpoint("docker").on("DELETE", "/containers/*", |asked| {
//!     assert_eq!(asked.query("force"), Some("true"));
//!     Reply::status(404)
//! });
//! let answer = http::endpoint("docker").delete("/containers/c1").query("force", true).send()?;
//! assert!(answer.found()?.is_none());
//! # Ok::<(), windlass_plugin::Error>(())
//! ```

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::descriptor::Attempt;
use crate::error::{Error, Problem, Result};
use crate::executor::{Channel, LogSink, Run, Task};
use crate::options;

mod engine;
pub(crate) mod http;
pub(crate) mod net;
pub(crate) mod sql;
#[cfg(test)]
mod tests;

pub use engine::{checkpoints, engine_id, messages, packed, refuse_checkpoints, settings, unpacked, work_at};
pub(crate) use engine::{host, work};
pub use http::{Asked, Reply, Script, asked, endpoint};
pub use net::{Secured, Talk, connection, secured};
pub use sql::{AskedQuery, driver};

/// Forgets all that was scripted and recorded on this thread.
pub fn reset() {
    engine::reset();
    http::reset();
    net::reset();
    sql::reset();
}

/// A first attempt with these options, without anything else; an error as `validate` has it.
pub fn task<O: DeserializeOwned>(options: &Value) -> Result<Task<O>, Vec<Problem>> {
    Ok(Task {
        attempt: attempt(1),
        name: None,
        chain: None,
        options: options::read(&options.to_string())?,
        environment: Vec::new(),
        grace: Duration::from_secs(10),
        deadline: None,
    })
}

/// The run of that attempt.
pub fn run<H>(handle: Option<H>) -> Run<H> {
    Run { attempt: attempt(1), handle }
}

/// An attempt of the job that tests are about.
pub fn attempt(number: u32) -> Attempt {
    Attempt { job: "0198d1a0-0000-7000-8000-000000000001".to_owned(), number }
}

/// Takes a log as the engine does.
#[derive(Debug, Default)]
pub struct Log {
    /// What was written, in its order.
    pub pieces: Vec<Piece>,
    /// After how many writes the engine wants no more.
    pub wants: Option<usize>,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Where it came from.
    pub channel: Channel,
    /// What it says.
    pub bytes: Vec<u8>,
    /// Where the log goes on after it.
    pub cursor: String,
}

impl Log {
    /// Has something written to it.
    pub fn take<T>(&mut self, write: impl FnOnce(&mut LogSink<'_>) -> Result<T>) -> Result<T> {
        let mut sink = |channel, bytes: &[u8], cursor: &str| {
            self.pieces.push(Piece { channel, bytes: bytes.to_vec(), cursor: cursor.to_owned() });
            self.wants.is_none_or(|wants| self.pieces.len() < wants)
        };
        write(&mut LogSink::new(&mut sink))
    }

    /// The cursor after the last piece.
    pub fn cursor(&self) -> Option<&str> {
        self.pieces.last().map(|piece| piece.cursor.as_str())
    }
}

/// The whole text, whatever channel it came by.
impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.pieces.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
        f.write_str(&String::from_utf8_lossy(&bytes))
    }
}

fn not_scripted(what: &str) -> Error {
    if crate::native::is_called() {
        return Error::unsupported("a native plugin reaches its platform and its files by itself");
    }
    Error::new(crate::ErrorKind::Denied, format!("the test has not said {what}"))
}
