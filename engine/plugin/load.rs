//! From a plugin that was found to a platform of the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::WorkAccess;
use super::contract::{FetcherPlugin, SinkPlugin};
use super::endpoint::{ConnectionGrant, Endpoint};
use super::platform::{PlatformSetting, PluginPlatform};
use super::rights::PluginRights;
use super::sql::Jdbc;
use super::wasm::{
    Connections, Endpoints, ExecutorWorld, FetcherWorld, Granted, Machine, SinkWorld, WasmPlugin, WasmPluginSetting,
    World,
};
use crate::config::KeepWork;
use crate::error::Problem;
use crate::files::Layout;

/// What plugins are told of the engine they belong to.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) engine_id: String,
    pub(crate) layout: Layout,
    pub(crate) keep_work: KeepWork,
    pub(crate) machine: Arc<Machine>,
}

/// A component that was found, and what it may do.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Where it comes from, for messages.
    pub(crate) source: PathBuf,
    pub(crate) component: Arc<[u8]>,
    pub(crate) rights: PluginRights,
}

impl Package {
    /// The plugin, ready to be called; its component is compiled at the first call.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration of its endpoints.
    pub(crate) fn plugin<W: World>(&self, host: &Host) -> Result<Arc<W::Plugin>, Vec<Problem>> {
        Ok(W::share(self.wasm(host)?))
    }

    /// The same, as what it is.
    ///
    /// # Errors
    /// As [`Package::plugin`].
    pub(crate) fn wasm<W: World>(&self, host: &Host) -> Result<WasmPlugin<W>, Vec<Problem>> {
        let setting = WasmPluginSetting {
            name: self.name.clone(),
            engine_id: host.engine_id.clone(),
            settings: self.rights.settings.clone(),
            machine: host.machine.clone(),
            source: self.source.clone(),
            component: self.component.clone(),
            endpoints: self.endpoints()?,
            connections: self.connections()?,
            work: self.rights.work,
            sql: self.rights.sql.clone().map(|grant| Arc::new(Jdbc::new(grant))),
            limits: self.rights.limits,
        };
        Ok(WasmPlugin::new(setting))
    }

    /// The platform that it is.
    ///
    /// # Errors
    /// As [`Package::plugin`].
    pub(crate) fn platform(&self, host: &Host) -> Result<PluginPlatform, Vec<Problem>> {
        let setting =
            PlatformSetting { name: self.name.clone(), layout: host.layout.clone(), keep_work: host.keep_work };
        Ok(PluginPlatform::new(setting, self.plugin::<ExecutorWorld>(host)?, self.has_work()))
    }

    /// Has this plugin answer for a platform from the next call on.
    ///
    /// # Errors
    /// As [`Package::plugin`].
    pub(crate) fn replace(&self, host: &Host, platform: &PluginPlatform) -> Result<(), Vec<Problem>> {
        platform.replace(self.plugin::<ExecutorWorld>(host)?, self.has_work());
        Ok(())
    }

    /// The fetcher that it is.
    ///
    /// # Errors
    /// As [`Package::plugin`].
    pub(crate) fn fetcher(&self, host: &Host) -> Result<Arc<dyn FetcherPlugin>, Vec<Problem>> {
        let plugin: Arc<dyn FetcherPlugin> = self.plugin::<FetcherWorld>(host)?;
        Ok(plugin)
    }

    /// The sink that it is.
    ///
    /// # Errors
    /// As [`Package::plugin`].
    pub(crate) fn sink(&self, host: &Host) -> Result<Arc<dyn SinkPlugin>, Vec<Problem>> {
        let plugin: Arc<dyn SinkPlugin> = self.plugin::<SinkWorld>(host)?;
        Ok(plugin)
    }

    /// The same component with other rights.
    pub(crate) fn with(&self, rights: PluginRights) -> Package {
        let Package { name, source, component, .. } = self;
        Package { name: name.clone(), source: source.clone(), component: component.clone(), rights }
    }

    fn has_work(&self) -> bool {
        self.rights.work > WorkAccess::None
    }

    fn endpoints(&self) -> Result<Endpoints, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut endpoints = BTreeMap::new();
        for (name, right) in &self.rights.endpoints {
            match Endpoint::new(name, right.config(&self.rights.limits)) {
                Ok(endpoint) => {
                    endpoints.insert(name.clone(), Granted { endpoint, rights: Arc::new(right.asked()) });
                }
                Err(found) => problems.extend(self.of_this(found)),
            }
        }
        if problems.is_empty() { Ok(Arc::new(endpoints)) } else { Err(problems) }
    }

    fn connections(&self) -> Result<Connections, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut connections = BTreeMap::new();
        for (name, right) in &self.rights.connections {
            match ConnectionGrant::new(name, &right.config(&self.rights.limits)) {
                Ok(grant) => {
                    connections.insert(name.clone(), grant);
                }
                Err(found) => problems.extend(self.of_this(found)),
            }
        }
        if problems.is_empty() { Ok(Arc::new(connections)) } else { Err(problems) }
    }

    /// Problems by the keys of the configuration.
    fn of_this(&self, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
        let named = |it: Problem| Problem { field: format!("plugin.{}.{}", self.name, it.field), ..it };
        problems.into_iter().map(named)
    }
}
