//! What a plugin may do: what its manifest asks for and its operator grants, both. The default is nothing.

use std::collections::BTreeMap;

use super::endpoint::{ConnectionConfig, EndpointConfig, Rights};
use super::grants::PluginConfig;
use super::manifest::{ConnectionRequest, EndpointRequest, Manifest, WorkAccess};
use super::sql::SqlGrant;
use crate::config::{PluginBounds, PluginLimits};

/// What a plugin may do.
#[derive(Clone, Debug)]
pub struct PluginRights {
    /// The platforms it may reach, by its own names for them.
    pub endpoints: BTreeMap<String, EndpointRight>,
    /// The connections whose bytes it may speak itself, by its own names for them.
    pub connections: BTreeMap<String, ConnectionRight>,
    /// What it may do with work trees.
    pub work: WorkAccess,
    /// The databases that it may ask.
    pub sql: Option<SqlGrant>,
    /// What it may take.
    pub limits: PluginLimits,
    /// What it is told, a JSON object.
    pub settings: String,
    /// What it asks for and is not granted.
    pub missing: Vec<Difference>,
    /// What it is granted and does not ask for.
    pub unused: Vec<Difference>,
}

/// An endpoint that is asked for and granted. A request must be allowed by both lists.
#[derive(Clone, Debug)]
pub struct EndpointRight {
    /// What the plugin asks for.
    pub requested: EndpointRequest,
    /// What it is granted.
    pub granted: EndpointConfig,
}

impl EndpointRight {
    /// What the plugin asks for, as its [`Call`](super::endpoint::Call)s need it.
    pub fn asked(&self) -> Rights {
        // Of a request that no manifest could have, nothing is left.
        Rights::new(Some(&self.requested.methods), Some(&self.requested.paths)).unwrap_or_default()
    }

    /// What it is granted, with no longer answers than its limits let it have.
    pub fn config(&self, limits: &PluginLimits) -> EndpointConfig {
        let response_bytes = self.granted.response_bytes.min(limits.response_bytes);
        EndpointConfig { response_bytes, ..self.granted.clone() }
    }

    /// The methods that both lists have.
    pub fn methods(&self) -> Vec<String> {
        let granted = |method: &&String| self.granted.methods.as_ref().is_none_or(|granted| granted.contains(method));
        self.requested.methods.iter().filter(granted).cloned().collect()
    }
}

/// A connection that is asked for and granted.
#[derive(Clone, Debug)]
pub struct ConnectionRight {
    /// What the plugin asks for.
    pub requested: ConnectionRequest,
    /// What it is granted.
    pub granted: ConnectionConfig,
}

impl ConnectionRight {
    /// What it is granted, with no more bytes than its limits let it have.
    pub fn config(&self, limits: &PluginLimits) -> ConnectionConfig {
        let response_bytes = self.granted.response_bytes.min(limits.response_bytes);
        ConnectionConfig { response_bytes, ..self.granted.clone() }
    }
}

/// A right on which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its key: `endpoint.jobs`, `work`, `limits.memory`.
    pub right: String,
    /// What the plugin asks for; empty for nothing.
    pub requested: String,
    /// What it is granted; empty for nothing.
    pub granted: String,
}

impl Difference {
    fn new(right: impl Into<String>, requested: impl ToString, granted: impl ToString) -> Difference {
        Difference { right: right.into(), requested: requested.to_string(), granted: granted.to_string() }
    }
}

impl PluginRights {
    /// The rights of a plugin with this manifest. `config` is what its operator says about it, if anything.
    pub fn of(manifest: &Manifest, config: Option<&PluginConfig>, bounds: &PluginBounds) -> PluginRights {
        let nothing = PluginConfig::default();
        let config = config.unwrap_or(&nothing);
        let mut rights = PluginRights {
            endpoints: BTreeMap::new(),
            connections: BTreeMap::new(),
            work: manifest.work.min(config.work),
            sql: config.sql.clone().filter(|_| manifest.sql.is_some()),
            limits: manifest.limits.effective(&config.limits, bounds),
            settings: serde_json::Value::Object(config.settings.clone()).to_string(),
            missing: Vec::new(),
            unused: Vec::new(),
        };
        rights.add_endpoints(manifest, config);
        rights.add_connections(manifest, config);
        if manifest.work > config.work {
            rights.missing.push(Difference::new("work", manifest.work, config.work));
        } else if manifest.work < config.work {
            rights.unused.push(Difference::new("work", manifest.work, config.work));
        }
        match (&manifest.sql, &config.sql) {
            (Some(_), None) => rights.missing.push(Difference::new("sql", "asked for", "")),
            (None, Some(_)) => rights.unused.push(Difference::new("sql", "", "granted")),
            _ => {}
        }
        rights.compare_limits(manifest, config, bounds);
        rights
    }

    fn add_endpoints(&mut self, manifest: &Manifest, config: &PluginConfig) {
        for requested in &manifest.endpoints {
            let key = format!("endpoint.{}", requested.name);
            let Some(granted) = config.endpoints.get(&requested.name) else {
                let asked = format!("{} on {}", requested.methods.join(", "), requested.paths.join(", "));
                self.missing.push(Difference::new(key, asked, ""));
                continue;
            };
            self.compare_lists(&format!("{key}.methods"), &requested.methods, granted.methods.as_deref());
            self.compare_lists(&format!("{key}.paths"), &requested.paths, granted.paths.as_deref());
            let right = EndpointRight { requested: requested.clone(), granted: granted.clone() };
            self.endpoints.insert(requested.name.clone(), right);
        }
        for name in config.endpoints.keys() {
            if !manifest.endpoints.iter().any(|requested| requested.name == *name) {
                self.unused.push(Difference::new(format!("endpoint.{name}"), "", "granted"));
            }
        }
    }

    fn add_connections(&mut self, manifest: &Manifest, config: &PluginConfig) {
        for requested in &manifest.connections {
            let key = format!("connection.{}", requested.name);
            let Some(granted) = config.connections.get(&requested.name) else {
                self.missing.push(Difference::new(key, "to connect", ""));
                continue;
            };
            let right = ConnectionRight { requested: requested.clone(), granted: granted.clone() };
            self.connections.insert(requested.name.clone(), right);
        }
        for name in config.connections.keys() {
            if !manifest.connections.iter().any(|requested| requested.name == *name) {
                self.unused.push(Difference::new(format!("connection.{name}"), "", "granted"));
            }
        }
    }

    /// Patterns are compared as they are written: one that another covers is listed all the same.
    fn compare_lists(&mut self, key: &str, requested: &[String], granted: Option<&[String]>) {
        let Some(granted) = granted else { return };
        let without = |list: &[String], other: &[String]| {
            let missing: Vec<&str> = list.iter().filter(|it| !other.contains(it)).map(String::as_str).collect();
            missing.join(", ")
        };
        let (missing, unused) = (without(requested, granted), without(granted, requested));
        if !missing.is_empty() {
            self.missing.push(Difference::new(key, missing, granted.join(", ")));
        }
        if !unused.is_empty() {
            self.unused.push(Difference::new(key, requested.join(", "), unused));
        }
    }

    fn compare_limits(&mut self, manifest: &Manifest, config: &PluginConfig, bounds: &PluginBounds) {
        let effective = super::limits::SomeLimits::from(self.limits).said();
        let asked = manifest.limits.said();
        let granted = config.limits.said();
        let most = super::limits::SomeLimits::from(bounds.most).said();
        for ((((name, asked), (_, granted)), (_, effective)), (_, most)) in
            asked.into_iter().zip(granted).zip(effective).zip(most)
        {
            let key = format!("limits.{name}");
            let effective = effective.unwrap_or_default();
            if let Some(asked) = asked.filter(|asked| *asked > effective) {
                self.missing.push(Difference::new(&key, asked, effective));
            }
            // Of what the engine cuts off nobody could make use.
            if let Some(granted) = granted.map(|granted| granted.min(most.unwrap_or(granted)))
                && granted > effective
            {
                self.unused.push(Difference::new(&key, effective, granted));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::grants::parse_config;
    use crate::plugin::manifest::parse_manifest;

    fn manifest(more: &str) -> Manifest {
        let text = format!(
            "name = \"shell\"\nversion = \"0.1.0\"\nkind = \"executor\"\napi = \"windlass:plugin@0.1\"\n{more}"
        );
        parse_manifest(text.as_bytes()).unwrap()
    }

    fn rights(manifest: &Manifest, config: &str) -> PluginRights {
        let grants = parse_config(format!("[plugin.shell]\n{config}").as_bytes()).unwrap();
        PluginRights::of(manifest, grants.plugins.get("shell"), &PluginBounds::default())
    }

    fn keys(differences: &[Difference]) -> Vec<&str> {
        differences.iter().map(|difference| difference.right.as_str()).collect()
    }

    const ASKS: &str = r#"
[[endpoint]]
name = "jobs"
methods = ["GET", "DELETE"]
paths = ["/jobs", "/jobs/**"]
[[endpoint]]
name = "events"
methods = ["GET"]
paths = ["/events"]
[work]
access = "write"
[limits]
memory = "128 MiB"
call_time = "5s"
"#;

    #[test]
    fn nothing_granted_is_nothing_allowed() {
        let rights = PluginRights::of(&manifest(ASKS), None, &PluginBounds::default());
        assert!(rights.endpoints.is_empty());
        assert_eq!((rights.work, rights.settings.as_str()), (WorkAccess::None, "{}"));
        assert_eq!((rights.limits.memory_bytes, rights.limits.call_ms), (64 << 20, 5_000));
        assert_eq!(keys(&rights.missing), ["endpoint.jobs", "endpoint.events", "work", "limits.memory"]);
        assert_eq!(rights.missing[0].requested, "GET, DELETE on /jobs, /jobs/**");
        assert!(rights.unused.is_empty());
    }

    #[test]
    fn nothing_asked_for_is_nothing_allowed() {
        let granted = "work = \"host\"\n[plugin.shell.limits]\nmemory = \"1GiB\"\n[plugin.shell.endpoint.jobs]\naddress = \"unix:/x\"";
        let rights = rights(&manifest("[limits]\nmemory = \"2MiB\""), granted);
        assert!(rights.endpoints.is_empty());
        assert_eq!((rights.work, rights.limits.memory_bytes), (WorkAccess::None, 2 << 20));
        assert_eq!(keys(&rights.unused), ["endpoint.jobs", "work", "limits.memory"]);
        assert!(rights.missing.is_empty());
    }

    #[test]
    fn both_together_are_what_is_allowed() {
        let granted = r#"
work = "host"
settings = { a = 1 }
[plugin.shell.limits]
memory = "64 GiB"
call_time = "1m"
[plugin.shell.endpoint.jobs]
address = "unix:/x"
methods = ["GET", "PUT"]
paths = ["/jobs/*"]
[plugin.shell.endpoint.events]
address = "unix:/x"
"#;
        let rights = rights(&manifest(ASKS), granted);
        assert_eq!(rights.endpoints.keys().collect::<Vec<_>>(), ["events", "jobs"]);
        assert_eq!(rights.endpoints["jobs"].methods(), ["GET"]);
        assert_eq!(rights.endpoints["events"].methods(), ["GET"]);
        assert!(format!("{:?}", rights.endpoints["jobs"].asked()).contains("DELETE"));
        let limits = PluginLimits { response_bytes: 7, ..rights.limits };
        assert_eq!(rights.endpoints["jobs"].config(&limits).response_bytes, 7);
        assert_eq!((rights.work, rights.settings.as_str()), (WorkAccess::Write, r#"{"a":1}"#));
        // Of memory it gets what it asks for, of time what it asks for.
        assert_eq!((rights.limits.memory_bytes, rights.limits.call_ms), (128 << 20, 5_000));
        assert_eq!(keys(&rights.missing), ["endpoint.jobs.methods", "endpoint.jobs.paths"]);
        assert_eq!(rights.missing[0], Difference::new("endpoint.jobs.methods", "DELETE", "GET, PUT"));
        assert_eq!(
            keys(&rights.unused),
            ["endpoint.jobs.methods", "endpoint.jobs.paths", "work", "limits.memory", "limits.call_time"]
        );
    }

    #[test]
    fn a_connection_is_there_when_both_sides_have_it() {
        let asks = manifest("[[connection]]\nname = \"a\"\n[[connection]]\nname = \"b\"");
        let table = |name: &str| format!("[plugin.shell.connection.{name}]\nhosts = [\"x\"]\nports = [1]\n");
        let rights = rights(&asks, &format!("{}{}", table("b"), table("c")));
        assert_eq!(rights.connections.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!((keys(&rights.missing), keys(&rights.unused)), (vec!["connection.a"], vec!["connection.c"]));
        let limits = PluginLimits { response_bytes: 7, ..rights.limits };
        assert_eq!(rights.connections["b"].config(&limits).response_bytes, 7);
    }

    #[test]
    fn no_grant_goes_over_the_most() {
        let most = PluginBounds::default().most;
        let asks = "[limits]\nmemory = \"1 TiB\"\nparallel_calls = 1000000\nresponse = \"1 TiB\"";
        let granted = "[plugin.shell.limits]\nmemory = \"1 TiB\"\nparallel_calls = 1000000";
        let rights = rights(&manifest(asks), granted);
        assert_eq!(rights.limits.memory_bytes, most.memory_bytes);
        assert_eq!(rights.limits.parallel_calls, most.parallel_calls);
        // Not granted at all: the usual.
        assert_eq!(rights.limits.response_bytes, PluginBounds::default().usual.response_bytes);
        assert_eq!(keys(&rights.missing), ["limits.memory", "limits.parallel_calls", "limits.response"]);
    }
}
