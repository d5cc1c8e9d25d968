//! Which methods and paths may be used: what a manifest asks for, what an operator grants.

use http::Method;

use super::path::Checked;
use crate::error::Problem;

const METHODS_ALLOWED: &str = "methods in capitals, as GET; CONNECT and TRACE are never allowed";
const PATHS_ALLOWED: &str = "paths as /v1/jobs/*/log: `*` stands for anything within a segment, `/**` at the end for any rest; not encoded, no query";

/// A list of what may be used of an endpoint.
#[derive(Clone, Debug, Default)]
pub struct Rights(Vec<Rule>);

/// Some methods on some paths.
#[derive(Clone, Debug)]
struct Rule {
    /// `None` is every method.
    methods: Option<Vec<String>>,
    /// `None` is every path.
    paths: Option<Vec<Pattern>>,
}

impl Rights {
    /// Nothing may be used.
    pub fn nothing() -> Rights {
        Rights::default()
    }

    /// These methods on these paths may be used. `None` stands for all of them, an empty list for none.
    ///
    /// # Errors
    /// Every method and path that is none, at `methods[N]` and `paths[N]`.
    pub fn new(methods: Option<&[String]>, paths: Option<&[String]>) -> Result<Rights, Vec<Problem>> {
        let mut problems = Vec::new();
        for (at, method) in methods.unwrap_or_default().iter().enumerate() {
            if !is_method(method) {
                problems.push(problem(format!("methods[{at}]"), "it is no method", METHODS_ALLOWED));
            }
        }
        let mut patterns = Vec::new();
        for (at, path) in paths.unwrap_or_default().iter().enumerate() {
            match Pattern::parse(path) {
                Ok(pattern) => patterns.push(pattern),
                Err(what) => problems.push(problem(format!("paths[{at}]"), what, PATHS_ALLOWED)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Rights(vec![Rule { methods: methods.map(<[String]>::to_vec), paths: paths.map(|_| patterns) }]))
    }

    /// What either of the two allows may be used.
    #[must_use]
    pub fn or(mut self, other: Rights) -> Rights {
        self.0.extend(other.0);
        self
    }

    /// Whether this may be used; if not, what may.
    pub(super) fn check(&self, method: &Method, path: &Checked) -> Result<(), String> {
        // A server answers TRACE with the request it got, credentials and all.
        if method == Method::TRACE || method == Method::CONNECT {
            return Err("CONNECT and TRACE are never allowed".to_owned());
        }
        if self.0.iter().any(|rule| rule.allows(method, path)) {
            return Ok(());
        }
        let rules: Vec<String> = self.0.iter().map(Rule::text).collect();
        Err(if rules.is_empty() { "nothing is".to_owned() } else { rules.join("; ") })
    }
}

fn problem(field: String, problem: &str, allowed: &str) -> Problem {
    Problem { field, problem: problem.to_owned(), allowed: allowed.to_owned() }
}

fn is_method(text: &str) -> bool {
    let capitals = !text.is_empty() && text.len() <= 32 && text.bytes().all(|it| it.is_ascii_uppercase() || it == b'-');
    capitals && text != "CONNECT" && text != "TRACE"
}

impl Rule {
    fn allows(&self, method: &Method, path: &Checked) -> bool {
        let method_is = |methods: &Vec<String>| methods.iter().any(|it| it == method.as_str());
        self.methods.as_ref().is_none_or(method_is)
            && self.allows_path(&path.written)
            && self.allows_path(&path.decoded)
    }

    fn allows_path(&self, segments: &[Vec<u8>]) -> bool {
        self.paths.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| pattern.matches(segments)))
    }

    fn text(&self) -> String {
        let methods = match &self.methods {
            None => "any method".to_owned(),
            Some(methods) if methods.is_empty() => "no method".to_owned(),
            Some(methods) => methods.join(", "),
        };
        let paths = match &self.paths {
            None => "any path".to_owned(),
            Some(paths) if paths.is_empty() => "no path".to_owned(),
            Some(paths) => paths.iter().map(|pattern| pattern.text.as_str()).collect::<Vec<_>>().join(", "),
        };
        format!("{methods} on {paths}")
    }
}

/// A pattern over decoded segments.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    segments: Vec<String>,
    /// It ended with `/**`.
    has_rest: bool,
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, &'static str> {
        let Some(inner) = text.strip_prefix('/') else {
            return Err("it does not begin with a slash");
        };
        if text.chars().any(|it| it.is_control() || matches!(it, '%' | '?' | '#' | '\\')) {
            return Err("it holds a character that is none of a decoded path");
        }
        let mut segments: Vec<String> = inner.split('/').map(str::to_owned).collect();
        let has_rest = segments.last().is_some_and(|last| last == "**");
        if has_rest {
            segments.pop();
        }
        if segments.iter().any(|segment| segment.contains("**")) {
            return Err("`**` stands elsewhere than alone at the end");
        }
        if segments.iter().any(|segment| segment == "." || segment == "..") {
            return Err("it holds `.` or `..`");
        }
        let inner_end = if has_rest { segments.len() } else { segments.len().saturating_sub(1) };
        if segments.iter().take(inner_end).any(String::is_empty) {
            return Err("it holds `//`");
        }
        Ok(Pattern { text: text.to_owned(), segments, has_rest })
    }

    fn matches(&self, segments: &[Vec<u8>]) -> bool {
        let long_enough = if self.has_rest {
            // The rest may be empty, its slash may not be missing.
            segments.len() > self.segments.len()
        } else {
            segments.len() == self.segments.len()
        };
        long_enough && self.segments.iter().zip(segments).all(|(pattern, segment)| covers(pattern.as_bytes(), segment))
    }
}

/// Whether a pattern of one segment covers it. A star alone stands for at least one character.
pub(super) fn covers(pattern: &[u8], segment: &[u8]) -> bool {
    if pattern == b"*" {
        return !segment.is_empty();
    }
    let mut parts = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = parts.next().and_then(|first| segment.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&[u8]> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        // The first place is the best one: it leaves most for the parts that follow.
        match find(rest, part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    (0..=text.len().checked_sub(part.len())?).find(|at| text.get(*at..).is_some_and(|rest| rest.starts_with(part)))
}

#[cfg(test)]
mod tests {
    use super::super::path;
    use super::*;

    fn rights(methods: &[&str], paths: &[&str]) -> Rights {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        Rights::new(Some(&owned(methods)), Some(&owned(paths))).unwrap()
    }

    fn allows(rights: &Rights, method: &str, path: &str) -> bool {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        rights.check(&method, &path::check(path).unwrap()).is_ok()
    }

    #[test]
    fn patterns_cover_what_they_say() {
        let cases: [(&str, &[&str], &[&str]); 7] = [
            ("/", &["/"], &["/a"]),
            ("/v1/jobs", &["/v1/jobs", "/v1/j%6Fbs"], &["/v1/jobs/", "/v1/job", "/v1/jobs/1", "/V1/jobs"]),
            ("/v1/*/log", &["/v1/a/log", "/v1/a%20b/log"], &["/v1/log", "/v1/a/b/log", "/v1//log/"]),
            ("/v1/*", &["/v1/a", "/v1/ab"], &["/v1/", "/v1", "/v1/a/", "/v1/a/b"]),
            ("/v1.*/x*y*z", &["/v1.41/xyz", "/v1./x1y2z", "/v1.41/xyyz"], &["/v1/xyz", "/v1.41/xz", "/v1.41/xyzz1"]),
            ("/bucket/**", &["/bucket/", "/bucket/a", "/bucket/a/b/"], &["/bucket", "/bucket2/a"]),
            ("/ü/**", &["/%C3%BC/a"], &["/%C3/a"]),
        ];
        for (pattern, covered, others) in cases {
            let rights = rights(&["GET"], &[pattern]);
            for path in covered {
                assert!(allows(&rights, "GET", path), "{pattern} covers {path}");
            }
            for path in others {
                assert!(path::check(path).is_err() || !allows(&rights, "GET", path), "{pattern} and {path}");
            }
        }
    }

    #[test]
    fn an_encoded_slash_opens_nothing() {
        let one = rights(&["GET"], &["/containers/*"]);
        assert!(!allows(&one, "GET", "/containers/x%2Fexec"));
        let two = rights(&["GET"], &["/containers/*/json"]);
        assert!(!allows(&two, "GET", "/containers/x%2Fjson"));
        assert!(allows(&rights(&["GET"], &["/images/**"]), "GET", "/images/a%2Fb/json"));
    }

    #[test]
    fn methods_and_rules_go_together() {
        let read = rights(&["GET", "HEAD"], &["/**"]);
        let both = read.clone().or(rights(&["POST"], &["/jobs"]));
        assert!(allows(&both, "GET", "/x") && allows(&both, "POST", "/jobs") && !allows(&both, "POST", "/x"));
        assert!(!allows(&read, "get", "/x") && !allows(&read, "DELETE", "/x"));
        assert!(!allows(&Rights::nothing(), "GET", "/"));
        assert!(!allows(&rights(&[], &["/**"]), "GET", "/") && !allows(&rights(&["GET"], &[]), "GET", "/"));
        let all = Rights::new(None, None).unwrap();
        assert!(allows(&all, "PURGE", "/x"));
        for method in ["TRACE", "CONNECT"] {
            assert!(!allows(&all, method, "/x"), "{method}");
        }
        let method = Method::DELETE;
        let refused = both.check(&method, &path::check("/x").unwrap()).unwrap_err();
        assert_eq!(refused, "GET, HEAD on /**; POST on /jobs");
    }

    #[test]
    fn every_mistake_is_found() {
        let methods = ["GET", "get", "", "TRACE", "A B"].map(str::to_owned);
        let paths = ["/x", "x", "/**/a", "/a**", "/../a", "/a//b", "/%2e", "//**", "/a?b"].map(str::to_owned);
        let problems = Rights::new(Some(&methods), Some(&paths)).unwrap_err();
        let fields: Vec<&str> = problems.iter().map(|it| it.field.as_str()).collect();
        let expected = [
            "methods[1]",
            "methods[2]",
            "methods[3]",
            "methods[4]",
            "paths[1]",
            "paths[2]",
            "paths[3]",
            "paths[4]",
            "paths[5]",
            "paths[6]",
            "paths[7]",
            "paths[8]",
        ];
        assert_eq!(fields, expected);
    }
}
