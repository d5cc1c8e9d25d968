//! Responses.

use std::fmt;
use std::io::{self, Read};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, Retry};

/// The most bytes of an answer that `json` and `text` read.
const MOST_BYTES: u64 = 16 << 20;
/// The most bytes of a refusal that are looked at.
const MOST_REFUSAL_BYTES: u64 = 64 << 10;
/// The most characters of a refusal that is not JSON.
const MOST_REFUSAL_CHARS: usize = 500;

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

/// The body of an answer, read as it comes. Each `read` returns what is there.
pub struct Body(Box<dyn Read>);

impl Body {
    /// The pieces of the body as they come, none of them empty.
    pub fn chunks(self) -> impl Iterator<Item = Result<Vec<u8>>> {
        let mut body = self;
        let mut buffer = vec![0; 64 << 10];
        std::iter::from_fn(move || match body.read(&mut buffer) {
            Ok(0) => None,
            Ok(size) => buffer.get(..size).map(|chunk| Ok(chunk.to_vec())),
            Err(error) => Some(Err(error.into())),
        })
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl Response {
    pub(crate) fn new(status: u16, headers: Vec<(String, Vec<u8>)>, body: impl Read + 'static) -> Response {
        Response { status, headers, body: Body(Box::new(body)) }
    }

    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(it, _)| it == name)?;
        std::str::from_utf8(value).ok()
    }

    /// The answer if its status says yes, else what it refused and whether that is worth another try.
    pub fn ok(self) -> Result<Response> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.refusal()) }
    }

    /// The answer, or nothing where the platform says that there is no such thing.
    pub fn found(self) -> Result<Option<Response>> {
        match self.status {
            404 | 410 => Ok(None),
            _ => self.ok().map(Some),
        }
    }

    /// What the body says, read from JSON.
    pub fn json<T: DeserializeOwned>(self) -> Result<T> {
        let bytes = self.bytes(MOST_BYTES)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::internal(format!("the answer is not what was expected: {error}")).retry(Retry::Backoff)
        })
    }

    /// What the body says; what is not UTF-8 is replaced.
    pub fn text(self) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(MOST_BYTES)?).into_owned())
    }

    /// The whole body; an error if there is more than as many bytes.
    pub fn bytes(self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.body.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
            let message = format!("the answer has more than {limit} bytes");
            return Err(Error::new(ErrorKind::Exhausted, message).retry(Retry::Never));
        }
        Ok(bytes)
    }

    /// The body, to be read as it comes.
    pub fn body(self) -> Body {
        self.body
    }

    fn refusal(self) -> Error {
        let status = self.status;
        let (kind, retry) = verdict(status, self.header("retry-after"));
        let mut bytes = Vec::new();
        // What could not be read of the reason is left out: the refusal counts.
        let _ = self.body.take(MOST_REFUSAL_BYTES).read_to_end(&mut bytes);
        let message = match reason(&bytes) {
            Some(reason) => reason,
            None => format!("the platform answered with the status {status}"),
        };
        Error::new(kind, message).retry(retry).code(status.to_string())
    }
}

/// What a status means.
fn verdict(status: u16, retry_after: Option<&str>) -> (ErrorKind, Retry) {
    let later = match retry_after.and_then(|it| it.trim().parse::<u64>().ok()) {
        Some(seconds) => Retry::After(seconds.saturating_mul(1000)),
        None => Retry::Backoff,
    };
    match status {
        401 | 407 => (ErrorKind::Unauthenticated, Retry::Never),
        403 | 451 => (ErrorKind::Denied, Retry::Never),
        404 | 410 => (ErrorKind::NotFound, Retry::Never),
        408 | 504 => (ErrorKind::Timeout, later),
        409 | 412 => (ErrorKind::Conflict, Retry::Never),
        425 => (ErrorKind::Unavailable, later),
        429 | 507 => (ErrorKind::Exhausted, later),
        405 | 501 => (ErrorKind::Unsupported, Retry::Never),
        400..500 => (ErrorKind::Invalid, Retry::Never),
        500.. => (ErrorKind::Unavailable, later),
        // A redirection, or something that is no answer at all.
        _ => (ErrorKind::Internal, Retry::Never),
    }
}

/// The sentence that a refusal gives: the `message` that most platforms send in JSON, or a short text.
fn reason(bytes: &[u8]) -> Option<String> {
    if let Ok(json) = serde_json::from_slice::<Value>(bytes) {
        let paths = ["/message", "/error/message", "/error", "/detail", "/title"];
        let found = paths.iter().find_map(|path| json.pointer(path).and_then(Value::as_str));
        return found.map(str::to_owned);
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if text.is_empty() || text.starts_with('<') { None } else { Some(text.chars().take(MOST_REFUSAL_CHARS).collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Response::new(status, headers, io::Cursor::new(body.as_bytes().to_vec()))
    }

    #[test]
    fn a_status_becomes_an_error() {
        for (status, kind, retry) in [
            (400, ErrorKind::Invalid, Retry::Never),
            (401, ErrorKind::Unauthenticated, Retry::Never),
            (403, ErrorKind::Denied, Retry::Never),
            (404, ErrorKind::NotFound, Retry::Never),
            (408, ErrorKind::Timeout, Retry::Backoff),
            (409, ErrorKind::Conflict, Retry::Never),
            (422, ErrorKind::Invalid, Retry::Never),
            (429, ErrorKind::Exhausted, Retry::Backoff),
            (500, ErrorKind::Unavailable, Retry::Backoff),
            (503, ErrorKind::Unavailable, Retry::Backoff),
            (301, ErrorKind::Internal, Retry::Never),
        ] {
            let error = answer(status, &[], "").ok().unwrap_err();
            assert_eq!((error.kind, error.retry), (kind, retry), "{status}");
            assert_eq!(error.code, Some(status.to_string()));
        }
        let busy = answer(503, &[("retry-after", "7")], "").ok().unwrap_err();
        assert_eq!(busy.retry, Retry::After(7000));
        let dated = answer(429, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], "").ok().unwrap_err();
        assert_eq!(dated.retry, Retry::Backoff);
    }

    #[test]
    fn the_reason_is_what_the_platform_says() {
        let message = |body| answer(400, &[], body).ok().unwrap_err().message;
        assert_eq!(message(r#"{"message": "no such image"}"#), "no such image");
        assert_eq!(message(r#"{"error": {"code": 1, "message": "bad"}}"#), "bad");
        assert_eq!(message(r#"{"error": "worse"}"#), "worse");
        assert_eq!(message("page not found\n"), "page not found");
        assert_eq!(message("<html>"), "the platform answered with the status 400");
        assert_eq!(message(&"é".repeat(2000)).chars().count(), MOST_REFUSAL_CHARS);
    }

    #[test]
    fn an_answer_is_read_within_its_limit() {
        assert_eq!(answer(200, &[], "[1, 2]").ok().unwrap().json::<Vec<u8>>().unwrap(), [1, 2]);
        assert_eq!(answer(200, &[], "abc").bytes(3).unwrap(), b"abc");
        assert_eq!(answer(200, &[], "abcd").bytes(3).unwrap_err().kind, ErrorKind::Exhausted);
        let error = answer(200, &[], "{").json::<Vec<u8>>().unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Internal, Retry::Backoff));
        assert!(answer(404, &[], "").found().unwrap().is_none());
        assert!(answer(500, &[], "").found().is_err());
        let chunks: Vec<Vec<u8>> = answer(200, &[], "abc").body().chunks().collect::<Result<_>>().unwrap();
        assert_eq!(chunks, [b"abc"]);
    }
}
