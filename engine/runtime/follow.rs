//! The follower of one run: brings what the run prints into the log of its attempt, while it runs and to its last byte.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::observer::Observer;
use super::{Runtime, lock};
use crate::clock::Clock;
use crate::config::PlatformConfig;
use crate::executors::Run;
use crate::files::AttemptLog;
use crate::job::{RunHandle, Timestamp};

/// How long a log that says nothing new is left alone: a part of the time for which it has been silent, at least this long, in
/// milliseconds.
const PATIENCE: u64 = 8;
const FIRST_PAUSE_MS: u64 = 10;
/// The same at the end, where all that is missing is on its way.
const LAST_PAUSE_MS: u64 = 2_000;
/// So many times the time that the end may be silent it may take altogether: a log without an end does not keep its job.
const LAST_LINES_TIMES: u64 = 60;

/// Follows the log of one run.
pub(super) struct Follower {
    runtime: Arc<Runtime>,
    observer: Arc<Observer>,
    run: Mutex<Run>,
    /// None where it cannot be written, or not without showing secrets.
    log: Option<Arc<AttemptLog>>,
    /// When it last said something new.
    news_at: Mutex<Timestamp>,
    /// All of it is there.
    over: Mutex<bool>,
}

impl Follower {
    /// A follower that hides the secrets. Where they are not known there is no log.
    pub(super) fn new(
        runtime: &Arc<Runtime>,
        observer: &Arc<Observer>,
        run: Run,
        secrets: Option<&[String]>,
    ) -> Follower {
        let dir = runtime.layout.log(run.name.job, run.name.attempt);
        let open = |secrets| AttemptLog::resume(dir, runtime.config.log_limits, secrets, runtime.clock.clone());
        let log = secrets.map_or_else(|| Err(io::Error::other("the run options cannot be opened")), open);
        let log = log.inspect_err(|error| tracing::warn!(%error, job = %run.name.job, "there will be no log")).ok();
        let over = Mutex::new(log.is_none());
        let (runtime, observer) = (runtime.clone(), observer.clone());
        let news_at = Mutex::new(runtime.clock.now());
        Follower { runtime, observer, run: Mutex::new(run), log, news_at, over }
    }

    pub(super) fn set_handle(&self, handle: RunHandle) {
        lock(&self.run).handle = Some(handle);
    }

    fn clock(&self) -> &Clock {
        &self.runtime.clock
    }

    fn config(&self) -> &PlatformConfig {
        &self.runtime.config.platforms
    }

    /// Follows until all of the log is there, and then waits for ever. It may be dropped at any time and called again.
    pub(super) async fn follow(&self) {
        while !*lock(&self.over) {
            let silent_ms = self.clock().now().millis_since(*lock(&self.news_at));
            let most = self.config().log_pause_ms.max(FIRST_PAUSE_MS);
            self.clock().sleep((silent_ms / PATIENCE).clamp(FIRST_PAUSE_MS, most)).await;
            self.look(self.config().log_wait_ms, &self.observer.followers).await;
        }
        std::future::pending().await
    }

    /// Gets what is still missing now that the run is over. What comes is waited for longer than what does not; of a run that
    /// the platform does not have there is hardly more, and it is asked once.
    pub(super) async fn rest(&self, is_gone: bool) {
        let clock = self.clock();
        let (patience, most) =
            (self.config().last_lines_ms, self.config().last_lines_ms.saturating_mul(LAST_LINES_TIMES));
        let begun = clock.now();
        let mut rest = std::pin::pin!(self.all(is_gone));
        let mut known = self.cursor();
        loop {
            tokio::select! {
                () = &mut rest => break,
                () = clock.sleep(patience) => {}
            }
            let now = self.cursor();
            if now == known || clock.now().millis_since(begun) >= most {
                tracing::warn!(job = %lock(&self.run).name.job, "the end of the log of a run did not come");
                break;
            }
            known = now;
        }
        if let Some(log) = &self.log {
            log.finish();
        }
    }

    /// Looks until all of it is there, or once.
    async fn all(&self, once: bool) {
        let (mut pause, mut known) = (FIRST_PAUSE_MS, self.cursor());
        while !self.look(0, &self.observer.last_readers).await && !once {
            let now = self.cursor();
            pause = if now == known { (pause * 2).min(LAST_PAUSE_MS) } else { FIRST_PAUSE_MS };
            known = now;
            self.clock().sleep(pause).await;
        }
    }

    /// How far the log is.
    fn cursor(&self) -> Option<String> {
        self.log.as_ref().and_then(|log| log.cursor())
    }

    /// One look; whether all of it is there.
    async fn look(&self, wait_ms: u64, places: &Semaphore) -> bool {
        let Some(log) = self.log.as_ref().filter(|_| !*lock(&self.over)) else { return true };
        // The semaphore is never closed. Where others wait for a place nobody dwells on his.
        let place = places.acquire().await;
        let wait_ms = if places.available_permits() > 0 { wait_ms } else { 0 };
        let (run, before) = (lock(&self.run).clone(), log.cursor());
        let followed = self.observer.platform.follow(&run, log, wait_ms).await;
        drop(place);
        let over = followed.inspect_err(|error| tracing::debug!(%error, job = %run.name.job, "a log is not followed"));
        let over = over.unwrap_or(false);
        if log.cursor() != before {
            *lock(&self.news_at) = self.clock().now();
        }
        *lock(&self.over) = over;
        over
    }
}
