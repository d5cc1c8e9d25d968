//! What a user writes.

use serde::Deserialize;
use serde_json::{Value, json};
use windlass_plugin::Problem;
use windlass_s3_client::{bucket_problem, prefix_problem};

/// Which objects: the one of a key, or all whose keys begin with a prefix.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The bucket; it may be missing where the settings of the plugin name one.
    pub bucket: Option<String>,
    /// The key of one object.
    pub key: Option<String>,
    /// How the keys begin; each object is an item.
    pub prefix: Option<String>,
}

/// Which objects are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    One(&'a str),
    Under(&'a str),
}

impl Options {
    /// Which objects are wanted; `validate` has seen to it that one of the two is there.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        match &self.key {
            Some(key) => Wanted::One(key),
            None => Wanted::Under(self.prefix.as_deref().unwrap_or_default()),
        }
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let problem = |field: &str, problem: &str, allowed: &str| Problem {
            field: field.to_owned(),
            problem: problem.to_owned(),
            allowed: allowed.to_owned(),
        };
        let mut problems: Vec<Problem> = self.bucket.as_deref().and_then(bucket_problem).into_iter().collect();
        match (&self.key, &self.prefix) {
            (Some(key), None) => {
                if key.is_empty() || key.ends_with('/') {
                    problems.push(problem("key", "it names no object", "a key that does not end with a slash"));
                }
                problems.extend(prefix_problem("key", key));
            }
            (None, Some(prefix)) => problems.extend(prefix_problem("prefix", prefix)),
            (None, None) => problems.push(problem("key", "it is missing", "either `key` or `prefix` is needed")),
            (Some(_), Some(_)) => problems.push(problem("prefix", "there is a key too", "either `key` or `prefix`")),
        }
        problems
    }
}

impl<'a> Wanted<'a> {
    /// Whether the key is one of those.
    pub(crate) fn has(self, key: &str) -> bool {
        match self {
            Wanted::One(one) => key == one,
            Wanted::Under(prefix) => key.starts_with(prefix),
        }
    }

    /// What of a key is the name of its item and the path of its file: all after the last slash of what was asked for.
    pub(crate) fn name_of(self, key: &str) -> &str {
        let (Wanted::One(asked) | Wanted::Under(asked)) = self;
        let begin = asked.rfind('/').map_or(0, |slash| slash + 1);
        key.get(begin..).unwrap_or(key)
    }
}

/// The JSON Schema of the options.
pub(crate) fn schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "oneOf": [{ "required": ["key"] }, { "required": ["prefix"] }],
        "properties": {
            "bucket": { "type": "string", "description": "The bucket, unless the settings of the plugin name it." },
            "key": { "type": "string", "description": "The key of one object." },
            "prefix": { "type": "string", "description": "How the keys begin; each object is an item." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(bucket: &str, key: Option<&str>, prefix: Option<&str>) -> Options {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Options { bucket: Some(bucket.to_owned()), key: owned(key), prefix: owned(prefix) }
    }

    #[test]
    fn either_a_key_or_a_prefix_is_wanted() {
        for good in [options("abc", Some("a/b"), None), options("abc", None, Some(""))] {
            assert_eq!(good.problems(), [], "{good:?}");
        }
        let bad = [
            (options("abc", None, None), "key"),
            (options("abc", Some("a"), Some("a")), "prefix"),
            (options("abc", Some("a/"), None), "key"),
            (options("abc", None, Some(&"p".repeat(1025))), "prefix"),
            (options("A", Some("a"), None), "bucket"),
        ];
        for (options, field) in bad {
            assert_eq!(options.problems()[0].field, field, "{options:?}");
        }
    }

    #[test]
    fn names_begin_after_the_last_slash_of_what_was_asked_for() {
        for (wanted, key, name) in [
            (Wanted::One("a/b.txt"), "a/b.txt", "b.txt"),
            (Wanted::Under("a/b"), "a/b/c", "b/c"),
            (Wanted::Under("a/b/"), "a/b/c", "c"),
            (Wanted::Under(""), "a/b", "a/b"),
        ] {
            assert_eq!(wanted.name_of(key), name);
        }
        assert!(Wanted::Under("a").has("ab") && !Wanted::One("a").has("ab"));
    }
}
