//! Pipelines as they are shown and go over the control socket.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::wire::RevisionWire;
use crate::engine::PipelineView;
use crate::job::options::OptionValue;
use crate::job::pipeline::{After, ProcessNode, Requirement};
use crate::job::{CalendarSpec, PipelineSpec, Rule};

/// A pipeline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::cli) struct PipelineWire {
    pub(super) name: String,
    pub(super) project: String,
    pub(super) revision: u32,
    pub(super) latest: u32,
    pub(super) stored_at: String,
    /// How many process nodes there are.
    pub(super) nodes: usize,
    /// The cron text of its schedule.
    pub(super) cron: Option<String>,
    /// What it says; only where one pipeline is shown.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) says: Value,
    /// The same in the language of pipelines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// Every revision with the time at which it was stored; only where one pipeline is shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) revisions: Vec<RevisionWire>,
}

impl PipelineWire {
    /// As it is listed.
    pub(super) fn short(view: &PipelineView) -> Self {
        let cron = view.spec.schedule.as_ref().and_then(|schedule| match &schedule.rule {
            Rule::Cron(text) => Some(text.clone()),
            Rule::Parts(_) | Rule::Times(_) => None,
        });
        PipelineWire {
            name: view.name.clone(),
            project: view.project.clone(),
            revision: view.revision,
            latest: view.latest,
            stored_at: view.stored_at.to_string(),
            nodes: view.spec.process_nodes.len(),
            cron,
            says: Value::Null,
            text: None,
            revisions: Vec::new(),
        }
    }

    /// With all that it says.
    pub(super) fn whole(view: &PipelineView, revisions: Vec<RevisionWire>) -> Self {
        let (says, text) = (pipeline_says(&view.spec), Some(view.spec.to_yaml()));
        PipelineWire { says, text, revisions, ..PipelineWire::short(view) }
    }
}

/// What a pipeline says, with the keys of the language.
pub(super) fn pipeline_says(spec: &PipelineSpec) -> Value {
    let parameters = spec.parameters.iter().map(|it| (it.name.clone(), json!(it.default.as_ref().map(shown))));
    let data = spec.data_nodes.iter().map(|it| (it.name.clone(), json!({ "source": it.source })));
    let process = spec.process_nodes.iter().map(|it| (it.name.clone(), node_says(it)));
    json!({
        "parameters": parameters.collect::<Map<_, _>>(),
        "dataNodes": data.collect::<Map<_, _>>(),
        "processNodes": process.collect::<Map<_, _>>(),
        "requirement": spec.requirement.as_deref().map(requirement_says),
        "schedule": spec.schedule.as_ref().map(schedule_says),
    })
}

fn node_says(node: &ProcessNode) -> Value {
    let after = |it: &After| json!({ "node": it.node, "on": it.on.word() });
    let options = node.options.iter().map(|(name, value)| (name.to_owned(), json!(shown(value))));
    json!({
        "processor": node.processor,
        "input": node.input,
        "output": node.output,
        "after": node.after.iter().map(after).collect::<Vec<_>>(),
        "options": options.collect::<Map<_, _>>(),
        "retry": node.max_attempts,
        "requirement": node.requirement.as_deref().map(requirement_says),
    })
}

fn requirement_says(list: &[Requirement]) -> Value {
    list.iter().map(|it| json!({ "name": it.name, "version": it.version })).collect()
}

fn schedule_says(spec: &CalendarSpec) -> Value {
    let CalendarSpec { rule, start, end, zone } = spec;
    let interval = match rule {
        Rule::Cron(text) => json!(text),
        Rule::Parts(parts) => json!(parts),
        Rule::Times(times) => json!(times),
    };
    json!({ "schedule_interval": interval, "start_date": start, "end_date": end, "timezone": zone })
}

/// No pipeline with a secret value passes its checks.
fn shown(value: &OptionValue) -> &str {
    if value.secret { "***" } else { &value.value }
}
