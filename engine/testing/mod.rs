//! Helpers for tests of programs that embed the engine: a clock that is moved by hand, an executor that the
//! test steers, a disk that loses power.
//!
//! Use it on a current-thread runtime (the default of `#[tokio::test]`): [`TestEngine::settle`] then knows when
//! nothing is left to do.
//!
//! ```
//! use windlass::job::{JobSpec, RetryPolicy, State};
//! use windlass::testing::TestEngine;
//! use windlass::FunctionError;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut engine = TestEngine::open(|builder| {
//!     builder.function("flaky", |context, (): ()| async move {
//!         if context.attempt().attempt < 12 { Err(FunctionError::new("not yet")) } else { Ok(()) }
//!     })
//! })
//! .await?;
//! let mut spec = JobSpec::function("flaky", "null");
//! spec.retry = RetryPolicy { max_attempts: 20, ..RetryPolicy::default() };
//! let id = engine.submit(spec).await?;
//!
//! // The power fails, and a year passes in no time.
//! engine.crash_and_recover().await?;
//! engine.advance(365 * 86_400_000).await;
//! assert_eq!(engine.get(id)?.state(), State::Succeeded);
//! # Ok(())
//! # }
//! ```

mod crash_disk;
mod fake;

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

pub use crash_disk::{CrashDisk, Fault, Image, Loss, Operation};
pub use fake::FakeExecutor;

use crate::clock::Clock;
use crate::engine::{Builder, Engine};
use crate::error::Error;
use crate::job::Timestamp;
use crate::secret::Entropy;

/// When the clock of a [`TestEngine`] starts: 2026-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Turns of the scheduler after which every task that could run has run.
const TURNS: usize = 16;

type Setup = Arc<dyn Fn(Builder) -> Builder + Send + Sync>;

/// An engine on a clock that the test moves and a disk in memory that can lose power. Use it as an
/// [`Engine`].
pub struct TestEngine {
    engine: Option<Engine>,
    dir: ScratchDir,
    disk: Arc<CrashDisk>,
    clock: Clock,
    entropy: Entropy,
    setup: Setup,
}

impl TestEngine {
    /// Opens an engine; `setup` registers functions and executors, and is called again after each crash.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open(setup: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Result<TestEngine, Error> {
        TestEngine::open_seeded(0, setup).await
    }

    /// The same with a seed for ids, jitter and what a crash loses.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open_seeded(
        seed: u64,
        setup: impl Fn(Builder) -> Builder + Send + Sync + 'static,
    ) -> Result<TestEngine, Error> {
        let life = Life { dir: None, disk: Arc::new(CrashDisk::new()), clock: Clock::manual(START), seed };
        TestEngine::open_as(life, setup).await
    }

    /// Goes on with what an earlier life has left, on another disk or in another directory where need be.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn open_as(
        life: Life,
        setup: impl Fn(Builder) -> Builder + Send + Sync + 'static,
    ) -> Result<TestEngine, Error> {
        let Life { dir, disk, clock, seed } = life;
        let dir = match dir {
            Some(path) => ScratchDir { path, kept: true },
            None => ScratchDir::new()?,
        };
        let entropy = Entropy::seeded(seed);
        let mut test = TestEngine { engine: None, dir, disk, clock, entropy, setup: Arc::new(setup) };
        test.start().await?;
        Ok(test)
    }

    async fn start(&mut self) -> Result<(), Error> {
        let builder = Engine::builder(&self.dir.path).clock(self.clock.clone()).entropy(self.entropy.clone());
        let builder = (self.setup)(builder.disk(self.disk.clone()));
        self.engine = Some(builder.open().await?);
        Ok(())
    }

    /// Ends the engine as a power cut does: what was not synced is partly lost, partly there, partly torn.
    /// Then starts it again on what is left.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn crash_and_recover(&mut self) -> Result<(), Error> {
        let engine = self.engine.take();
        if let Some(engine) = &engine {
            engine.runtime().abandon();
        }
        // Before the engine goes: that closes its file in good order.
        let image = self.disk.power_cut(Loss::Random { seed: self.entropy.next_u64() });
        drop(engine);
        self.disk = Arc::new(CrashDisk::from_image(image));
        self.start().await
    }

    /// Shuts the engine down politely and starts it again.
    ///
    /// # Errors
    /// As [`Builder::open`].
    pub async fn restart(&mut self) -> Result<(), Error> {
        if let Some(engine) = self.engine.take() {
            engine.shutdown().await;
        }
        self.start().await
    }

    /// The clock of the engine.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The disk under the store.
    pub fn disk(&self) -> &CrashDisk {
        &self.disk
    }

    /// Returns when nothing is left to do before time passes or an attempt of a [`FakeExecutor`] is ended.
    /// Functions must not wait for anything but the engine's own clock.
    pub async fn settle(&self) {
        let Some(engine) = &self.engine else { return };
        let store = &engine.runtime().store;
        loop {
            let before = store.operations();
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            if store.flush().await.is_err() {
                return;
            }
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            // The flush itself is one operation.
            if store.operations() == before + 1 {
                return;
            }
        }
    }

    /// Moves the clock on by `millis`, stopping at every time at which something is due, so that everything
    /// happens in its order.
    pub async fn advance(&self, millis: u64) {
        let end = self.clock.now().plus_millis(millis);
        self.settle().await;
        while let Some(wake) = self.clock.next_wake().filter(|wake| *wake <= end) {
            self.clock.advance_to(wake);
            self.settle().await;
        }
        self.clock.advance_to(end);
        self.settle().await;
    }
}

impl Deref for TestEngine {
    type Target = Engine;

    #[expect(clippy::expect_used, reason = "only a failed restart leaves none, and the test has its error")]
    fn deref(&self) -> &Engine {
        self.engine.as_ref().expect("the engine could not be started again")
    }
}

/// What a [`TestEngine`] lives on.
#[derive(Debug)]
pub struct Life {
    /// The directory of the store, which stays; `None`: one that goes with the engine.
    pub dir: Option<PathBuf>,
    /// The disk under the store.
    pub disk: Arc<CrashDisk>,
    /// The clock, a [`Clock::manual`] one.
    pub clock: Clock,
    /// For ids, jitter and what a crash loses.
    pub seed: u64,
}

/// A directory that goes with the test, unless it is the test's own.
struct ScratchDir {
    path: PathBuf,
    kept: bool,
}

impl ScratchDir {
    fn new() -> Result<ScratchDir, Error> {
        let name = Entropy::system().map_err(|error| Error::Key(error.to_string()))?.next_u64();
        let dir = std::env::temp_dir().join(format!("windlass-test-{name:016x}"));
        std::fs::create_dir_all(&dir).map_err(|error| Error::io(dir.display(), &error))?;
        Ok(ScratchDir { path: dir, kept: false })
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // Nothing to be done about a directory that cannot be removed.
        if !self.kept {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
