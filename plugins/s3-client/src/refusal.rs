//! What a store refuses, in words that say what is to be done.

use windlass_plugin::http::Response;
use windlass_plugin::{Error, ErrorKind, Result, Retry};

use crate::bucket::About;
use crate::moment::seconds;
use crate::xml::Element;

/// The most bytes of a refusal that are looked at.
const MOST_BYTES: u64 = 64 << 10;
/// The most characters of what the store says that are handed on.
const MOST_CHARS: usize = 500;

/// Who refuses: the facts of an answer.
struct Facts<'a> {
    status: u16,
    code: String,
    /// What the store says; nothing where it could name who asks.
    says: String,
    region: Option<String>,
    retry_after: Option<u64>,
    date: Option<String>,
    body: Element,
    about: &'a About<'a>,
}

/// The error that an answer stands for.
pub fn refusal(about: &About<'_>, answer: Response) -> Error {
    let header = |name: &str| answer.header(name).map(str::to_owned);
    let (region, date) = (header("x-amz-bucket-region"), header("date"));
    let retry_after = header("retry-after").and_then(|text| text.trim().parse::<u64>().ok());
    let status = answer.status;
    // What could not be read of the reason is left out: the refusal counts.
    let body = answer.bytes(MOST_BYTES).ok().and_then(|bytes| Element::parse(&bytes).ok());
    told(about, status, region, retry_after, date, body.unwrap_or_default())
}

/// The element of an answer that says yes; some stores begin to answer before they know, and refuse in the body.
///
/// # Errors
/// What is refused there, or what is no XML.
pub fn within(about: &About<'_>, bytes: &[u8]) -> Result<Element> {
    let body = Element::parse(bytes)?;
    // What goes wrong after the head was sent has passed, as a rule.
    if body.name == "Error" { Err(told(about, 500, None, None, None, body)) } else { Ok(body) }
}

fn told(
    about: &About<'_>,
    status: u16,
    region: Option<String>,
    retry_after: Option<u64>,
    date: Option<String>,
    body: Element,
) -> Error {
    let code = body.value("Code").map_or_else(|| status.to_string(), str::to_owned);
    let says: String = body.value("Message").unwrap_or_default().chars().take(MOST_CHARS).collect();
    let region = body.value("Region").map(str::to_owned).or(region);
    let facts = Facts { status, code, says, region, retry_after, date, body, about };
    let error = facts.of_who().or_else(|| facts.of_what()).unwrap_or_else(|| facts.of_status());
    let error = error.code(facts.code.clone());
    match &facts.region {
        Some(region) => error.detail("region", region),
        None => error,
    }
}

impl Facts<'_> {
    /// Who asks is not known. What the store says is left out: it may quote what was sent.
    fn of_who(&self) -> Option<Error> {
        let message = match self.code.as_str() {
            "SignatureDoesNotMatch" => {
                "the store does not accept the signature: the secret access key of the endpoint is another one than that of \
                 its access key id"
                    .to_owned()
            }
            "InvalidAccessKeyId" | "NotSignedUp" => {
                "the store does not know the access key id of the endpoint".to_owned()
            }
            "ExpiredToken" | "TokenRefreshRequired" => "the session token of the endpoint has expired".to_owned(),
            "InvalidToken" => "the store does not accept the session token of the endpoint".to_owned(),
            "RequestTimeTooSkewed" | "RequestExpired" => self.skew(),
            _ => return self.of_region(),
        };
        Some(Error::new(ErrorKind::Unauthenticated, message))
    }

    fn skew(&self) -> String {
        let of = |name: &str| self.body.value(name).and_then(seconds);
        let there = of("ServerTime").or_else(|| self.date.as_deref().and_then(seconds));
        match (of("RequestTime"), there) {
            (Some(here), Some(there)) if here != there => {
                let (offset, word) = ((here - there).abs(), if here > there { "ahead of" } else { "behind" });
                format!("the clock of this machine is {offset} seconds {word} that of the store")
            }
            _ => "the clock of this machine differs too much from that of the store".to_owned(),
        }
    }

    /// The request was for another region, or signed for another one.
    fn of_region(&self) -> Option<Error> {
        let is_elsewhere = matches!(self.status, 301 | 307)
            || matches!(self.code.as_str(), "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed")
            || (self.status == 400 && self.region.is_some());
        if !is_elsewhere {
            return None;
        }
        let bucket = self.about.bucket;
        let message = match &self.region {
            Some(region) => format!(
                "the bucket {bucket} is in the region {region}: the endpoint has to name that region, and its address"
            ),
            None => format!("the bucket {bucket} is in another region than the endpoint names, or at another address"),
        };
        Some(Error::invalid(message))
    }

    fn of_what(&self) -> Option<Error> {
        let bucket = self.about.bucket;
        let object =
            self.about.key.map_or_else(|| format!("the bucket {bucket}"), |key| format!("s3://{bucket}/{key}"));
        let (kind, message) = match self.code.as_str() {
            "NoSuchBucket" => (ErrorKind::NotFound, format!("there is no bucket {bucket}")),
            "NoSuchKey" | "NoSuchVersion" => (ErrorKind::NotFound, format!("there is no object {object}")),
            "NoSuchUpload" => (ErrorKind::NotFound, format!("the upload to {object} is not there any more")),
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
                (ErrorKind::Denied, format!("the store does not let this key at {object}"))
            }
            "PreconditionFailed" => (ErrorKind::Conflict, format!("{object} has changed since it was listed")),
            "InvalidObjectState" => (ErrorKind::Conflict, format!("{object} is archived and has to be restored first")),
            "BadDigest" | "XAmzContentSHA256Mismatch" | "IncompleteBody" => {
                (ErrorKind::Unavailable, format!("what was sent to {object} did not arrive as it was"))
            }
            "QuotaExceeded" => (ErrorKind::Exhausted, format!("the quota of {object} is used up")),
            "SlowDown" | "TooManyRequests" | "RequestLimitExceeded" => {
                return Some(self.later(ErrorKind::Exhausted, "the store wants fewer requests".to_owned()));
            }
            "RequestTimeout" => {
                return Some(self.later(ErrorKind::Timeout, "the store has waited too long".to_owned()));
            }
            "InternalError" | "ServiceUnavailable" | "OperationAborted" => {
                return Some(self.later(ErrorKind::Unavailable, "the store is out of order for now".to_owned()));
            }
            _ => return None,
        };
        Some(Error::new(kind, message))
    }

    fn of_status(&self) -> Error {
        let says = if self.says.is_empty() { String::new() } else { format!(": {}", self.says) };
        let message = format!("the store answered with the status {}{says}", self.status);
        match self.status {
            401 => Error::new(ErrorKind::Unauthenticated, message),
            403 => Error::new(ErrorKind::Denied, message),
            404 | 410 => Error::not_found(message),
            408 | 504 => self.later(ErrorKind::Timeout, message),
            409 | 412 => Error::new(ErrorKind::Conflict, message),
            429 => self.later(ErrorKind::Exhausted, message),
            405 | 501 => Error::unsupported(message),
            400..500 => Error::invalid(message),
            500.. => self.later(ErrorKind::Unavailable, message),
            _ => Error::internal(message),
        }
    }

    fn later(&self, kind: ErrorKind, message: String) -> Error {
        let retry = self.retry_after.map_or(Retry::Backoff, |seconds| Retry::After(seconds.saturating_mul(1_000)));
        Error::new(kind, message).retry(retry)
    }
}

#[cfg(test)]
mod tests {
    use windlass_plugin::http;
    use windlass_plugin::testing::{self, Reply};

    use super::*;

    const ABOUT: About<'_> = About { bucket: "data", key: Some("a/b") };

    fn of(reply: Reply) -> Error {
        testing::reset();
        testing::endpoint("s3").on("GET", "/", move |_| reply.clone());
        refusal(&ABOUT, http::endpoint("s3").get("/").send().unwrap())
    }

    fn xml(code: &str, more: &str) -> String {
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>key AKIAHUSH</Message>{more}</Error>")
    }

    #[test]
    fn each_code_has_its_kind_its_verdict_and_its_words() {
        use ErrorKind as Kind;
        let cases = [
            (404, "NoSuchBucket", Kind::NotFound, Retry::Never, "no bucket data"),
            (404, "NoSuchKey", Kind::NotFound, Retry::Never, "s3://data/a/b"),
            (403, "AccessDenied", Kind::Denied, Retry::Never, "does not let"),
            (403, "SignatureDoesNotMatch", Kind::Unauthenticated, Retry::Never, "secret access key"),
            (403, "InvalidAccessKeyId", Kind::Unauthenticated, Retry::Never, "access key id"),
            (400, "ExpiredToken", Kind::Unauthenticated, Retry::Never, "expired"),
            (400, "InvalidToken", Kind::Unauthenticated, Retry::Never, "session token"),
            (412, "PreconditionFailed", Kind::Conflict, Retry::Never, "has changed"),
            (503, "SlowDown", Kind::Exhausted, Retry::Backoff, "fewer"),
            (500, "InternalError", Kind::Unavailable, Retry::Backoff, "out of order"),
            (400, "BadDigest", Kind::Unavailable, Retry::Backoff, "did not arrive"),
            (418, "Teapot", Kind::Invalid, Retry::Never, "status 418: key"),
        ];
        for (status, code, kind, retry, says) in cases {
            let error = of(Reply::bytes(status, xml(code, "")));
            assert_eq!((error.kind, error.retry), (kind, retry), "{code}");
            assert_eq!(error.code.as_deref(), Some(code));
            assert!(error.message.contains(says), "{error}");
            assert!(status != 403 || !error.message.contains("HUSH"), "{error}");
        }
    }

    #[test]
    fn an_answer_without_a_body_is_told_by_its_status() {
        for (status, kind) in [
            (403, ErrorKind::Denied),
            (404, ErrorKind::NotFound),
            (409, ErrorKind::Conflict),
            (429, ErrorKind::Exhausted),
            (500, ErrorKind::Unavailable),
            (504, ErrorKind::Timeout),
        ] {
            assert_eq!(of(Reply::bytes(status, "<html>")).kind, kind, "{status}");
        }
        assert_eq!(of(Reply::status(503).header("retry-after", "7")).retry, Retry::After(7_000));
    }

    #[test]
    fn the_offset_of_the_clock_is_said() {
        let times = "<RequestTime>20130524T020000Z</RequestTime><ServerTime>2013-05-24T00:00:00Z</ServerTime>";
        let ahead = of(Reply::bytes(403, xml("RequestTimeTooSkewed", times)));
        assert!(ahead.message.contains("7200 seconds ahead of"), "{ahead}");
        let time = "<RequestTime>20130523T235000Z</RequestTime>";
        let dated =
            Reply::bytes(403, xml("RequestTimeTooSkewed", time)).header("date", "Fri, 24 May 2013 00:00:00 GMT");
        let behind = of(dated);
        assert!(behind.message.contains("600 seconds behind"), "{behind}");
        assert_eq!(behind.kind, ErrorKind::Unauthenticated);
    }

    #[test]
    fn the_right_region_is_said() {
        let told = [
            Reply::status(301).header("x-amz-bucket-region", "eu-west-1"),
            Reply::bytes(400, xml("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")),
            Reply::status(400).header("x-amz-bucket-region", "eu-west-1"),
        ];
        for reply in told {
            let error = of(reply);
            assert_eq!((error.kind, error.retry), (ErrorKind::Invalid, Retry::Never));
            assert!(error.message.contains("in the region eu-west-1"), "{error}");
            assert_eq!(error.details, [("region".to_owned(), "eu-west-1".to_owned())]);
        }
    }

    #[test]
    fn a_refusal_within_a_good_answer_is_one() {
        let error = within(&ABOUT, xml("InternalError", "").as_bytes()).unwrap_err();
        assert_eq!((error.kind, error.retry), (ErrorKind::Unavailable, Retry::Backoff));
        assert_eq!(within(&ABOUT, b"<A/>").unwrap().name, "A");
    }
}
