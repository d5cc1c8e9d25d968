//! The plugin that is tested: the same one in as many hosts, lives and circumstances as the checks need.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::candidate::Candidate;
use super::super::contract::{Descriptor, ExecutorPlugin, FetcherPlugin, Plugin, SinkPlugin};
use super::super::grants::PluginConfig;
use super::super::load::{Host, Package};
use super::super::manifest::{Manifest, PluginKind, WorkAccess};
use super::super::rights::PluginRights;
use super::super::wasm::{Cut, ExecutorWorld, FetcherWorld, Machine, SinkWorld, World};
use super::found::{Ended, good};
use crate::clock::Clock;
use crate::config::{KeepWork, PluginBounds, PluginLimits, WasmConfig};
use crate::error::Problem;
use crate::files::{Layout, remove_tree};
use crate::job::JobId;

/// What is known of a plugin before it is called.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The name in its manifest.
    pub name: String,
    /// The version in its manifest.
    pub version: String,
    /// Whether its runs are somewhere outside of it, where its rights tell that. A plugin that can reach nothing keeps all
    /// there is of a run in the handle, and is not asked to find one without it.
    pub has_platform: Option<bool>,
    /// What it may do with work trees.
    pub work: WorkAccess,
}

/// A plugin of a kind with what it takes to test it.
pub struct Subject<P: ?Sized> {
    pub(super) facts: Facts,
    /// The id of the engine that it belongs to.
    pub(super) engine_id: String,
    /// Where work trees are.
    dir: PathBuf,
    first: Arc<P>,
    second: Arc<P>,
    component: Option<Component<P>>,
}

/// A plugin, or everything that keeps it from being one.
type Made<P> = Result<Arc<P>, Vec<Problem>>;

/// What can be done to a component besides.
struct Component<P: ?Sized> {
    cut: Box<dyn Fn(Arc<Cut>) -> Arc<P> + Send + Sync>,
    /// The same component with other rights.
    with: Box<dyn Fn(PluginRights) -> Made<P> + Send + Sync>,
    rights: PluginRights,
}

/// An id that no engine and no job has had: the suite has to tell its own runs from all others on the platform.
pub(super) fn fresh_id() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let now = Clock::system().now();
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    JobId::new(now.as_millis(), now, std::process::id().rotate_left(16) ^ made).to_string()
}

impl Subject<dyn ExecutorPlugin> {
    /// An executor that is a component, with what its operator grants it. Compiled code and work trees are kept under
    /// `dir`, as an engine does it in the directory of its store. Blocks.
    ///
    /// # Errors
    /// Everything that keeps this engine from running it, and everything that is wrong with its endpoints.
    pub fn executor(candidate: &Candidate, config: Option<&PluginConfig>, dir: &Path) -> Result<Self, Vec<Problem>> {
        Subject::of_world::<ExecutorWorld>(candidate, config, dir)
    }
}

impl Subject<dyn FetcherPlugin> {
    /// The same for a fetcher.
    ///
    /// # Errors
    /// As [`Subject::executor`].
    pub fn fetcher(candidate: &Candidate, config: Option<&PluginConfig>, dir: &Path) -> Result<Self, Vec<Problem>> {
        Subject::of_world::<FetcherWorld>(candidate, config, dir)
    }
}

impl Subject<dyn SinkPlugin> {
    /// The same for a sink.
    ///
    /// # Errors
    /// As [`Subject::executor`].
    pub fn sink(candidate: &Candidate, config: Option<&PluginConfig>, dir: &Path) -> Result<Self, Vec<Problem>> {
        Subject::of_world::<SinkWorld>(candidate, config, dir)
    }
}

impl<P: Plugin + ?Sized> Subject<P> {
    fn of_world<W: World<Plugin = P>>(
        candidate: &Candidate,
        config: Option<&PluginConfig>,
        dir: &Path,
    ) -> Result<Subject<P>, Vec<Problem>> {
        let manifest = &candidate.manifest;
        let mut problems = candidate.problems();
        problems.extend(of_another_kind(manifest, W::KIND));
        if !problems.is_empty() {
            return Err(problems);
        }
        let rights = PluginRights::of(manifest, config, &PluginBounds::default());
        let facts = Facts {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            has_platform: Some(
                !manifest.endpoints.is_empty() || !manifest.connections.is_empty() || manifest.work == WorkAccess::Host,
            ),
            work: rights.work,
        };
        let engine_id = fresh_id();
        let package = package(candidate, rights.clone());
        let first_host = host(&engine_id, dir);
        let plugin = package.wasm::<W>(&first_host)?;
        // The next life of the engine: nothing of the first one is left but what is on disk.
        let second = package.plugin::<W>(&host(&engine_id, dir))?;
        let first = W::share(plugin.clone());
        let component = Component {
            cut: Box::new(move |cut| W::share(plugin.cut(cut))),
            with: Box::new(move |rights| package.with(rights).plugin::<W>(&first_host)),
            rights,
        };
        Ok(Subject { facts, engine_id, dir: dir.to_owned(), first, second, component: Some(component) })
    }

    /// Any plugin; `make` makes it for the engine of an id, and is called once for each life of that engine. Its calls
    /// cannot be cut off, and its rights stay as they are; the checks that need that are skipped. Work trees are kept under
    /// `dir`.
    pub fn plugin(facts: Facts, dir: &Path, make: impl Fn(&str) -> Arc<P>) -> Subject<P> {
        let engine_id = fresh_id();
        let (first, second) = (make(&engine_id), make(&engine_id));
        Subject { facts, engine_id, dir: dir.to_owned(), first, second, component: None }
    }

    /// The plugin itself, for what only a test of its own can tell.
    pub fn first(&self) -> &Arc<P> {
        &self.first
    }

    /// The plugin in the next life of the engine.
    pub(super) fn second(&self) -> &Arc<P> {
        &self.second
    }

    /// Where the work trees are.
    pub(super) fn works(&self) -> PathBuf {
        self.dir.join("work").join(&self.engine_id)
    }

    /// Removes the work trees.
    pub(super) fn tidy_up(&self) {
        if let Err(error) = remove_tree(&self.works()) {
            tracing::warn!(%error, "the work trees of the conformance suite are left");
        }
    }

    pub(super) async fn descriptor(&self) -> Result<Descriptor, Ended> {
        good("describe", self.first.describe().await)
    }

    /// The plugin whose call ends where `cut` says.
    pub(super) fn cut(&self, cut: Arc<Cut>) -> Option<Arc<P>> {
        Some((self.component.as_ref()?.cut)(cut))
    }

    /// The plugin as if its operator had said nothing about it.
    pub(super) fn unconfigured(&self) -> Option<Made<P>> {
        self.changed(|rights| {
            rights.endpoints.clear();
            rights.connections.clear();
            rights.sql = None;
            rights.work = WorkAccess::None;
            rights.settings = "{}".to_owned();
        })
    }

    /// The plugin without any right to reach a platform.
    pub(super) fn denied(&self) -> Option<Made<P>> {
        self.changed(|rights| {
            rights.endpoints.clear();
            rights.connections.clear();
            rights.sql = None;
        })
    }

    /// The plugin with other limits.
    pub(super) fn limited(&self, change: impl Fn(&mut PluginLimits)) -> Option<Made<P>> {
        self.changed(|rights| change(&mut rights.limits))
    }

    fn changed(&self, change: impl Fn(&mut PluginRights)) -> Option<Made<P>> {
        let component = self.component.as_ref()?;
        let mut rights = component.rights.clone();
        change(&mut rights);
        Some((component.with)(rights))
    }
}

fn package(candidate: &Candidate, rights: PluginRights) -> Package {
    let name = candidate.manifest.name.clone();
    let source = PathBuf::from(format!("{name}.wasm"));
    Package { name, source, component: candidate.component.as_ref().into(), rights }
}

fn host(engine_id: &str, dir: &Path) -> Host {
    let layout = Layout::new(dir);
    let machine = Machine::new(&layout, WasmConfig::default());
    Host { engine_id: engine_id.to_owned(), layout, keep_work: KeepWork::default(), machine }
}

fn of_another_kind(manifest: &Manifest, kind: PluginKind) -> Option<Problem> {
    (manifest.kind != kind).then(|| Problem {
        field: "manifest kind".to_owned(),
        problem: format!("it is a {}", manifest.kind),
        allowed: format!("a {kind}, which this suite is for"),
    })
}
