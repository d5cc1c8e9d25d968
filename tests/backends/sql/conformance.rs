//! The conformance suite of fetchers on real databases.

use serde_json::Value;
use windlass::plugin::conformance::{Check, FetcherCases, Report, Subject, Suite, Verdict, run};
use windlass::plugin::parse_config;
use windlass_backends::Database;

use super::{candidate, grants, mariadb, on_mariadb, on_postgresql, postgresql, store};

/// What needs several pages is skipped: a result is one item.
const SKIPPED: &[&str] = &["items-resume"];

fn passes(report: &Report) {
    let line = |check: &Check| format!("{} {} {}ms {}\n", check.verdict, check.name, check.ms, check.why);
    let lines: String = report.checks.iter().map(line).collect();
    assert!(report.passed(), "{lines}");
    let skipped = report.checks.iter().filter(|check| check.verdict == Verdict::Skipped);
    assert_eq!(skipped.map(|check| check.name).collect::<Vec<_>>(), SKIPPED, "{lines}");
}

async fn suite(database: &Database, request: &Value) {
    let cases = FetcherCases::parse(include_bytes!("../../../plugins/jdbc/conformance.toml")).unwrap();
    let content = (1..=100).map(|number| format!("{{\"number\":{number},\"text\":\"row {number}\"}}\n")).collect();
    let content = [("rows.jsonl".to_owned(), content)].into();
    let cases = FetcherCases { request: request.to_string(), content, ..cases };
    let grants = parse_config(grants(database.address().port(), database.ca(), "").as_bytes()).unwrap();
    let subject = Subject::fetcher(&candidate(), grants.plugins.get("jdbc"), &store()).unwrap();
    passes(&run(&subject, &cases, |_| {}).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetcher_passes_on_postgresql() {
    let Some(database) = postgresql() else { return };
    let query = "SELECT n AS number, 'row ' || n AS text FROM generate_series(1, 100) AS n";
    suite(database, &on_postgresql(database.address().port(), query)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fetcher_passes_on_mariadb() {
    let Some(database) = mariadb() else { return };
    let query = "SELECT seq AS number, CONCAT('row ', seq) AS text FROM seq_1_to_100";
    suite(database, &on_mariadb(database.address().port(), query)).await;
}
