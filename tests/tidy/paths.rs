//! Finds the paths that a file names, with `use` groups taken apart.

use crate::source::Source;
use crate::tokens::Tokens;

/// One path as written, and where: `use a::{b, c::*}` gives `a::b` and `a::c::*`.
#[derive(Debug, PartialEq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    /// The token of its last segment.
    pub(crate) at: usize,
    pub(crate) line: usize,
}

pub(crate) fn paths(tokens: &Tokens) -> Vec<Named> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        at = if starts_path(tokens, at) { path(tokens, at, &[], &mut found) } else { at + 1 };
    }
    found
}

/// A word that is not a field, a method or the rest of a path such as `<T as X>::word`.
fn starts_path(tokens: &Tokens, at: usize) -> bool {
    if !tokens.is_word(at) {
        return false;
    }
    match tokens.before(at, 1) {
        "." => tokens.before(at, 2) == ".",
        "::" => tokens.before(at, 2) != ">",
        _ => true,
    }
}

/// Reads the path at `at` below `prefix`; the answer is where to go on.
fn path(tokens: &Tokens, mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let mut segments = prefix.to_vec();
    loop {
        segments.push(tokens.text(at).to_owned());
        if tokens.text(at + 1) != "::" {
            break;
        }
        if tokens.text(at + 2) == "{" {
            return group(tokens, at + 2, &segments, found);
        }
        if !tokens.is_word(at + 2) && tokens.text(at + 2) != "*" {
            break;
        }
        at += 2;
    }
    let line = tokens.line(at);
    found.push(Named { segments, at, line });
    at + 1
}

fn group(tokens: &Tokens, open: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let end = tokens.closing(open);
    let mut at = open + 1;
    while at < end {
        at = match tokens.text(at) {
            "as" => at + 2,
            text if text == "*" || tokens.is_word(at) => path(tokens, at, prefix, found),
            _ => at + 1,
        };
    }
    end + 1
}

/// The top module that `named` leads to, or `*` for the root itself. `None` for a path that does not start at this crate.
pub(crate) fn top_module(source: &Source, named: &Named) -> Option<String> {
    let mut here = source.module()?;
    for (name, body) in source.tokens.inline_modules() {
        if body.contains(&named.at) {
            here.push(name);
        }
    }
    let is_binary = source.path == "engine/main.rs";
    let (first, mut rest) = first_of(&named.segments)?;
    let mut base = match first {
        "crate" => Vec::new(),
        "windlass" if is_binary => Vec::new(),
        "super" => parent(here),
        "self" => here,
        _ => return None,
    };
    while let Some(("super", after)) = first_of(rest) {
        base = parent(base);
        rest = after;
    }
    if let Some(top) = base.into_iter().next() {
        return Some(top);
    }
    match rest.first().map(String::as_str) {
        Some("self" | "*") => Some("*".to_owned()),
        Some(top) => Some(top.to_owned()),
        // `use crate as x`; a lone `crate` or `super` is a visibility.
        None if source.tokens.before(named.at, 1) == "use" => Some("*".to_owned()),
        None => None,
    }
}

fn first_of(segments: &[String]) -> Option<(&str, &[String])> {
    let (first, rest) = segments.split_first()?;
    Some((first, rest))
}

fn parent(mut module: Vec<String>) -> Vec<String> {
    module.pop();
    module
}

fn shown(text: &str) -> Vec<String> {
    let found = paths(&crate::tokens::tokenize(text));
    found.iter().map(|it| it.segments.join("::")).collect()
}

#[test]
fn groups_are_taken_apart() {
    assert_eq!(shown("use a::{b, c::{d as e, self}, f::*};"), ["use", "a::b", "a::c::d", "a::c::self", "a::f::*"]);
    assert_eq!(shown("use {a::b, ::c::d};"), ["use", "a::b", "c::d"]);
}

#[test]
fn paths_in_types_and_calls_are_found() {
    assert_eq!(shown("a::B::<c::D>::e()"), ["a::B", "c::D"]);
    assert_eq!(shown("x.redb::<T>(..redb::Y)"), ["x", "T", "redb::Y"]);
    assert_eq!(shown("<T as a::B>::redb"), ["T", "as", "a::B"]);
}

#[test]
fn paths_lead_to_their_top_module() {
    let top = |path: &str, text: &str| {
        let source = Source::new(path, text);
        let found = paths(&source.tokens);
        let tops: Vec<String> = found.iter().filter_map(|it| top_module(&source, it)).collect();
        tops.join(" ")
    };
    assert_eq!(top("engine/job/x.rs", "use crate::{store::T, files};"), "store files");
    assert_eq!(top("engine/job/x.rs", "use super::{y, super::store};"), "job store");
    assert_eq!(top("engine/job/mod.rs", "use super::store::T; self::x()"), "store job");
    assert_eq!(top("engine/clock.rs", "super::store::f()"), "store");
    assert_eq!(top("engine/job/x.rs", "mod tests { use super::*; use super::super::y; }"), "job job");
    assert_eq!(top("engine/job/x.rs", "mod tests { use super::super::super::store; }"), "store");
    assert_eq!(top("engine/job/x.rs", "use crate::*; use crate as c;"), "* *");
    assert_eq!(top("engine/job/x.rs", "pub(crate) fn f(); pub(in crate::job) fn g();"), "job");
    assert_eq!(top("engine/main.rs", "windlass::cli::main()"), "cli");
    assert_eq!(top("engine/job/x.rs", "serde::Serialize; $crate::store::x!()"), "store");
}
