//! A platform whose panics are errors of the call that panicked: a loop that asks it goes on.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;

use super::{
    AttemptName, AttemptOrder, BoxFuture, ContactError, DefinitionPage, Journal, ObserveError, OwnedRuns, Platform,
    Run, Sighting, StartError, SubmitError,
};
use crate::error::{MOST_MESSAGE_BYTES, Problem, bounded};
use crate::files::AttemptLog;
use crate::job::{RunHandle, Task};

/// Runs the future and catches its panics, also one that comes while the future is made. What it said then.
pub(crate) async fn catch<'a, T>(make: impl FnOnce() -> BoxFuture<'a, T>) -> Result<T, String> {
    let mut future = catch_unwind(AssertUnwindSafe(make)).map_err(words)?;
    poll_fn(move |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(words(panic))),
    })
    .await
}

#[expect(clippy::needless_pass_by_value, reason = "a panic is handed over")]
fn words(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    bounded(text.unwrap_or_else(|| "no message".into()), MOST_MESSAGE_BYTES)
}

/// The platform behind it; no panic gets through.
pub(super) struct Guarded(pub(super) Arc<dyn Platform>);

fn told(words: &str) -> String {
    format!("the platform panicked: {words}")
}

/// Nothing is known to have gone wrong with the attempt.
fn contact(words: String) -> ContactError {
    ContactError { message: told(&words) }
}

fn refused(words: String) -> SubmitError {
    SubmitError::Refused(StartError { message: told(&words), permanent: false })
}

impl Platform for Guarded {
    fn check(&self) -> BoxFuture<'_, Result<(), ContactError>> {
        Box::pin(async { catch(|| self.0.check()).await.map_err(contact)? })
    }

    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Result<DefinitionPage, ContactError>> {
        Box::pin(async { catch(|| self.0.definitions(cursor)).await.map_err(contact)? })
    }

    fn validate<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), Vec<Problem>>> {
        Box::pin(async move {
            let problem = |words: String| {
                vec![Problem { field: "executor".into(), problem: told(&words), allowed: "one that answers".into() }]
            };
            catch(|| self.0.validate(task)).await.map_err(problem)?
        })
    }

    fn submit<'a>(
        &'a self,
        order: &'a AttemptOrder,
        journal: Arc<dyn Journal>,
    ) -> BoxFuture<'a, Result<RunHandle, SubmitError>> {
        Box::pin(async move { catch(|| self.0.submit(order, journal)).await.map_err(refused)? })
    }

    fn observe<'a>(&'a self, runs: &'a [Run]) -> BoxFuture<'a, Result<Vec<Sighting>, ObserveError>> {
        Box::pin(async move {
            let error = |words: String| ObserveError { message: told(&words), may_be_one: true };
            catch(|| self.0.observe(runs)).await.map_err(error)?
        })
    }

    fn follow<'a>(
        &'a self,
        run: &'a Run,
        log: &'a Arc<AttemptLog>,
        wait_ms: u64,
    ) -> BoxFuture<'a, Result<bool, ContactError>> {
        Box::pin(async move { catch(|| self.0.follow(run, log, wait_ms)).await.map_err(contact)? })
    }

    fn stop<'a>(&'a self, run: &'a Run, grace_ms: u64) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async move { catch(|| self.0.stop(run, grace_ms)).await.map_err(contact)? })
    }

    fn collect<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), SubmitError>> {
        Box::pin(async move { catch(|| self.0.collect(run)).await.map_err(refused)? })
    }

    fn work(&self, attempt: AttemptName) -> Option<PathBuf> {
        catch_unwind(AssertUnwindSafe(|| self.0.work(attempt))).unwrap_or_default()
    }

    fn remove<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move { catch(|| self.0.remove(run, succeeded)).await.map_err(contact)? })
    }

    fn remove_orphan<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move { catch(|| self.0.remove_orphan(run)).await.map_err(contact)? })
    }

    fn remove_left<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move { catch(|| self.0.remove_left(run, succeeded)).await.map_err(contact)? })
    }

    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Result<OwnedRuns, ContactError>> {
        Box::pin(async { catch(|| self.0.owned(cursor)).await.map_err(contact)? })
    }
}
