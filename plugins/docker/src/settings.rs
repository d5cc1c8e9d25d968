//! What the operator of the engine allows: the settings of the plugin.

use serde::Deserialize;
use windlass_plugin::host;
use windlass_plugin::prelude::*;

use crate::quantity::Bytes;

const PREFIX: &str = "containergroup-";
const MOST_PIDS: i64 = 4_096;

/// `[plugin.docker.settings]`. The defaults allow nothing that reaches out of a container.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The networks that jobs may name.
    pub(crate) networks: Vec<String>,
    /// The directories of the machine of the Docker Engine that jobs may mount, with all that is below them.
    pub(crate) mounts: Vec<AllowedMount>,
    /// The capabilities that jobs may ask for.
    pub(crate) capabilities: Vec<String>,
    /// What the names of containers and volumes begin with.
    pub(crate) name_prefix: String,
    /// What a container gets that asks for nothing else.
    pub(crate) defaults: Defaults,
    /// Bytes of a file of the log of a container, of which the Docker Engine keeps two.
    pub(crate) log_bytes: Bytes,
    /// The registry that the endpoint `registry` leads to, as it stands in references of images: `registry.example.com`.
    pub(crate) registry: Option<String>,
}

/// A directory that jobs may mount.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllowedMount {
    pub(crate) path: String,
    /// Whether they may write there.
    #[serde(default)]
    pub(crate) write: bool,
}

/// Resources of containers that do not name them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Defaults {
    pub(crate) cpu: Option<f64>,
    pub(crate) memory: Option<Bytes>,
    pub(crate) pids: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            networks: vec![crate::options::NO_NETWORK.to_owned()],
            mounts: Vec::new(),
            capabilities: Vec::new(),
            name_prefix: PREFIX.to_owned(),
            defaults: Defaults::default(),
            log_bytes: Bytes(256 << 20),
            registry: None,
        }
    }
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults { cpu: None, memory: None, pids: MOST_PIDS }
    }
}

impl Settings {
    /// Reads and checks them.
    pub(crate) fn read() -> Result<Settings> {
        let settings: Settings = host::settings()?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::invalid(format!("the settings of the plugin: {what}")));
        let begins_well = self.name_prefix.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric());
        let is_name = |it: u8| it.is_ascii_alphanumeric() || b"_.-".contains(&it);
        if !begins_well || self.name_prefix.len() > 64 || !self.name_prefix.bytes().all(is_name) {
            return wrong("name_prefix: begin with a letter or a digit, then those and _ . - up to 64");
        }
        if let Some(mount) = self.mounts.iter().find(|mount| !is_plain_path(&mount.path)) {
            return wrong(&format!("mounts: {:?} is no absolute path without . and ..", mount.path));
        }
        if self.log_bytes.0 < 1 {
            return wrong("log_bytes: 1 or more");
        }
        Ok(())
    }

    /// Whether a job may mount this.
    pub(crate) fn allows_mount(&self, path: &str, write: bool) -> bool {
        self.mounts.iter().any(|allowed| {
            let rest = path.strip_prefix(allowed.path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && (allowed.write || !write)
        })
    }
}

/// An absolute path that leads where it says, links aside.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['\0', ':']) && !path.split('/').any(|part| matches!(part, "." | ".."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use windlass_plugin::testing;

    use super::*;

    #[test]
    fn nothing_is_allowed_that_reaches_out_unless_it_is_said() {
        let settings = Settings::read().unwrap();
        assert_eq!(settings.networks, ["none"]);
        assert!(!settings.allows_mount("/", false) && settings.capabilities.is_empty());
        testing::settings(json!({ "mounts": [{ "path": "/data/" }, { "path": "/out", "write": true }] }));
        let settings = Settings::read().unwrap();
        for (path, write, allowed) in [
            ("/data", false, true),
            ("/data/a/b", false, true),
            ("/data", true, false),
            ("/database", false, false),
            ("/out/x", true, true),
            ("/", false, false),
        ] {
            assert_eq!(settings.allows_mount(path, write), allowed, "{path} {write}");
        }
    }

    #[test]
    fn mistakes_of_the_operator_are_told() {
        for (wrong, says) in [
            (json!({ "network": [] }), "network"),
            (json!({ "name_prefix": "-x" }), "name_prefix"),
            (json!({ "mounts": [{ "path": "/a/../b" }] }), "mounts"),
            (json!({ "log_bytes": 0 }), "log_bytes"),
        ] {
            testing::settings(wrong);
            let error = Settings::read().unwrap_err();
            assert!(error.message.contains(says) && error.kind == ErrorKind::Invalid, "{error}");
        }
    }
}
