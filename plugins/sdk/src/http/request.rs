//! Requests.

use std::fmt::Write as _;
use std::io::Read;
use std::time::Duration;

use serde::Serialize;

use super::response::Response;
use crate::error::Result;

/// The platform that an endpoint of the manifest stands for.
pub fn endpoint(name: &str) -> Endpoint {
    Endpoint { name: name.to_owned() }
}

/// A platform that can be asked.
#[derive(Clone, Debug)]
pub struct Endpoint {
    name: String,
}

impl Endpoint {
    /// Asks for something. `path` begins with `/`; what varies in it goes through [`escape`].
    pub fn get(&self, path: impl Into<String>) -> Request {
        self.request("GET", path)
    }

    /// Asks whether something is there.
    pub fn head(&self, path: impl Into<String>) -> Request {
        self.request("HEAD", path)
    }

    /// Sends something.
    pub fn post(&self, path: impl Into<String>) -> Request {
        self.request("POST", path)
    }

    /// Puts something in a place.
    pub fn put(&self, path: impl Into<String>) -> Request {
        self.request("PUT", path)
    }

    /// Changes something.
    pub fn patch(&self, path: impl Into<String>) -> Request {
        self.request("PATCH", path)
    }

    /// Removes something.
    pub fn delete(&self, path: impl Into<String>) -> Request {
        self.request("DELETE", path)
    }

    /// A request by any method.
    pub fn request(&self, method: &str, path: impl Into<String>) -> Request {
        Request {
            endpoint: self.name.clone(),
            method: method.to_owned(),
            target: path.into(),
            headers: Vec::new(),
            content: Content::Nothing,
            timeouts: Timeouts::default(),
        }
    }
}

/// A request that is being made.
#[must_use = "nothing is asked before `send`"]
pub struct Request {
    pub(crate) endpoint: String,
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) content: Content,
    pub(crate) timeouts: Timeouts,
}

/// What a request sends.
pub(crate) enum Content {
    Nothing,
    Bytes(Vec<u8>),
    Stream(Box<dyn Read>),
}

/// How long the engine waits; its own limits hold besides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timeouts {
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) between_bytes: Option<Duration>,
}

impl Request {
    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: impl ToString) -> Request {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        self.target.push(mark);
        self.target.push_str(&escape(name));
        self.target.push('=');
        self.target.push_str(&escape(&value.to_string()));
        self
    }

    /// Adds a header. Those that tell who asks are the engine's to add.
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Request {
        self.headers.push((name.to_ascii_lowercase(), value.into()));
        self
    }

    /// Sends this as JSON.
    pub fn json(self, content: &impl Serialize) -> Result<Request> {
        let content = serde_json::to_vec(content)?;
        Ok(self.header("content-type", "application/json").body(content))
    }

    /// Sends these bytes.
    pub fn body(self, content: impl Into<Vec<u8>>) -> Request {
        Request { content: Content::Bytes(content.into()), ..self }
    }

    /// Sends what this reads, as it is read.
    pub fn stream(self, content: impl Read + 'static) -> Request {
        Request { content: Content::Stream(Box::new(content)), ..self }
    }

    /// How long the platform may take to accept the connection.
    pub fn connect_timeout(mut self, wait: Duration) -> Request {
        self.timeouts.connect = Some(wait);
        self
    }

    /// How long the platform may take to begin its answer; longer than what a long poll waits.
    pub fn answer_timeout(mut self, wait: Duration) -> Request {
        self.timeouts.first_byte = Some(wait);
        self
    }

    /// How long the platform may be silent within its answer.
    pub fn silence_timeout(mut self, wait: Duration) -> Request {
        self.timeouts.between_bytes = Some(wait);
        self
    }

    /// Sends it, and returns when the answer begins. An answer that says no is an answer: see [`Response::ok`].
    pub fn send(self) -> Result<Response> {
        super::wasi::send(self)
    }
}

/// Writes a name so that it can stand between two `/` of a path or in a query.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(not(target_arch = "wasm32"))]
impl Content {
    /// All of it, for the scripted platforms of tests.
    pub(crate) fn read(self) -> Result<Vec<u8>> {
        match self {
            Content::Nothing => Ok(Vec::new()),
            Content::Bytes(bytes) => Ok(bytes),
            Content::Stream(mut read) => {
                let mut bytes = Vec::new();
                read.read_to_end(&mut bytes)?;
                Ok(bytes)
            }
        }
    }
}
