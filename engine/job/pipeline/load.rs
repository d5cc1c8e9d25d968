//! From bytes to a tree, within bounds. The only file of the core that names the YAML parser.
//!
//! JSON is YAML too (version 1.2), but for one thing that is mended first, so one reader does both.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::json::join_pairs;
use super::mistake::Mistakes;
use super::position::Position;
use super::tree::{Key, Node, Scalar, Value, join, shown_key};
use crate::job::limits::PipelineLimits;

const NO_ANCHORS: &str = "the value itself, wherever it is needed";
const TABS_ALLOWED: &str = "spaces; tabs indent nothing in YAML, and may stand within { } and [ ]";

/// Reads one document. `None` when there is no usable tree; the mistakes say why.
pub(super) fn load(bytes: &[u8], limits: &PipelineLimits, mistakes: &mut Mistakes) -> Option<Node> {
    let text = readable(bytes, limits, mistakes)?;
    let text = join_pairs(&text);
    let lines = text.split('\n').collect();
    let mut loader = Loader { mistakes, limits, lines, open: Vec::new(), values: 0, tab_told: 0, root: None };
    for event in Parser::new_from_str(&text) {
        match event {
            Ok((event, span)) => loader.take(event, position(&span.start))?,
            Err(error) => {
                loader.not_yaml(position(error.marker()), error.info());
                return None;
            }
        }
    }
    match loader.root {
        Some(root) if !root.is_nothing() => Some(root),
        _ => {
            mistakes.add(Position::START, "", "the text is empty", "a map with processNodes");
            None
        }
    }
}

/// The text without its byte order mark, lines ended by `\n` only.
fn readable<'b>(bytes: &'b [u8], limits: &PipelineLimits, mistakes: &mut Mistakes) -> Option<Cow<'b, str>> {
    if bytes.len() > limits.text_bytes {
        let problem = format!("the text has {} bytes", bytes.len());
        mistakes.add(Position::START, "", problem, format!("at most {} bytes", limits.text_bytes));
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let at = Position::after(&String::from_utf8_lossy(valid));
            mistakes.add(at, "", "the text is not UTF-8", "UTF-8 text");
            return None;
        }
    };
    let text = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    // The parser takes a NUL for the end of the text and would silently leave out what follows.
    if let Some(index) = text.find(|c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n')) {
        let at = Position::after(text.get(..index).unwrap_or_default());
        let allowed = "text; in double quotes \"\\x07\" and the like";
        mistakes.add(at, "", "the text holds a control character", allowed);
        return None;
    }
    Some(text)
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// A list or map that is not closed yet.
struct Open {
    at: Position,
    /// Written with brackets.
    flow: bool,
    /// Has an anchor or a tag, which was told.
    broken: bool,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { pairs: Vec<(Key, Node)>, seen: HashMap<String, usize>, next: Next },
}

/// What comes next in a map.
enum Next {
    Key,
    Value(Key),
    /// Of a key that was refused.
    Nothing,
}

struct Loader<'l> {
    mistakes: &'l mut Mistakes,
    limits: &'l PipelineLimits,
    lines: Vec<&'l str>,
    open: Vec<Open>,
    values: usize,
    /// The last line whose tab was told.
    tab_told: usize,
    root: Option<Node>,
}

impl Loader<'_> {
    fn add(&mut self, at: Position, problem: impl Into<String>, allowed: impl Into<String>) {
        let field = self.field();
        self.mistakes.add(at, &field, problem, allowed);
    }

    /// Tells a mistake after which reading on makes no sense.
    fn refuse(&mut self, at: Position, problem: impl Into<String>, allowed: impl Into<String>) -> Option<()> {
        self.add(at, problem, allowed);
        None
    }

    /// The path to what is read now.
    fn field(&self) -> String {
        let mut field = String::new();
        for open in &self.open {
            match &open.content {
                Content::List(nodes) => field.push_str(&format!("[{}]", nodes.len())),
                Content::Map { next: Next::Value(key), .. } => field = join(&field, &shown_key(&key.text)),
                Content::Map { .. } => {}
            }
        }
        field
    }

    fn too_deep(&mut self, at: Position) {
        let allowed = format!("{} lists and maps inside each other", self.limits.depth);
        self.add(at, "it is nested too deeply", allowed);
    }

    fn not_yaml(&mut self, at: Position, info: &str) {
        // The parser looks ahead as far as brackets go, and has a limit of its own.
        if info.contains("recursion limit") {
            return self.too_deep(at);
        }
        let near = [at.line, at.line + 1, at.line.saturating_sub(1)];
        let tab = near.into_iter().find_map(|line| self.tab_in(line));
        match tab.filter(|_| info.contains("tab") || info.contains("indent")) {
            Some(tab) if tab.line == self.tab_told => {}
            Some(tab) => self.add(tab, "the line is indented with a tab", TABS_ALLOWED),
            None => self.add(at, format!("not YAML: {info}"), "one YAML 1.2 or JSON document"),
        }
    }

    /// Where a tab indents a line.
    fn tab_in(&self, line: usize) -> Option<Position> {
        let text = self.lines.get(line.checked_sub(1)?)?;
        let tab = text.chars().take_while(|c| matches!(c, ' ' | '\t')).position(|c| c == '\t')?;
        Some(Position { line, column: tab + 1 })
    }

    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.flow)
    }

    fn take(&mut self, event: Event<'_>, at: Position) -> Option<()> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                self.refuse(at, "a second document begins here", "one document")
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let broken = self.begin_value(at, anchor, tag.is_some())?;
                let is_merge = scalar.plain && scalar.text == "<<";
                let value = if broken && !is_merge { Value::Broken } else { Value::Scalar(scalar) };
                self.close(Node { at, value })
            }
            Event::SequenceStart(anchor, tag) => self.begin(at, anchor, tag.is_some(), '[', Content::List(Vec::new())),
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { pairs: Vec::new(), seen: HashMap::new(), next: Next::Key };
                self.begin(at, anchor, tag.is_some(), '{', content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return self.refuse(at, "something ends here that did not begin", "YAML 1.2");
                };
                let value = match open.content {
                    _ if open.broken => Value::Broken,
                    Content::List(nodes) => Value::List(nodes),
                    Content::Map { pairs, .. } => Value::Map(pairs),
                };
                self.close(Node { at: open.at, value })
            }
            Event::Alias(_) => {
                self.begin_value(at, 0, false)?;
                self.add(at, "aliases (*) are not supported", NO_ANCHORS);
                self.close(Node { at, value: Value::Broken })
            }
            _ => Some(()),
        }
    }

    /// Counts a value; whether it has what values may not have, which is told.
    fn begin_value(&mut self, at: Position, anchor: usize, tagged: bool) -> Option<bool> {
        self.values += 1;
        if self.values > self.limits.values {
            let allowed = format!("{} texts, lists and maps", self.limits.values);
            return self.refuse(at, "there are too many values", allowed).map(|()| true);
        }
        if !self.in_flow()
            && at.line != self.tab_told
            && let Some(tab) = self.tab_in(at.line)
        {
            self.tab_told = at.line;
            self.add(tab, "the line is indented with a tab", TABS_ALLOWED);
        }
        if anchor > 0 || tagged {
            self.no_properties(at, anchor > 0, tagged);
        }
        Some(anchor > 0 || tagged)
    }

    /// Where they are the parser does not say. What they belong to may begin in the next line, so the key before them
    /// is told.
    fn no_properties(&mut self, at: Position, anchored: bool, tagged: bool) {
        let at = match self.open.last().map(|open| &open.content) {
            Some(Content::Map { next: Next::Value(key), .. }) => key.at,
            _ => at,
        };
        if anchored {
            self.add(at, "anchors (&) are not supported", NO_ANCHORS);
        }
        if tagged {
            self.add(at, "tags (!) are not supported", "no tag: every value is a text, a list or a map");
        }
    }

    fn begin(&mut self, at: Position, anchor: usize, tagged: bool, bracket: char, content: Content) -> Option<()> {
        if self.open.len() >= self.limits.depth {
            self.too_deep(at);
            return None;
        }
        let broken = self.begin_value(at, anchor, tagged)?;
        let first = || self.lines.get(at.line.checked_sub(1)?)?.chars().nth(at.column.checked_sub(1)?);
        let flow = self.in_flow() || first() == Some(bracket);
        self.open.push(Open { at, flow, broken, content });
        Some(())
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, node: Node) -> Option<()> {
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        let (pairs, seen, next) = match &mut parent.content {
            Content::List(nodes) => {
                nodes.push(node);
                return Some(());
            }
            Content::Map { pairs, seen, next } => (pairs, seen, next),
        };
        match std::mem::replace(next, Next::Key) {
            Next::Nothing => {}
            Next::Value(key) => {
                seen.insert(key.text.clone(), key.at.line);
                pairs.push((key, node));
            }
            Next::Key => {
                *next = Next::Nothing;
                self.take_key(node);
            }
        }
        Some(())
    }

    fn take_key(&mut self, node: Node) {
        let at = node.at;
        let text = match node.value {
            Value::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
                self.add(at, "merge keys (<<) are not supported", NO_ANCHORS);
                return;
            }
            Value::Scalar(scalar) if !scalar.is_nothing() => scalar.text,
            Value::Scalar(_) => {
                self.add(at, "the key is missing", "a text before the colon");
                return;
            }
            Value::List(_) | Value::Map(_) => {
                self.add(at, "the key is a list or a map", "a text before the colon");
                return;
            }
            Value::Broken => return,
        };
        let Some(Open { content: Content::Map { seen, next, .. }, .. }) = self.open.last_mut() else { return };
        let Some(line) = seen.get(&text).copied() else {
            *next = Next::Value(Key { at, text });
            return;
        };
        let field = join(&self.field(), &shown_key(&text));
        self.mistakes.add(at, &field, format!("this key is there already, in line {line}"), "each key once");
    }
}
