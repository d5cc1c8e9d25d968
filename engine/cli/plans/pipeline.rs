//! `windlass pipeline check`: reads pipelines and draws them.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::failure::{Failure, USAGE};
use crate::cli::output::{note, print, print_json};
use crate::job::pipeline::{Drawing, Pipeline};
use crate::job::{PipelineLimits, ScheduleLimits};

#[derive(clap::Subcommand)]
pub(in crate::cli) enum PipelineCommand {
    /// Check pipelines, YAML or JSON, and draw their graphs
    Check {
        /// The files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// What a pipeline comes down to.
#[derive(Serialize)]
struct PipelineWire {
    file: String,
    nodes: Vec<NodeWire>,
    /// Sources that no node makes.
    needs_sources: Vec<String>,
    /// Configs that nodes name.
    needs_processors: Vec<String>,
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

/// Runs the command.
pub(in crate::cli) fn pipeline(command: PipelineCommand, json: bool) -> Result<u8, Failure> {
    let PipelineCommand::Check { files } = command;
    let (mut pipelines, mut is_bad) = (Vec::new(), false);
    for path in &files {
        match check(path) {
            Ok(pipeline) => pipelines.push(pipeline),
            Err(mistakes) => {
                is_bad = true;
                mistakes.iter().for_each(|mistake| note(mistake));
            }
        }
    }
    if is_bad {
        return Err(Failure::new(USAGE, ""));
    }
    if json {
        print_json(&serde_json::json!({ "pipelines": pipelines }))?;
        return Ok(0);
    }
    for pipeline in &pipelines {
        let lines =
            |title: &str, texts: &[String]| texts.iter().map(|it| format!("{title} {it}\n")).collect::<String>();
        let drawing: String = pipeline.drawing.iter().map(|line| format!("{line}\n")).collect();
        let needs = [lines("needs source", &pipeline.needs_sources), lines("needs config", &pipeline.needs_processors)];
        print(&format!("{}\n{drawing}{}{}", pipeline.file, needs.concat(), lines("note:", &pipeline.notes)))?;
    }
    Ok(0)
}

fn check(path: &Path) -> Result<PipelineWire, Vec<String>> {
    let file = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| vec![format!("{file}: cannot be read: {error}")])?;
    let pipeline = Pipeline::parse(&text, &PipelineLimits::default(), &ScheduleLimits::default());
    let pipeline = pipeline.map_err(|found| found.iter().map(|it| format!("{file}:{it}")).collect::<Vec<_>>())?;
    let graph = pipeline.graph();
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let edge = |edge: &crate::job::pipeline::Edge| EdgeWire {
        node: pipeline.name_of(edge.from).to_owned(),
        on: edge.on.word().to_owned(),
    };
    let nodes = graph.order().iter().filter_map(|node| {
        let spec = pipeline.spec().process_nodes.get(*node)?;
        Some(NodeWire {
            name: pipeline.name_of(*node).to_owned(),
            processor: spec.processor.clone(),
            level: graph.level(*node),
            after: graph.before(*node).iter().map(edge).collect(),
        })
    });
    let remark = |note: &crate::job::pipeline::Note| format!("{}: {}", note.field, note.text);
    Ok(PipelineWire {
        nodes: nodes.collect(),
        needs_sources: owned(pipeline.needed_sources()),
        needs_processors: owned(pipeline.needed_processors()),
        notes: pipeline.notes().iter().map(remark).collect(),
        drawing: Drawing::default().lines(&pipeline, None),
        file,
    })
}
