//! Stops that meet an attempt in the middle of its start.

use std::sync::Arc;

use tokio::sync::Notify;
use windlass::Problem;
use windlass::executors::{AttemptName, AttemptOrder, BoxFuture, ContactError, Executor, StartError};
use windlass::job::{NamedTask, Outcome, Reason, RunHandle, Task};
use windlass::testing::TestEngine;
use windlass::{JobSpec, State};

/// Starts when the test says so, gives no handle, and runs until it is stopped.
#[derive(Default)]
struct Slow {
    may_start: Notify,
    stopped: Notify,
}

impl Executor for Slow {
    fn validate(&self, _: &Task) -> Result<(), Vec<Problem>> {
        Ok(())
    }

    fn start<'a>(&'a self, _: &'a AttemptOrder) -> BoxFuture<'a, Result<RunHandle, StartError>> {
        Box::pin(async {
            self.may_start.notified().await;
            Ok(RunHandle(Vec::new()))
        })
    }

    fn find<'a>(
        &'a self,
        _: AttemptName,
        _: Option<&'a RunHandle>,
    ) -> BoxFuture<'a, Result<Option<RunHandle>, ContactError>> {
        Box::pin(async { Ok(None) })
    }

    fn wait<'a>(&'a self, _: AttemptName, _: &'a RunHandle) -> BoxFuture<'a, Result<Outcome, ContactError>> {
        Box::pin(async {
            self.stopped.notified().await;
            Ok(Outcome::Stopped)
        })
    }

    fn stop<'a>(&'a self, _: AttemptName, _: &'a RunHandle, _: u64) -> BoxFuture<'a, Result<(), ContactError>> {
        Box::pin(async {
            self.stopped.notify_one();
            Ok(())
        })
    }

    fn remove(&self, _: AttemptName, _: bool) -> BoxFuture<'_, Result<(), ContactError>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn a_cancel_during_the_start_is_not_overwritten_by_the_end() {
    let slow = Arc::new(Slow::default());
    let registered = slow.clone();
    let engine = TestEngine::open(move |builder| builder.executor("slow", registered.clone())).await.unwrap();
    let task = Task::Named(NamedTask { executor: "slow".into(), params: b"null".to_vec() });
    let id = engine.submit(JobSpec::new(task)).await.unwrap();
    engine.settle().await;
    assert_eq!(engine.cancel(id, "me").await.unwrap().state(), State::Cancelling);
    slow.may_start.notify_one();
    engine.settle().await;
    let status = engine.get(id).unwrap().job.status;
    let right = (State::Cancelled, Some(Reason::CancelledBy("me".into())), 1);
    assert_eq!((status.state, status.reason, status.attempt), right);
}
