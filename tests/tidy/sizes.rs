//! How long a function and a file may get.
//!
//! The lists of old offenders are a ratchet: an entry allows exactly the size the thing has today. It may not grow; once
//! it shrinks the entry is lowered, and once it is within the limit the entry goes.

use std::collections::BTreeMap;

use crate::source::{Finding, Source};

const MAX_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 500;
/// No entry in the list helps past this.
const MAX_FILE_LINES_EVER: usize = 800;
/// The binary parses, calls and exits; it does nothing itself.
const MAX_MAIN_LINES: usize = 60;

/// `("engine/x.rs::function", lines)`
const OLD_LONG_FUNCTIONS: &[(&str, usize)] = &[];
/// `("engine/x.rs", lines)`
const OLD_LONG_FILES: &[(&str, usize)] = &[];

pub(crate) fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = check_functions(sources, OLD_LONG_FUNCTIONS);
    findings.extend(check_files(sources, OLD_LONG_FILES));
    findings
}

fn check_files(sources: &[Source], old: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sizes = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES_EVER {
            let what = format!("{lines} lines; no file may have more than {MAX_FILE_LINES_EVER}");
            findings.push(source.finding(1, what));
        }
        if source.path == "engine/main.rs" && lines > MAX_MAIN_LINES {
            let what = format!("{lines} lines; the binary has at most {MAX_MAIN_LINES}");
            findings.push(source.finding(1, what));
        }
        sizes.push(Size { name: source.path.clone(), place: source.finding(1, ""), lines });
    }
    findings.extend(ratchet(sizes, MAX_FILE_LINES, old));
    findings
}

fn check_functions(sources: &[Source], old: &[(&str, usize)]) -> Vec<Finding> {
    let sizes = sources.iter().flat_map(functions).collect();
    ratchet(sizes, MAX_FUNCTION_LINES, old)
}

struct Size {
    name: String,
    /// A finding that lacks only its words.
    place: Finding,
    lines: usize,
}

/// Every function with a body; its size is the lines between its braces.
fn functions(source: &Source) -> Vec<Size> {
    let tokens = &source.tokens;
    let starts = (0..tokens.len()).filter(|at| tokens.text(*at) == "fn" && tokens.is_word(at + 1));
    let sized = starts.filter_map(|at| {
        let open = tokens.body_or_end(at);
        if tokens.text(open) != "{" {
            return None;
        }
        let last = tokens.line(tokens.closing(open));
        Some(Size {
            name: format!("{}::{}", source.path, tokens.text(at + 1)),
            place: source.finding(tokens.line(at), ""),
            lines: last.saturating_sub(tokens.line(open) + 1),
        })
    });
    sized.collect()
}

fn ratchet(sizes: Vec<Size>, limit: usize, old: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut largest: BTreeMap<String, usize> = BTreeMap::new();
    for Size { name, place, lines } in sizes {
        let allowed = old.iter().find(|(listed, _)| *listed == name);
        let most = allowed.map_or(limit, |(_, lines)| *lines);
        if lines > most {
            let what = format!("{name} has {lines} lines; {most} are allowed");
            findings.push(Finding { what, ..place });
        }
        let known = largest.entry(name).or_default();
        *known = lines.max(*known);
    }
    for (name, listed) in old {
        let lines = largest.get(*name).copied().unwrap_or_default();
        let what = if lines <= limit {
            format!("the entry of {name} is no longer needed; take it out")
        } else if lines < *listed {
            format!("{name} has shrunk; lower its entry to {lines}")
        } else {
            continue;
        };
        let (path, line) = ("tests/tidy/sizes.rs".to_owned(), 1);
        findings.push(Finding { path, line, what });
    }
    findings
}

fn function_of(lines: usize) -> Source {
    let body = "    x();\n".repeat(lines);
    let text =
        format!("//! Doc.\n\nfn long<const N: usize>(x: [u8; 3]) -> A<{{ N }}>\nwhere\n    T: X,\n{{\n{body}}}\n");
    Source::new("engine/a.rs", &text)
}

fn file_of(lines: usize) -> Source {
    Source::new("engine/a.rs", &"// x\n".repeat(lines))
}

#[test]
fn a_long_function_is_found() {
    assert!(check_functions(&[function_of(70)], &[]).is_empty());
    let found = check_functions(&[function_of(71)], &[]);
    let expected = [(3, "engine/a.rs::long has 71 lines; 70 are allowed")];
    crate::source::assert_found(&found, &expected);
    let text = format!("impl A {{ fn a(&self); fn b() {{ let s = \"}}\"; // }}\n{}}} }}", "\n".repeat(80));
    let found = check_functions(&[Source::new("tests/a.rs", &text)], &[]);
    crate::source::assert_found(&found, &[(1, "tests/a.rs::b has 80 lines")]);
}

#[test]
fn a_long_file_is_found() {
    assert!(check_files(&[file_of(500)], &[]).is_empty());
    let found = check_files(&[file_of(501)], &[]);
    crate::source::assert_found(&found, &[(1, "engine/a.rs has 501 lines; 500 are allowed")]);
    let found = check_files(&[file_of(801)], &[("engine/a.rs", 801)]);
    crate::source::assert_found(&found, &[(1, "801 lines; no file may have more than 800")]);
    let text = "// x\n".repeat(61);
    let found = check_files(&[Source::new("engine/main.rs", &text)], &[]);
    crate::source::assert_found(&found, &[(1, "61 lines; the binary has at most 60")]);
}

#[test]
fn the_ratchet_only_tightens() {
    let found = |lines, listed| check_files(&[file_of(lines)], &[("engine/a.rs", listed)]);
    crate::source::assert_found(&found(600, 600), &[]);
    let grew = "engine/a.rs has 601 lines; 600 are allowed";
    crate::source::assert_found(&found(601, 600), &[(1, grew)]);
    let shrank = "engine/a.rs has shrunk; lower its entry to 599";
    crate::source::assert_found(&found(599, 600), &[(1, shrank)]);
    let done = "the entry of engine/a.rs is no longer needed";
    crate::source::assert_found(&found(500, 600), &[(1, done)]);
    let gone = check_functions(&[], &[("engine/a.rs::long", 90)]);
    let done = "the entry of engine/a.rs::long is no longer needed";
    crate::source::assert_found(&gone, &[(1, done)]);
    assert!(check_functions(&[function_of(90)], &[("engine/a.rs::long", 90)]).is_empty());
}
