//! What sinks take out after a success: all files are staged, and appear together when the attempt still counts.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Runtime;
use super::transfer::{Masked, keys_of, tried};
use crate::executors::{AttemptName, DeliveryOrder, Sink, TransferError};
use crate::files::{create_file_beneath, create_work_tree, files_beneath, read_log};
use crate::job::{Delivery, Job, JobEvent, JobFact, Private, RunHandle};

/// What the log of an attempt is called where it is delivered.
const LOG: &str = "log.txt";

/// Bytes of a log that are in memory at once.
const LOG_PAGE: usize = 1 << 20;

/// Files that sinks have staged for an attempt.
pub(super) struct Staged {
    begun: Vec<Begun>,
    masked: Masked,
}

/// One delivery under way.
struct Begun {
    to: String,
    sink: Arc<dyn Sink>,
    order: DeliveryOrder,
    handle: RunHandle,
}

/// A file that is delivered: the tree that it is in, and where.
struct Outgoing {
    tree: PathBuf,
    path: String,
}

/// Has sinks stage what the job delivers. What was staged before an error is removed.
///
/// # Errors
/// Something is not there, is a link, is more than the limits allow, or the sink refuses it. No secret is in the message.
pub(super) async fn stage(
    runtime: &Arc<Runtime>,
    job: &Job,
    private: &Private,
    work: &Path,
) -> Result<Staged, TransferError> {
    let mut staged = Staged { begun: Vec::new(), masked: Masked::of(private) };
    for (position, delivery) in job.spec.deliveries.iter().enumerate() {
        let told = private.transfers.get(job.spec.fetches.len() + position).cloned().unwrap_or_default();
        let attempt = AttemptName { job: job.id, attempt: job.status.attempt };
        let (project, keys) = (job.spec.project.clone(), keys_of(private, &told));
        let order = DeliveryOrder { attempt, position, project, keys, options: told.options };
        if let Err(error) = staged.one(runtime, job, delivery, order, work).await {
            let message = format!("deliver[{position}] to {}: {}", delivery.to, staged.masked.show(&error.message));
            staged.abort(runtime).await;
            return Err(TransferError { message, ..error });
        }
    }
    Ok(staged)
}

impl Staged {
    async fn one(
        &mut self,
        runtime: &Arc<Runtime>,
        job: &Job,
        delivery: &Delivery,
        order: DeliveryOrder,
        work: &Path,
    ) -> Result<(), TransferError> {
        let outgoing = outgoing(runtime, job, delivery, work).await?;
        let unknown = || TransferError::passing(format!("the sink {:?} is not enabled here", delivery.to));
        let sink = runtime.transfers.sink(&delivery.to).ok_or_else(unknown)?;
        let handle = tried(runtime, || sink.begin(&order)).await?;
        self.begun.push(Begun { to: delivery.to.clone(), sink, order, handle });
        let Some(begun) = self.begun.last_mut() else { return Ok(()) };
        let all = outgoing.len();
        for (sent, (name, file)) in outgoing.into_iter().enumerate() {
            let (sink, order) = (begun.sink.clone(), begun.order.clone());
            let handle = &begun.handle;
            let put = tried(runtime, || sink.put(&order, handle, &file.path, &name, &file.tree)).await;
            begun.handle = put.map_err(|error| TransferError { message: format!("{name:?}: {error}"), ..error })?;
            tell(runtime, job, sent + 1, all);
        }
        Ok(())
    }

    /// Has everything appear: delivery after delivery, each at once.
    ///
    /// # Errors
    /// What a sink says; those before it have appeared.
    pub(super) async fn commit(&mut self, runtime: &Runtime) -> Result<(), TransferError> {
        for begun in &self.begun {
            let committed = tried(runtime, || begun.sink.commit(&begun.order, &begun.handle)).await;
            committed.map_err(|error| {
                let message = format!("the delivery to {}: {}", begun.to, self.masked.show(&error.message));
                TransferError { message, ..error }
            })?;
        }
        self.begun.clear();
        Ok(())
    }

    /// Removes what was staged. A sink that cannot be reached keeps it until its own rules remove it.
    pub(super) async fn abort(&mut self, runtime: &Runtime) {
        for begun in std::mem::take(&mut self.begun) {
            if let Err(error) = tried(runtime, || begun.sink.abort(&begun.order, &begun.handle)).await {
                let (error, job) = (self.masked.show(&error.message), begun.order.attempt.job);
                tracing::warn!(error, %job, sink = begun.to, "what was staged for a delivery stays");
            }
        }
    }
}

fn tell(runtime: &Runtime, job: &Job, sent: usize, all: usize) {
    let message = format!("delivered {sent} of {all} files");
    let fact = JobFact::Progress { percent: 100, message };
    runtime.hub.publish([JobEvent { id: job.id, at: runtime.clock.now(), fact }]);
}

/// The files of a delivery by the names that they get.
async fn outgoing(
    runtime: &Runtime,
    job: &Job,
    delivery: &Delivery,
    work: &Path,
) -> Result<BTreeMap<String, Outgoing>, TransferError> {
    let limits = runtime.config.transfers;
    let (tree, from) = (work.to_owned(), delivery.from.clone());
    let log = delivery.log.then(|| (runtime.layout.log(job.id, job.status.attempt), log_tree(runtime, job)));
    let collected = tokio::task::spawn_blocking(move || {
        let found =
            files_beneath(&tree, &from, limits.items, limits.bytes).map_err(|error| not_there(&from, &error))?;
        let outgoing = |(path, name)| (name, Outgoing { tree: tree.clone(), path });
        let mut files: BTreeMap<String, Outgoing> = found.into_iter().map(outgoing).collect();
        if let Some((log, tree)) = log {
            write_log(&log, &tree).map_err(|error| TransferError::passing(format!("the log: {error}")))?;
            let file = Outgoing { tree, path: LOG.to_owned() };
            if files.insert(LOG.to_owned(), file).is_some() {
                let message = format!("{LOG:?} is a file of the job and the name of its log");
                return Err(TransferError::permanent(message));
            }
        }
        Ok(files)
    });
    collected.await.map_err(|error| TransferError::passing(error.to_string()))?
}

fn not_there(from: &str, error: &io::Error) -> TransferError {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let allowed = "a file or folder that the job leaves there when it succeeds";
            TransferError::passing(format!("{from:?} is not in the work tree; allowed: {allowed}"))
        }
        _ => TransferError::passing(format!("{from:?}: {error}")),
    }
}

fn log_tree(runtime: &Runtime, job: &Job) -> PathBuf {
    runtime.layout.of_attempt(job.id, job.status.attempt).join("log")
}

/// Writes the text of a log, of all its streams in their order, into a tree of its own.
fn write_log(log: &Path, tree: &Path) -> io::Result<()> {
    create_work_tree(tree, &[])?;
    let mut file = io::BufWriter::new(create_file_beneath(tree, LOG)?);
    if !log.exists() {
        return file.flush();
    }
    let mut offset = 0;
    loop {
        let page = read_log(log, offset, LOG_PAGE)?;
        if page.dropped_bytes > 0 {
            writeln!(file, "[{} bytes are not kept]", page.dropped_bytes)?;
        }
        for chunk in &page.chunks {
            file.write_all(&chunk.bytes)?;
        }
        if page.chunks.is_empty() {
            return file.flush();
        }
        offset = page.next_offset;
    }
}
