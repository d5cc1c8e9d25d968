//! A platform that behaves badly: it hangs, panics, forgets answers and gives handles away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use windlass::executors::{
    AttemptName, AttemptOrder, BoxFuture, ContactError, DefinitionPage, Journal, ObserveError, OwnedRuns, Platform,
    Run, Sighting, SubmitError,
};
use windlass::files::AttemptLog;
use windlass::job::{RunHandle, Task};
use windlass::testing::FakeExecutor;

/// A platform that does as it is told by its switches.
#[derive(Clone, Default)]
pub(crate) struct Odd {
    pub(crate) fake: FakeExecutor,
    pub(crate) switches: Arc<Switches>,
}

#[derive(Default)]
pub(crate) struct Switches {
    /// Calls of these names do not answer, unless they are told to.
    pub(crate) hangs: Mutex<Vec<&'static str>>,
    pub(crate) answers_late: Notify,
    /// Calls of these names panic.
    pub(crate) panics: Mutex<Vec<&'static str>>,
    /// Observing gives one handle, stopping another.
    pub(crate) gives_handles: AtomicBool,
    /// Submitting hangs when it has made a checkpoint.
    pub(crate) stays_after_checkpoint: AtomicBool,
    /// Submitting does it and loses the answer.
    pub(crate) loses_submissions: AtomicBool,
    /// Observing forgets the last answer.
    pub(crate) forgets_one: AtomicBool,
    pub(crate) questions: AtomicUsize,
    pub(crate) stopped_with: Mutex<Vec<Option<RunHandle>>>,
    pub(crate) removed: Mutex<Vec<AttemptName>>,
}

pub(crate) fn handle(text: &str) -> RunHandle {
    RunHandle(text.as_bytes().to_vec())
}

impl Odd {
    pub(crate) fn hang(&self, calls: &[&'static str]) {
        *self.switches.hangs.lock().unwrap() = calls.to_vec();
    }

    async fn answers(&self, call: &str) {
        if self.switches.panics.lock().unwrap().contains(&call) {
            panic!("in {call} with hunter22");
        }
        let hangs = self.switches.hangs.lock().unwrap().contains(&call);
        if hangs {
            self.switches.answers_late.notified().await;
        }
    }

    fn is(&self, switch: impl Fn(&Switches) -> &AtomicBool) -> bool {
        switch(&self.switches).load(Ordering::Relaxed)
    }
}

impl Platform for Odd {
    fn check(&self) -> BoxFuture<'_, Result<(), ContactError>> {
        Platform::check(&self.fake)
    }

    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Result<DefinitionPage, ContactError>> {
        self.fake.definitions(cursor)
    }

    fn validate<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), Vec<windlass::Problem>>> {
        Platform::validate(&self.fake, task)
    }

    fn submit<'a>(
        &'a self,
        order: &'a AttemptOrder,
        journal: Arc<dyn Journal>,
    ) -> BoxFuture<'a, Result<RunHandle, SubmitError>> {
        Box::pin(async move {
            self.answers("submit").await;
            if self.is(|it| &it.stays_after_checkpoint) {
                journal.checkpoint(handle("checkpoint")).await.unwrap();
                std::future::pending::<()>().await;
            }
            let submitted = self.fake.submit(order, journal).await;
            if self.is(|it| &it.loses_submissions) {
                return Err(SubmitError::OutOfContact(ContactError { message: "lost".into() }, None));
            }
            submitted
        })
    }

    fn observe<'a>(&'a self, runs: &'a [Run]) -> BoxFuture<'a, Result<Vec<Sighting>, ObserveError>> {
        Box::pin(async move {
            self.switches.questions.fetch_add(1, Ordering::Relaxed);
            // Whoever asks without a pause is to be noticed, not to stop the test.
            tokio::task::yield_now().await;
            self.answers("observe").await;
            let mut seen = self.fake.observe(runs).await?;
            if self.is(|it| &it.gives_handles) {
                seen.iter_mut().for_each(|it| it.handle = Some(handle("observed")));
            }
            if self.is(|it| &it.forgets_one) {
                seen.pop();
            }
            Ok(seen)
        })
    }

    fn follow<'a>(
        &'a self,
        run: &'a Run,
        log: &'a Arc<AttemptLog>,
        wait_ms: u64,
    ) -> BoxFuture<'a, Result<bool, ContactError>> {
        Box::pin(async move {
            self.answers("follow").await;
            self.fake.follow(run, log, wait_ms).await
        })
    }

    fn stop<'a>(&'a self, run: &'a Run, grace_ms: u64) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async move {
            self.switches.stopped_with.lock().unwrap().push(run.handle.clone());
            self.answers("stop").await;
            Platform::stop(&self.fake, run, grace_ms).await?;
            Ok(self.is(|it| &it.gives_handles).then(|| handle("stopped")))
        })
    }

    fn collect<'a>(&'a self, run: &'a Run) -> BoxFuture<'a, Result<(), SubmitError>> {
        Box::pin(async move {
            self.answers("collect").await;
            self.fake.collect(run).await
        })
    }

    fn remove<'a>(&'a self, run: &'a Run, succeeded: bool) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async move {
            self.answers("remove").await;
            self.switches.removed.lock().unwrap().push(run.name);
            Platform::remove(&self.fake, run, succeeded).await
        })
    }

    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Result<OwnedRuns, ContactError>> {
        self.fake.owned(cursor)
    }
}
