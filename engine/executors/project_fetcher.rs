//! The fetcher `project`: files of the project of the job, with all that is beneath a folder and without excluded names.

use std::path::Path;

use serde::Deserialize;

use super::{BoxFuture, FetchItem, FetchOrder, FetchPage, Fetched, Fetcher, TransferError};
use crate::error::Problem;
use crate::files::{FileError, ProjectFiles};
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, is_file_path};

/// What it is called.
pub(crate) const PROJECT: &str = "project";

/// Files of one page.
const PAGE: usize = 500;
/// Names that one fetch may leave out.
const MOST_EXCLUDED: usize = 1_000;

/// What a user tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The folder; empty for all files of the project.
    #[serde(default)]
    folder: String,
    /// Files that are left out: a name, wherever it is, or a path within the folder.
    #[serde(default)]
    exclude: Vec<String>,
}

impl Options {
    fn prefix(&self) -> String {
        if self.folder.is_empty() { String::new() } else { format!("{}/", self.folder) }
    }

    fn takes(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        !self.exclude.iter().any(|excluded| excluded == name || excluded == path)
    }
}

/// Brings in files of the project of the job.
pub(crate) struct ProjectFetcher {
    files: ProjectFiles,
}

impl ProjectFetcher {
    pub(crate) fn new(files: ProjectFiles) -> Self {
        ProjectFetcher { files }
    }
}

fn read(options: &str) -> Result<Options, Problem> {
    let allowed = "an object with `folder`, a text, and `exclude`, a list of names and paths; both may be left out";
    serde_json::from_str(options).map_err(|error| Problem {
        field: "with".to_owned(),
        problem: error.to_string(),
        allowed: allowed.to_owned(),
    })
}

fn problems(options: &str) -> Vec<Problem> {
    let options = match read(options) {
        Ok(options) => options,
        Err(problem) => return vec![problem],
    };
    let mut problems = Vec::new();
    let mut require = |holds: bool, field: &str, problem: String, allowed: String| {
        if !holds {
            problems.push(Problem { field: field.to_owned(), problem, allowed });
        }
    };
    let folder = &options.folder;
    let good = folder.is_empty() || is_file_path(folder, MOST_PATH_BYTES);
    require(good, "with.folder", format!("{folder:?} is no path"), file_path_allowed(MOST_PATH_BYTES));
    let count = options.exclude.len();
    let most = format!("at most {MOST_EXCLUDED} names");
    require(count <= MOST_EXCLUDED, "with.exclude", format!("there are {count}"), most);
    problems
}

impl Fetcher for ProjectFetcher {
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        let problems = problems(options);
        Box::pin(async move { if problems.is_empty() { Ok(()) } else { Err(problems) } })
    }

    fn items<'a>(
        &'a self,
        order: &'a FetchOrder,
        cursor: Option<&'a str>,
    ) -> BoxFuture<'a, Result<FetchPage, TransferError>> {
        Box::pin(async move {
            let options = read(&order.options).map_err(|problem| TransferError::permanent(problem.to_string()))?;
            let prefix = options.prefix();
            let (files, project) = (self.files.clone(), order.project.clone());
            let (within, after) = (prefix.clone(), cursor.unwrap_or_default().to_owned());
            let page = blocking(move || files.list(&project, &within, &after, PAGE)).await?;
            let items = page.files.into_iter().filter_map(|file| {
                let name = file.path.strip_prefix(&prefix)?.to_owned();
                let reference = file.path.clone().into_bytes();
                let taken = !file.is_folder && options.takes(&name);
                taken.then_some(FetchItem { name, size: Some(file.bytes), version: None, reference })
            });
            Ok(FetchPage { items: items.collect(), next: page.next })
        })
    }

    fn fetch<'a>(
        &'a self,
        order: &'a FetchOrder,
        item: &'a FetchItem,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<Fetched, TransferError>> {
        Box::pin(async move {
            let path = String::from_utf8_lossy(&item.reference).into_owned();
            let (files, project) = (self.files.clone(), order.project.clone());
            let (to, name) = (work.join(&order.destination), item.name.clone());
            let bytes = blocking(move || files.place_as(&project, &path, &to, &name)).await?;
            Ok(Fetched { path: item.name.clone(), bytes, version: None })
        })
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, TransferError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| TransferError {
            message: error.to_string(),
            permanent: !matches!(error, FileError::Io { .. }),
            after_ms: None,
        }),
        Err(error) => Err(TransferError::passing(error.to_string())),
    }
}
