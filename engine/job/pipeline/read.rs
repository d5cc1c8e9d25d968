//! From the tree of a text to the plain data of a pipeline, and where in the text each part is.

use super::fields::{Field, Fields};
use super::mistake::Mistakes;
use super::position::Position;
use super::spec::{After, DataNode, On, Parameter, PipelineSpec, ProcessNode, Requirement};
use super::spot::{Places, Spot};
use super::tree::{Key, Node, Value, join, shown_key};
use crate::job::calendar::{CalendarSpec, Rule};
use crate::job::limits::PipelineLimits;
use crate::job::options::{OptionValue, RunOptions};
use crate::job::spelling::closest;
use crate::job::validate::shown;

const SECTIONS: [&str; 5] = ["dataNodes", "processNodes", "parameters", "requirement", "schedule"];
const PROCESS_FIELDS: [&str; 8] =
    ["input", "output", "processor", "config", "after", "options", "retry", "requirement"];
/// The keys of a schedule, in the order of the fields of a calendar.
const SCHEDULE_FIELDS: [&str; 4] = ["schedule_interval", "start_date", "end_date", "timezone"];

/// What was read, as far as it could be.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) spec: PipelineSpec,
    pub(super) places: Places,
}

/// Reads a tree.
pub(super) fn read(root: &Node, limits: &PipelineLimits, mistakes: &mut Mistakes) -> Option<Draft> {
    let whole = Field { node: root, path: String::new() };
    let fields = Fields::of(&whole, &SECTIONS, mistakes)?;
    let mut reader = Reader { draft: Draft::default(), limits, mistakes };
    reader.draft.places.note(Spot::Whole, root.at);
    reader.section(&fields, "dataNodes", Spot::DataNodes, Reader::data_node);
    reader.section(&fields, "processNodes", Spot::ProcessNodes, Reader::process_node);
    reader.section(&fields, "parameters", Spot::Parameters, Reader::parameter);
    reader.draft.spec.requirement = reader.requirement(&fields, None);
    reader.schedule(&fields);
    Some(reader.draft)
}

struct Reader<'r> {
    draft: Draft,
    limits: &'r PipelineLimits,
    mistakes: &'r mut Mistakes,
}

impl Reader<'_> {
    fn note(&mut self, spot: Spot, at: Position) {
        self.draft.places.note(spot, at);
    }

    fn broken(&mut self, spot: Spot) {
        self.draft.places.note_broken(spot);
    }

    /// What was meant to be there is not told to be missing.
    fn misspelt(&mut self, fields: &Fields<'_>, name: &str, spot: Spot) {
        if fields.is_misspelt(name) {
            self.broken(spot);
        }
    }

    /// The text of a field; without one the spot is broken.
    fn text(&mut self, field: &Field<'_>, spot: Spot) -> Option<String> {
        self.note(spot, field.node.at);
        let text = field.text(self.mistakes, "a text");
        if text.is_none() {
            self.broken(spot);
        }
        text.map(str::to_owned)
    }

    /// Reads a map of names and things.
    fn section(&mut self, top: &Fields<'_>, name: &str, spot: Spot, one: fn(&mut Self, &Key, &Field<'_>)) {
        self.misspelt(top, name, spot);
        let Some(at) = top.key_at(name) else { return };
        self.note(spot, at);
        let Some(field) = top.get(name) else { return };
        let Some(pairs) = field.map(self.mistakes, || "a map of names".to_owned()) else {
            self.broken(spot);
            return;
        };
        for (key, node) in pairs {
            one(self, key, &Field { node, path: join(name, &shown_key(&key.text)) });
        }
    }

    fn data_node(&mut self, key: &Key, field: &Field<'_>) {
        let node = self.draft.spec.data_nodes.len();
        self.note(Spot::DataNode(node), key.at);
        let mut source = None;
        match Fields::of(field, &["source"], self.mistakes) {
            Some(fields) => {
                self.misspelt(&fields, "source", Spot::Source(node));
                source = fields.get("source").and_then(|field| self.text(&field, Spot::Source(node)));
            }
            None => self.broken(Spot::DataNode(node)),
        }
        let (name, source) = (key.text.clone(), source.unwrap_or_default());
        self.draft.spec.data_nodes.push(DataNode { name, source });
    }

    fn process_node(&mut self, key: &Key, field: &Field<'_>) {
        let at = self.draft.spec.process_nodes.len();
        self.note(Spot::ProcessNode(at), key.at);
        let mut node = ProcessNode::new(key.text.clone(), "");
        match Fields::of(field, &PROCESS_FIELDS, self.mistakes) {
            Some(fields) => {
                node.processor = self.processor(&fields, at);
                node.input = self.names(&fields, "input", |place| Spot::Input(at, place));
                node.output = self.names(&fields, "output", |place| Spot::Output(at, place));
                node.after = self.after(&fields, at);
                node.options = self.options(&fields, at);
                node.max_attempts = self.retry(&fields, at);
                node.requirement = self.requirement(&fields, Some(at));
            }
            None => self.broken(Spot::ProcessNode(at)),
        }
        self.draft.spec.process_nodes.push(node);
    }

    fn processor(&mut self, fields: &Fields<'_>, node: usize) -> String {
        for name in ["processor", "config"] {
            self.misspelt(fields, name, Spot::Processor(node));
        }
        let (processor, config) = (fields.get("processor"), fields.get("config"));
        if let (Some(_), Some(config)) = (&processor, &config) {
            let problem = "the same as processor, which is there too";
            self.mistakes.add(config.node.at, &config.path, problem, "one of the two");
        }
        let field = processor.or(config);
        field.and_then(|field| self.text(&field, Spot::Processor(node))).unwrap_or_default()
    }

    /// One name or a list of them. What is no name leaves a gap, so that the others keep their places.
    fn names(&mut self, fields: &Fields<'_>, name: &str, spot: impl Fn(usize) -> Spot) -> Vec<String> {
        let Some(field) = fields.get(name) else { return Vec::new() };
        if let Value::Map(_) = field.node.value {
            field.wrong::<()>(self.mistakes, "the name of a data node, or a list of them");
            return Vec::new();
        }
        let elements = field.elements();
        let texts = elements.iter().enumerate();
        texts.map(|(place, element)| self.text(element, spot(place)).unwrap_or_default()).collect()
    }

    fn after(&mut self, fields: &Fields<'_>, node: usize) -> Vec<After> {
        let Some(field) = fields.get("after") else { return Vec::new() };
        let mut after = Vec::new();
        for (place, element) in field.elements().iter().enumerate() {
            let spot = Spot::After(node, place);
            self.note(spot, element.node.at);
            let edge = match &element.node.value {
                Value::Map(_) => self.edge(element, spot),
                Value::Scalar(_) => {
                    let allowed = "the name of a process node, or {node: NAME, on: success | failure | always}";
                    let name = element.text(self.mistakes, allowed);
                    name.map(|name| After { node: name.to_owned(), on: On::Success })
                }
                _ => element.wrong(self.mistakes, "the name of a process node, or {node: NAME, on: …}"),
            };
            if edge.is_none() {
                self.broken(spot);
            }
            after.push(edge.unwrap_or(After { node: String::new(), on: On::Success }));
        }
        after
    }

    fn edge(&mut self, element: &Field<'_>, spot: Spot) -> Option<After> {
        let fields = Fields::of(element, &["node", "on"], self.mistakes)?;
        let Some(node) = fields.get("node") else {
            let allowed = "the name of a process node";
            self.mistakes.add(element.node.at, &join(&element.path, "node"), "there is none", allowed);
            return None;
        };
        let node = self.text(&node, spot)?;
        let Some(field) = fields.get("on") else { return Some(After { node, on: On::Success }) };
        let words = On::ALL.map(On::word);
        let text = field.text(self.mistakes, &words.join(", "))?;
        let Some(on) = On::ALL.into_iter().find(|on| on.word() == text) else {
            let mut problem = format!("{} is not known", shown(text));
            if let Some(meant) = closest(text, &words) {
                problem.push_str(&format!(", did you mean \"{meant}\"?"));
            }
            self.mistakes.add(field.node.at, &field.path, problem, words.join(", "));
            return None;
        };
        Some(After { node, on })
    }

    fn options(&mut self, fields: &Fields<'_>, node: usize) -> RunOptions {
        let mut options = RunOptions::new();
        let Some(field) = fields.get("options") else { return options };
        self.note(Spot::Options(node), field.node.at);
        let Some(pairs) = field.map(self.mistakes, || "a map of names and texts".to_owned()) else {
            self.broken(Spot::Options(node));
            return options;
        };
        let mut sorted: Vec<&(Key, Node)> = pairs.iter().collect();
        sorted.sort_by(|(one, _), (other, _)| one.text.cmp(&other.text));
        for (place, (key, element)) in sorted.into_iter().enumerate() {
            let spot = Spot::Option(node, place);
            let element = Field { node: element, path: join(&field.path, &shown_key(&key.text)) };
            let text = element.text(self.mistakes, "a text; \"\" for the empty one");
            self.note(spot, element.node.at);
            if text.is_none() {
                self.broken(spot);
            }
            options.set(key.text.clone(), text.unwrap_or_default());
        }
        options
    }

    fn retry(&mut self, fields: &Fields<'_>, node: usize) -> Option<u32> {
        let field = fields.get("retry")?;
        let inner = if let Value::Map(_) = field.node.value {
            Fields::of(&field, &["max_attempts"], self.mistakes)?.get("max_attempts")
        } else {
            Some(field)
        };
        let field = inner?;
        self.note(Spot::Retry(node), field.node.at);
        let allowed = format!("a whole number from 1 to {}, the first attempt included", self.limits.max_attempts);
        let text = field.text(self.mistakes, &allowed)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = Some(text).filter(|_| digits).and_then(|text| text.parse().ok());
        if number.is_none() {
            self.mistakes.add(field.node.at, &field.path, format!("{} is no such number", shown(text)), allowed);
        }
        number
    }

    fn requirement(&mut self, fields: &Fields<'_>, of: Option<usize>) -> Option<Vec<Requirement>> {
        let field = fields.get("requirement")?;
        self.note(Spot::Requirement(of), field.node.at);
        let Value::List(_) = &field.node.value else {
            return field.wrong(self.mistakes, "a list of {name: NAME, version: VERSION}");
        };
        let mut list = Vec::new();
        for (place, element) in field.elements().iter().enumerate() {
            let spot = Spot::Required(of, place);
            self.note(spot, element.node.at);
            let (name, version) = self.required(element, spot).unwrap_or_default();
            list.push(Requirement { name, version });
        }
        Some(list)
    }

    fn required(&mut self, element: &Field<'_>, spot: Spot) -> Option<(String, Option<String>)> {
        if element.node.is_nothing() {
            element.wrong::<()>(self.mistakes, "{name: NAME, version: VERSION}");
            self.broken(spot);
            return None;
        }
        let Some(fields) = Fields::of(element, &["name", "version"], self.mistakes) else {
            self.broken(spot);
            return None;
        };
        self.misspelt(&fields, "name", spot);
        let name = fields.get("name").and_then(|name| self.text(&name, spot));
        let version = fields.get("version").and_then(|version| self.text(&version, spot));
        self.note(spot, element.node.at);
        Some((name.unwrap_or_default(), version))
    }

    fn parameter(&mut self, key: &Key, field: &Field<'_>) {
        let spot = Spot::Parameter(self.draft.spec.parameters.len());
        self.note(spot, key.at);
        let mut default = None;
        if !field.node.is_nothing() {
            default = field.text(self.mistakes, "a text, or nothing where each run must give one");
            if default.is_none() {
                self.broken(spot);
            }
        }
        let default = default.map(OptionValue::from);
        self.draft.spec.parameters.push(Parameter { name: key.text.clone(), default });
    }

    fn schedule(&mut self, top: &Fields<'_>) {
        let Some(field) = top.get("schedule") else { return };
        self.note(Spot::Schedule, top.key_at("schedule").unwrap_or(field.node.at));
        let Some(fields) = Fields::of(&field, &SCHEDULE_FIELDS, self.mistakes) else { return };
        let [interval, start, end, zone] = SCHEDULE_FIELDS.map(|name| {
            self.misspelt(&fields, name, Spot::ScheduleKey(name));
            let field = fields.get(name)?;
            self.text(&field, Spot::ScheduleKey(name))
        });
        let mut spec = CalendarSpec::new(Rule::Cron(interval.unwrap_or_default()));
        spec.start = start;
        spec.end = end;
        if let Some(zone) = zone {
            spec.zone = zone;
        }
        self.draft.spec.schedule = Some(spec);
    }
}
