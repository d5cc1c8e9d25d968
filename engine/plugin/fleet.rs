//! The plugins of a running engine: those that are configured are executors; what is dropped or replaced while the engine
//! runs is taken in by another look.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::load::{Host, Package};
use super::platform::PluginPlatform;
use super::registry::{Changes, Found, Plugin, Registry};
use super::{PluginKind, embedded};
use crate::config::PluginBounds;
use crate::error::{Error, Problem};
use crate::executors::{Executors, Registered};
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
    /// The executors among them, by name.
    platforms: BTreeMap<String, Arc<PluginPlatform>>,
}

impl Fleet {
    /// Finds the plugins and makes those that are configured executors. Nothing is compiled yet. Blocks.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong with a configured plugin, [`Error::Storage`].
    pub(crate) fn open(
        host: Host,
        grants: Grants,
        bounds: PluginBounds,
        executors: &Executors,
    ) -> Result<Fleet, Error> {
        let configured: Vec<String> = grants.plugins.keys().cloned().collect();
        let registry = Registry::new(&host.layout, embedded::EMBEDDED, grants, bounds);
        let fleet = Fleet { host, inner: Mutex::new(Inner { registry, platforms: BTreeMap::new() }) };
        let (_, refused) = fleet.look(executors, true)?;
        let problems: Vec<Problem> =
            refused.into_iter().filter(|(name, _)| configured.contains(name)).flat_map(|it| it.1).collect();
        if problems.is_empty() { Ok(fleet) } else { Err(Error::Invalid(problems)) }
    }

    /// Looks for plugins again, with other grants where there are some. New ones become executors, those with another
    /// content are replaced from the next call on; one that is refused goes on as it was. Blocks.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub(crate) fn refresh(&self, grants: Option<Grants>, executors: &Executors) -> Result<Changes, Error> {
        let anew = grants.is_some();
        if let Some(grants) = grants {
            self.lock().registry.set_grants(grants);
        }
        let (mut changes, refused) = self.look(executors, anew)?;
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
    fn look(&self, executors: &Executors, anew: bool) -> Result<(Changes, Refused), Error> {
        let mut inner = self.lock();
        let changes = inner.registry.scan()?;
        let mut refused = Vec::new();
        let mut usable = Vec::new();
        for (name, found) in inner.registry.found() {
            match found {
                Found::Plugin(plugin) if plugin.manifest.kind == PluginKind::Executor => {
                    // One that is no longer configured goes on without any right.
                    if plugin.configured || inner.platforms.contains_key(name) {
                        usable.push((**plugin).clone());
                    }
                }
                Found::Plugin(_) => {}
                Found::Refused(_, refusal) => refused.push((name.clone(), vec![of_plugin(name, refusal.to_string())])),
            }
        }
        let is_news = |plugin: &Plugin| anew || changes.changed.contains(&plugin.name);
        for plugin in usable {
            if inner.platforms.contains_key(&plugin.name) && !is_news(&plugin) {
                continue;
            }
            if let Err(problems) = self.take_in(&mut inner, &plugin, executors) {
                refused.push((plugin.name, problems));
            }
        }
        Ok((changes, refused))
    }

    fn take_in(&self, inner: &mut Inner, plugin: &Plugin, executors: &Executors) -> Result<(), Vec<Problem>> {
        let component = inner.registry.component(plugin);
        let component = component.map_err(|refusal| vec![of_plugin(&plugin.name, refusal.to_string())])?;
        let package = Package {
            name: plugin.name.clone(),
            source: PathBuf::from(format!("plugin {}", plugin.name)),
            component,
            rights: plugin.rights.clone(),
        };
        if let Some(platform) = inner.platforms.get(&plugin.name) {
            return package.replace(&self.host, platform);
        }
        if executors.get(&plugin.name).is_some() {
            let problem = "an executor of this name is registered already".to_owned();
            return Err(vec![of_plugin(&plugin.name, problem)]);
        }
        let platform = Arc::new(package.platform(&self.host)?);
        executors.insert(plugin.name.clone(), Registered::platform(platform.clone()));
        inner.platforms.insert(plugin.name.clone(), platform);
        Ok(())
    }
}

fn of_plugin(name: &str, problem: String) -> Problem {
    Problem { field: format!("plugin.{name}"), problem, allowed: "a plugin that can be used".to_owned() }
}
