//! Doors for the fuzz targets. Only built for them.

use windlass_plugin::Problem;

use crate::driver::Driver;
use crate::options::Options;
use crate::target::Target;
use crate::{mysql, postgres};

/// Any text as a URL, for every driver.
///
/// # Panics
/// When a problem shows what a parameter holds.
pub fn fuzz_url(url: &str) {
    for chosen in [None, Some(Driver::PostgreSql), Some(Driver::MySql), Some(Driver::MariaDb)] {
        let Err(problems) = Target::parse(url, chosen) else { continue };
        assert!(!problems.is_empty());
        for value in url.split(['&', '?']).filter_map(|pair| pair.split_once('=')).map(|(_, value)| value) {
            if value.len() > 12 && url.matches(value).count() == 1 {
                // The problems have words of their own.
                let other = Target::parse(&url.replacen(value, &"#".repeat(value.len()), 1), chosen);
                let is_fixed = other.is_err_and(|problems| shows(&problems, value));
                assert!(is_fixed || !shows(&problems, value), "{problems:?}");
            }
        }
    }
    let options = Options { url: url.to_owned(), query: "SELECT 1".to_owned(), ..Options::default() };
    let _ = options.problems();
}

fn shows(problems: &[Problem], value: &str) -> bool {
    problems.iter().any(|it| it.problem.contains(value))
}

/// Any bytes as a value of each kind.
///
/// # Panics
/// When what is made of it is no JSON on one line.
pub fn fuzz_values(bytes: &[u8]) {
    for kind in postgres::fuzz_kinds() {
        is_line(|line| postgres::fuzz_value(&kind, Some(bytes), line));
    }
    for kind in mysql::fuzz_columns() {
        is_line(|line| mysql::fuzz_value(&kind, Some(bytes), line));
    }
}

fn is_line(render: impl FnOnce(&mut Vec<u8>) -> windlass_plugin::Result<()>) {
    let mut line = Vec::new();
    if render(&mut line).is_ok() {
        assert!(!line.contains(&b'\n'));
        let read: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(&line);
        assert!(read.is_ok(), "{}", String::from_utf8_lossy(&line));
    }
}

/// Any bytes as all that a server answers.
///
/// # Panics
/// Never: whatever it says, it is a result or an error.
pub fn fuzz_answers(bytes: &[u8]) {
    use windlass_plugin::{FetchRequest, Fetcher, Item, testing};
    let dir = std::env::temp_dir().join(format!("windlass-fuzz-jdbc-{}", std::process::id()));
    testing::work_at(&dir);
    let answers = bytes.to_vec();
    testing::connection("database", move |_, _| Ok(testing::Talk::saying(answers.clone())));
    for url in ["jdbc:postgresql://db/x?sslmode=disable", "jdbc:mariadb://db/x?sslMode=disable"] {
        let options = Options {
            url: url.to_owned(),
            username: Some("me".to_owned()),
            query: "SELECT 1".to_owned(),
            max_rows: Some(1_000),
            ..Options::default()
        };
        let request = FetchRequest { options, destination: "input".to_owned() };
        let item = Item { name: "rows.jsonl".to_owned(), size: None, version: None, reference: Vec::new() };
        let _ = crate::Jdbc::fetch(&request, &item);
    }
}
