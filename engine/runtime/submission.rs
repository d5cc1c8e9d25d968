//! What comes before a job is stored: it is checked, it gets its number, and a large input goes to a file.

use std::collections::HashSet;
use std::sync::Arc;

use super::Runtime;
use crate::error::{Error, Problem};
use crate::files::{pack_inputs, write_payload};
use crate::job::items::item_spec;
use crate::job::validate::{check_submission, field_of, shown};
use crate::job::{Before, Fetch, FunctionTask, Item, Job, JobId, JobSpec, Task};
use crate::store::{NewJob, inputs_lie_beside};

impl Runtime {
    /// Checks jobs that are to be accepted together and makes them ready to be stored. Those of a chain know it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake, [`Error::Full`], [`Error::Storage`].
    pub(crate) async fn prepare(&self, mut specs: Vec<JobSpec>, chained: bool) -> Result<Vec<NewJob>, Error> {
        let edges = check_submission(&specs, &self.config.job_limits).map_err(Error::Invalid);
        let edges = edges.map_err(|error| of_nodes(error, &specs))?;
        self.check_runnable(&specs).await.map_err(|error| of_nodes(error, &specs))?;
        let items = items_given_with(&mut specs)?;
        let count = specs.len() + items.len();
        let (first, created_at) = self.store.reserve(count as u64, self.clock.now())?;
        let new_id = |seq| JobId::new(seq, created_at, self.entropy.next_u64() as u32);
        let mut jobs = Vec::with_capacity(count);
        let mut chain = None;
        // Items come with one job only, which is the first.
        let first_id = new_id(first);
        let parent = specs.first().filter(|_| !items.is_empty()).cloned();
        let of_items = items.into_iter().filter_map(|item| Some(item_spec(parent.as_ref()?, first_id, item)));
        let specs = specs.into_iter().chain(of_items).zip(edges.into_iter().chain(std::iter::repeat(Vec::new())));
        for (seq, (mut spec, before)) in (first..).zip(specs) {
            let id = if seq == first { first_id } else { new_id(seq) };
            if chained {
                chain.get_or_insert(id);
            }
            let large_input = match self.move_inputs(id, &mut spec)? {
                Some(inputs) => Some(inputs),
                None => self.move_large_input(id, &mut spec)?,
            };
            let after = match &spec.item {
                Some(item) => vec![Before { seq: item.job.seq(), on: None }],
                None => before.into_iter().map(|(position, on)| Before { seq: first + position as u64, on }).collect(),
            };
            let job = Job::accept(id, chain, Arc::new(spec), after, created_at);
            jobs.push(NewJob { job, large_input });
        }
        Ok(jobs)
    }

    /// Input files that are too large for the store go into one file beside it, on disk before the job is.
    fn move_inputs(&self, id: JobId, spec: &mut JobSpec) -> Result<Option<Vec<u8>>, Error> {
        let bytes: usize = spec.inputs.iter().map(|input| input.content.len()).sum();
        if bytes <= self.config.inline_payload_bytes || !inputs_lie_beside(spec) {
            return Ok(None);
        }
        let (path, packed) = (self.layout.input(id.seq()), pack_inputs(&spec.inputs));
        write_payload(&path, &packed).map_err(|error| Error::io(path.display(), &error))?;
        spec.inputs.iter_mut().for_each(|input| input.content = Vec::new());
        Ok(Some(packed))
    }

    /// An input that is too large for the store goes into a file beside it, on disk before the job is.
    fn move_large_input(&self, id: JobId, spec: &mut JobSpec) -> Result<Option<Vec<u8>>, Error> {
        let input = match &mut spec.task {
            Task::Function(FunctionTask { input, .. }) if input.len() > self.config.inline_payload_bytes => input,
            _ => return Ok(None),
        };
        let path = self.layout.input(id.seq());
        write_payload(&path, input).map_err(|error| Error::io(path.display(), &error))?;
        Ok(Some(std::mem::take(input)))
    }

    /// Removes what lies beside the store of jobs that were not stored. What stays here is removed at the next start.
    pub(crate) fn discard_inputs(&self, ids: impl IntoIterator<Item = JobId>) {
        for id in ids {
            let _ = std::fs::remove_file(self.layout.input(id.seq()));
        }
    }

    /// Refuses what no executor here can run, and keys that are given twice.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every mistake.
    pub(crate) async fn check_runnable(&self, specs: &[JobSpec]) -> Result<(), Error> {
        let mut problems = Vec::new();
        let (mut keys, mut configs) = (HashSet::new(), HashSet::new());
        for (position, spec) in specs.iter().enumerate() {
            let position = (specs.len() > 1).then_some(position);
            let field = |name: &str| field_of(position, name);
            if let Some(key) = &spec.idempotency_key
                && !keys.insert((&spec.project, key))
            {
                let problem = format!("{key:?} is given to two jobs");
                let allowed = "a key of its own for each job of a project".into();
                problems.push(Problem { field: field("idempotency_key"), problem, allowed });
            }
            // What was asked about when the job with items was accepted.
            if spec.item.is_some() {
                continue;
            }
            // What a revision of a config runs is asked about once, however many nodes of a pipeline run it.
            let config = spec.config.as_deref().zip(spec.config_revision);
            if config.is_some_and(|config| !configs.insert((&spec.project, config))) {
                continue;
            }
            let mut found = self.task_problems(&spec.task).await;
            found.extend(self.transfer_problems(spec).await);
            problems.extend(found.into_iter().map(|problem| Problem { field: field(&problem.field), ..problem }));
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Invalid(problems)) }
    }

    async fn transfer_problems(&self, spec: &JobSpec) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.fetch_problems("fetch", &spec.fetches, &mut problems).await;
        if let Some(items) = &spec.items {
            self.fetch_problems("items.listed", &items.listed, &mut problems).await;
            self.fetch_problems("items.rows", &items.rows, &mut problems).await;
            for (position, item) in items.given.iter().enumerate() {
                self.fetch_problems(&format!("items[{position}].fetch"), &item.fetches, &mut problems).await;
            }
        }
        for (position, delivery) in spec.deliveries.iter().enumerate() {
            let found = self.transfers.delivery_problems(&delivery.to, &delivery.told.options).await;
            problems.extend(found.into_iter().map(|it| within("deliver", position, it)));
        }
        problems
    }

    async fn fetch_problems(&self, list: &str, fetches: &[Fetch], problems: &mut Vec<Problem>) {
        for (position, fetch) in fetches.iter().enumerate() {
            let found = self.transfers.fetch_problems(&fetch.from, &fetch.told.options).await;
            problems.extend(found.into_iter().map(|it| within(list, position, it)));
        }
    }

    async fn task_problems(&self, task: &Task) -> Vec<Problem> {
        if let Task::Function(task) = task {
            if self.functions.get(&task.name).is_some() {
                return Vec::new();
            }
            let names = self.functions.names();
            let allowed = if names.is_empty() { "none is registered".into() } else { names.join(", ") };
            let problem = format!("no function is registered as {:?}", task.name);
            return vec![Problem { field: "function".into(), problem, allowed }];
        }
        match self.executors.get(task.executor()) {
            Some(executor) => executor.validate(task).await.err().unwrap_or_default(),
            None => {
                let names: Vec<String> = self.executors.all().into_iter().map(|(name, _)| name).collect();
                let allowed = if names.is_empty() { "none is enabled".into() } else { names.join(", ") };
                let problem = format!("the executor {:?} is not enabled here", task.executor());
                vec![Problem { field: "executor".into(), problem, allowed }]
            }
        }
    }
}

fn within(list: &str, position: usize, problem: Problem) -> Problem {
    Problem { field: format!("{list}[{position}].{}", problem.field), ..problem }
}

/// Takes the items out of a submission of one job.
fn items_given_with(specs: &mut [JobSpec]) -> Result<Vec<Item>, Error> {
    let is_single = specs.len() == 1;
    let mut all = Vec::new();
    for items in specs.iter_mut().filter_map(|spec| spec.items.as_mut()).filter(|items| !items.given.is_empty()) {
        if !is_single {
            return Err(Error::invalid("items", "they are given with one of several jobs", "one job with its items"));
        }
        all = std::mem::take(&mut items.given);
        items.count = all.len() as u32;
    }
    Ok(all)
}

/// The same mistakes, told of the nodes of a pipeline where it is these that the jobs are made of.
fn of_nodes(error: Error, specs: &[JobSpec]) -> Error {
    let is_run = specs.iter().all(|spec| spec.node.is_some());
    let problems = match error {
        Error::Invalid(problems) if is_run => problems,
        other => return other,
    };
    let named = problems.into_iter().map(|problem| {
        let numbered = problem.field.strip_prefix("jobs[").and_then(|rest| rest.split_once("]."));
        let (at, field) = match numbered {
            Some((at, field)) => (at.parse().unwrap_or(usize::MAX), field),
            None => (0, problem.field.as_str()),
        };
        let name = specs.get(at).and_then(|spec| spec.name.as_deref());
        let field = name.map_or_else(|| problem.field.clone(), |name| format!("processNodes.{}.{field}", shown(name)));
        Problem { field, ..problem }
    });
    Error::Invalid(named.collect())
}
