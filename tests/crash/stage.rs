//! One life of an engine in a world, and the hand that leads it: every acknowledgement is noted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use windlass::job::{JobFact, JobSpec};
use windlass::testing::{CrashDisk, Life, START, TestEngine};
use windlass::{Clock, Engine, EngineConfig, Error, JobId, State};

use crate::world::{Fact, World};

/// A life of the engine.
pub(crate) struct Stage {
    pub(crate) engine: TestEngine,
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) serial: u64,
}

/// What a life begins with.
pub(crate) struct Setting {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<CrashDisk>,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    pub(crate) config: EngineConfig,
}

impl Setting {
    pub(crate) fn new(dir: &Path, disk: &Arc<CrashDisk>, config: EngineConfig) -> Setting {
        Setting { dir: dir.to_owned(), disk: disk.clone(), clock: Clock::manual(START), seed: 1, config }
    }
}

/// A directory in memory where there is one: the files beside the store are many and not what is tested here.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

impl Stage {
    pub(crate) async fn open(setting: Setting, world: World) -> Result<Stage, Error> {
        let Setting { dir, disk, clock, seed, config } = setting;
        let life = Life { dir: Some(dir.clone()), disk, clock, seed };
        let outside = world.clone();
        let engine = TestEngine::open_as(life, move |builder| outside.install(builder.config(config.clone()))).await?;
        let stage = Stage { engine, world, dir, serial: 0 };
        stage.note_keys();
        stage.listen();
        Ok(stage)
    }

    fn key_text(&self) -> String {
        std::fs::read_to_string(self.dir.join("key")).unwrap()
    }

    fn note_keys(&self) {
        self.world.note_since(0, Fact::Keys(self.key_text()));
    }

    /// Notes every end that is told.
    fn listen(&self) {
        let (mut news, world) = (self.engine.subscribe(), self.world.clone());
        tokio::spawn(async move {
            while let Some(event) = news.next().await {
                let event = event.unwrap();
                if let JobFact::Finished { state, reason } = event.fact {
                    world.note(Fact::Ended { id: event.id, state, reason });
                }
            }
        });
    }

    /// A hand of its own, for calls at the same time.
    pub(crate) fn hand(&self) -> Hand {
        Hand { engine: (*self.engine).clone(), world: self.world.clone() }
    }

    pub(crate) async fn submit(&self, spec: JobSpec) -> Result<JobId, Error> {
        Ok(self.hand().submit_many(vec![spec]).await?[0])
    }

    pub(crate) async fn submit_many(&self, specs: Vec<JobSpec>) -> Result<Vec<JobId>, Error> {
        self.hand().submit_many(specs).await
    }

    pub(crate) async fn cancel(&self, id: JobId) -> Result<(), Error> {
        self.hand().cancel(id).await
    }

    pub(crate) async fn settle(&self) {
        self.engine.settle().await;
    }

    /// Rotates the key. While that goes on the file may hold the old keys and the new one.
    pub(crate) async fn rotate(&self) -> Result<(), Error> {
        let (since, old) = (self.world.steps(), self.key_text());
        let rotated = self.engine.rotate_key().await;
        let new = self.key_text();
        let both = new.lines().chain(old.lines().filter(|line| !new.contains(*line)));
        self.world.note_since(since, Fact::Keys(both.map(|line| format!("{line}\n")).collect()));
        self.world.note(Fact::Keys(new));
        rotated.map(drop)
    }

    /// Shuts down politely and starts again.
    pub(crate) async fn restart(&mut self) -> Result<(), Error> {
        self.engine.restart().await?;
        self.listen();
        Ok(())
    }
}

/// Submits and cancels.
#[derive(Clone)]
pub(crate) struct Hand {
    engine: Engine,
    world: World,
}

impl Hand {
    pub(crate) async fn submit_many(&self, specs: Vec<JobSpec>) -> Result<Vec<JobId>, Error> {
        let asked = Arc::new(specs.clone());
        self.world.note(Fact::Asked(asked.clone()));
        let ids = match specs.as_slice() {
            [spec] => vec![self.engine.submit(spec.clone()).await?],
            _ => self.engine.submit_many(specs).await?,
        };
        self.world.note(Fact::Accepted { ids: ids.clone(), specs: asked });
        Ok(ids)
    }

    pub(crate) async fn cancel(&self, id: JobId) -> Result<(), Error> {
        let job = self.engine.cancel(id, "the test").await?;
        if matches!(job.state(), State::Cancelling | State::Cancelled) {
            self.world.note(Fact::Cancelled(id));
        }
        Ok(())
    }
}
