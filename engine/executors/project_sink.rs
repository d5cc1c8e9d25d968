//! The sink `project`: files of the project of the job. Unlike what a job writes, files come to those that are there, and
//! the log may be one of them.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{BoxFuture, Delivered, DeliveryOrder, Sink, TransferError};
use crate::error::Problem;
use crate::files::{
    FileError, Layout, Opened, ProjectFiles, Staged, create_file_beneath, create_work_tree, files_beneath,
    open_beneath, remove_tree,
};
use crate::job::RunHandle;
use crate::job::file_path::{MOST_PATH_BYTES, file_path_allowed, is_file_path};

/// What a user tells it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The folder; empty for the project itself.
    #[serde(default)]
    folder: String,
}

/// Puts files into the project of the job.
pub(crate) struct ProjectSink {
    files: ProjectFiles,
    layout: Layout,
}

impl ProjectSink {
    pub(crate) fn new(files: ProjectFiles, layout: Layout) -> Self {
        ProjectSink { files, layout }
    }

    /// Where a delivery waits; each has a place of its own beside the work tree, which goes with that.
    fn place(&self, begun: &RunHandle, order: &DeliveryOrder) -> PathBuf {
        let name = String::from_utf8_lossy(&begun.0).into_owned();
        self.layout.of_attempt(order.attempt.job, order.attempt.attempt).join(name)
    }
}

fn read(options: &str) -> Result<Options, Problem> {
    let allowed = "an object with `folder`, a text, which may be left out";
    let problem = |problem: String, field: &str, allowed: String| Problem { field: field.to_owned(), problem, allowed };
    let options: Options =
        serde_json::from_str(options).map_err(|error| problem(error.to_string(), "with", allowed.to_owned()))?;
    let folder = &options.folder;
    if folder.is_empty() || is_file_path(folder, MOST_PATH_BYTES) {
        return Ok(options);
    }
    Err(problem(format!("{folder:?} is no path"), "with.folder", file_path_allowed(MOST_PATH_BYTES)))
}

fn told(problem: &Problem) -> TransferError {
    TransferError::permanent(problem.to_string())
}

fn of_io(error: io::Error) -> TransferError {
    TransferError::passing(error.to_string())
}

fn of_file(error: FileError) -> TransferError {
    let permanent = !matches!(error, FileError::Io { .. } | FileError::Closed);
    TransferError { message: error.to_string(), permanent, after_ms: None }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TransferError> + Send + 'static,
) -> Result<T, TransferError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(TransferError::passing(error.to_string())))
}

impl Sink for ProjectSink {
    fn validate<'a>(&'a self, options: &'a str) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move { read(options).map(drop).map_err(|problem| vec![problem]) })
    }

    fn begin<'a>(&'a self, order: &'a DeliveryOrder) -> BoxFuture<'a, Result<RunHandle, TransferError>> {
        Box::pin(async move {
            let begun = RunHandle(format!("to-project-{}", order.position).into_bytes());
            let place = self.place(&begun, order);
            // What an earlier life has put there may be of another work tree.
            blocking(move || remove_tree(&place).and_then(|()| create_work_tree(&place, &[])).map_err(of_io)).await?;
            Ok(begun)
        })
    }

    fn put<'a>(
        &'a self,
        order: &'a DeliveryOrder,
        begun: &'a RunHandle,
        path: &'a str,
        name: &'a str,
        work: &'a Path,
    ) -> BoxFuture<'a, Result<RunHandle, TransferError>> {
        Box::pin(async move {
            let Options { folder } = read(&order.options).map_err(|problem| told(&problem))?;
            let target = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let (place, from, work) = (self.place(begun, order), path.to_owned(), work.to_owned());
            blocking(move || {
                let Some(Opened::File(mut file)) = open_beneath(&work, Path::new(&from)).map_err(of_io)? else {
                    return Err(TransferError::passing("it is no file"));
                };
                let mut copy = create_file_beneath(&place, &target).map_err(of_io)?;
                io::copy(&mut file, &mut copy).map(drop).map_err(of_io)
            })
            .await?;
            Ok(begun.clone())
        })
    }

    fn commit<'a>(
        &'a self,
        order: &'a DeliveryOrder,
        begun: &'a RunHandle,
    ) -> BoxFuture<'a, Result<Vec<Delivered>, TransferError>> {
        Box::pin(async move {
            let (files, project, place) = (self.files.clone(), order.project.clone(), self.place(begun, order));
            blocking(move || {
                let parent = place.parent().unwrap_or(&place).to_owned();
                let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let found = files_beneath(&parent, &name, usize::MAX, u64::MAX).map_err(of_io)?;
                let paths: Vec<String> = found.into_iter().map(|(_, name)| name).collect();
                files.stage(&project, &paths, &place).and_then(Staged::publish).map_err(of_file)?;
                remove_tree(&place).map_err(of_io)?;
                let delivered = paths.into_iter().map(|path| {
                    let bytes = files.stat(&project, &path).map_err(of_file)?.bytes;
                    Ok(Delivered { location: path, bytes, version: None })
                });
                delivered.collect()
            })
            .await
        })
    }

    fn abort<'a>(&'a self, order: &'a DeliveryOrder, begun: &'a RunHandle) -> BoxFuture<'a, Result<(), TransferError>> {
        Box::pin(async move {
            let place = self.place(begun, order);
            blocking(move || remove_tree(&place).map_err(of_io)).await
        })
    }
}
