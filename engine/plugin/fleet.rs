//! The plugins of a running engine: those that are configured are its executors, fetchers and sinks; what is dropped or replaced while the engine
//! runs is taken in by another look.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::load::{Host, Package};
use super::platform::PluginPlatform;
use super::registry::{Changes, Found, Plugin, Registry};
use super::transfers::{PluginFetcher, PluginSink};
use super::{PluginKind, embedded};
use crate::config::PluginBounds;
use crate::error::{Error, Problem};
use crate::executors::{Executors, Registered, Transfers};
use crate::plugin::Grants;

/// Plugins that cannot be used, and why.
type Refused = Vec<(String, Vec<Problem>)>;

/// The plugins of one engine.
pub(crate) struct Fleet {
    host: Host,
    inner: Mutex<Inner>,
}

struct Inner {
    registry: Registry,
    /// Those that are taken in, by name.
    serving: BTreeMap<String, Serving>,
}

/// What a plugin serves the engine as.
enum Serving {
    Platform(Arc<PluginPlatform>),
    Fetcher(Arc<PluginFetcher>),
    Sink(Arc<PluginSink>),
}

/// Where plugins are registered.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) executors: &'a Executors,
    pub(crate) transfers: &'a Transfers,
}

impl Fleet {
    /// Finds the plugins and registers those that are configured. Nothing is compiled yet. Blocks.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong with a configured plugin, [`Error::Storage`].
    pub(crate) fn open(host: Host, grants: Grants, bounds: PluginBounds, places: Places<'_>) -> Result<Fleet, Error> {
        let configured: Vec<String> = grants.plugins.keys().cloned().collect();
        let registry = Registry::new(&host.layout, embedded::EMBEDDED, grants, bounds);
        let fleet = Fleet { host, inner: Mutex::new(Inner { registry, serving: BTreeMap::new() }) };
        let (_, refused) = fleet.look(places, true)?;
        let problems: Vec<Problem> =
            refused.into_iter().filter(|(name, _)| configured.contains(name)).flat_map(|it| it.1).collect();
        if problems.is_empty() { Ok(fleet) } else { Err(Error::Invalid(problems)) }
    }

    /// Looks for plugins again, with other grants where there are some. New ones are registered, those with another
    /// content are replaced from the next call on; one that is refused goes on as it was. Blocks.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) fn refresh(&self, grants: Option<Grants>, places: Places<'_>) -> Result<Changes, Error> {
        let anew = grants.is_some();
        if let Some(grants) = grants {
            self.lock().registry.set_grants(grants);
        }
        let (mut changes, refused) = self.look(places, anew)?;
        for (name, problems) in refused {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            tracing::warn!(plugin = name, problems = told.join("; "), "a plugin is refused");
            changes.problems.extend(problems);
        }
        Ok(changes)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `anew` takes in those too whose content is as it was: their rights may be others.
    fn look(&self, places: Places<'_>, anew: bool) -> Result<(Changes, Refused), Error> {
        let mut inner = self.lock();
        let changes = inner.registry.scan()?;
        let mut refused = Vec::new();
        let mut usable = Vec::new();
        for (name, found) in inner.registry.found() {
            match found {
                Found::Plugin(plugin) => {
                    // One that is no longer configured goes on without any right.
                    if plugin.configured || inner.serving.contains_key(name) {
                        usable.push((**plugin).clone());
                    }
                }
                Found::Refused(_, refusal) => refused.push((name.clone(), vec![of_plugin(name, refusal.to_string())])),
            }
        }
        let is_news = |plugin: &Plugin| anew || changes.changed.contains(&plugin.name);
        for plugin in usable {
            if inner.serving.contains_key(&plugin.name) && !is_news(&plugin) {
                continue;
            }
            if let Err(problems) = self.take_in(&mut inner, &plugin, places) {
                refused.push((plugin.name, problems));
            }
        }
        Ok((changes, refused))
    }

    fn take_in(&self, inner: &mut Inner, plugin: &Plugin, places: Places<'_>) -> Result<(), Vec<Problem>> {
        let component = inner.registry.component(plugin);
        let component = component.map_err(|refusal| vec![of_plugin(&plugin.name, refusal.to_string())])?;
        let package = Package {
            name: plugin.name.clone(),
            source: PathBuf::from(format!("plugin {}", plugin.name)),
            component,
            rights: plugin.rights.clone(),
        };
        match (inner.serving.get(&plugin.name), plugin.manifest.kind) {
            (Some(Serving::Platform(platform)), PluginKind::Executor) => package.replace(&self.host, platform),
            (Some(Serving::Fetcher(fetcher)), PluginKind::Fetcher) => {
                fetcher.replace(package.fetcher(&self.host)?);
                Ok(())
            }
            (Some(Serving::Sink(sink)), PluginKind::Sink) => {
                sink.replace(package.sink(&self.host)?);
                Ok(())
            }
            (Some(_), _) => {
                Err(vec![of_plugin(&plugin.name, "it was of another kind when the engine began".to_owned())])
            }
            (None, kind) => {
                let serving = self.register(&package, kind, places)?;
                inner.serving.insert(plugin.name.clone(), serving);
                Ok(())
            }
        }
    }

    fn register(&self, package: &Package, kind: PluginKind, places: Places<'_>) -> Result<Serving, Vec<Problem>> {
        let name = package.name.clone();
        let taken = |what: &str| Err(vec![of_plugin(&name, format!("{what} of this name is registered already"))]);
        let Places { executors, transfers } = places;
        match kind {
            PluginKind::Executor if executors.get(&name).is_some() => taken("an executor"),
            PluginKind::Executor => {
                let platform = Arc::new(package.platform(&self.host)?);
                executors.insert(name, Registered::platform(platform.clone()));
                Ok(Serving::Platform(platform))
            }
            PluginKind::Fetcher if transfers.fetcher(&name).is_some() => taken("a fetcher"),
            PluginKind::Fetcher => {
                let fetcher = Arc::new(PluginFetcher::new(package.fetcher(&self.host)?));
                transfers.add_fetcher(name, fetcher.clone());
                Ok(Serving::Fetcher(fetcher))
            }
            PluginKind::Sink if transfers.sink(&name).is_some() => taken("a sink"),
            PluginKind::Sink => {
                let sink = Arc::new(PluginSink::new(package.sink(&self.host)?));
                transfers.add_sink(name, sink.clone());
                Ok(Serving::Sink(sink))
            }
        }
    }
}

fn of_plugin(name: &str, problem: String) -> Problem {
    Problem { field: format!("plugin.{name}"), problem, allowed: "a plugin that can be used".to_owned() }
}
