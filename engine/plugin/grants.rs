//! What an operator grants plugins: `windlass.toml`.
//!
//! ```toml
//! [plugin.shell]
//! source = "/opt/plugins/shell.wasm"
//! work = "write"
//! settings = { shell = "/bin/sh" }
//!
//! [plugin.shell.limits]
//! memory = "64 MiB"
//!
//! [plugin.shell.endpoint.jobs]
//! address = "unix:/run/jobs.sock"
//! auth = { kind = "bearer", token = { env = "JOBS_TOKEN" } }
//!
//! [plugin.shell.connection.database]
//! hosts = ["db.example.com"]
//! ports = [5432]
//!
//! [native.command]
//! library = "/opt/plugins/libcommand.so"
//! settings = { directory = "/var/lib/command" }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::endpoint::{ConnectionConfig, EndpointConfig};
use super::fields::{Field, Fields, Problems, read_document};
use super::limits::SomeLimits;
use super::manifest::{NAME_ALLOWED, WorkAccess, check_rights, is_name};
use super::sql::SqlGrant;
use crate::error::Problem;
use crate::secret::hex;

/// Bytes of a configuration.
pub(crate) const MOST_BYTES: usize = 1 << 20;
/// Bytes of the settings of one plugin, as JSON.
const MOST_SETTINGS: usize = 64 << 10;
/// Executors of the engine itself, whose names no plugin can have.
pub(crate) const RESERVED: [&str; 3] = ["function", "process", "wasm"];

/// What plugins are granted, by their names. A plugin that is not named here is idle.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// The plugins.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// Plugins that are shared libraries. They can do whatever the engine's user can, so there is nothing else to grant.
    pub native: BTreeMap<String, NativeGrant>,
}

/// A plugin that is a shared library.
#[derive(Clone)]
pub struct NativeGrant {
    /// The library, an absolute path.
    pub library: PathBuf,
    /// What it is told, an object; only it knows the meaning.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl fmt::Debug for NativeGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.settings.keys().collect();
        f.debug_struct("NativeGrant").field("library", &self.library).field("settings", &keys).finish()
    }
}

/// What one plugin is granted: nothing unless it says so.
#[derive(Clone, Default)]
pub struct PluginConfig {
    /// The file of its component. Unless set it is in the directory of the store, or built in.
    pub source: Option<PathBuf>,
    /// The SHA-256 that its component must have. Where this is set, a component with another one is refused and this one
    /// needs no other confirmation.
    pub sha256: Option<[u8; 32]>,
    /// What it may do with work trees.
    pub work: WorkAccess,
    /// What it may take. What is not said is [`PluginBounds::usual`](crate::config::PluginBounds).
    pub limits: SomeLimits,
    /// What it is told, an object; only it knows the meaning. No place for credentials: plugins see it.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// The platforms it may reach, by its own names for them.
    pub endpoints: BTreeMap<String, EndpointConfig>,
    /// Where the connections may lead whose bytes it speaks itself, by its own names for them.
    pub connections: BTreeMap<String, ConnectionConfig>,
    /// The databases that it may ask through JDBC drivers.
    pub sql: Option<SqlGrant>,
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginConfig")
            .field("source", &self.source)
            .field("sha256", &self.sha256.as_ref().map(|digest| hex(digest)))
            .field("work", &self.work)
            .field("limits", &self.limits)
            // Somebody may have put a credential there all the same.
            .field("settings", &self.settings.keys().collect::<Vec<_>>())
            .field("endpoints", &self.endpoints)
            .field("connections", &self.connections)
            .field("sql", &self.sql)
            .finish()
    }
}

/// The bytes of 64 hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Reads a configuration. Pure, never panics, and takes a time that its size bounds.
///
/// # Errors
/// Everything that is wrong with it. No problem shows a credential.
pub fn parse_config(text: &[u8]) -> Result<Grants, Vec<Problem>> {
    let mut problems = Problems::default();
    let Some(table) = read_document(text, MOST_BYTES, &mut problems) else {
        return Err(problems.into_list());
    };
    let fields = Fields::of(&table, "", &["plugin", "native"], &mut problems);
    let mut grants = Grants::default();
    let entries = fields.get("plugin").and_then(|field| field.entries(&mut problems, "tables [plugin.NAME]"));
    for (name, field) in entries.unwrap_or_default() {
        check_name(name, &field, &mut problems);
        if let Some(config) = read_plugin(&field, &mut problems) {
            grants.plugins.insert(name.to_owned(), config);
        }
    }
    let entries = fields.get("native").and_then(|field| field.entries(&mut problems, "tables [native.NAME]"));
    for (name, field) in entries.unwrap_or_default() {
        check_name(name, &field, &mut problems);
        if grants.plugins.contains_key(name) {
            field.fail(&mut problems, "a plugin of this name is configured too", "a name of its own");
        }
        if let Some(grant) = read_native(&field, &mut problems) {
            grants.native.insert(name.to_owned(), grant);
        }
    }
    if problems.are_none() { Ok(grants) } else { Err(problems.into_list()) }
}

fn check_name(name: &str, field: &Field<'_>, problems: &mut Problems) {
    if !is_name(name) {
        field.fail(problems, "it is not a name of a plugin", NAME_ALLOWED);
    } else if RESERVED.contains(&name) {
        let allowed = format!("a name other than {}", RESERVED.join(", "));
        field.fail(problems, "the name belongs to the engine", allowed);
    }
}

fn read_native(field: &Field<'_>, problems: &mut Problems) -> Option<NativeGrant> {
    let fields = field.fields(&["library", "settings"], problems)?;
    let settings = fields.get("settings").and_then(|field| read_settings(&field, problems)).unwrap_or_default();
    let Some(library) = fields.get("library") else {
        problems.add(format!("{}.library", field.path), "it is missing", "the absolute path of a shared library");
        return None;
    };
    Some(NativeGrant { library: read_source(&library, problems)?, settings })
}

fn read_plugin(field: &Field<'_>, problems: &mut Problems) -> Option<PluginConfig> {
    let known = ["source", "sha256", "work", "settings", "limits", "endpoint", "connection", "sql"];
    let fields = field.fields(&known, problems)?;
    let mut config = PluginConfig::default();
    if let Some(field) = fields.get("source") {
        config.source = read_source(&field, problems);
    }
    if let Some(field) = fields.get("sha256") {
        let allowed = "64 hexadecimal digits";
        let text = field.text(problems, allowed);
        config.sha256 = text.and_then(from_hex);
        if text.is_some() && config.sha256.is_none() {
            field.fail(problems, "it is not a SHA-256", allowed);
        }
    }
    if let Some(field) = fields.get("work") {
        config.work = field.choice(problems, &WorkAccess::ALL).unwrap_or_default();
    }
    if let Some(field) = fields.get("settings") {
        config.settings = read_settings(&field, problems).unwrap_or_default();
    }
    if let Some(field) = fields.get("limits") {
        config.limits = SomeLimits::read(&field, problems);
    }
    config.sql = fields.get("sql").and_then(|field| SqlGrant::read(&field, problems));
    read_endpoints(&fields, &mut config, problems);
    read_connections(&fields, &mut config, problems);
    Some(config)
}

fn read_endpoints(fields: &Fields<'_>, config: &mut PluginConfig, problems: &mut Problems) {
    let entries =
        fields.get("endpoint").and_then(|field| field.entries(problems, "tables [plugin.NAME.endpoint.NAME]"));
    for (name, field) in entries.unwrap_or_default() {
        if !is_name(name) {
            field.fail(problems, "it is not a name of an endpoint", NAME_ALLOWED);
        }
        if let Some(endpoint) = read_endpoint(&field, problems) {
            config.endpoints.insert(name.to_owned(), endpoint);
        }
    }
}

fn read_connections(fields: &Fields<'_>, config: &mut PluginConfig, problems: &mut Problems) {
    let entries =
        fields.get("connection").and_then(|field| field.entries(problems, "tables [plugin.NAME.connection.NAME]"));
    for (name, field) in entries.unwrap_or_default() {
        if !is_name(name) {
            field.fail(problems, "it is not a name of a connection", NAME_ALLOWED);
        }
        let needed = [("hosts", "a list of machines"), ("ports", "a list of ports")];
        let allowed = "a table with at least hosts and ports";
        if let Some(connection) = read_table(&field, allowed, &needed, "a connection", problems) {
            config.connections.insert(name.to_owned(), connection);
        }
    }
}

fn read_source(field: &Field<'_>, problems: &mut Problems) -> Option<PathBuf> {
    let allowed = "the absolute path of a file";
    let path = PathBuf::from(field.text(problems, allowed)?);
    if !path.is_absolute() {
        field.fail(problems, "it is not absolute", allowed);
        return None;
    }
    Some(path)
}

fn read_settings(field: &Field<'_>, problems: &mut Problems) -> Option<serde_json::Map<String, serde_json::Value>> {
    let entries = field.entries(problems, "a table")?;
    let mut settings = serde_json::Map::new();
    for (key, field) in entries {
        match to_json(field.value) {
            Some(value) => {
                settings.insert(key.to_owned(), value);
            }
            None => field.fail(problems, "JSON has no such number", "finite numbers"),
        }
    }
    let bytes = serde_json::to_string(&settings).map_or(0, |text| text.len());
    if bytes > MOST_SETTINGS {
        field.fail(problems, format!("it has {bytes} bytes as JSON"), format!("at most {MOST_SETTINGS}"));
    }
    Some(settings)
}

/// A value as JSON; times become texts. `None` for numbers that JSON lacks.
pub(super) fn to_json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Datetime(time) => time.to_string().into(),
        Value::Array(values) => serde_json::Value::Array(values.iter().map(to_json).collect::<Option<_>>()?),
        Value::Table(table) => {
            let pairs = table.iter().map(|(key, value)| Some((key.clone(), to_json(value)?)));
            serde_json::Value::Object(pairs.collect::<Option<_>>()?)
        }
    })
}

fn read_endpoint(field: &Field<'_>, problems: &mut Problems) -> Option<EndpointConfig> {
    let needed = [("address", "unix:/path, http://… or https://…")];
    let config: EndpointConfig =
        read_table(field, "a table with at least an address", &needed, "an endpoint", problems)?;
    check_rights(&field.path, config.methods.as_deref(), config.paths.as_deref(), problems);
    Some(config)
}

/// Reads a table entry by entry, so that each mistake is told.
fn read_table<T: DeserializeOwned>(
    field: &Field<'_>,
    allowed: &str,
    needed: &[(&str, &str)],
    what: &str,
    problems: &mut Problems,
) -> Option<T> {
    let entries = field.entries(problems, allowed)?;
    let mut whole = Table::new();
    for (key, field) in &entries {
        let alone = Table::from_iter([((*key).to_owned(), field.value.clone())]);
        match alone.try_into::<T>() {
            Ok(_) => {
                whole.insert((*key).to_owned(), field.value.clone());
            }
            Err(error) => {
                let (problem, allowed) = told(error.message(), what, field.value);
                field.fail(problems, problem, allowed);
            }
        }
    }
    let read: T = whole.try_into().ok()?;
    for (key, allowed) in needed {
        if !entries.iter().any(|(there, _)| there == key) {
            problems.add(format!("{}.{key}", field.path), "it is missing", *allowed);
        }
    }
    Some(read)
}

/// What serde says of a value, without any text of it: it may be a credential in the wrong place.
fn told(message: &str, what: &str, value: &Value) -> (String, String) {
    let has = format!("what {what} has");
    let (problem, allowed) = message.split_once(", expected ").unwrap_or((message, &has));
    let mut texts = Vec::new();
    collect_texts(value, &mut texts);
    let shows = |said: &str| {
        let escaped = |text: &str| said.contains(&*text.escape_debug().collect::<String>());
        texts.iter().any(|text| !text.is_empty() && (said.contains(text) || escaped(text)))
    };
    let problem = if shows(problem) { "a value in it is none that belongs there" } else { problem };
    let allowed = if shows(allowed) { &has } else { allowed };
    (problem.to_owned(), allowed.to_owned())
}

/// All texts of a value but the word that says which kind it is.
fn collect_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Table(table) => {
            let others = table.iter().filter(|(key, _)| *key != "kind");
            others.for_each(|(_, value)| collect_texts(value, texts));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
[plugin.shell]
source = "/opt/plugins/shell.wasm"
sha256 = "abababababababababababababababababababababababababababababababab"
work = "host"
settings = { anything = 1, list = [1.5, true, "x"], deep = { at = 2026-01-01T00:00:00Z } }

[plugin.shell.limits]
memory = "64 MiB"

[plugin.shell.endpoint.jobs]
address = "unix:/run/jobs.sock"
methods = ["GET"]
auth = { kind = "bearer", token = { value = "hush-hush" } }

[plugin.shell.connection.database]
hosts = ["db.example.com", "10.0.0.0/8"]
ports = [5432]

[plugin.docker]

[native.command]
library = "/opt/plugins/libcommand.so"
settings = { directory = "/var/lib/hush-hush" }
"#;

    fn problems(text: &str) -> String {
        let problems = parse_config(text.as_bytes()).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_configuration_is_read_and_shows_no_secret() {
        let grants = parse_config(WHOLE.as_bytes()).unwrap();
        assert_eq!(grants.plugins.keys().collect::<Vec<_>>(), ["docker", "shell"]);
        let shell = &grants.plugins["shell"];
        assert_eq!(shell.sha256, Some([0xab; 32]));
        assert_eq!((shell.work, shell.limits.memory_bytes), (WorkAccess::Host, Some(64 << 20)));
        let expected = r#"{"anything":1,"deep":{"at":"2026-01-01T00:00:00Z"},"list":[1.5,true,"x"]}"#;
        assert_eq!(serde_json::to_string(&shell.settings).unwrap(), expected);
        let jobs = &shell.endpoints["jobs"];
        assert_eq!(
            (jobs.address.as_str(), jobs.methods.as_deref()),
            ("unix:/run/jobs.sock", Some(["GET".to_owned()].as_slice()))
        );
        let database = &shell.connections["database"];
        assert_eq!((database.hosts.len(), database.ports.as_slice(), database.connections), (2, [5432].as_slice(), 16));
        assert!(!format!("{grants:?}").contains("hush"));
        let docker = &grants.plugins["docker"];
        assert!(docker.endpoints.is_empty() && docker.work == WorkAccess::None && docker.settings.is_empty());
        let command = &grants.native["command"];
        assert_eq!(command.library, PathBuf::from("/opt/plugins/libcommand.so"));
        assert_eq!(command.settings["directory"], "/var/lib/hush-hush");
        assert!(parse_config(b"").unwrap().plugins.is_empty());
    }

    #[test]
    fn every_mistake_is_told_with_its_key_and_without_secrets() {
        let told = problems(
            r#"
[plugins.x]
[plugin.Shell]
[plugin.wasm]
[plugin.shell]
source = "shell.wasm"
sha256 = "ab"
work = "al"
setings = 1
settings = { bad = inf }
[plugin.shell.limits]
memori = 1
[plugin.shell.endpoint.jobs]
adress = "unix:/x"
auth = { kind = "bearer", token = "hush-hush" }
connect_ms = "30s"
paths = ["x"]
[plugin.shell.endpoint.other]
address = 5
auth = { kind = "kerberos" }
methods = ["get"]
[plugin.shell.endpoint.third]
auth = { kind = "bearer", token = { value = 5, hush-hush = 1 } }
[plugin.shell.endpoint.fourth]
address = "unix:/x"
auth = "hush-hush"
[native.shell]
library = "lib.so"
[native.other]
libary = 1
"#,
        );
        for says in [
            "plugins: unknown field, did you mean \"plugin\"?",
            "plugin.Shell: it is not a name",
            "plugin.wasm: the name belongs to the engine",
            "plugin.shell.source: it is not absolute",
            "plugin.shell.sha256: it is not a SHA-256",
            "plugin.shell.work: \"al\" is not known",
            "plugin.shell.setings: unknown field, did you mean \"settings\"?",
            "plugin.shell.settings.bad: JSON has no such number",
            "plugin.shell.limits.memori: unknown field, did you mean \"memory\"?",
            "plugin.shell.endpoint.jobs.adress: unknown field `adress`; allowed: one of `address`",
            "plugin.shell.endpoint.jobs.auth: a secret is one of",
            "plugin.shell.endpoint.jobs.connect_ms: a value in it is none that belongs there; allowed: u64",
            "plugin.shell.endpoint.jobs.paths[0]: it does not begin with a slash",
            "plugin.shell.endpoint.jobs.address: it is missing",
            "plugin.shell.endpoint.other.address: invalid type",
            "plugin.shell.endpoint.other.auth: unknown variant `kerberos`; allowed: one of `none`",
            "plugin.shell.endpoint.other.methods[0]: it is no method",
            "plugin.shell.endpoint.third.auth",
            "native.shell: a plugin of this name is configured too",
            "native.shell.library: it is not absolute",
            "native.other.libary: unknown field, did you mean \"library\"?",
            "native.other.library: it is missing",
            "plugin.shell.endpoint.fourth.auth: a value in it is none that belongs there",
        ] {
            assert!(told.contains(says), "{says} in {told}");
        }
        assert!(!told.contains("\"hush") && !told.contains("`hush"), "{told}");
    }

    #[test]
    fn every_mistake_of_a_connection_is_told_with_its_key() {
        let told = problems(
            "[plugin.shell.connection.database]\nhost = \"db\"\nports = [\"5432\"]\n\
             [plugin.shell.connection.Other]\nhosts = [\"db\"]",
        );
        for says in [
            "plugin.shell.connection.database.host: unknown field `host`; allowed: one of `hosts`",
            "plugin.shell.connection.database.hosts: it is missing",
            "plugin.shell.connection.database.ports: a value in it is none that belongs there; allowed: u16",
            "plugin.shell.connection.Other: it is not a name of a connection",
            "plugin.shell.connection.Other.ports: it is missing",
        ] {
            assert!(told.contains(says), "{says} in {told}");
        }
    }

    #[test]
    fn digests_are_read_back() {
        let digest: [u8; 32] = std::array::from_fn(|at| at as u8 * 7);
        assert_eq!(from_hex(&hex(&digest)), Some(digest));
        for text in ["", "ab", &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_change_of_a_good_one_is_read_or_refused(at in 0..WHOLE.len(), byte: u8) {
            let mut text = WHOLE.as_bytes().to_vec();
            text[at] = byte;
            let _ = parse_config(&text);
        }
    }
}
