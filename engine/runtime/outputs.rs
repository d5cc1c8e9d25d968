//! Output records: what jobs leave is held against the schema of its type before it is stored.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, oneshot};

use super::{Runtime, lock};
use crate::error::{Error, MOST_MESSAGE_BYTES, Problem, bounded};
use crate::files::{output_files, output_type_of, read_output_file};
use crate::job::output::{CHECK_STACK_BYTES, NewOutput, OutputSchema, OutputType, Violation, parse_value};
use crate::job::validate::shown;
use crate::job::{Job, JobFact, OutputLimits};
use crate::store::{DocumentKind, DocumentName, decode_output_type};

/// Bytes of the name of a file that are told.
const MOST_NAME_BYTES: usize = 256;

/// Schemas that are ready, and how many checks may be under way.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// By the project and the name of a type: its latest revision that was asked for.
    schemas: Mutex<HashMap<(String, String), Ready>>,
    places: Semaphore,
}

/// The schema of a revision; `None`: it has none.
type Ready = (u32, Option<Arc<OutputSchema>>);

impl Default for Outputs {
    fn default() -> Self {
        let places = std::thread::available_parallelism().map_or(1, usize::from);
        Outputs { schemas: Mutex::default(), places: Semaphore::new(places) }
    }
}

/// The files of an attempt, as records and as refusals.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) outputs: Vec<NewOutput>,
    pub(super) refused: Vec<JobFact>,
}

impl Runtime {
    /// Holds a value against a type of the project, or against none: what may be stored.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the type, [`Error::Invalid`] with every violation, [`Error::Storage`].
    pub(crate) async fn accepted(
        self: &Arc<Self>,
        project: &str,
        of: Option<&str>,
        json: Vec<u8>,
    ) -> Result<NewOutput, Error> {
        let (runtime, project, of) = (self.clone(), project.to_owned(), of.map(str::to_owned));
        self.on_a_deep_stack(move || runtime.accept(&project, of.as_deref(), &json)).await?
    }

    /// Finds out whether these types have schemas that can be used.
    pub(crate) async fn schema_problems(self: &Arc<Self>, types: Vec<OutputType>) -> Result<Vec<Problem>, Error> {
        let limits = self.config.output_limits.clone();
        let problem = move |of: &OutputType| {
            let problem = OutputSchema::new(of.schema.as_ref()?, &limits).err()?;
            Some(Problem { field: format!("{}.{}", shown(&of.name), problem.field), ..problem })
        };
        self.on_a_deep_stack(move || types.iter().filter_map(problem).collect()).await
    }

    /// Takes the files of an attempt that become output records. What is wrong with one is no reason to leave out another.
    pub(super) async fn collect_outputs(self: &Arc<Self>, job: &Job, work: &Path) -> Result<Collected, Error> {
        let found = output_files(work).map_err(|error| Error::io("the output", &error))?;
        if found.is_empty() {
            return Ok(Collected::default());
        }
        let (runtime, project, work) = (self.clone(), job.spec.project.clone(), work.to_owned());
        self.on_a_deep_stack(move || runtime.collect(&project, &work, found)).await?
    }

    /// Wants a large stack.
    fn collect(&self, project: &str, work: &Path, found: Vec<OsString>) -> Result<Collected, Error> {
        let limits = &self.config.output_limits;
        let (mut collected, mut bytes) = (Collected::default(), 0);
        for (at, name) in found.iter().enumerate() {
            let file = bounded(name.to_string_lossy().into_owned(), MOST_NAME_BYTES);
            if at >= limits.records as usize {
                let why = format!("it is one of {} files; allowed: at most {}", found.len(), limits.records);
                collected.refused.push(JobFact::OutputRefused { file: format!("{file} and all after it"), why });
                break;
            }
            let read = match self.collect_one(project, work, name)? {
                Ok(output) if bytes + output.value.len() > limits.together_bytes => {
                    Err(format!("the records have more bytes together; allowed: at most {}", limits.together_bytes))
                }
                read => read,
            };
            match read {
                Ok(output) => {
                    bytes += output.value.len();
                    collected.outputs.push(output);
                }
                Err(why) => {
                    let why = bounded(why, MOST_MESSAGE_BYTES);
                    collected.refused.push(JobFact::OutputRefused { file, why });
                }
            }
        }
        Ok(collected)
    }

    /// One file, or why it is no record. An error is one of the store.
    fn collect_one(&self, project: &str, work: &Path, name: &OsString) -> Result<Result<NewOutput, String>, Error> {
        let read = match read_output_file(work, name, self.config.output_limits.record_bytes) {
            Ok(read) => read,
            Err(error) => return Ok(Err(format!("cannot be read: {error}"))),
        };
        let Some(json) = read else { return Ok(Err("is no file; allowed: a file, not a link".to_owned())) };
        let name = name.to_string_lossy();
        match self.accept(project, output_type_of(&name), &json) {
            Ok(output) => Ok(Ok(NewOutput { from: bounded(name.into_owned(), MOST_NAME_BYTES), ..output })),
            Err(error @ (Error::Invalid(_) | Error::Unknown { .. })) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Wants a large stack.
    fn accept(&self, project: &str, of: Option<&str>, json: &[u8]) -> Result<NewOutput, Error> {
        let limits = &self.config.output_limits;
        let value = parse_value(json, limits).map_err(|why| told("value", why))?;
        let Some(name) = of else { return kept(&value, None, limits) };
        let (revision, schema) = self.ready(project, name)?;
        if let Some(Err(violations)) = schema.map(|schema| schema.check(&value, limits)) {
            return Err(Error::Invalid(violations.into_iter().map(|it| violated(it, name, revision)).collect()));
        }
        kept(&value, Some((name.to_owned(), revision)), limits)
    }

    /// The schema of the latest revision of a type, made ready once.
    fn ready(&self, project: &str, name: &str) -> Result<Ready, Error> {
        let document = self.store.document(&DocumentName::new(DocumentKind::OutputType, project, name), None)?;
        let unknown = || Error::Unknown { what: "output type", name: bounded(name.to_owned(), MOST_NAME_BYTES) };
        let document = document.ok_or_else(unknown)?;
        let key = (project.to_owned(), name.to_owned());
        if let Some((revision, schema)) = lock(&self.outputs.schemas).get(&key)
            && *revision == document.revision
        {
            return Ok((*revision, schema.clone()));
        }
        let limits = &self.config.output_limits;
        let schema = decode_output_type(&document.body)?;
        let schema = schema.map(|schema| OutputSchema::new(&schema, limits)).transpose();
        // It was accepted under other limits.
        let schema = schema.map_err(|problem| Error::Invalid(vec![problem]))?.map(Arc::new);
        let mut schemas = lock(&self.outputs.schemas);
        if schemas.len() >= limits.compiled {
            schemas.clear();
        }
        schemas.insert(key, (document.revision, schema.clone()));
        Ok((document.revision, schema))
    }

    /// Schemas and values lead deeper than a thread that runs tasks goes.
    async fn on_a_deep_stack<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let _place = self.outputs.places.acquire().await.map_err(|_| Error::Closed)?;
        let (answer, waits) = oneshot::channel();
        let thread = std::thread::Builder::new().name("windlass-outputs".into()).stack_size(CHECK_STACK_BYTES);
        let spawned = thread.spawn(move || drop(answer.send(work())));
        spawned.map_err(|error| Error::io("a thread for output records", &error))?;
        waits.await.map_err(|_| Error::Storage("a thread for output records has ended".into()))
    }
}

fn kept(value: &serde_json::Value, of: Option<(String, u32)>, limits: &OutputLimits) -> Result<NewOutput, Error> {
    let value = serde_json::to_vec(value).map_err(|error| told("value", error.to_string()))?;
    if value.len() > limits.record_bytes {
        return Err(told("value", format!("has {} bytes; allowed: at most {}", value.len(), limits.record_bytes)));
    }
    Ok(NewOutput { from: String::new(), of, value })
}

/// A text that says what is wrong and what is allowed.
fn told(field: &str, text: String) -> Error {
    let (problem, allowed) = text.split_once("; allowed: ").unwrap_or((&text, "JSON"));
    Error::invalid(field, problem, allowed)
}

fn violated(Violation { path, message }: Violation, name: &str, revision: u32) -> Problem {
    let allowed = format!("what the schema of output type \"{name}\" says, revision {revision}");
    Problem { field: format!("value{path}"), problem: message, allowed }
}
