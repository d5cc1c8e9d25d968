//! Runs of pipelines.

use super::Engine;
use crate::error::Error;
use crate::job::pipeline::{Rerun, RerunError, Summary, rerun_failed, rerun_from, summarize};
use crate::job::{
    ChainId, Cursor, Event, Filter, Job, JobId, NodeRun, NodeState, Order, PipelineRun, Reason, RunOptions, Timestamp,
};
use crate::runtime::pipelines::Earlier;
use crate::store::Stored;

/// A run of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunView {
    /// Its id: that of its first job, and of the chain that its jobs are.
    pub id: ChainId,
    /// The project.
    pub project: String,
    /// The pipeline.
    pub pipeline: String,
    /// The revision that runs.
    pub revision: u32,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// The earlier run of which a part runs again here.
    pub again_of: Option<ChainId>,
    /// Its nodes, in the order of declaration.
    pub nodes: Vec<NodeView>,
    /// Its condition.
    pub summary: Summary,
}

/// A node of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its condition.
    pub state: NodeState,
    /// Its job; of a node that is kept that of an earlier run.
    pub job: JobId,
    /// It is kept from an earlier run.
    pub kept: bool,
    /// Attempts of the job that have begun. Not told of one that is kept.
    pub attempts: u32,
    /// Why it is in its state. Not told of one that is kept.
    pub reason: Option<Reason>,
    /// When its first attempt began. Not told of one that is kept.
    pub started_at: Option<Timestamp>,
    /// When it ended. Not told of one that is kept.
    pub finished_at: Option<Timestamp>,
}

/// A page of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunPage {
    /// The runs, the latest first.
    pub runs: Vec<RunView>,
    /// Where the next page goes on; `None` after the last.
    pub next: Option<Cursor>,
}

impl RunView {
    /// The states of its nodes, in the order of declaration.
    pub fn states(&self) -> Vec<NodeState> {
        self.nodes.iter().map(|node| node.state).collect()
    }

    /// The node with this name.
    pub fn node(&self, name: &str) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

impl Engine {
    /// Runs a pipeline: a job for each of its nodes, all accepted at once. What the pipeline and the configs say now counts,
    /// whatever becomes of them. With an idempotency `key` a second call gets the run of the first.
    ///
    /// ```
    /// use windlass::job::{JobConfig, NodeState, Pipeline, PipelineLimits, ScheduleLimits};
    /// use windlass::{Engine, FunctionContext, FunctionError, JobSpec};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// let engine = Engine::builder(dir.path())
    ///     .function("say", |context: FunctionContext, (): ()| async move {
    ///         Ok::<_, FunctionError>(context.option("WORD").map(str::to_owned))
    ///     })
    ///     .open()
    ///     .await?;
    /// engine.apply_configs(vec![("say".into(), JobConfig::new(JobSpec::function("say", "null")))], false).await?;
    /// let text = r#"
    /// parameters: {day: monday}
    /// processNodes:
    ///   load: {processor: say, options: {WORD: "rows of ${parameters.day}"}}
    ///   count: {processor: say, options: {WORD: "counted: ${nodes.load.output}"}}
    /// "#;
    /// let pipeline = Pipeline::parse(text.as_bytes(), &PipelineLimits::default(), &ScheduleLimits::default());
    /// let spec = pipeline.map_err(|mistakes| mistakes[0].to_string())?.spec().clone();
    /// engine.apply_pipelines(vec![("default".into(), "daily".into(), spec)], false).await?;
    ///
    /// let run = engine.run_pipeline("default", "daily", [("day", "friday")].into_iter().collect(), None).await?;
    /// let run = engine.wait_run(run).await?;
    /// assert_eq!(run.states(), [NodeState::Succeeded, NodeState::Succeeded]);
    /// assert_eq!(engine.output(run.nodes[1].job)?.as_deref(), Some(br#""counted: rows of friday""#.as_slice()));
    /// # engine.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Invalid`] with every mistake, parameters that do not fit among them; else as
    /// [`Engine::submit`].
    pub async fn run_pipeline(
        &self,
        project: &str,
        name: &str,
        parameters: RunOptions,
        key: Option<String>,
    ) -> Result<ChainId, Error> {
        self.pipeline(project, name, None)?;
        let mut specs = self.runtime().jobs_of_pipeline(project, name, &parameters)?;
        if let Some(first) = specs.first_mut() {
            first.idempotency_key = key;
        }
        self.accept_known(specs, true).await?.first().copied().ok_or(Error::Closed)
    }

    /// A run of a pipeline as it is now.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for what is no run of a pipeline, [`Error::Storage`].
    pub fn run(&self, id: ChainId) -> Result<RunView, Error> {
        let (first, _, run) = self.run_head(id)?;
        self.run_view(&first.job, &run)
    }

    /// The runs of a pipeline, the latest first, from the cursor on, at most `limit`.
    ///
    /// # Errors
    /// As [`Engine::list`].
    pub fn runs(&self, project: &str, pipeline: &str, cursor: Option<Cursor>, limit: usize) -> Result<RunPage, Error> {
        let (project, run_of) = (Some(project.to_owned()), Some(pipeline.to_owned()));
        let filter = Filter { project, run_of, ..Filter::default() };
        let page = self.list(&filter, cursor, limit)?;
        let view = |job: &Job| {
            let run = job.spec.node.as_ref().and_then(|node| node.run.clone());
            self.run_view(job, &run.unwrap_or_default())
        };
        let runs = page.jobs.iter().map(|first| view(&first.job)).collect::<Result<Vec<_>, Error>>()?;
        Ok(RunPage { runs, next: page.next })
    }

    /// Waits until every node of a run is over.
    ///
    /// # Errors
    /// As [`Engine::wait`].
    pub async fn wait_run(&self, id: ChainId) -> Result<RunView, Error> {
        self.run_head(id)?;
        for member in self.members(id)? {
            if !member.status.state.is_final() {
                self.wait(member.id).await?;
            }
        }
        self.run(id)
    }

    /// Runs the nodes of a run that failed or were cancelled again, and all that come after them, as a new run that keeps
    /// the results of the others. Given names it is these nodes that run again, however they ended. The graph and the
    /// parameters are those of the run; of the configs what they say now counts, so that one that was mended is taken up.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the run is not over, nothing in it failed, a node would be skipped
    /// again, or the revision of the pipeline is forgotten; else as [`Engine::run_pipeline`].
    pub async fn rerun(&self, id: ChainId, from: &[String]) -> Result<ChainId, Error> {
        let (first, node, run) = self.run_head(id)?;
        let runtime = self.runtime();
        let project = &first.job.spec.project;
        let stored = runtime.stored_pipeline(project, &node.pipeline, Some(node.revision))?.ok_or_else(|| {
            let NodeRun { pipeline, revision, .. } = &node;
            Error::Conflict(format!("revision {revision} of pipeline {pipeline:?} is not there any more"))
        })?;
        let view = self.run_view(&first.job, &run)?;
        let (pipeline, states) = (&stored.pipeline, view.states());
        if states.len() != pipeline.graph().len() {
            return Err(Error::Conflict(format!("jobs of run {id} are forgotten; it cannot be taken up again")));
        }
        let position = |name: &String| {
            let what = "node of the pipeline";
            pipeline.position_of(name).ok_or_else(|| Error::Unknown { what, name: name.clone() })
        };
        let from = from.iter().map(position).collect::<Result<Vec<usize>, Error>>()?;
        let graph = pipeline.graph();
        let rerun = if from.is_empty() { rerun_failed(graph, &states) } else { rerun_from(graph, &states, &from) };
        let rerun: Rerun = rerun.map_err(|error| Error::Conflict(refusal(&error, |node| pipeline.name_of(node))))?;
        let jobs: Vec<JobId> = view.nodes.iter().map(|node| node.job).collect();
        let parameters = runtime.store.open_parameters(id.seq(), first.parameters.as_ref())?;
        let earlier = Earlier { id, jobs: &jobs, rerun: &rerun };
        let specs = runtime.jobs_of_rerun(&stored, parameters, &earlier)?;
        self.accept_known(specs, true).await?.first().copied().ok_or(Error::Closed)
    }

    /// Cancels all jobs of a chain that are not over, as [`Engine::cancel`] does one; how many those were.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for a job that is no first job of a chain, [`Error::Storage`].
    pub async fn cancel_chain(&self, id: ChainId, by: &str) -> Result<usize, Error> {
        if self.find(id)?.job.chain != Some(id) {
            return Err(Error::NotFound(id.to_string()));
        }
        let live: Vec<Job> = self.members(id)?.into_iter().filter(|job| !job.status.state.is_final()).collect();
        let cancel = Event::Cancel { by: by.chars().take(256).collect() };
        let runtime = self.runtime();
        // The last first: those that follow others would else end with their word before they are asked.
        let last_first: Vec<Job> = live.into_iter().rev().collect();
        runtime.store.change_each(&last_first, &cancel, runtime.clock.now()).await
    }

    fn run_head(&self, id: ChainId) -> Result<(Stored, NodeRun, PipelineRun), Error> {
        let first = self.find(id)?;
        let node = first.job.spec.node.clone();
        let run = node.as_ref().and_then(|node| node.run.as_deref()).cloned();
        match (node, run) {
            (Some(node), Some(run)) => Ok((first, node, run)),
            _ => Err(Error::NotFound(id.to_string())),
        }
    }

    /// The jobs of a chain, in the order of submission.
    pub(super) fn members(&self, id: ChainId) -> Result<Vec<Job>, Error> {
        let filter = Filter { chain: Some(id), order: Order::OldestFirst, ..Filter::default() };
        let (mut jobs, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.runtime().store.list(&filter, cursor, self.runtime().config.page_jobs)?;
            jobs.extend(page.jobs.into_iter().map(|stored| stored.job));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(jobs);
            }
        }
    }

    fn run_view(&self, first: &Job, run: &PipelineRun) -> Result<RunView, Error> {
        let node = first.spec.node.as_ref();
        let mut kept = run.again.iter().flat_map(|again| &again.kept).peekable();
        let mut jobs = self.members(first.id)?.into_iter();
        let mut nodes = Vec::new();
        loop {
            let next = match kept.next_if(|kept| kept.position as usize == nodes.len()) {
                Some(kept) => Some(NodeView {
                    name: kept.name.clone(),
                    state: kept.state,
                    job: kept.job,
                    kept: true,
                    attempts: 0,
                    reason: None,
                    started_at: None,
                    finished_at: None,
                }),
                None => jobs.next().map(|job| node_view(&job)),
            };
            match next {
                Some(node) => nodes.push(node),
                None => break,
            }
        }
        let states: Vec<NodeState> = nodes.iter().map(|node| node.state).collect();
        Ok(RunView {
            id: first.id,
            project: first.spec.project.clone(),
            pipeline: node.map(|node| node.pipeline.clone()).unwrap_or_default(),
            revision: node.map_or(0, |node| node.revision),
            created_at: first.created_at,
            again_of: run.again.as_ref().map(|again| again.of),
            summary: summarize(&states),
            nodes,
        })
    }
}

fn node_view(job: &Job) -> NodeView {
    let status = &job.status;
    NodeView {
        name: job.spec.name.clone().unwrap_or_default(),
        state: NodeState::of(status),
        job: job.id,
        kept: false,
        attempts: status.attempt,
        reason: status.reason.clone(),
        started_at: status.started_at,
        finished_at: status.finished_at,
    }
}

/// Why nothing runs again, with the names of the nodes.
fn refusal<'a>(error: &RerunError, name: impl Fn(usize) -> &'a str) -> String {
    match error {
        RerunError::NotOver { node } => format!("the run is not over: node {:?} is not", name(*node)),
        RerunError::NothingFailed => "nothing failed or was cancelled; name the nodes that are to run again".to_owned(),
        RerunError::WouldBeSkipped { node, because } => {
            format!("node {:?} would be skipped: {}", name(*node), because.text(&format!("{:?}", name(because.node))))
        }
        RerunError::Unknown { .. } => error.to_string(),
    }
}
