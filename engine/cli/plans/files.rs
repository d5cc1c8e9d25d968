//! The files that are applied.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::request::{ConfigPiece, PipelinePiece, SchedulePiece};
use crate::cli::failure::{Failure, USAGE};
use crate::cli::jobfile::{PlanFile, parse_plan_file};
use crate::cli::output::note;
use crate::cli::table::printable;
use crate::error::Problem;
use crate::job::pipeline::{Mistake, Pipeline};
use crate::job::validate::check_name;
use crate::job::{JobLimits, PipelineLimits, ScheduleLimits, ScheduleSpec};
use crate::store::DocumentKind;

/// Which documents a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Part {
    Configs,
    Pipelines,
    Schedules,
    All,
}

impl Part {
    pub(super) fn kinds(self) -> Vec<DocumentKind> {
        match self {
            Part::Configs => vec![DocumentKind::Config],
            Part::Pipelines => vec![DocumentKind::Pipeline],
            Part::Schedules => vec![DocumentKind::Schedule],
            Part::All => vec![DocumentKind::Config, DocumentKind::Pipeline, DocumentKind::Schedule],
        }
    }
}

/// What is to be read.
pub(super) struct Files {
    /// Files with configs and schedules.
    pub(super) plans: Vec<PathBuf>,
    /// Files with a pipeline each, and their names.
    pub(super) pipelines: Vec<(String, PathBuf)>,
    /// The project of the pipelines.
    pub(super) project: String,
}

/// Documents on their way to the process that holds the store.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::cli) struct Pieces {
    pub(super) configs: Vec<ConfigPiece>,
    pub(super) pipelines: Vec<PipelinePiece>,
    pub(super) schedules: Vec<SchedulePiece>,
}

impl Files {
    /// Reads all files before anything is asked for; every mistake in them is told by then.
    pub(super) fn read(&self, part: Part) -> Result<Pieces, Failure> {
        let (mut file, mut pipelines, mut told) = (PlanFile::default(), Vec::new(), Vec::new());
        for path in &self.plans {
            match read_plan(path) {
                Ok(PlanFile { configs, schedules }) => {
                    file.configs.extend(configs);
                    file.schedules.extend(schedules);
                }
                Err(mistakes) => told.extend(mistakes),
            }
        }
        for (name, path) in &self.pipelines {
            told.extend(name_mistakes(name, path));
            match read_pipeline(path) {
                Ok(pipeline) => {
                    let (project, name, spec) = (self.project.clone(), name.clone(), pipeline.spec().clone());
                    pipelines.push(PipelinePiece { project, name, spec });
                }
                Err(mistakes) => told.extend(mistakes),
            }
        }
        if !told.is_empty() {
            told.iter().for_each(|mistake| note(mistake));
            return Err(Failure::new(USAGE, ""));
        }
        pieces(file, pipelines, part)
    }
}

fn pieces(file: PlanFile, pipelines: Vec<PipelinePiece>, part: Part) -> Result<Pieces, Failure> {
    let PlanFile { mut configs, mut schedules } = file;
    match part {
        Part::Configs => schedules.clear(),
        Part::Schedules => configs.clear(),
        Part::Pipelines | Part::All => {}
    }
    if configs.is_empty() && schedules.is_empty() && pipelines.is_empty() {
        let what = if part == Part::Schedules { "schedules" } else { "configs" };
        return Err(Failure::new(USAGE, format!("the files have no {what}; allowed: a map named {what}")));
    }
    let configs = configs.into_iter().map(|(name, config)| ConfigPiece::new(name, &config));
    let schedule = |(project, name, spec): (String, String, ScheduleSpec)| {
        let ScheduleSpec { calendar, policy, target, options } = spec;
        SchedulePiece { project, name, calendar, policy, target, options }
    };
    Ok(Pieces {
        configs: configs.collect::<Result<Vec<_>, _>>()?,
        pipelines,
        schedules: schedules.into_iter().map(schedule).collect(),
    })
}

fn name_mistakes(name: &str, path: &Path) -> Vec<String> {
    let mut problems: Vec<Problem> = Vec::new();
    check_name("name", name, &JobLimits::default(), &mut problems);
    problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect()
}

/// The name of the pipeline in a file that nobody has named.
pub(super) fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// `NAME=FILE`.
pub(super) fn named_file(text: &str) -> Result<(String, PathBuf), Failure> {
    let parts = text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
    let (name, path) = parts.ok_or_else(|| {
        Failure::new(USAGE, format!("--pipeline: \"{}\" is no NAME=FILE; allowed: clean=clean.yaml", printable(text)))
    })?;
    Ok((name.to_owned(), PathBuf::from(path)))
}

fn read_plan(path: &Path) -> Result<PlanFile, Vec<String>> {
    let (name, text) = read_text(path)?;
    let env = |variable: &str| std::env::var(variable).ok();
    parse_plan_file(&text, &name, &env).map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
}

/// Reads and checks a file with a pipeline.
pub(super) fn read_pipeline(path: &Path) -> Result<Pipeline, Vec<String>> {
    let (name, text) = read_text(path)?;
    let told = |mistakes: Vec<Mistake>| mistakes.iter().map(|it| format!("{name}:{it}")).collect::<Vec<_>>();
    Pipeline::parse(&text, &PipelineLimits::default(), &ScheduleLimits::default()).map_err(told)
}

fn read_text(path: &Path) -> Result<(String, Vec<u8>), Vec<String>> {
    let name = path.display().to_string();
    let text = std::fs::read(path).map_err(|error| vec![format!("{name}: cannot be read: {error}")])?;
    Ok((name, text))
}
