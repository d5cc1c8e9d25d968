//! The work tree of a function whose job has files: it reads or writes some of its project, fetches or delivers some. Other
//! functions have none.

use std::path::PathBuf;

use super::Runtime;
use crate::executors::{AttemptName, JobFiles, StartError};
use crate::files::{WORK_TREE, create_work_tree, remove_tree};
use crate::job::{Job, Private};

/// The files of the job, where it is to have a work tree for them.
pub(super) fn files_of(runtime: &Runtime, job: &Job, private: &Private) -> Option<JobFiles> {
    let files = JobFiles::new(job, private, &runtime.layout, &runtime.files);
    (!files.is_empty() || !job.spec.deliveries.is_empty()).then_some(files)
}

/// Makes the work tree of an attempt and puts the files into it that the job reads.
pub(super) async fn make(runtime: &Runtime, job: &Job, files: &JobFiles) -> Result<PathBuf, StartError> {
    let work = runtime.layout.work(job.id, job.status.attempt);
    let made = create_work_tree(&work, &WORK_TREE);
    made.map_err(|error| StartError { message: format!("no work tree: {error}"), permanent: false })?;
    files.place(&work).await?;
    Ok(work)
}

/// Removes the tree of an attempt that is over, where it is not to be kept.
pub(super) async fn clear(runtime: &Runtime, AttemptName { job, attempt }: AttemptName, succeeded: bool) {
    if runtime.config.keep_work.keeps(succeeded) {
        return;
    }
    let tree = runtime.layout.of_attempt(job, attempt);
    let removed = tokio::task::spawn_blocking(move || remove_tree(&tree)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, %job, "the work tree of a function stays");
    }
}
