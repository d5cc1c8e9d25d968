//! Every file says what it is for, and nothing is left for later.

use crate::source::{Finding, Source};

/// Words that mark unfinished work.
const LEFT_FOR_LATER: [&str; 2] = ["TODO", "FIXME"];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if !has_doc(&source.text) {
            findings.push(source.finding(1, "the file does not start with a `//!` doc"));
        }
        if source.module().is_some() {
            findings.extend(unfinished_words(source));
            findings.extend(unfinished_code(source));
        }
    }
    findings
}

/// The first line is a doc with words in it; the crate's own doc may be the README.
fn has_doc(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let words = first.strip_prefix("//!").unwrap_or_default();
    !words.trim().is_empty() || first.starts_with("#![doc = include_str!(\"../README.md\")]")
}

/// Comments and literals count too.
fn unfinished_words(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, line) in source.text.lines().enumerate() {
        let words = line.split(|it: char| it != '_' && !it.is_alphanumeric());
        for word in words.filter(|word| LEFT_FOR_LATER.contains(word)) {
            findings.push(source.finding(at + 1, format!("`{word}`: finish it or take it out")));
        }
    }
    findings
}

fn unfinished_code(source: &Source) -> Vec<Finding> {
    let tokens = &source.tokens;
    let mut findings = Vec::new();
    for at in 0..tokens.len() {
        let next = tokens.text(at + 1);
        let what = match tokens.text(at) {
            word @ ("todo" | "unimplemented") if next == "!" => format!("`{word}!`"),
            "ignore" if matches!(next, "]" | "=" | ")") && in_attribute(source, at) => {
                "a test that is never run".to_owned()
            }
            _ => continue,
        };
        let what = format!("{what}: finish it or take it out");
        findings.push(source.finding(tokens.line(at), what));
    }
    findings
}

/// `#[ignore]`, `#[ignore = "…"]` and `#[cfg_attr(…, ignore)]`.
fn in_attribute(source: &Source, at: usize) -> bool {
    let tokens = &source.tokens;
    let opens = (0..at).filter(|open| tokens.starts_with(*open, &["#", "["]));
    opens.map(|open| open + 1).any(|open| tokens.closing(open) > at)
}

#[test]
fn a_file_without_a_doc_is_found() {
    let found = |text| check(&[Source::new("examples/a.rs", text)]);
    for text in ["", "use x;", "// not a doc", "//!\n//! late", "\n//! late", "/// x"] {
        crate::source::assert_found(&found(text), &[(1, "the file does not start with")]);
    }
    crate::source::assert_found(&found("//! What it is for."), &[]);
    crate::source::assert_found(&found("#![doc = include_str!(\"../README.md\")]"), &[]);
}

#[test]
fn what_is_left_for_later_is_found() {
    let later = LEFT_FOR_LATER[0];
    let text = format!(
        "//! Doc.\n// {later}: x\nlet x = \"{}\";\nlet {later}S = 1;\ntodo!();\nstd::unimplemented!(\"x\");\n#[ignore]\n#[cfg_attr(x, ignore)]\n#[ignore = \"slow\"]\nlet ignore = todo;\n",
        LEFT_FOR_LATER[1]
    );
    let found = check(&[Source::new("engine/a.rs", &text)]);
    let mut lines: Vec<usize> = found.iter().map(|finding| finding.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [2, 3, 5, 6, 7, 8, 9]);
    assert!(check(&[Source::new("tests/a.rs", &text)]).is_empty());
}
