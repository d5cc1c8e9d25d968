//! Buckets and keys: which there may be, and where they are on the endpoint.

use serde::Deserialize;
use windlass_plugin::http::{self, Request};
use windlass_plugin::{Error, Problem, Result, host};

/// The longest key that a store takes.
pub const MOST_KEY_BYTES: usize = 1_024;
/// The endpoint of the manifest.
const ENDPOINT: &str = "s3";

/// What the operator says to the plugin.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The one bucket that the address of the endpoint is for, as `https://BUCKET.s3.eu-central-1.amazonaws.com`. Without it
    /// the address is that of the store, and the bucket stands in the path.
    pub bucket: Option<String>,
}

/// A bucket, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    name: String,
    is_in_path: bool,
}

/// What a request is about, for messages.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The bucket; empty for the whole store.
    pub bucket: &'a str,
    /// The key of the object, where it is about one.
    pub key: Option<&'a str>,
}

impl Bucket {
    /// The bucket of this name, or the one of the settings.
    ///
    /// # Errors
    /// None is named, or the endpoint is for another one.
    pub fn of(name: Option<&str>) -> Result<Bucket> {
        let settings: Settings = host::settings()?;
        match (name, settings.bucket) {
            (Some(name), Some(only)) if name != only => {
                Err(Error::invalid(format!("bucket: the endpoint is for the bucket {only}, not for {name}")))
            }
            (_, Some(only)) => Ok(Bucket { name: only, is_in_path: false }),
            (Some(name), None) => Ok(Bucket { name: name.to_owned(), is_in_path: true }),
            (None, None) => Err(Error::invalid("bucket: it is missing, and the settings of the plugin name none")),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For messages about it, or about an object in it.
    pub fn about<'a>(&'a self, key: Option<&'a str>) -> About<'a> {
        About { bucket: &self.name, key }
    }

    /// A request about the bucket.
    pub fn request(&self, method: &str) -> Request {
        let path = if self.is_in_path { format!("/{}", self.name) } else { "/".to_owned() };
        http::endpoint(ENDPOINT).request(method, path)
    }

    /// A request about an object.
    ///
    /// # Errors
    /// The engine would not send the key.
    pub fn object(&self, method: &str, key: &str) -> Result<Request> {
        if let Some(problem) = key_problem(key) {
            return Err(Error::unsupported(format!(
                "the key {key:?} {problem}, and the engine does not send such a path"
            )));
        }
        let bucket = if self.is_in_path { format!("/{}", self.name) } else { String::new() };
        Ok(http::endpoint(ENDPOINT).request(method, format!("{bucket}/{}", escaped(key))))
    }

    /// Where an object is, for a header that names one.
    pub fn source(&self, key: &str) -> String {
        format!("/{}/{}", self.name, escaped(key))
    }

    /// Where an object is, for people and programs.
    pub fn location(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }
}

/// Every byte but letters, digits, `-._~` and slashes.
fn escaped(key: &str) -> String {
    let segments: Vec<String> = key.split('/').map(http::escape).collect();
    segments.join("/")
}

/// Why the engine would refuse the path of an object. Servers on the way may read such a path as another one.
fn key_problem(key: &str) -> Option<&'static str> {
    if key.is_empty() || key.len() > MOST_KEY_BYTES {
        return Some("is empty or longer than 1,024 bytes");
    }
    if key.starts_with('/') || key.contains("//") {
        return Some("begins with a slash or holds `//`");
    }
    if key.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\') {
        return Some("holds a backslash or a control character");
    }
    let is_dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    key.split('/').any(is_dots).then_some("holds `.` or `..` between slashes")
}

/// What is wrong with the name of a bucket.
pub fn bucket_problem(name: &str) -> Option<Problem> {
    let fits = (3..=63).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, b'-' | b'.'))
        && name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.ends_with(|it: char| it.is_ascii_alphanumeric())
        && !name.contains("..");
    (!fits).then(|| Problem {
        field: "bucket".to_owned(),
        problem: "it is no name of a bucket".to_owned(),
        allowed: "3 to 63 of lower-case letters, digits, `-` and `.`, with a letter or a digit at both ends".to_owned(),
    })
}

/// What is wrong with a key or the beginning of keys, at `field`.
pub fn prefix_problem(field: &str, text: &str) -> Option<Problem> {
    let fits = text.len() <= MOST_KEY_BYTES && !text.chars().any(|it| it == '\0');
    (!fits).then(|| Problem {
        field: field.to_owned(),
        problem: "it is too long or holds a NUL".to_owned(),
        allowed: format!("at most {MOST_KEY_BYTES} bytes"),
    })
}

#[cfg(test)]
mod tests {
    use windlass_plugin::ErrorKind;
    use windlass_plugin::testing;

    use super::*;

    #[test]
    fn a_bucket_is_in_the_path_unless_the_endpoint_is_for_it() {
        let bucket = Bucket::of(Some("data")).unwrap();
        let script = testing::endpoint("s3");
        script.otherwise(|_| testing::Reply::status(200));
        bucket.object("GET", "a b/c+d%/é").unwrap().send().unwrap();
        bucket.request("GET").query("list-type", 2).send().unwrap();
        testing::settings(serde_json_value(r#"{"bucket": "data"}"#));
        let only = Bucket::of(None).unwrap();
        only.object("GET", "x").unwrap().send().unwrap();
        let paths: Vec<String> = testing::asked().into_iter().map(|asked| asked.path).collect();
        assert_eq!(paths, ["/data/a%20b/c%2Bd%25/%C3%A9", "/data", "/x"]);
        assert_eq!(Bucket::of(Some("other")).unwrap_err().kind, ErrorKind::Invalid);
        assert_eq!(only.location("x"), "s3://data/x");
    }

    fn serde_json_value(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn without_a_bucket_it_says_so() {
        assert!(Bucket::of(None).unwrap_err().message.contains("missing"));
    }

    #[test]
    fn keys_that_the_engine_does_not_send_are_said_to_be_unsupported() {
        let bucket = Bucket { name: "data".to_owned(), is_in_path: true };
        for key in ["", "/a", "a//b", "a/../b", ".", "a/.", "a\\b", "a\nb", &"k".repeat(1025)] {
            let error = bucket.object("GET", key).err().unwrap();
            assert_eq!(error.kind, ErrorKind::Unsupported, "{key}");
        }
        for key in ["a", "a/", "a b", "..a", "a/...", "ü%2F+"] {
            assert!(bucket.object("GET", key).is_ok(), "{key}");
        }
    }

    #[test]
    fn names_of_buckets_are_held_to_their_rule() {
        for good in ["abc", "my-bucket.2"] {
            assert!(bucket_problem(good).is_none(), "{good}");
        }
        for bad in ["", "ab", "Abc", "a/b", "-ab", "a..b", "ab ", &"a".repeat(64)] {
            assert!(bucket_problem(bad).is_some(), "{bad}");
        }
    }
}
