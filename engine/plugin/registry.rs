//! Which plugins there are: built in, in the directory of the store, or in files that the configuration names.
//!
//! A plugin is what it was when its name was registered, or what its operator has confirmed since. What is found under
//! the name of another content is refused; what is found under a new name is registered. Either way it may do nothing
//! that is not granted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::candidate::{Candidate, Content, Refusal, unreadable};
use super::component::ComponentInfo;
use super::embedded::Embedded;
use super::grants::{Grants, PluginConfig, RESERVED};
use super::manifest::{MOST_BYTES, Manifest, NAME_ALLOWED, is_name};
use super::registered::Registered;
use super::rights::PluginRights;
use crate::config::PluginBounds;
use crate::error::{Error, Problem};
use crate::files::{Layout, PrivateDir};
use crate::secret::hex;

const COMPONENT: &str = "plugin.wasm";
const MANIFEST: &str = "plugin.toml";

/// The plugins of one store.
#[derive(Debug)]
pub struct Registry {
    dir: PathBuf,
    embedded: &'static [Embedded],
    grants: Grants,
    bounds: PluginBounds,
    found: BTreeMap<String, Found>,
}

/// Where a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In this program.
    BuiltIn,
    /// In the directory of the store.
    Directory,
    /// In a file that the configuration names.
    File(PathBuf),
}

/// A plugin that can be used.
#[derive(Clone)]
pub struct Plugin {
    /// The name it is registered under.
    pub name: String,
    /// Where it is.
    pub origin: Origin,
    /// What it says it is and asks for.
    pub manifest: Manifest,
    /// What is in its component.
    pub info: ComponentInfo,
    /// The SHA-256 of its component.
    pub sha256: [u8; 32],
    /// Whether the configuration names it. It is idle otherwise.
    pub configured: bool,
    /// What it may do.
    pub rights: PluginRights,
    content: Content,
    /// Its component, where it is configured: it can go on when the files of its name have changed.
    component: Option<Arc<[u8]>>,
}

/// A plugin, or why there is none under a name.
#[derive(Clone, Debug)]
pub enum Found {
    /// It can be used.
    Plugin(Box<Plugin>),
    /// It cannot.
    Refused(Origin, Refusal),
}

/// What a scan has found to be other than before, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: Vec<String>,
    /// Those with another content.
    pub changed: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that are refused. One of them that was used before goes on with the content it had.
    pub refused: Vec<String>,
    /// What is wrong with those that an engine cannot use, or not as they are now.
    pub problems: Vec<Problem>,
}

/// What became of a plugin that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addition {
    /// The name is new.
    New,
    /// It has taken the place of another content.
    Replaced,
    /// It was there already.
    Same,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("origin", &self.origin)
            .field("manifest", &self.manifest)
            .field("sha256", &hex(&self.sha256))
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::BuiltIn => f.write_str("built in"),
            Origin::Directory => f.write_str("store"),
            Origin::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Registry {
    /// The plugins of the store of this layout. Nothing is looked for yet.
    pub fn new(layout: &Layout, embedded: &'static [Embedded], grants: Grants, bounds: PluginBounds) -> Registry {
        Registry { dir: layout.plugins(), embedded, grants, bounds, found: BTreeMap::new() }
    }

    /// What the configuration grants from the next scan on.
    pub fn set_grants(&mut self, grants: Grants) {
        self.grants = grants;
    }

    /// What was found last, by name.
    pub fn found(&self) -> &BTreeMap<String, Found> {
        &self.found
    }

    /// A plugin that was found and can be used.
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        match self.found.get(name)? {
            Found::Plugin(plugin) => Some(plugin),
            Found::Refused(..) => None,
        }
    }

    /// Looks for plugins and changes nothing on disk. Blocks.
    ///
    /// # Errors
    /// When the directory of plugins or what is registered cannot be read.
    pub fn look(&mut self) -> Result<Changes, Error> {
        let dir = self.open_dir()?;
        let registered = self.registered(dir.as_ref())?;
        let found = self.find(dir.as_ref(), &registered)?;
        Ok(self.take_over(found))
    }

    /// Looks for plugins and registers those of new names. Blocks; may be called again at any time.
    ///
    /// # Errors
    /// As [`Registry::look`], and when the disk cannot be written.
    pub fn scan(&mut self) -> Result<Changes, Error> {
        let mut dir = self.open_dir()?;
        let mut registered = self.registered(dir.as_ref())?;
        let found = self.find(dir.as_ref(), &registered)?;
        let news = news(&found, &registered);
        if !news.is_empty() {
            let dir = match dir.take() {
                Some(dir) => dir,
                None => {
                    let dir = self.create_dir()?;
                    registered = self.registered(Some(&dir))?;
                    dir
                }
            };
            registered.0.extend(news);
            registered.write(&dir)?;
        }
        Ok(self.take_over(found))
    }

    /// The bytes of the component of a plugin as they were found. Blocks.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`], [`Refusal::Changed`].
    pub fn component(&self, plugin: &Plugin) -> Result<Arc<[u8]>, Refusal> {
        if let Some(component) = &plugin.component {
            return Ok(component.clone());
        }
        let dir = self.open_dir().map_err(|error| Refusal::Unreadable(error.to_string()))?;
        let candidate = self.read(&plugin.name, &plugin.origin, dir.as_ref())?;
        match Refusal::of_change(&plugin.content, &candidate.content) {
            None => Ok(candidate.component.into()),
            Some(refusal) => Err(refusal),
        }
    }

    /// Takes a component with its manifest into the directory of the store, under the name that it has or is given, and
    /// registers it. Blocks.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is none that can be run, [`Error::Conflict`] when the name stands for another content
    /// and that is not confirmed, or the configuration wants another one.
    pub fn add(&mut self, file: &Path, name: Option<&str>, confirmed: bool) -> Result<(String, Addition), Error> {
        let candidate = Candidate::read(file, self.bounds.component_bytes).map_err(invalid)?;
        let problems = candidate.problems();
        if !problems.is_empty() {
            return Err(Error::Invalid(problems));
        }
        let name = name.unwrap_or(&candidate.manifest.name).to_owned();
        if !is_name(&name) || RESERVED.contains(&name.as_str()) {
            let allowed = format!("{NAME_ALLOWED}; not {}", RESERVED.join(", "));
            return Err(Error::invalid("name", format!("{name:?} cannot be the name of a plugin"), allowed));
        }
        let config = self.grants.plugins.get(&name);
        let in_place = self.check_configuration(&name, config, file, &candidate)?;
        let dir = self.create_dir()?;
        let mut registered = self.registered(Some(&dir))?;
        let known = self.known(&name, &registered);
        let change = known.and_then(|known| Refusal::of_change(&known, &candidate.content));
        if let Some(refusal) = change.as_ref().filter(|_| !confirmed) {
            return Err(Error::Conflict(format!("the plugin {name} is there already: {refusal}")));
        }
        if !in_place {
            let place = dir.make_directory(&name).map_err(|error| self.io(&name, &error))?;
            let written = place
                .write(COMPONENT, &candidate.component)
                .and_then(|()| place.write(MANIFEST, &candidate.manifest_text));
            written.map_err(|error| self.io(&name, &error))?;
        }
        let before = registered.0.insert(name.clone(), candidate.content);
        registered.write(&dir)?;
        let addition = match (before, change) {
            (_, Some(_)) => Addition::Replaced,
            (Some(_), None) => Addition::Same,
            (None, None) => Addition::New,
        };
        Ok((name, addition))
    }

    /// Removes a plugin from the directory of the store and forgets what was registered under its name. False when there
    /// is none. Blocks.
    ///
    /// # Errors
    /// [`Error::Conflict`] for one that is part of this program.
    pub fn remove(&mut self, name: &str) -> Result<bool, Error> {
        if !is_name(name) {
            return Ok(false);
        }
        let dir = self.open_dir()?;
        let mut registered = self.registered(dir.as_ref())?;
        let in_directory = match &dir {
            Some(dir) => dir.directories().map_err(|error| self.io(name, &error))?.iter().any(|it| it == name),
            None => false,
        };
        let known = registered.0.contains_key(name);
        let Some(dir) = dir.filter(|_| in_directory || known) else {
            if self.embedded(name).is_none() {
                return Ok(false);
            }
            return Err(Error::Conflict(format!("the plugin {name} is built in; it is idle unless it is configured")));
        };
        dir.remove_directory(name).map_err(|error| self.io(name, &error))?;
        registered.0.remove(name);
        registered.write(&dir)?;
        Ok(true)
    }

    /// Whether the file is the very one that the configuration names; refuses what the configuration would not use.
    fn check_configuration(
        &self,
        name: &str,
        config: Option<&PluginConfig>,
        file: &Path,
        candidate: &Candidate,
    ) -> Result<bool, Error> {
        let Some(config) = config else { return Ok(false) };
        if let Some(wanted) = config.sha256.filter(|wanted| *wanted != candidate.sha256()) {
            let refusal = Refusal::Pinned { wanted: hex(&wanted), found: hex(&candidate.sha256()) };
            return Err(Error::Conflict(format!("the plugin {name}: {refusal}")));
        }
        let Some(source) = &config.source else { return Ok(false) };
        let whole = |path: &Path| std::fs::canonicalize(path).ok();
        if whole(source).is_some() && whole(source) == whole(file) {
            return Ok(true);
        }
        let problem = format!("the configuration says that the plugin {name} is in {}", source.display());
        Err(Error::Conflict(problem))
    }

    /// The directory of plugins, locked; `None` when there is none.
    fn open_dir(&self) -> Result<Option<PrivateDir>, Error> {
        let dir = PrivateDir::open(&self.dir).map_err(|error| self.io("", &error))?;
        if let Some(dir) = &dir {
            dir.lock().map_err(|error| self.io("", &error))?;
        }
        Ok(dir)
    }

    fn create_dir(&self) -> Result<PrivateDir, Error> {
        let dir = PrivateDir::create(&self.dir).map_err(|error| self.io("", &error))?;
        dir.lock().map_err(|error| self.io("", &error))?;
        Ok(dir)
    }

    fn io(&self, name: &str, error: &std::io::Error) -> Error {
        Error::io(self.dir.join(name).display(), error)
    }

    fn registered(&self, dir: Option<&PrivateDir>) -> Result<Registered, Error> {
        dir.map_or_else(|| Ok(Registered::default()), Registered::read)
    }

    fn embedded(&self, name: &str) -> Option<&'static Embedded> {
        self.embedded.iter().find(|embedded| embedded.name == name)
    }

    /// The content that a name stands for: what was registered, else what is part of this program.
    fn known(&self, name: &str, registered: &Registered) -> Option<Content> {
        let of_program = || {
            let candidate = self.read(name, &Origin::BuiltIn, None).ok()?;
            Some(candidate.content)
        };
        registered.0.get(name).copied().or_else(of_program)
    }

    /// Everything there is.
    fn find(&self, dir: Option<&PrivateDir>, registered: &Registered) -> Result<BTreeMap<String, Found>, Error> {
        let origins = self.origins(dir)?.into_iter();
        let found = origins.map(|(name, origin)| {
            let found = match self.check(&name, &origin, dir, registered) {
                Ok(plugin) => Found::Plugin(Box::new(plugin)),
                Err(refusal) => Found::Refused(origin, refusal),
            };
            (name, found)
        });
        Ok(found.collect())
    }

    /// Where each plugin is: in the file that is configured, else in the directory, else in this program.
    fn origins(&self, dir: Option<&PrivateDir>) -> Result<BTreeMap<String, Origin>, Error> {
        let mut origins: BTreeMap<String, Origin> =
            self.embedded.iter().map(|embedded| (embedded.name.to_owned(), Origin::BuiltIn)).collect();
        let names = dir.map_or_else(|| Ok(Vec::new()), PrivateDir::directories).map_err(|error| self.io("", &error))?;
        if names.len() > self.bounds.plugins {
            return Err(Error::Full { what: self.dir.display().to_string(), limit: self.bounds.plugins as u64 });
        }
        let valid = |name: &String| is_name(name) && !RESERVED.contains(&name.as_str());
        origins.extend(names.into_iter().filter(valid).map(|name| (name, Origin::Directory)));
        for (name, config) in &self.grants.plugins {
            match &config.source {
                Some(path) => {
                    origins.insert(name.clone(), Origin::File(path.clone()));
                }
                // It will be refused, being nowhere.
                None => {
                    origins.entry(name.clone()).or_insert(Origin::Directory);
                }
            }
        }
        Ok(origins)
    }

    fn read(&self, name: &str, origin: &Origin, dir: Option<&PrivateDir>) -> Result<Candidate, Refusal> {
        match origin {
            Origin::BuiltIn => {
                let embedded = self.embedded(name).ok_or(Refusal::Nowhere)?;
                Candidate::new(Cow::Borrowed(embedded.component), Some(embedded.manifest.as_bytes().to_vec()))
            }
            Origin::File(path) => Candidate::read(path, self.bounds.component_bytes),
            Origin::Directory => {
                let refused = |error: std::io::Error| unreadable(&self.dir.join(name), &error);
                let place = dir.ok_or(Refusal::Nowhere)?.directory(name).map_err(refused)?.ok_or(Refusal::Nowhere)?;
                let component = place.read(COMPONENT, self.bounds.component_bytes).map_err(refused)?;
                let component = component
                    .ok_or_else(|| Refusal::Unreadable(format!("there is no {COMPONENT} in plugins/{name}")))?;
                let beside = place.read(MANIFEST, MOST_BYTES as u64).map_err(refused)?;
                Candidate::new(Cow::Owned(component), beside)
            }
        }
    }

    fn check(
        &self,
        name: &str,
        origin: &Origin,
        dir: Option<&PrivateDir>,
        registered: &Registered,
    ) -> Result<Plugin, Refusal> {
        let candidate = self.read(name, origin, dir)?;
        let problems = candidate.problems();
        if !problems.is_empty() {
            return Err(Refusal::Unfit(problems));
        }
        let config = self.grants.plugins.get(name);
        match config.and_then(|config| config.sha256) {
            Some(wanted) if wanted != candidate.sha256() => {
                return Err(Refusal::Pinned { wanted: hex(&wanted), found: hex(&candidate.sha256()) });
            }
            Some(_) => {}
            // What is part of this program changes with it.
            None if *origin == Origin::BuiltIn => {}
            None => {
                // A file that the configuration names may stand for one that is part of this program, a directory not.
                let known = match origin {
                    Origin::File(_) => registered.0.get(name).copied(),
                    _ => self.known(name, registered),
                };
                if let Some(refusal) = known.and_then(|known| Refusal::of_change(&known, &candidate.content)) {
                    return Err(refusal);
                }
            }
        }
        let rights = PluginRights::of(&candidate.manifest, config, &self.bounds);
        Ok(Plugin {
            name: name.to_owned(),
            origin: origin.clone(),
            sha256: candidate.sha256(),
            configured: config.is_some(),
            rights,
            manifest: candidate.manifest,
            info: candidate.info,
            content: candidate.content,
            component: config.map(|_| candidate.component.into()),
        })
    }

    /// A plugin that was used before and may go on with the content it had, though another one is there now. What it is
    /// granted is what is granted now.
    fn kept(&self, name: &str, refusal: &Refusal) -> Option<Box<Plugin>> {
        let Some(Found::Plugin(before)) = self.found.get(name) else { return None };
        if matches!(refusal, Refusal::Pinned { .. } | Refusal::Nowhere) {
            return None;
        }
        let config = self.grants.plugins.get(name);
        let rights = PluginRights::of(&before.manifest, config, &self.bounds);
        Some(Box::new(Plugin { rights, configured: config.is_some(), ..(**before).clone() }))
    }

    /// Makes what was found now what was found last, and says what is other than before.
    fn take_over(&mut self, mut found: BTreeMap<String, Found>) -> Changes {
        let mut changes = Changes::default();
        for (name, now) in &mut found {
            let before = match self.found.get(name) {
                Some(Found::Plugin(plugin)) => Some(plugin),
                _ => None,
            };
            match (before, &*now) {
                (None, Found::Plugin(_)) => changes.added.push(name.clone()),
                (Some(before), Found::Plugin(plugin)) if before.content != plugin.content => {
                    changes.changed.push(name.clone());
                }
                (Some(_), Found::Plugin(_)) => {}
                (_, Found::Refused(_, refusal)) => {
                    changes.refused.push(name.clone());
                    if let Some(kept) = self.kept(name, refusal) {
                        *now = Found::Plugin(kept);
                    }
                }
            }
        }
        let gone =
            self.found.iter().filter(|(name, before)| matches!(before, Found::Plugin(_)) && !found.contains_key(*name));
        changes.removed = gone.map(|(name, _)| name.clone()).collect();
        self.found = found;
        changes
    }
}

/// What is to be registered. What is part of this program changes with it and is not.
fn news(found: &BTreeMap<String, Found>, registered: &Registered) -> Vec<(String, Content)> {
    let news = found.iter().filter_map(|(name, found)| match found {
        Found::Plugin(plugin) if plugin.origin != Origin::BuiltIn => Some((name.clone(), plugin.content)),
        _ => None,
    });
    news.filter(|(name, content)| registered.0.get(name) != Some(content)).collect()
}

#[cfg(test)]
mod tests;

fn invalid(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Unfit(problems) => Error::Invalid(problems),
        refusal => Error::invalid("file", refusal.to_string(), "a component of a plugin"),
    }
}
