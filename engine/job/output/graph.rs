//! Which parts of a schema lead to which, as far as a check follows them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::refused;
use crate::error::Problem;
use crate::job::limits::OutputLimits;

/// Words whose schema is for the same value.
const SAME: [&str; 4] = ["not", "if", "then", "else"];
/// Words whose schemas, in a list, are for the same value.
const SAME_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Words whose schemas, in a map, are for the same value.
const SAME_MAPS: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Words whose schema is for all values of a map or a list.
const EVERY: [&str; 8] = [
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "contentSchema",
];
/// Words that lead to where only a running check knows.
const DYNAMIC: [&str; 2] = ["$dynamicRef", "$recursiveRef"];

/// Which values a part goes on to.
#[derive(Debug)]
pub(super) enum Goes {
    /// The one with this name.
    Named(String),
    /// Any.
    Everywhere,
}

/// One part of a schema.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Parts for the same value.
    pub(super) same: Vec<usize>,
    /// Parts for the values inside it.
    pub(super) inside: Vec<(Goes, usize)>,
    /// Patterns that a text is held against.
    pub(super) patterns: u64,
    /// It asks of every value inside whether another part has looked at it.
    pub(super) looks_back: bool,
}

/// A schema; its first part is the whole.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) parts: Vec<Part>,
}

impl Graph {
    pub(super) fn new(schema: &Value, limits: &OutputLimits) -> Result<Self, Problem> {
        let mut builder = Builder { root: schema, known: HashMap::new(), open: Vec::new(), parts: Vec::new() };
        builder.part(schema, String::new());
        while let Some((number, value, at)) = builder.open.pop() {
            let part = builder.read(value, &at)?;
            if let Some(place) = builder.parts.get_mut(number) {
                *place = part;
            }
            if builder.parts.len() > limits.subschemas {
                let problem = format!("has more than {} schemas inside it", limits.subschemas);
                return Err(refused("", problem, format!("at most {}", limits.subschemas)));
            }
        }
        let graph = Graph { parts: builder.parts };
        graph.refuse_circles(limits)?;
        Ok(graph)
    }

    /// Follows everything that is for the same value: a circle never ends, and a long way takes a large stack.
    fn refuse_circles(&self, limits: &OutputLimits) -> Result<(), Problem> {
        // How many parts are to come before each; those without any are taken off one by one.
        let mut before = vec![0_usize; self.parts.len()];
        for next in self.parts.iter().flat_map(|part| &part.same) {
            before.get_mut(*next).into_iter().for_each(|count| *count += 1);
        }
        let mut ready: Vec<usize> = (0..before.len()).filter(|at| before.get(*at) == Some(&0)).collect();
        let mut ways = vec![1_usize; self.parts.len()];
        let mut taken = 0;
        while let Some(at) = ready.pop() {
            taken += 1;
            let way = ways.get(at).copied().unwrap_or_default();
            for next in self.parts.get(at).into_iter().flat_map(|part| &part.same) {
                if let (Some(count), Some(known)) = (before.get_mut(*next), ways.get_mut(*next)) {
                    *known = (*known).max(way + 1);
                    *count -= 1;
                    if *count == 0 {
                        ready.push(*next);
                    }
                }
            }
        }
        if taken < self.parts.len() {
            let allowed = "references that come back only for a value inside the one before".to_owned();
            return Err(refused("", "leads in a circle".to_owned(), allowed));
        }
        if ways.iter().any(|way| *way > limits.chain) {
            let problem = format!("has more than {} schemas one after the other for one value", limits.chain);
            return Err(refused("", problem, format!("at most {}", limits.chain)));
        }
        Ok(())
    }
}

struct Builder<'a> {
    root: &'a Value,
    /// Parts by where they are in memory.
    known: HashMap<usize, usize>,
    /// Parts that are not read yet, with their numbers and places.
    open: Vec<(usize, &'a Value, String)>,
    parts: Vec<Part>,
}

impl<'a> Builder<'a> {
    fn part(&mut self, value: &'a Value, at: String) -> usize {
        let next = self.parts.len();
        let number = *self.known.entry(std::ptr::from_ref(value).addr()).or_insert(next);
        if number == next {
            self.parts.push(Part::default());
            self.open.push((number, value, at));
        }
        number
    }

    fn read(&mut self, value: &'a Value, at: &str) -> Result<Part, Problem> {
        let mut part = Part::default();
        let Value::Object(map) = value else { return Ok(part) };
        self.refuse_bases(map, at)?;
        if let Some(Value::String(reference)) = map.get("$ref") {
            for target in self.targets(reference, at)? {
                part.same.push(self.part(target, format!("{at}/$ref")));
            }
        }
        for (word, value) in map {
            let here = format!("{at}/{word}");
            match (word.as_str(), value) {
                (word, value) if SAME.contains(&word) => part.same.push(self.part(value, here)),
                (word, Value::Array(list)) if SAME_LISTS.contains(&word) => {
                    part.same.extend(self.all(list, &here));
                }
                (word, Value::Object(map)) if SAME_MAPS.contains(&word) => {
                    let parts = map.iter().map(|(name, value)| self.part(value, format!("{here}/{name}")));
                    part.same.extend(parts.collect::<Vec<_>>());
                }
                ("properties", Value::Object(map)) => {
                    for (name, value) in map {
                        part.inside.push((Goes::Named(name.clone()), self.part(value, format!("{here}/{name}"))));
                    }
                }
                ("patternProperties", Value::Object(map)) => {
                    part.patterns += map.len() as u64;
                    for (name, value) in map {
                        part.inside.push((Goes::Everywhere, self.part(value, format!("{here}/{name}"))));
                    }
                }
                ("items" | "prefixItems", Value::Array(list)) => {
                    part.inside.extend(self.all(list, &here).into_iter().map(|it| (Goes::Everywhere, it)));
                }
                (word, value) if EVERY.contains(&word) => {
                    part.looks_back |= word.starts_with("unevaluated");
                    part.inside.push((Goes::Everywhere, self.part(value, here)));
                }
                ("pattern", _) => part.patterns += 1,
                _ => {}
            }
        }
        Ok(part)
    }

    fn all(&mut self, list: &'a [Value], at: &str) -> Vec<usize> {
        list.iter().enumerate().map(|(place, value)| self.part(value, format!("{at}/{place}"))).collect()
    }

    /// Other bases would have the references inside them mean something else.
    fn refuse_bases(&self, map: &Map<String, Value>, at: &str) -> Result<(), Problem> {
        for word in ["$id", "id"] {
            let is_base = map.get(word).and_then(Value::as_str).is_some_and(|id| !id.starts_with('#'));
            if is_base && !at.is_empty() {
                let here = format!("{at}/{word}");
                return Err(refused(&here, "begins another document".into(), "an id of the whole schema only".into()));
            }
        }
        match DYNAMIC.into_iter().find(|word| map.contains_key(*word)) {
            Some(word) => {
                let problem = "leads to where only a check would know".to_owned();
                Err(refused(&format!("{at}/{word}"), problem, "$ref".to_owned()))
            }
            None => Ok(()),
        }
    }

    /// What a reference leads to; an anchor that is there twice to both.
    fn targets(&self, reference: &str, at: &str) -> Result<Vec<&'a Value>, Problem> {
        let here = format!("{at}/$ref");
        let refuse = |problem: &str| {
            let allowed =
                "references to places of this schema: # and a JSON pointer, or an anchor, without %".to_owned();
            Err(refused(&here, problem.to_owned(), allowed))
        };
        let Some(place) = reference.strip_prefix('#') else { return refuse("leads out of the schema") };
        if place.contains('%') {
            return refuse("is written with %");
        }
        let found = if place.is_empty() || place.starts_with('/') {
            self.root.pointer(place).into_iter().collect()
        } else {
            anchored(self.root, place)
        };
        if found.is_empty() { refuse("leads nowhere") } else { Ok(found) }
    }
}

/// Everything under this anchor, in whatever way a draft writes it.
fn anchored<'a>(root: &'a Value, anchor: &str) -> Vec<&'a Value> {
    let is_it = |map: &Map<String, Value>| {
        let text = |word: &str| map.get(word).and_then(Value::as_str);
        let as_id = |word: &str| text(word).and_then(|id| id.strip_prefix('#')) == Some(anchor);
        text("$anchor") == Some(anchor) || text("$dynamicAnchor") == Some(anchor) || as_id("$id") || as_id("id")
    };
    let (mut found, mut open) = (Vec::new(), vec![root]);
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                if is_it(map) {
                    found.push(value);
                }
                open.extend(map.values());
            }
            _ => {}
        }
    }
    found
}
