//! From the bytes of a file to a tree, within bounds. The only place that names the YAML parser.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::mistake::Mistakes;
use super::node::{Key, Kind, Node, Position, Scalar, Value};

/// Bytes of a job file.
pub(super) const MAX_FILE_BYTES: usize = 1 << 20;
/// Lists and maps inside each other.
const MAX_DEPTH: usize = 64;
/// Nodes in all, those that aliases repeat included.
const MAX_NODES: usize = 100_000;
/// Bytes of all texts in all, those that aliases repeat included.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// Reads one document. `None` when there is no usable tree; the mistakes say why.
pub(super) fn load(bytes: &[u8], mistakes: &mut Mistakes) -> Option<Node> {
    let text = readable(bytes, mistakes)?;
    let mut loader =
        Loader { mistakes, open: Vec::new(), anchors: HashMap::new(), nodes: 0, text_bytes: 0, root: None };
    for event in Parser::new_from_str(text) {
        let outcome = match event {
            Ok((event, span)) => loader.take(event, position(&span.start)),
            Err(error) => loader.refuse(
                position(error.marker()),
                format!("not YAML: {}", error.info()),
                "one YAML 1.2 or JSON document",
            ),
        };
        outcome?;
    }
    if loader.root.is_none() {
        mistakes.add(Position::START, "", "the file is empty", "a job, or a map with jobs");
        return None;
    }
    loader.root
}

/// The text of the file without its byte order mark.
fn readable<'b>(bytes: &'b [u8], mistakes: &mut Mistakes) -> Option<&'b str> {
    if bytes.len() > MAX_FILE_BYTES {
        let problem = format!("the file has {} bytes", bytes.len());
        let allowed = format!("at most {MAX_FILE_BYTES} bytes");
        mistakes.add(Position::START, "", problem, allowed);
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let at = end_of(&String::from_utf8_lossy(valid));
            mistakes.add(at, "", "the file is not UTF-8", "UTF-8 text");
            return None;
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser takes a NUL for the end of the file and would silently leave out what follows.
    let control = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r');
    if let Some(index) = text.find(control) {
        let at = end_of(text.get(..index).unwrap_or_default());
        let problem = "the file holds a control character";
        mistakes.add(at, "", problem, "text; in double quotes \"\\x07\" and the like");
        return None;
    }
    Some(text)
}

/// The position just after `text`.
fn end_of(text: &str) -> Position {
    let last_line = text.rsplit('\n').next().unwrap_or_default();
    Position { line: 1 + text.matches('\n').count(), column: 1 + last_line.chars().count() }
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// A list or map that is not closed yet.
struct Open {
    at: Position,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { pairs: Vec<(Key, Node)>, seen: HashMap<String, Position>, key: Option<Key> },
}

struct Loader<'m> {
    mistakes: &'m mut Mistakes,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    text_bytes: usize,
    root: Option<Node>,
}

impl Loader<'_> {
    /// Tells a mistake after which reading on makes no sense.
    fn refuse(&mut self, at: Position, problem: impl Into<String>, allowed: impl Into<String>) -> Option<()> {
        self.mistakes.add(at, "", problem, allowed);
        None
    }

    fn take(&mut self, event: Event<'_>, at: Position) -> Option<()> {
        match event {
            Event::DocumentStart(_) if self.root.is_some() => {
                self.refuse(at, "a second document begins here", "one document in a file")
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let text = text.into_owned();
                let scalar = self.tagged(Scalar { text, plain }, tag.as_deref(), at);
                let value = Value::Scalar(scalar);
                self.count(at, &value, 1)?;
                self.close(Node { at, value }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_collection_tag(tag.as_deref(), "seq", at);
                self.begin(at, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_collection_tag(tag.as_deref(), "map", at);
                let content = Content::Map { pairs: Vec::new(), seen: HashMap::new(), key: None };
                self.begin(at, anchor, content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else {
                    return self.refuse(at, "something ends here that did not begin", "YAML 1.2");
                };
                let value = match open.content {
                    Content::List(nodes) => Value::List(nodes),
                    Content::Map { pairs, .. } => Value::Map(pairs),
                };
                self.close(Node { at: open.at, value }, open.anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            _ => Some(()),
        }
    }

    fn begin(&mut self, at: Position, anchor: usize, content: Content) -> Option<()> {
        if self.open.len() >= MAX_DEPTH {
            return self.too_deep(at);
        }
        self.count_nodes(at, 1)?;
        self.open.push(Open { at, anchor, content });
        Some(())
    }

    fn too_deep(&mut self, at: Position) -> Option<()> {
        let allowed = format!("{MAX_DEPTH} lists and maps inside each other");
        self.refuse(at, "it is nested too deeply", allowed)
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Option<()> {
        let Some(node) = self.anchors.get(&anchor) else {
            return self.refuse(
                at,
                "the alias is inside of what it stands for",
                "an alias after the end of what its anchor names",
            );
        };
        let value = node.value.clone();
        if self.open.len() + depth(&value) > MAX_DEPTH {
            return self.too_deep(at);
        }
        self.count(at, &value, size(&value))?;
        self.close(Node { at, value }, 0)
    }

    /// Counts a node with all that is in it.
    fn count(&mut self, at: Position, value: &Value, nodes: usize) -> Option<()> {
        self.count_nodes(at, nodes)?;
        self.text_bytes += text_bytes(value);
        if self.text_bytes > MAX_TEXT_BYTES {
            let allowed = format!("{MAX_TEXT_BYTES} bytes of text, counting what aliases repeat");
            return self.refuse(at, "there is too much text", allowed);
        }
        Some(())
    }

    fn count_nodes(&mut self, at: Position, nodes: usize) -> Option<()> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let allowed = format!("{MAX_NODES} values, counting what aliases repeat");
            return self.refuse(at, "there are too many values", allowed);
        }
        Some(())
    }

    /// Puts a finished node where it belongs.
    fn close(&mut self, node: Node, anchor: usize) -> Option<()> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Some(());
        };
        match &mut parent.content {
            Content::List(nodes) => nodes.push(node),
            Content::Map { pairs, seen, key } => match key.take() {
                None => {
                    let new_key = key_of(node, self.mistakes)?;
                    *key = Some(new_key);
                }
                Some(key) => match seen.get(&key.text) {
                    Some(first) => {
                        let problem = format!("this key is there already, in line {}", first.line);
                        self.mistakes.add(key.at, &shown_key(&key.text), problem, "each key once");
                    }
                    None => {
                        seen.insert(key.text.clone(), key.at);
                        pairs.push((key, node));
                    }
                },
            },
        }
        Some(())
    }

    /// The scalar as its tag wants it; a tag that does not fit is a mistake.
    fn tagged(&mut self, scalar: Scalar, tag: Option<&Tag>, at: Position) -> Scalar {
        let Some(tag) = tag else { return scalar };
        let name = core_name(tag);
        if matches!(name, Some("str" | "!")) {
            return Scalar { plain: false, ..scalar };
        }
        let untagged = Scalar { plain: true, text: scalar.text };
        let fits = matches!(
            (name, untagged.kind()),
            (Some("int"), Kind::Int)
                | (Some("float"), Kind::Float | Kind::Int)
                | (Some("bool"), Kind::Bool(_))
                | (Some("null"), Kind::Null)
        );
        if !fits {
            self.bad_tag(tag, at);
        }
        untagged
    }

    fn check_collection_tag(&mut self, tag: Option<&Tag>, wanted: &str, at: Position) {
        if let Some(tag) = tag
            && core_name(tag) != Some(wanted)
        {
            self.bad_tag(tag, at);
        }
    }

    fn bad_tag(&mut self, tag: &Tag, at: Position) {
        let problem = match core_name(tag) {
            Some(name) => format!("the tag !!{} does not fit", name.escape_debug()),
            None => "the tag is not one of the core schema".to_owned(),
        };
        let allowed = "no tag, or !!str, !!int, !!float, !!bool, !!null, !!seq, !!map where they fit";
        self.mistakes.add(at, "", problem, allowed);
    }
}

/// The name of a core tag, or `!` for the tag that only says "not resolved".
fn core_name(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() {
        Some(tag.suffix.as_str())
    } else if format!("{}{}", tag.handle, tag.suffix) == "!" {
        Some("!")
    } else {
        None
    }
}

fn key_of(node: Node, mistakes: &mut Mistakes) -> Option<Key> {
    let at = node.at;
    match node.value {
        Value::Scalar(scalar) if scalar.plain && scalar.text == "<<" => {
            let allowed = "an alias of a whole value; or `defaults` for what all jobs share";
            mistakes.add(at, "<<", "merge keys are not supported", allowed);
            None
        }
        Value::Scalar(scalar) if scalar.kind() != Kind::Null => Some(Key { at, text: scalar.text }),
        Value::Scalar(_) => {
            mistakes.add(at, "", "the key is missing", "a text as the key");
            None
        }
        Value::List(_) | Value::Map(_) => {
            mistakes.add(at, "", "the key is a list or a map", "a text as the key");
            None
        }
    }
}

/// A key as a path shows it: escaped, and cut when it is long.
pub(super) fn shown_key(key: &str) -> String {
    key.escape_debug().take(40).collect()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Scalar(_) => 0,
        Value::List(nodes) => 1 + nodes.iter().map(|n| depth(&n.value)).max().unwrap_or(0),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, n)| depth(&n.value)).max().unwrap_or(0),
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Scalar(_) => 1,
        Value::List(nodes) => 1 + nodes.iter().map(|n| size(&n.value)).sum::<usize>(),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, n)| 1 + size(&n.value)).sum::<usize>(),
    }
}

fn text_bytes(value: &Value) -> usize {
    match value {
        Value::Scalar(scalar) => scalar.text.len(),
        Value::List(nodes) => nodes.iter().map(|n| text_bytes(&n.value)).sum(),
        Value::Map(pairs) => pairs.iter().map(|(key, n)| key.text.len() + text_bytes(&n.value)).sum(),
    }
}
