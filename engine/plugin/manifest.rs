//! What a plugin says it is and asks for: `plugin.toml`.
//!
//! ```toml
//! name = "shell"
//! version = "1.2.0"
//! kind = "executor"
//! api = "windlass:plugin@0.1"
//! summary = "Runs commands on the build machines"
//!
//! [[endpoint]]
//! name = "jobs"
//! purpose = "Starts and stops commands"
//! methods = ["GET", "POST"]
//! paths = ["/jobs", "/jobs/**"]
//!
//! [[connection]]
//! name = "database"
//! purpose = "Asks the database of a job"
//!
//! [work]
//! access = "write"
//!
//! [sql]
//! purpose = "Reads the tables that it reports on"
//!
//! [limits]
//! memory = "32 MiB"
//! call_time = "10s"
//! ```

use std::fmt;

use super::endpoint::Rights;
use super::fields::{Field, Fields, Problems, read_document};
use super::limits::SomeLimits;
use super::sql::SqlRequest;
use crate::error::Problem;
use crate::job::validate::shown;

/// Bytes of a manifest.
pub(crate) const MOST_BYTES: usize = 64 << 10;
/// Endpoints of a plugin.
const MOST_ENDPOINTS: usize = 32;
/// Connections of a plugin.
const MOST_CONNECTIONS: usize = 32;
/// Methods and paths of an endpoint.
const MOST_METHODS: usize = 16;
const MOST_PATHS: usize = 256;
const MOST_SUMMARY: usize = 256;

/// The versions of the contract that this engine speaks.
const APIS: [&str; 1] = ["windlass:plugin@0.1"];

/// What names look like, for messages.
pub(crate) const NAME_ALLOWED: &str = "lower-case letters, digits and '-', beginning with a letter; at most 63";

/// What a plugin says it is and asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version, by semantic versioning.
    pub version: String,
    /// What it does.
    pub kind: PluginKind,
    /// The contract it was made for.
    pub api: String,
    /// One line for people; may be empty.
    pub summary: String,
    /// The platforms that it wants to reach.
    pub endpoints: Vec<EndpointRequest>,
    /// The connections whose bytes it wants to speak itself.
    pub connections: Vec<ConnectionRequest>,
    /// What it wants to do with the work trees of attempts.
    pub work: WorkAccess,
    /// Whether it wants to ask databases through JDBC drivers, and what for.
    pub sql: Option<SqlRequest>,
    /// What it wants to take.
    pub limits: SomeLimits,
}

/// What a plugin does, which says the world that it exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PluginKind {
    /// It runs jobs.
    Executor,
    /// It brings inputs in.
    Fetcher,
    /// It takes outputs out.
    Sink,
}

impl PluginKind {
    pub(crate) const ALL: [PluginKind; 3] = [PluginKind::Executor, PluginKind::Fetcher, PluginKind::Sink];

    /// The word for it, which is also the name of the interface.
    pub fn word(self) -> &'static str {
        match self {
            PluginKind::Executor => "executor",
            PluginKind::Fetcher => "fetcher",
            PluginKind::Sink => "sink",
        }
    }
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// An endpoint that a plugin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRequest {
    /// What the plugin calls it: `http://NAME.endpoint/`.
    pub name: String,
    /// What it is for, for people.
    pub purpose: String,
    /// The methods of its requests.
    pub methods: Vec<String>,
    /// The paths of its requests, as patterns: `*` stands for anything within a segment, `/**` at the end for any rest.
    pub paths: Vec<String>,
}

/// A connection that a plugin asks for. Where it leads is for a job to say, and for the operator to allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionRequest {
    /// What the plugin calls it.
    pub name: String,
    /// What it is for, for people.
    pub purpose: String,
}

/// What a plugin may do with the work tree of an attempt; each includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkAccess {
    /// Nothing.
    #[default]
    None,
    /// Read what is in it.
    Read,
    /// Put outputs into it.
    Write,
    /// Learn where it is on this machine, which a platform on it then can share.
    Host,
}

impl WorkAccess {
    pub(crate) const ALL: [(&str, WorkAccess); 4] = [
        ("none", WorkAccess::None),
        ("read", WorkAccess::Read),
        ("write", WorkAccess::Write),
        ("host", WorkAccess::Host),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            WorkAccess::None => "none",
            WorkAccess::Read => "read",
            WorkAccess::Write => "write",
            WorkAccess::Host => "host",
        }
    }
}

impl fmt::Display for WorkAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whether a text can be the name of a plugin or of an endpoint.
pub(crate) fn is_name(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Reads a manifest. Pure, never panics, and takes a time that its size bounds.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse_manifest(text: &[u8]) -> Result<Manifest, Vec<Problem>> {
    let mut problems = Problems::default();
    let Some(table) = read_document(text, MOST_BYTES, &mut problems) else {
        return Err(problems.into_list());
    };
    let known = ["name", "version", "kind", "api", "summary", "endpoint", "connection", "work", "sql", "limits"];
    let fields = Fields::of(&table, "", &known, &mut problems);
    let manifest = read_manifest(&fields, &mut problems);
    match manifest {
        Some(manifest) if problems.are_none() => Ok(manifest),
        _ => Err(problems.into_list()),
    }
}

fn read_manifest(fields: &Fields<'_>, problems: &mut Problems) -> Option<Manifest> {
    let name = fields.needed("name", NAME_ALLOWED, problems).and_then(|field| read_name(&field, problems));
    let version = read_version(fields, problems);
    let kind = read_kind(fields, problems);
    let api = read_api(fields, problems);
    let summary = fields.get("summary").and_then(|field| field.line(problems, MOST_SUMMARY)).unwrap_or_default();
    let endpoints = fields.get("endpoint").map(|field| read_endpoints(&field, problems)).unwrap_or_default();
    let connections = fields.get("connection").map(|field| read_connections(&field, problems)).unwrap_or_default();
    let work = fields.get("work").and_then(|field| {
        let fields = field.fields(&["access"], problems)?;
        fields.needed("access", "none, read, write, host", problems)?.choice(problems, &WorkAccess::ALL)
    });
    let sql = fields.get("sql").and_then(|field| SqlRequest::read(&field, problems));
    let limits = fields.get("limits").map(|field| SomeLimits::read(&field, problems)).unwrap_or_default();
    Some(Manifest {
        name: name?,
        version: version?,
        kind: kind?,
        api: api?,
        summary: summary.to_owned(),
        endpoints,
        connections,
        work: work.unwrap_or_default(),
        sql,
        limits,
    })
}

/// The text of a field that must be a name.
fn read_name(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.text(problems, NAME_ALLOWED)?;
    if !is_name(text) {
        field.fail(problems, format!("{} is not a name", shown(text)), NAME_ALLOWED);
        return None;
    }
    Some(text.to_owned())
}

fn read_version(fields: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let allowed = "a version by semantic versioning, such as 1.2.0; at most 64 bytes";
    let field = fields.needed("version", allowed, problems)?;
    let text = field.text(problems, allowed)?;
    if text.len() > 64 || semver::Version::parse(text).is_err() {
        field.fail(problems, format!("{} is not a version", shown(text)), allowed);
        return None;
    }
    Some(text.to_owned())
}

fn read_kind(fields: &Fields<'_>, problems: &mut Problems) -> Option<PluginKind> {
    let words = PluginKind::ALL.map(|kind| (kind.word(), kind));
    let field = fields.needed("kind", "executor, fetcher, sink", problems)?;
    field.choice(problems, &words)
}

fn read_api(fields: &Fields<'_>, problems: &mut Problems) -> Option<String> {
    let allowed = APIS.join(", ");
    let field = fields.needed("api", &allowed, problems)?;
    let text = field.text(problems, &allowed)?;
    if APIS.contains(&text) {
        return Some(text.to_owned());
    }
    let problem = if text.starts_with("windlass:plugin@") {
        format!("{} is a version of the contract that this engine does not speak", shown(text))
    } else {
        format!("{} is not a contract of plugins", shown(text))
    };
    field.fail(problems, problem, allowed);
    None
}

fn read_endpoints(field: &Field<'_>, problems: &mut Problems) -> Vec<EndpointRequest> {
    let elements = field.list(problems, MOST_ENDPOINTS, "tables [[endpoint]]").unwrap_or_default();
    let mut endpoints: Vec<EndpointRequest> = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(endpoint) = read_endpoint(element, problems) else { continue };
        if endpoints.iter().any(|earlier| earlier.name == endpoint.name) {
            element.fail(problems, format!("a second endpoint is called {}", endpoint.name), "each name once");
        }
        endpoints.push(endpoint);
    }
    endpoints
}

fn read_endpoint(field: &Field<'_>, problems: &mut Problems) -> Option<EndpointRequest> {
    let fields = field.fields(&["name", "purpose", "methods", "paths"], problems)?;
    let name = fields.needed("name", NAME_ALLOWED, problems).and_then(|field| read_name(&field, problems));
    let purpose = fields.get("purpose").and_then(|field| field.line(problems, MOST_SUMMARY)).unwrap_or_default();
    let mut list = |key: &str, allowed: &str, most: usize| {
        let field = fields.needed(key, allowed, problems)?;
        let texts = read_texts(&field, allowed, most, problems)?;
        if texts.is_empty() {
            field.fail(problems, "is empty", allowed);
        }
        Some(texts)
    };
    let methods = list("methods", "a list of methods, such as [\"GET\", \"POST\"]", MOST_METHODS);
    let paths = list("paths", "a list of patterns, such as [\"/jobs/*\", \"/v1/**\"]", MOST_PATHS);
    check_rights(&field.path, methods.as_deref(), paths.as_deref(), problems);
    Some(EndpointRequest { name: name?, purpose: purpose.to_owned(), methods: methods?, paths: paths? })
}

fn read_connections(field: &Field<'_>, problems: &mut Problems) -> Vec<ConnectionRequest> {
    let elements = field.list(problems, MOST_CONNECTIONS, "tables [[connection]]").unwrap_or_default();
    let mut connections: Vec<ConnectionRequest> = Vec::with_capacity(elements.len());
    for element in &elements {
        let Some(connection) = read_connection(element, problems) else { continue };
        if connections.iter().any(|earlier| earlier.name == connection.name) {
            element.fail(problems, format!("a second connection is called {}", connection.name), "each name once");
        }
        connections.push(connection);
    }
    connections
}

fn read_connection(field: &Field<'_>, problems: &mut Problems) -> Option<ConnectionRequest> {
    let fields = field.fields(&["name", "purpose"], problems)?;
    let name = fields.needed("name", NAME_ALLOWED, problems).and_then(|field| read_name(&field, problems));
    let purpose = fields.get("purpose").and_then(|field| field.line(problems, MOST_SUMMARY)).unwrap_or_default();
    Some(ConnectionRequest { name: name?, purpose: purpose.to_owned() })
}

/// The texts of a list.
fn read_texts(field: &Field<'_>, allowed: &str, most: usize, problems: &mut Problems) -> Option<Vec<String>> {
    let elements = field.list(problems, most, allowed)?;
    let texts = elements.iter().map(|element| Some(element.text(problems, allowed)?.to_owned()));
    // All of them are looked at before one that is missing ends it.
    let texts: Vec<Option<String>> = texts.collect();
    texts.into_iter().collect()
}

/// Tells which of these are no methods and no paths of the endpoint at `path`.
pub(super) fn check_rights(path: &str, methods: Option<&[String]>, paths: Option<&[String]>, problems: &mut Problems) {
    for problem in Rights::new(methods, paths).err().unwrap_or_default() {
        problems.add(format!("{path}.{}", problem.field), problem.problem, problem.allowed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str = r#"
name = "shell"
version = "1.2.0-rc.1"
kind = "executor"
api = "windlass:plugin@0.1"
summary = "Runs commands"

[[endpoint]]
name = "jobs"
purpose = "Starts and stops them"
methods = ["GET", "POST"]
paths = ["/jobs", "/jobs/**"]

[[connection]]
name = "database"
purpose = "Asks it"

[work]
access = "write"

[limits]
memory = "32 MiB"
call_time = "10s"
transfer_time = 60000
parallel_calls = 4
response = 1048576
messages = 10
"#;

    fn problems(text: &str) -> String {
        let problems = parse_manifest(text.as_bytes()).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_manifest_is_read() {
        let manifest = parse_manifest(WHOLE.as_bytes()).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.kind), ("shell", PluginKind::Executor));
        let [endpoint] = manifest.endpoints.as_slice() else { panic!("{manifest:?}") };
        assert_eq!(
            (endpoint.methods.as_slice(), endpoint.paths.as_slice()),
            (["GET".to_owned(), "POST".to_owned()].as_slice(), ["/jobs".to_owned(), "/jobs/**".to_owned()].as_slice(),)
        );
        let [connection] = manifest.connections.as_slice() else { panic!("{manifest:?}") };
        assert_eq!((connection.name.as_str(), connection.purpose.as_str()), ("database", "Asks it"));
        assert_eq!(manifest.work, WorkAccess::Write);
        let expected = SomeLimits {
            memory_bytes: Some(32 << 20),
            call_ms: Some(10_000),
            transfer_ms: Some(60_000),
            parallel_calls: Some(4),
            response_bytes: Some(1 << 20),
            messages: Some(10),
        };
        assert_eq!(manifest.limits, expected);
    }

    #[test]
    fn a_small_manifest_asks_for_nothing() {
        let text = "name = \"a\"\nversion = \"0.1.0\"\nkind = \"sink\"\napi = \"windlass:plugin@0.1\"";
        let manifest = parse_manifest(text.as_bytes()).unwrap();
        assert_eq!((manifest.endpoints.len(), manifest.work), (0, WorkAccess::None));
        assert_eq!(manifest.limits, SomeLimits::default());
    }

    #[test]
    fn every_mistake_is_told_with_its_key() {
        let told = problems(
            r#"
name = "Shell"
version = "1.2"
kind = "executer"
api = "windlass:plugin@2.0"
sumary = "x"
[[endpoint]]
name = "jobs"
methods = ["get", "CONNECT"]
paths = ["jobs", "/a/../b"]
[[endpoint]]
name = "b"
methods = [5]
paths = "/"
[[endpoint]]
paths = []
[[connection]]
name = "Database"
[[connection]]
hosts = []
[work]
access = "all"
[limits]
memory = "1 KiB"
call_time = "soon"
parallel_calls = 0
"#,
        );
        for says in [
            "name: \"Shell\" is not a name",
            "version: \"1.2\" is not a version",
            "kind: \"executer\" is not known, did you mean \"executor\"?",
            "api: \"windlass:plugin@2.0\" is a version of the contract that this engine does not speak",
            "sumary: unknown field, did you mean \"summary\"?",
            "endpoint[0].methods[0]: it is no method",
            "endpoint[0].methods[1]: it is no method; allowed: methods in capitals",
            "endpoint[0].paths[0]: it does not begin with a slash",
            "endpoint[0].paths[1]: it holds",
            "endpoint[1].methods[0]: is a number",
            "endpoint[1].paths: is a text",
            "endpoint[2].name: it is missing",
            "endpoint[2].methods: it is missing",
            "endpoint[2].paths: is empty",
            "work.access: \"all\" is not known",
            "limits.memory: 1024 is too little; allowed: 1 MiB or more",
            "limits.call_time: \"soon\" is not a duration",
            "limits.parallel_calls: 0 is out of range",
        ] {
            assert!(told.contains(says), "{says} in {told}");
        }
    }

    #[test]
    fn what_is_missing_or_another_contract_is_told() {
        let told = problems("api = \"other:thing@1\"");
        for says in ["name: it is missing", "version:", "kind:", "api: \"other:thing@1\" is not a contract"] {
            assert!(told.contains(says), "{says} in {told}");
        }
        let twice = format!("{WHOLE}\n[[endpoint]]\nname = \"jobs\"\nmethods = [\"GET\"]\npaths = [\"/\"]");
        assert!(problems(&twice).contains("endpoint[1]: a second endpoint is called jobs"));
        assert!(problems(&"#".repeat(MOST_BYTES + 1)).contains("at most 65536 bytes"));
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "shell", "a-1", &"a".repeat(63)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "A", "1a", "-a", "a_b", "a.b", "a/b", "..", "é", &"a".repeat(64)] {
            assert!(!is_name(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = parse_manifest(text.as_bytes());
        }

        #[test]
        fn any_change_of_a_good_one_is_read_or_refused(at in 0..WHOLE.len(), byte in any::<u8>()) {
            let mut text = WHOLE.as_bytes().to_vec();
            text[at] = byte;
            let _ = parse_manifest(&text);
        }
    }
}
