//! A pipeline as a text in its own language.

use super::spec::{On, PipelineSpec, ProcessNode, Requirement};
use super::tree::Scalar;
use crate::job::calendar::Rule;
use crate::job::options::{OptionValue, RunOptions};

impl PipelineSpec {
    /// The pipeline as YAML, each thing in its one spelling. Where it is one that passes its checks, reading the text makes
    /// an equal one. A secret value, which would not pass, is shown as `***`.
    pub fn to_yaml(&self) -> String {
        let mut page = Page::default();
        if !self.parameters.is_empty() {
            page.line(0, "parameters:");
            for parameter in &self.parameters {
                let default = parameter.default.as_ref().map_or_else(String::new, option_value);
                page.line(1, &format!("{}: {default}", scalar(&parameter.name)));
            }
        }
        if !self.data_nodes.is_empty() {
            page.line(0, "dataNodes:");
            for node in &self.data_nodes {
                page.line(1, &format!("{}:", scalar(&node.name)));
                page.line(2, &format!("source: {}", scalar(&node.source)));
            }
        }
        page.line(0, "processNodes:");
        for node in &self.process_nodes {
            page.process_node(node);
        }
        if let Some(list) = &self.requirement {
            page.requirement(0, list);
        }
        if let Some(schedule) = &self.schedule {
            page.line(0, "schedule:");
            if let Rule::Cron(text) = &schedule.rule {
                page.line(1, &format!("schedule_interval: {}", quoted(text)));
            }
            let bounds = [("start_date", &schedule.start), ("end_date", &schedule.end)];
            for (key, moment) in bounds {
                if let Some(moment) = moment {
                    page.line(1, &format!("{key}: {}", quoted(moment)));
                }
            }
            page.line(1, &format!("timezone: {}", quoted(&schedule.zone)));
        }
        page.text
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, line: &str) {
        self.text.extend(std::iter::repeat_n("  ", depth));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn process_node(&mut self, node: &ProcessNode) {
        self.line(1, &format!("{}:", scalar(&node.name)));
        self.names("input", &node.input);
        self.names("output", &node.output);
        self.line(2, &format!("processor: {}", scalar(&node.processor)));
        if !node.after.is_empty() {
            self.line(2, "after:");
            for after in &node.after {
                let name = scalar(&after.node);
                let entry = match after.on {
                    On::Success => format!("- {name}"),
                    on => format!("- {{node: {name}, on: {}}}", on.word()),
                };
                self.line(2, &entry);
            }
        }
        self.options(&node.options);
        if let Some(most) = node.max_attempts {
            self.line(2, &format!("retry: {most}"));
        }
        if let Some(list) = &node.requirement {
            self.requirement(2, list);
        }
    }

    fn names(&mut self, key: &str, names: &[String]) {
        if names.is_empty() {
            return;
        }
        self.line(2, &format!("{key}:"));
        for name in names {
            self.line(2, &format!("- {}", scalar(name)));
        }
    }

    fn options(&mut self, options: &RunOptions) {
        if options.is_empty() {
            return;
        }
        self.line(2, "options:");
        for (name, value) in options.iter() {
            self.line(3, &format!("{}: {}", scalar(name), option_value(value)));
        }
    }

    fn requirement(&mut self, depth: usize, list: &[Requirement]) {
        if list.is_empty() {
            self.line(depth, "requirement: []");
            return;
        }
        self.line(depth, "requirement:");
        for required in list {
            self.line(depth, &format!("- name: {}", quoted(&required.name)));
            if let Some(version) = &required.version {
                self.line(depth + 1, &format!("version: {}", quoted(version)));
            }
        }
    }
}

fn option_value(value: &OptionValue) -> String {
    if value.secret { quoted("***") } else { scalar(&value.value) }
}

/// A text without quotes where it is short and plain beyond doubt.
fn scalar(text: &str) -> String {
    let ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let plain = text.len() <= 200 && text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(ok);
    let is_nothing = Scalar { text: text.to_owned(), plain: true }.is_nothing();
    if plain && !is_nothing { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes, on one line, whatever is in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c if c.is_control() => quoted.push_str(&format!("\\x{:02X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
