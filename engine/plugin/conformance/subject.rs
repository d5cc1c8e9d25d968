//! The plugin that is tested: the same one in as many hosts, lives and circumstances as the checks need.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::candidate::Candidate;
use super::super::contract::ExecutorPlugin;
use super::super::grants::PluginConfig;
use super::super::load::{Host, Package};
use super::super::manifest::{Manifest, PluginKind, WorkAccess};
use super::super::rights::PluginRights;
use super::super::wasm::{Cut, Machine, WasmPlugin};
use crate::clock::Clock;
use crate::config::{KeepWork, PluginBounds, PluginLimits, WasmConfig};
use crate::error::Problem;
use crate::files::Layout;
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

/// A plugin with what it takes to test it.
pub struct Subject {
    pub(super) facts: Facts,
    /// The id of the engine that it belongs to.
    pub(super) engine_id: String,
    /// Where work trees are.
    pub(super) dir: PathBuf,
    first: Arc<dyn ExecutorPlugin>,
    second: Arc<dyn ExecutorPlugin>,
    component: Option<Component>,
}

/// What is known of a component besides.
struct Component {
    plugin: WasmPlugin,
    package: Package,
    host: Host,
}

/// An id that no engine and no job has had: the suite has to tell its own runs from all others on the platform.
pub(super) fn fresh_id() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let now = Clock::system().now();
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    JobId::new(now.as_millis(), now, std::process::id().rotate_left(16) ^ made).to_string()
}

impl Subject {
    /// A component with what its operator grants it. Compiled code and work trees are kept under `dir`, as an engine does
    /// it in the directory of its store. Blocks.
    ///
    /// # Errors
    /// Everything that keeps this engine from running it, and everything that is wrong with its endpoints.
    pub fn component(
        candidate: &Candidate,
        config: Option<&PluginConfig>,
        dir: &Path,
    ) -> Result<Subject, Vec<Problem>> {
        let mut problems = candidate.problems();
        problems.extend(unsuitable(&candidate.manifest));
        if !problems.is_empty() {
            return Err(problems);
        }
        let manifest = &candidate.manifest;
        let rights = PluginRights::of(manifest, config, &PluginBounds::default());
        let facts = Facts {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            has_platform: Some(!manifest.endpoints.is_empty() || manifest.work == WorkAccess::Host),
            work: rights.work,
        };
        let package = Package {
            name: manifest.name.clone(),
            source: PathBuf::from(format!("{}.wasm", manifest.name)),
            component: candidate.component.as_ref().into(),
            rights,
        };
        let engine_id = fresh_id();
        let host = host(&engine_id, dir);
        let plugin = package.wasm(&host)?;
        // The next life of the engine: nothing of the first one is left but what is on disk.
        let second = package.plugin(&self::host(&engine_id, dir))?;
        let first = Arc::new(plugin.clone());
        let dir = dir.to_owned();
        Ok(Subject { facts, engine_id, dir, first, second, component: Some(Component { plugin, package, host }) })
    }

    /// Any plugin; `make` makes it for the engine of an id, and is called once for each life of that engine. Its calls
    /// cannot be cut off, and its rights stay as they are; the checks that need that are skipped. Work trees are kept under
    /// `dir`.
    pub fn plugin(facts: Facts, dir: &Path, make: impl Fn(&str) -> Arc<dyn ExecutorPlugin>) -> Subject {
        let engine_id = fresh_id();
        let (first, second) = (make(&engine_id), make(&engine_id));
        Subject { facts, engine_id, dir: dir.to_owned(), first, second, component: None }
    }

    pub(super) fn first(&self) -> &Arc<dyn ExecutorPlugin> {
        &self.first
    }

    /// The plugin in the next life of the engine.
    pub(super) fn second(&self) -> &Arc<dyn ExecutorPlugin> {
        &self.second
    }

    /// The plugin whose call ends where `cut` says.
    pub(super) fn cut(&self, cut: Arc<Cut>) -> Option<Arc<dyn ExecutorPlugin>> {
        let component = self.component.as_ref()?;
        Some(Arc::new(component.plugin.cut(cut)))
    }

    /// The plugin as if its operator had said nothing about it.
    pub(super) fn unconfigured(&self) -> Option<Result<Arc<dyn ExecutorPlugin>, Vec<Problem>>> {
        let change = |rights: &mut PluginRights| {
            rights.endpoints.clear();
            rights.work = WorkAccess::None;
            rights.settings = "{}".to_owned();
        };
        self.component.as_ref().map(|component| component.with(change))
    }

    /// The plugin without any right to reach a platform.
    pub(super) fn denied(&self) -> Option<Result<Arc<dyn ExecutorPlugin>, Vec<Problem>>> {
        let change = |rights: &mut PluginRights| {
            rights.endpoints.clear();
            rights.work = WorkAccess::None;
        };
        self.component.as_ref().map(|component| component.with(change))
    }

    /// The plugin with other limits.
    pub(super) fn limited(
        &self,
        change: impl Fn(&mut PluginLimits),
    ) -> Option<Result<Arc<dyn ExecutorPlugin>, Vec<Problem>>> {
        self.component.as_ref().map(|component| component.with(|rights| change(&mut rights.limits)))
    }
}

impl Component {
    fn with(&self, change: impl Fn(&mut PluginRights)) -> Result<Arc<dyn ExecutorPlugin>, Vec<Problem>> {
        let mut rights = self.package.rights.clone();
        change(&mut rights);
        let Package { name, source, component, .. } = &self.package;
        let (name, source, component) = (name.clone(), source.clone(), component.clone());
        Package { name, source, component, rights }.plugin(&self.host)
    }
}

fn host(engine_id: &str, dir: &Path) -> Host {
    let layout = Layout::new(dir);
    let machine = Machine::new(&layout, WasmConfig::default());
    Host { engine_id: engine_id.to_owned(), layout, keep_work: KeepWork::default(), machine }
}

/// Why there is no suite for a plugin.
fn unsuitable(manifest: &Manifest) -> Option<Problem> {
    (manifest.kind != PluginKind::Executor).then(|| Problem {
        field: "manifest kind".to_owned(),
        problem: format!("there is no conformance suite for a {} yet", manifest.kind),
        allowed: PluginKind::Executor.word().to_owned(),
    })
}
