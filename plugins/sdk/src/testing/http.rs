//! Platforms whose answers a test has written down.

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::not_scripted;
use crate::error::{Error, Result};
use crate::http::{Request, Response};

thread_local! {
    static PLATFORMS: RefCell<Vec<Rule>> = const { RefCell::new(Vec::new()) };
    static ASKED: RefCell<Vec<Asked>> = const { RefCell::new(Vec::new()) };
}

/// The method and the path of a rule that is for everything.
const ANY: &str = "";

type Answer = Rc<RefCell<dyn FnMut(&Asked) -> Reply>>;

struct Rule {
    endpoint: String,
    method: String,
    path: String,
    answer: Answer,
}

/// The platform that stands behind an endpoint, for this test.
pub fn endpoint(name: &str) -> Script {
    Script { endpoint: name.to_owned() }
}

/// What a platform answers.
pub struct Script {
    endpoint: String,
}

impl Script {
    /// Says how requests are answered. A `*` in the path stands for one part of it. The rule that was given last counts;
    /// what no rule is for is denied, as the engine would.
    pub fn on(self, method: &str, path: &str, answer: impl FnMut(&Asked) -> Reply + 'static) -> Script {
        let (method, path, answer) = (method.to_owned(), path.to_owned(), Rc::new(RefCell::new(answer)));
        let endpoint = self.endpoint.clone();
        PLATFORMS.with_borrow_mut(|rules| rules.push(Rule { endpoint, method, path, answer }));
        self
    }

    /// Answers whatever no other rule is for; to stand in front of a real platform, say.
    pub fn otherwise(self, answer: impl FnMut(&Asked) -> Reply + 'static) -> Script {
        let rule = Rule {
            endpoint: self.endpoint.clone(),
            method: ANY.to_owned(),
            path: ANY.to_owned(),
            answer: Rc::new(RefCell::new(answer)),
        };
        PLATFORMS.with_borrow_mut(|rules| rules.insert(0, rule));
        self
    }
}

/// All requests so far, to whichever endpoint.
pub fn asked() -> Vec<Asked> {
    ASKED.with_borrow(Vec::clone)
}

pub(super) fn reset() {
    PLATFORMS.with_borrow_mut(Vec::clear);
    ASKED.with_borrow_mut(Vec::clear);
}

/// A request that the plugin has made.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The endpoint.
    pub endpoint: String,
    /// The method.
    pub method: String,
    /// The path as it was sent, without the query.
    pub path: String,
    /// The parameters of the query.
    pub parameters: Vec<(String, String)>,
    /// Names in lower case, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// What was sent.
    pub body: Vec<u8>,
}

impl Asked {
    /// A parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value).ok()
    }

    /// What was sent, read from JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    outcome: Result<(u16, Vec<u8>)>,
    headers: Vec<(String, Vec<u8>)>,
    cut: bool,
}

impl Reply {
    /// A status and nothing else.
    pub fn status(status: u16) -> Reply {
        Reply::bytes(status, Vec::new())
    }

    /// A status and some bytes.
    pub fn bytes(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply { outcome: Ok((status, body.into())), headers: Vec::new(), cut: false }
    }

    /// A status and something in JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Reply {
        match serde_json::to_vec(body) {
            Ok(body) => Reply::bytes(status, body).header("content-type", "application/json"),
            Err(error) => Reply::failure(error.into()),
        }
    }

    /// No answer: the request could not be made.
    pub fn failure(error: Error) -> Reply {
        Reply { outcome: Err(error), headers: Vec::new(), cut: false }
    }

    /// The same with a header.
    pub fn header(mut self, name: &str, value: &str) -> Reply {
        self.headers.push((name.to_ascii_lowercase(), value.as_bytes().to_vec()));
        self
    }

    /// The same, whose body breaks off after all that it has.
    pub fn cut_off(self) -> Reply {
        Reply { cut: true, ..self }
    }
}

pub(crate) fn send(request: Request) -> Result<Response> {
    let asked = read(request)?;
    ASKED.with_borrow_mut(|all| all.push(asked.clone()));
    let answer = PLATFORMS.with_borrow(|rules| {
        let rule = rules.iter().rev().find(|rule| rule.is_for(&asked));
        rule.map(|rule| rule.answer.clone())
    });
    let Some(answer) = answer else {
        let Asked { endpoint, method, path, .. } = &asked;
        return Err(not_scripted(&format!("what {endpoint} answers to {method} {path}")));
    };
    let Reply { outcome, headers, cut } = (answer.borrow_mut())(&asked);
    let (status, body) = outcome?;
    let end: Box<dyn Read> = if cut { Box::new(Cut) } else { Box::new(io::empty()) };
    Ok(Response::new(status, headers, io::Cursor::new(body).chain(end)))
}

/// A connection that breaks off.
struct Cut;

impl Read for Cut {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(Error::unavailable("the connection broke off").into())
    }
}

impl Rule {
    fn is_for(&self, asked: &Asked) -> bool {
        let (expected, found) = (self.path.split('/'), asked.path.split('/'));
        if self.method == ANY {
            return self.endpoint == asked.endpoint;
        }
        self.endpoint == asked.endpoint
            && self.method == asked.method
            && expected.clone().count() == found.clone().count()
            && expected.zip(found).all(|(expected, found)| expected == "*" || expected == found)
    }
}

fn read(request: Request) -> Result<Asked> {
    let Request { endpoint, method, target, headers, content, .. } = request;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let parameters = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(name), unescape(value))
    });
    Ok(Asked {
        endpoint,
        method,
        path: path.to_owned(),
        parameters: parameters.collect(),
        headers,
        body: content.read()?,
    })
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |it: Option<u8>| char::from(it.unwrap_or_default()).to_digit(16);
        if byte == b'%'
            && let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next()))
        {
            bytes.extend(u8::try_from(high * 16 + low));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
