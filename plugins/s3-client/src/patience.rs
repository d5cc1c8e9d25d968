//! Requests that are made again when a store is busy, out of order or out of reach: a few times, later each time, and never
//! all callers at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use windlass_plugin::http::{self, Request, Response};
use windlass_plugin::{Error, ErrorKind, Result, Retry};

use crate::bucket::About;
use crate::refusal::refusal;

/// Failures in a row after which it is given up here; the engine may try the whole call again.
const MOST_FAILURES: u32 = 5;
const FIRST_MS: u64 = 100;
const LONGEST_MS: u64 = 5_000;
/// What a store asks to wait for at most; for longer the engine waits.
const LONGEST_ASKED_MS: u64 = 20_000;

/// How often it was tried in vain.
#[derive(Debug, Default)]
pub struct Patience {
    failures: u32,
}

impl Patience {
    /// None was in vain.
    pub fn new() -> Patience {
        Patience::default()
    }

    /// Something has come: the failures before it count no more.
    pub fn progressed(&mut self) {
        self.failures = 0;
    }

    /// Waits before another try.
    ///
    /// # Errors
    /// The error itself, when another try would meet it again or there were enough of them.
    pub fn wait(&mut self, error: Error) -> Result<()> {
        self.failures += 1;
        let passes = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Exhausted);
        let ms = match error.retry {
            Retry::After(ms) if ms <= LONGEST_ASKED_MS => ms,
            Retry::Backoff => backoff(self.failures, RandomState::new().hash_one(self.failures)),
            _ => return Err(error),
        };
        if !passes || self.failures >= MOST_FAILURES {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(ms));
        Ok(())
    }
}

/// Twice as long each time, of which the second half is chance.
fn backoff(failures: u32, chance: u64) -> u64 {
    let most = FIRST_MS.saturating_mul(1 << failures.min(16)).min(LONGEST_MS);
    most / 2 + chance % (most / 2 + 1)
}

/// Makes a request until it is answered well.
///
/// # Errors
/// What the store refuses, or why it cannot be asked.
pub fn ask(about: &About<'_>, make: impl Fn() -> Result<Request>) -> Result<Response> {
    let mut patience = Patience::new();
    loop {
        match make()?.send().and_then(|answer| good(about, answer)) {
            Ok(answer) => return Ok(answer),
            Err(error) => patience.wait(error)?,
        }
    }
}

fn good(about: &About<'_>, answer: Response) -> Result<Response> {
    if (200..300).contains(&answer.status) { Ok(answer) } else { Err(refusal(about, answer)) }
}

/// Whether the store is there and knows who asks; a key without the right to see all buckets is known too.
///
/// # Errors
/// Why it is not.
pub fn reach() -> Result<()> {
    let about = About { bucket: "", key: None };
    match ask(&about, || Ok(http::endpoint("s3").get("/").query("max-keys", 1))) {
        Err(error) if error.code.as_deref() == Some("AccessDenied") => Ok(()),
        answer => answer.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use windlass_plugin::testing::{self, Reply};

    use super::*;

    const ABOUT: About<'_> = About { bucket: "data", key: Some("k") };

    fn get() -> Result<Request> {
        Ok(http::endpoint("s3").get("/data/k"))
    }

    #[test]
    fn what_passes_is_tried_again_and_the_rest_is_not() {
        let busy = "<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>";
        let mut replies = vec![
            Reply::bytes(200, "here"),
            Reply::failure(Error::unavailable("the connection was cut")),
            Reply::status(500),
            Reply::bytes(503, busy).header("retry-after", "0"),
        ];
        testing::endpoint("s3").on("GET", "/data/k", move |_| replies.pop().unwrap());
        assert_eq!(ask(&ABOUT, get).unwrap().text().unwrap(), "here");
        assert_eq!(testing::asked().len(), 4);

        testing::reset();
        testing::endpoint("s3").on("GET", "/data/k", |_| Reply::status(403));
        assert_eq!(ask(&ABOUT, get).unwrap_err().kind, ErrorKind::Denied);
        assert_eq!(testing::asked().len(), 1);
    }

    #[test]
    fn it_is_given_up_after_some_tries_or_when_the_wait_is_long() {
        testing::endpoint("s3").on("GET", "/data/k", |_| Reply::status(503).header("retry-after", "0"));
        assert_eq!(ask(&ABOUT, get).unwrap_err().kind, ErrorKind::Unavailable);
        assert_eq!(testing::asked().len(), MOST_FAILURES as usize);
        testing::reset();
        testing::endpoint("s3").on("GET", "/data/k", |_| Reply::status(503).header("retry-after", "3600"));
        assert_eq!(ask(&ABOUT, get).unwrap_err().retry, Retry::After(3_600_000));
        assert_eq!(testing::asked().len(), 1);
    }

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        for failures in 1..100 {
            for chance in [0, 1, u64::MAX] {
                let ms = backoff(failures, chance);
                assert!((FIRST_MS..=LONGEST_MS).contains(&ms), "{failures}: {ms}");
            }
        }
        assert!(backoff(1, 50) < backoff(3, 0) && backoff(2, 0) != backoff(2, 7));
    }

    #[test]
    fn a_key_that_may_not_see_all_buckets_is_known() {
        let denied = "<Error><Code>AccessDenied</Code></Error>";
        testing::endpoint("s3").on("GET", "/", move |_| Reply::bytes(403, denied));
        reach().unwrap();
        testing::endpoint("s3").on("GET", "/", |_| Reply::bytes(403, "<Error><Code>InvalidAccessKeyId</Code></Error>"));
        assert_eq!(reach().unwrap_err().kind, ErrorKind::Unauthenticated);
    }
}
