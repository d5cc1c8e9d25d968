//! A native plugin as the engine calls it.

use std::fmt;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;

use super::call::{About, Mistake, Question, Reply};
use super::in_process::InProcess;
use super::service::Ports;
use super::spawned::Spawned;
use crate::config::NativeConfig;
use crate::error::{Error, Problem};
use crate::executors::BoxFuture;
use crate::plugin::contract::{
    Answer, Checkpoints, Definition, Descriptor, ErrorKind, ExecutorPlugin, Handle, LogSink, Observation, Page, Plugin,
    PluginError, PluginTask, Retry, Run,
};

/// A plugin that is a shared library, see the [module](super).
#[must_use]
pub struct NativePlugin {
    path: PathBuf,
    about: Arc<About>,
    home: Home,
}

/// Where it is loaded.
enum Home {
    Spawned(Box<Spawned>),
    InProcess(InProcess),
}

impl fmt::Debug for NativePlugin {
    /// Without its settings, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativePlugin").field("path", &self.path).finish_non_exhaustive()
    }
}

impl NativePlugin {
    /// A plugin in processes of its own, which are started when it is first called. They are this program again, so `main`
    /// calls [`supervise_if_asked`](crate::supervise_if_asked) first.
    ///
    /// What cannot be loaded is told by the first call, and by every later one.
    pub fn spawn(path: impl Into<PathBuf>) -> NativePlugin {
        let path = full(path.into());
        let spawned = Spawned::new(path.clone(), name_of(&path), NativeConfig::default());
        NativePlugin::new(path, Home::Spawned(Box::new(spawned)))
    }

    /// A plugin in this process: a call costs no more than that of a function on another thread, and nothing protects this
    /// process from it.
    ///
    /// What a process of its own would have done is lost: a crash, an `abort` or an exit ends this program and with it the
    /// engine; what it leaks or locks stays so; a call that does not return occupies its thread for ever and keeps the
    /// runtime from ending; the plugin can read every secret of the engine. The library is never unloaded.
    ///
    /// # Safety
    /// Loading and calling the library must be sound: it keeps to the rules of `windlass_plugin.h`, lets no exception or
    /// panic out of its functions, and does not change what belongs to the whole process in a way that this program does not
    /// expect (signal handlers, the environment, the working directory, open files that are not its own).
    ///
    /// # Errors
    /// It cannot be loaded, or is not a plugin for this version of the interface.
    #[expect(unsafe_code, reason = "whoever loads a library into this process has to vouch for it")]
    pub unsafe fn in_process(path: impl Into<PathBuf>) -> Result<NativePlugin, Error> {
        let path = full(path.into());
        // SAFETY: the caller vouches for it.
        let loaded = unsafe { InProcess::load(&path, name_of(&path), NativeConfig::default()) };
        let home = loaded.map_err(|error| {
            let problem = format!("the plugin {} cannot be loaded: {error}", path.display());
            Error::invalid("plugin", problem, "a shared library that exports `windlass_plugin_v1`")
        })?;
        Ok(NativePlugin::new(path, Home::InProcess(home)))
    }

    fn new(path: PathBuf, home: Home) -> NativePlugin {
        let about = About {
            settings: "{}".to_owned(),
            engine_id: String::new(),
            answer_bytes: NativeConfig::default().answer_bytes,
        };
        NativePlugin { path, about: Arc::new(about), home }
    }

    /// The settings that the plugin is told, a JSON object; `{}` unless set.
    pub fn settings(mut self, settings: impl Into<String>) -> NativePlugin {
        self.tell(About { settings: settings.into(), ..(*self.about).clone() });
        self
    }

    /// The id of the engine, which the plugin marks with what it makes.
    pub fn engine_id(mut self, engine_id: impl Into<String>) -> NativePlugin {
        self.tell(About { engine_id: engine_id.into(), ..(*self.about).clone() });
        self
    }

    fn tell(&mut self, about: About) {
        self.about = Arc::new(about);
        if let Home::Spawned(spawned) = &self.home {
            spawned.forget();
        }
    }

    /// Sets the limits.
    pub fn limits(mut self, config: NativeConfig) -> NativePlugin {
        self.about = Arc::new(About { answer_bytes: config.answer_bytes, ..(*self.about).clone() });
        self.home = match self.home {
            Home::Spawned(spawned) => Home::Spawned(Box::new(spawned.with_config(config))),
            Home::InProcess(here) => Home::InProcess(here.with_config(config)),
        };
        self
    }

    /// The program that the processes of the plugin are; its `main` calls
    /// [`supervise_if_asked`](crate::supervise_if_asked) first. This very one unless set.
    pub fn program(mut self, program: impl Into<PathBuf>) -> NativePlugin {
        if let Home::Spawned(spawned) = &mut self.home {
            spawned.program = program.into();
        }
        self
    }

    /// The library.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn call<T>(&self, question: Question, ports: Ports, expected: impl FnOnce(Reply) -> Option<T>) -> Answer<T> {
        let reply = match &self.home {
            Home::Spawned(spawned) => spawned.call(&self.about, question, ports).await?,
            Home::InProcess(here) => here.call(self.about.clone(), question, ports).await?,
        };
        // Every answer was checked to be one to its question.
        let strange = || PluginError::new(ErrorKind::Internal, Retry::Never, "the plugin answered another question");
        expected(reply).ok_or_else(strange)
    }

    async fn done(&self, question: Question) -> Answer<()> {
        self.call(question, Ports::default(), |reply| matches!(reply, Reply::Done).then_some(())).await
    }
}

/// The processes of a plugin work in `/`.
fn full(path: PathBuf) -> PathBuf {
    absolute(&path).unwrap_or(path)
}

fn name_of(path: &Path) -> Arc<str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into()
}

/// Paths are told as texts.
fn text_of(path: Option<PathBuf>) -> Answer<Option<String>> {
    path.map(PathBuf::into_os_string).map(std::ffi::OsString::into_string).transpose().map_err(|path| {
        let message = format!("the path of the work tree is not UTF-8: {}", path.display());
        PluginError::new(ErrorKind::Invalid, Retry::Never, message)
    })
}

fn problem((field, problem, allowed): Mistake) -> Problem {
    Problem { field, problem, allowed }
}

impl Plugin for NativePlugin {
    fn describe(&self) -> BoxFuture<'_, Answer<Descriptor>> {
        Box::pin(self.call(Question::Describe, Ports::default(), |reply| match reply {
            Reply::Descriptor(descriptor) => Some(descriptor),
            _ => None,
        }))
    }

    fn check(&self) -> BoxFuture<'_, Answer<()>> {
        Box::pin(self.done(Question::Check))
    }

    fn validate(&self, options: String) -> BoxFuture<'_, Answer<Vec<Problem>>> {
        Box::pin(self.call(Question::Validate { options }, Ports::default(), |reply| match reply {
            Reply::Mistakes(mistakes) => Some(mistakes.into_iter().map(problem).collect()),
            _ => None,
        }))
    }
}

impl ExecutorPlugin for NativePlugin {
    fn definitions(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Definition>>> {
        Box::pin(self.call(Question::Definitions { cursor }, Ports::default(), |reply| match reply {
            Reply::Definitions(page) => Some(page),
            _ => None,
        }))
    }

    fn submit(
        &self,
        task: PluginTask,
        work: Option<PathBuf>,
        checkpoints: Arc<dyn Checkpoints>,
    ) -> BoxFuture<'_, Answer<Handle>> {
        let ports = Ports { checkpoints: Some(checkpoints), sink: None };
        Box::pin(async {
            let question = Question::Submit { task, work: text_of(work)? };
            let handle = self.call(question, ports, |reply| match reply {
                Reply::Handle(handle) => Some(handle),
                _ => None,
            });
            handle.await
        })
    }

    fn observe(&self, runs: Vec<Run>, wait_ms: u64) -> BoxFuture<'_, Answer<Vec<Observation>>> {
        Box::pin(self.call(Question::Observe { runs, wait_ms }, Ports::default(), |reply| match reply {
            Reply::Observations(observations) => Some(observations),
            _ => None,
        }))
    }

    fn logs(
        &self,
        run: Run,
        cursor: Option<String>,
        wait_ms: u64,
        sink: Arc<dyn LogSink>,
    ) -> BoxFuture<'_, Answer<bool>> {
        let ports = Ports { checkpoints: None, sink: Some(sink) };
        Box::pin(self.call(Question::Logs { run, cursor, wait_ms }, ports, |reply| match reply {
            Reply::Over(over) => Some(over),
            _ => None,
        }))
    }

    fn stop(&self, run: Run, grace_ms: u64) -> BoxFuture<'_, Answer<Option<Handle>>> {
        Box::pin(self.call(Question::Stop { run, grace_ms }, Ports::default(), |reply| match reply {
            Reply::Stopped(handle) => Some(handle),
            _ => None,
        }))
    }

    fn collect(&self, run: Run, work: Option<PathBuf>) -> BoxFuture<'_, Answer<()>> {
        Box::pin(async { self.done(Question::Collect { run, work: text_of(work)? }).await })
    }

    fn remove(&self, run: Run) -> BoxFuture<'_, Answer<()>> {
        Box::pin(self.done(Question::Remove(run)))
    }

    fn owned(&self, cursor: Option<String>) -> BoxFuture<'_, Answer<Page<Run>>> {
        Box::pin(self.call(Question::Owned { cursor }, Ports::default(), |reply| match reply {
            Reply::Owned(page) => Some(page),
            _ => None,
        }))
    }
}
