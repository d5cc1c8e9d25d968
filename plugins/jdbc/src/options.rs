//! What a user writes.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use windlass_plugin::Problem;

use crate::driven;
use crate::driver::{Driver, is_class};
use crate::secret::Secret;
use crate::target::Target;

const FILE: &str = "rows.jsonl";
const MAX_ROWS: u64 = 10_000_000;
const MAX_BYTES: u64 = 4 << 30;
const TIMEOUT_MS: u64 = 600_000;
const MOST_ROWS: u64 = 1_000_000_000;
const MOST_BYTES: u64 = 1 << 40;
const MOST_TIMEOUT_MS: u64 = 86_400_000;
const MOST_QUERY: usize = 1 << 20;
const MOST_NAME: usize = 1_024;

/// Which rows of which database.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The URL of the database, as JDBC has it.
    pub url: String,
    /// Who asks.
    pub username: Option<String>,
    /// The password of who asks.
    pub password: Option<Secret>,
    /// The driver, where the one of the URL is not meant.
    pub driver: Option<String>,
    /// One statement that returns rows.
    pub query: String,
    /// The name of the file.
    pub file: Option<String>,
    /// Rows of the result.
    pub max_rows: Option<u64>,
    /// Bytes of the file.
    pub max_bytes: Option<u64>,
    /// Milliseconds of the statement.
    pub timeout_ms: Option<u64>,
}

/// How a database is asked.
pub(crate) enum Source {
    /// By this plugin.
    Spoken(Box<Target>),
    /// By the engine, through the JDBC driver of this class.
    Driven(String),
}

impl Options {
    pub(crate) fn file(&self) -> &str {
        self.file.as_deref().unwrap_or(FILE)
    }

    pub(crate) fn max_rows(&self) -> u64 {
        self.max_rows.unwrap_or(MAX_ROWS)
    }

    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes.unwrap_or(MAX_BYTES)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.unwrap_or(TIMEOUT_MS))
    }

    pub(crate) fn user(&self) -> &str {
        self.username.as_deref().unwrap_or_default()
    }

    pub(crate) fn password(&self) -> &str {
        self.password.as_ref().map(Secret::expose).unwrap_or_default()
    }

    /// The database that is meant, or what is wrong with how it is named. Which JDBC drivers there are only the engine knows.
    pub(crate) fn source(&self) -> Result<Source, Vec<Problem>> {
        let chosen = match self.driver.as_deref() {
            None => None,
            Some(name) => match Driver::named(name) {
                Some(driver) => Some(driver),
                None if is_class(name) => {
                    return driven::check_url(&self.url).map(|()| Source::Driven(name.to_owned()));
                }
                None => {
                    let allowed = format!("{}, or the class of a JDBC driver of the operator's", Driver::names());
                    return Err(vec![problem("driver", "there is no such driver", allowed)]);
                }
            },
        };
        Target::parse(&self.url, chosen).map(|target| Source::Spoken(Box::new(target)))
    }

    pub(crate) fn problems(&self) -> Vec<Problem> {
        let source = self.source();
        let is_postgresql = matches!(&source, Ok(Source::Spoken(target)) if target.driver == Driver::PostgreSql);
        let mut problems = source.err().unwrap_or_default();
        if is_postgresql && self.user().is_empty() {
            problems.push(problem("username", "it is missing", "a name, which PostgreSQL needs"));
        }
        let texts = [("username", self.user()), ("password", self.password())];
        for (field, text) in texts {
            if text.len() > MOST_NAME || text.contains('\0') {
                let allowed = format!("a text without NUL, at most {MOST_NAME} bytes");
                problems.push(problem(field, "it is too long or holds a NUL", allowed));
            }
        }
        if self.query.trim().is_empty() || self.query.len() > MOST_QUERY || self.query.contains('\0') {
            let allowed = format!("one statement that returns rows, without NUL, at most {MOST_QUERY} bytes");
            problems.push(problem("query", "it is empty, too long or holds a NUL", allowed));
        }
        if !is_file_name(self.file()) {
            let allowed =
                "the name of a file: no slash, no control character, no dot at its beginning, at most 255 bytes";
            problems.push(problem("file", "it is no name of a file", allowed));
        }
        for (field, value, most) in [
            ("max_rows", self.max_rows, MOST_ROWS),
            ("max_bytes", self.max_bytes, MOST_BYTES),
            ("timeout_ms", self.timeout_ms, MOST_TIMEOUT_MS),
        ] {
            if value.is_some_and(|value| value == 0 || value > most) {
                problems.push(problem(field, "it is 0 or too much", format!("1 to {most}")));
            }
        }
        problems
    }
}

fn is_file_name(name: &str) -> bool {
    let fits = |it: char| !it.is_control() && !matches!(it, '/' | '\\');
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(fits)
}

fn problem(field: &str, problem: &str, allowed: impl Into<String>) -> Problem {
    Problem { field: field.to_owned(), problem: problem.to_owned(), allowed: allowed.into() }
}

pub(crate) fn schema() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    let count = |what: &str, most: u64, usual: u64| json!({ "type": "integer", "minimum": 1, "maximum": most, "default": usual, "description": what });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": false,
        "required": ["url", "query"],
        "properties": {
            "url": text("jdbc:postgresql://HOST[:PORT]/DATABASE[?…], or jdbc:mysql://… or jdbc:mariadb://…; with a driver of its own, any that the operator lists"),
            "username": text("Who asks; PostgreSQL needs it"),
            "password": text("The password; never shown"),
            "driver": text(&format!("The driver, where the one of the URL is not meant: {}, or the class of a JDBC driver of the operator's", Driver::names())),
            "query": text("One statement that returns rows; it runs in a read-only transaction"),
            "file": json!({ "type": "string", "default": FILE, "description": "The name of the file" }),
            "max_rows": count("Rows of the result", MOST_ROWS, MAX_ROWS),
            "max_bytes": count("Bytes of the file", MOST_BYTES, MAX_BYTES),
            "timeout_ms": count("Milliseconds of the statement", MOST_TIMEOUT_MS, TIMEOUT_MS),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            url: "jdbc:postgresql://db/shop".to_owned(),
            username: Some("me".to_owned()),
            query: "SELECT 1 AS one".to_owned(),
            ..Options::default()
        }
    }

    #[test]
    fn good_options_have_no_problems() {
        assert_eq!(options().problems(), []);
        let named = Options { driver: Some("org.postgresql.Driver".to_owned()), ..options() };
        assert_eq!(named.problems(), []);
        let url = "jdbc:oracle:thin:@//db:1521/shop".to_owned();
        let driven = Options { driver: Some("oracle.jdbc.OracleDriver".to_owned()), username: None, url, ..options() };
        assert_eq!(driven.problems(), []);
        let nobody = Options { url: "jdbc:mysql://db".to_owned(), username: None, ..options() };
        assert_eq!(nobody.problems(), []);
    }

    #[test]
    fn every_mistake_is_told_and_no_password() {
        let bad = Options {
            url: "jdbc:postgresql://db/shop?password=hush".to_owned(),
            username: Some("a\0".to_owned()),
            password: Some(Secret::from("hush\0")),
            driver: None,
            query: " ".to_owned(),
            file: Some("../x".to_owned()),
            max_rows: Some(0),
            max_bytes: Some(u64::MAX),
            timeout_ms: Some(0),
        };
        let problems = bad.problems();
        let fields: Vec<&str> = problems.iter().map(|it| it.field.as_str()).collect();
        let expected = ["url", "username", "password", "query", "file", "max_rows", "max_bytes", "timeout_ms"];
        assert_eq!(fields, expected);
        assert!(!format!("{problems:?}{:?}", bad.password).contains("hush"));
        let unknown = Options { driver: Some("oracle".to_owned()), ..options() }.problems();
        assert!(unknown[0].field == "driver" && unknown[0].allowed.contains("com.mysql.cj.jdbc.Driver"));
        assert_eq!(Options { username: None, ..options() }.problems()[0].field, "username");
    }
}
