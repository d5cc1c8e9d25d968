//! The job module is pure: no IO, no clock, no randomness, no async. Its tests may read files.

use crate::paths::{Named, paths};
use crate::source::{Finding, Source};

/// Libraries and parts of std that reach outside.
const OUTSIDE: &[&[&str]] = &[
    &["Local", "now"],
    &["Utc", "now"],
    &["chrono", "Local"],
    &["chrono", "Utc", "now"],
    &["rand"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "net"],
    &["std", "os"],
    &["std", "process"],
    &["std", "thread"],
    &["tokio"],
];
/// Words that mean a clock or a wait wherever they stand. The library for cron reads the clock under the last two.
const WORDS: [&str; 6] = ["Instant", "SystemTime", "async", "await", "upcoming", "upcoming_owned"];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let job = sources.iter().filter(|source| source.is_in("job"));
    job.flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut findings = Vec::new();
    for named in paths(tokens) {
        if let Some(outside) = OUTSIDE.iter().find(|outside| begins(&named, outside))
            && !source.is_test(named.at)
        {
            let what = format!("`job` is pure and may not name `{}`", outside.join("::"));
            findings.push(source.finding(named.line, what));
        }
    }
    for at in 0..tokens.len() {
        let word = tokens.text(at);
        if WORDS.contains(&word) && !source.is_test(at) {
            let what = format!("`job` is pure and may not name `{word}`");
            findings.push(source.finding(tokens.line(at), what));
        }
    }
    findings
}

/// A lone word may be a variable: `rand` alone says nothing.
fn begins(named: &Named, outside: &[&str]) -> bool {
    named.segments.len() > 1
        && named.segments.len() >= outside.len()
        && named.segments.iter().zip(outside).all(|(a, b)| a == b)
}

#[test]
fn impure_code_is_found_in_job_only() {
    let text = "use std::{fmt, fs::File};\nuse std::time::{Duration, SystemTime};\nuse tokio::sync::Mutex;\nlet rand = std::net::Ipv4Addr::LOCALHOST;\nrand::random();\nasync fn f() {}\nuse std::fs;\nUtc::now();\nschedule.upcoming(zone);\nuse chrono::{Local, Utc};\nlet now = \"Instant\"; // SystemTime\n#[cfg(test)]\nmod tests { use std::fs; use std::time::Instant; }";
    let found = check(&[Source::new("engine/job/a.rs", text)]);
    let mut lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(found[0].what, "`job` is pure and may not name `std::fs`");
    assert!(check(&[Source::new("engine/store/a.rs", text)]).is_empty());
    assert!(check(&[Source::new("engine/jobs.rs", text)]).is_empty());
}
