//! What a pipeline comes down to: its graph and what it needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::files::read_pipeline;
use super::request::{PlanReply, PlanRequest};
use crate::cli::failure::{FAILED, Failure, USAGE};
use crate::cli::output::{note, print, print_json};
use crate::cli::store_dir::{Place, open_to_manage};
use crate::job::pipeline::{Drawing, Edge, Note, Pipeline};
use crate::job::{PipelineLimits, ScheduleLimits};

/// What a pipeline comes down to.
#[derive(Serialize)]
struct GraphWire {
    /// The file that it is in; `null` for a stored one.
    file: Option<String>,
    /// The name of a stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    nodes: Vec<NodeWire>,
    /// Sources that no node makes.
    needs_sources: Vec<String>,
    /// Configs that nodes name.
    needs_processors: Vec<String>,
    /// Those of them that are not stored; `null` where nobody has asked.
    missing_processors: Option<Vec<String>>,
    /// Sources that are not among the files of the project; `null` where nobody has asked.
    missing_sources: Option<Vec<String>>,
    notes: Vec<String>,
    #[serde(skip)]
    drawing: Vec<String>,
}

/// A process node and what it comes after.
#[derive(Serialize)]
struct NodeWire {
    name: String,
    processor: String,
    /// The longest way to it from a node that comes after nothing.
    level: usize,
    after: Vec<EdgeWire>,
}

#[derive(Serialize)]
struct EdgeWire {
    node: String,
    /// `success`, `failure` or `always`.
    on: String,
}

impl GraphWire {
    fn new(pipeline: &Pipeline) -> Self {
        let graph = pipeline.graph();
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        let edge =
            |edge: &Edge| EdgeWire { node: pipeline.name_of(edge.from).to_owned(), on: edge.on.word().to_owned() };
        let nodes = graph.order().iter().filter_map(|node| {
            let spec = pipeline.spec().process_nodes.get(*node)?;
            Some(NodeWire {
                name: pipeline.name_of(*node).to_owned(),
                processor: spec.processor.clone(),
                level: graph.level(*node),
                after: graph.before(*node).iter().map(edge).collect(),
            })
        });
        let remark = |note: &Note| format!("{}: {}", note.field, note.text);
        GraphWire {
            file: None,
            name: None,
            nodes: nodes.collect(),
            needs_sources: owned(pipeline.needed_sources()),
            needs_processors: owned(pipeline.needed_processors()),
            missing_processors: None,
            missing_sources: None,
            notes: pipeline.notes().iter().map(remark).collect(),
            drawing: Drawing::default().lines(pipeline, None),
        }
    }

    fn text(&self) -> String {
        let lines =
            |title: &str, texts: &[String]| texts.iter().map(|it| format!("{title} {it}\n")).collect::<String>();
        let drawing: String = self.drawing.iter().map(|line| format!("{line}\n")).collect();
        let called = self.file.as_ref().or(self.name.as_ref()).map(|called| format!("{called}\n")).unwrap_or_default();
        [
            called,
            drawing,
            lines("needs source", &self.needs_sources),
            lines("needs config", &self.needs_processors),
            lines("missing config", self.missing_processors.as_deref().unwrap_or_default()),
            lines("missing source", self.missing_sources.as_deref().unwrap_or_default()),
            lines("note:", &self.notes),
        ]
        .concat()
    }
}

/// Checks files, against the configs of a project where one is named, and draws them.
pub(super) async fn check(
    place: &Place,
    files: &[PathBuf],
    project: Option<String>,
    json: bool,
) -> Result<u8, Failure> {
    let mut graphs = read_all(files)?;
    if let Some(project) = project {
        find_missing(place, project, &mut graphs).await?;
    }
    let is_missing = |it: &GraphWire| {
        let found = [&it.missing_processors, &it.missing_sources];
        found.into_iter().flatten().any(|missing| !missing.is_empty())
    };
    let code = if graphs.iter().any(is_missing) { FAILED } else { 0 };
    show(&graphs, json)?;
    Ok(code)
}

/// Draws a file, or a stored pipeline where there is no such file.
pub(super) async fn draw(place: &Place, project: String, called: String, json: bool) -> Result<u8, Failure> {
    let path = Path::new(&called);
    if path.is_file() {
        show(&read_all(&[path.to_owned()])?, json)?;
        return Ok(0);
    }
    let mut target = open_to_manage(place).await?;
    let reply = target.plan(PlanRequest::Pipeline { project, name: called.clone(), revision: None }).await;
    target.close().await;
    let PlanReply::Pipelines { pipelines } = reply? else { return Err(unexpected()) };
    let texts = pipelines.iter().filter_map(|it| it.text.as_ref());
    let mut graphs = Vec::new();
    for text in texts {
        let pipeline = Pipeline::parse(text.as_bytes(), &PipelineLimits::default(), &ScheduleLimits::default());
        let pipeline =
            pipeline.map_err(|_| Failure::new(FAILED, "what is stored is over the limits of this command"))?;
        graphs.push(GraphWire { name: Some(called.clone()), ..GraphWire::new(&pipeline) });
    }
    show(&graphs, json)?;
    Ok(0)
}

fn show(graphs: &[GraphWire], json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&serde_json::json!({ "pipelines": graphs }));
    }
    print(&graphs.iter().map(GraphWire::text).collect::<String>())
}

fn read_all(files: &[PathBuf]) -> Result<Vec<GraphWire>, Failure> {
    let (mut graphs, mut told) = (Vec::new(), Vec::new());
    for path in files {
        match read_pipeline(path) {
            Ok(pipeline) => {
                let file = Some(path.display().to_string());
                graphs.push(GraphWire { file, ..GraphWire::new(&pipeline) });
            }
            Err(mistakes) => told.extend(mistakes),
        }
    }
    if told.is_empty() {
        return Ok(graphs);
    }
    told.iter().for_each(|mistake| note(mistake));
    Err(Failure::new(USAGE, ""))
}

async fn find_missing(place: &Place, project: String, graphs: &mut [GraphWire]) -> Result<(), Failure> {
    let all = |needs: fn(&GraphWire) -> &Vec<String>| {
        let all: BTreeSet<&String> = graphs.iter().flat_map(needs).collect();
        all.into_iter().cloned().collect::<Vec<String>>()
    };
    let (processors, sources) = (all(|graph| &graph.needs_processors), all(|graph| &graph.needs_sources));
    let mut target = open_to_manage(place).await?;
    let reply = target.plan(PlanRequest::Missing { project, processors, sources }).await;
    target.close().await;
    let PlanReply::Missing { processors, sources } = reply? else { return Err(unexpected()) };
    let of = |needs: &[String], missing: &[String]| {
        Some(needs.iter().filter(|name| missing.binary_search(name).is_ok()).cloned().collect())
    };
    for graph in graphs {
        graph.missing_processors = of(&graph.needs_processors, &processors);
        graph.missing_sources = of(&graph.needs_sources, &sources);
    }
    Ok(())
}

fn unexpected() -> Failure {
    Failure::new(FAILED, "the process that holds the store gave an answer to something else")
}
