//! What an operator grants a plugin that asks databases: drivers, databases and limits.
//!
//! ```toml
//! [plugin.reports.sql]
//! drivers = "/opt/drivers"
//! databases = ["jdbc:oracle:thin:@//db.example.com:1521/", "jdbc:h2:mem:"]
//! java = "/usr/lib/jvm/default-java"
//! heap = "256 MiB"
//! query_time = "10m"
//! ```

use std::fmt;
use std::path::PathBuf;

use super::database::Database;
use crate::config::SqlConfig;
use crate::plugin::fields::{Field, Problems};

/// Databases of one grant.
const MOST_DATABASES: usize = 256;
const LEAST_HEAP_BYTES: u64 = 16 << 20;
/// What a JVM needs beside its heap, at most.
const BESIDE_HEAP_BYTES: u64 = 768 << 20;
const MOST_PROCESSES: u64 = 1_024;
const LEAST_TIME_MS: u64 = 100;

const FIELDS: [&str; 12] = [
    "drivers",
    "databases",
    "java",
    "heap",
    "memory",
    "start_time",
    "query_time",
    "processes",
    "rows",
    "bytes",
    "row",
    "parameters",
];

/// Which databases a plugin may ask, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct SqlGrant {
    /// The folder with the jars of the drivers, and with the native libraries that some of them need. No other jar is ever
    /// loaded.
    pub drivers: PathBuf,
    /// The databases that may be asked: none unless listed.
    pub databases: Vec<Database>,
    /// Parameters of URLs and properties that jobs may set beside those that are known to be harmless.
    pub parameters: Vec<String>,
    /// The home of a Java or its `libjvm.so`. Unless set it is that of `JAVA_HOME`, else one in the usual places.
    pub java: Option<PathBuf>,
    /// How much may be taken.
    pub config: SqlConfig,
    /// The program that has the drivers loaded: this one, unless set, and then its `main` has to call
    /// [`supervise_if_asked`](crate::supervise_if_asked). The `main` of a test cannot.
    pub program: Option<PathBuf>,
}

impl fmt::Debug for SqlGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlGrant")
            .field("drivers", &self.drivers)
            .field("databases", &self.databases)
            .field("parameters", &self.parameters)
            .field("java", &self.java)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl SqlGrant {
    /// Drivers from this folder, and no database yet.
    pub fn new(drivers: impl Into<PathBuf>) -> SqlGrant {
        SqlGrant {
            drivers: drivers.into(),
            databases: Vec::new(),
            parameters: Vec::new(),
            java: None,
            config: SqlConfig::default(),
            program: None,
        }
    }

    /// Reads a table `sql`.
    pub(in crate::plugin) fn read(field: &Field<'_>, problems: &mut Problems) -> Option<SqlGrant> {
        let fields = field.fields(&FIELDS, problems)?;
        let folder = "the absolute path of the folder with the jars of the drivers";
        let drivers = fields.needed("drivers", folder, problems).and_then(|field| path(&field, folder, problems));
        let mut grant = SqlGrant::new(drivers.clone().unwrap_or_default());
        if let Some(field) = fields.get("databases") {
            grant.databases = read_databases(&field, problems);
        }
        if let Some(field) = fields.get("parameters") {
            grant.parameters = read_parameters(&field, problems);
        }
        if let Some(field) = fields.get("java") {
            grant.java = path(&field, "the absolute path of the home of a Java, or of its libjvm.so", problems);
        }
        let config = &mut grant.config;
        let mut size = |name: &str, least: u64, value: &mut u64| {
            let Some(field) = fields.get(name) else { return };
            let bytes = field.size_bytes(problems);
            *value = at_least(&field, bytes, least, problems).unwrap_or(*value);
        };
        size("heap", LEAST_HEAP_BYTES, &mut config.heap_bytes);
        config.memory_bytes = config.heap_bytes.saturating_add(BESIDE_HEAP_BYTES);
        size("memory", LEAST_HEAP_BYTES, &mut config.memory_bytes);
        size("bytes", 1, &mut config.bytes);
        size("row", 1, &mut config.row_bytes);
        let mut time = |name: &str, value: &mut u64| {
            let Some(field) = fields.get(name) else { return };
            let ms = field.duration_ms(problems);
            *value = at_least(&field, ms, LEAST_TIME_MS, problems).unwrap_or(*value);
        };
        time("start_time", &mut config.start_ms);
        time("query_time", &mut config.query_ms);
        let mut count = |name: &str, most: u64| fields.get(name)?.whole(problems, 1, most);
        config.rows = count("rows", i64::MAX.unsigned_abs()).unwrap_or(config.rows);
        let processes = count("processes", MOST_PROCESSES).and_then(|count| usize::try_from(count).ok());
        config.processes = processes.unwrap_or(config.processes);
        drivers.map(|_| grant)
    }
}

fn at_least(field: &Field<'_>, value: Option<u64>, least: u64, problems: &mut Problems) -> Option<u64> {
    let value = value?;
    if value < least {
        field.fail(problems, format!("{value} is too little"), format!("{least} or more"));
        return None;
    }
    Some(value)
}

fn path(field: &Field<'_>, allowed: &str, problems: &mut Problems) -> Option<PathBuf> {
    let path = PathBuf::from(field.text(problems, allowed)?);
    if !path.is_absolute() {
        field.fail(problems, "it is not absolute", allowed);
        return None;
    }
    Some(path)
}

fn read_databases(field: &Field<'_>, problems: &mut Problems) -> Vec<Database> {
    let allowed = "a list of JDBC URLs or their beginnings, such as \"jdbc:postgresql://db.example.com/\"";
    let mut databases = Vec::new();
    for element in field.list(problems, MOST_DATABASES, allowed).unwrap_or_default() {
        match element.text(problems, allowed).map(Database::new) {
            Some(Ok(database)) => databases.push(database),
            Some(Err(problem)) => element.fail(problems, problem, allowed),
            None => {}
        }
    }
    databases
}

fn read_parameters(field: &Field<'_>, problems: &mut Problems) -> Vec<String> {
    let allowed = "a list of names of parameters, such as \"sslrootcert\"";
    let mut names = Vec::new();
    for element in field.list(problems, MOST_DATABASES, allowed).unwrap_or_default() {
        match element.text(problems, allowed) {
            Some(name) if super::database::is_parameter_name(name) => names.push(name.to_owned()),
            Some(_) => element.fail(problems, "it is not a name", allowed),
            None => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::plugin::parse_config;

    fn problems(text: &str) -> String {
        let problems = parse_config(format!("[plugin.x.sql]\n{text}").as_bytes()).unwrap_err();
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_grant_is_read() {
        let text = b"[plugin.x.sql]\ndrivers = \"/opt/drivers\"\ndatabases = [\"jdbc:h2:mem:\"]\njava = \"/opt/java\"\n\
            parameters = [\"sslrootcert\"]\nheap = \"64 MiB\"\nmemory = \"512 MiB\"\nstart_time = \"5s\"\nquery_time = \"1m\"\n\
            processes = 2\nrows = 10\nbytes = \"1 MiB\"\nrow = 100";
        let grants = parse_config(text).unwrap();
        let sql = grants.plugins["x"].sql.clone().unwrap();
        assert_eq!(
            (sql.drivers.as_path(), sql.java.as_deref()),
            (Path::new("/opt/drivers"), Some(Path::new("/opt/java")))
        );
        assert_eq!((sql.databases.len(), sql.parameters.as_slice()), (1, ["sslrootcert".to_owned()].as_slice()));
        let config = sql.config;
        assert_eq!((config.heap_bytes, config.memory_bytes, config.start_ms), (64 << 20, 512 << 20, 5_000));
        assert_eq!((config.query_ms, config.processes, config.rows), (60_000, 2, 10));
        assert_eq!((config.bytes, config.row_bytes), (1 << 20, 100));
    }

    #[test]
    fn a_larger_heap_may_have_more_memory() {
        let grants = parse_config(b"[plugin.x.sql]\ndrivers = \"/opt\"\nheap = \"4 GiB\"").unwrap();
        assert_eq!(grants.plugins["x"].sql.clone().unwrap().config.memory_bytes, (4 << 30) + (768 << 20));
        let usual = parse_config(b"[plugin.x.sql]\ndrivers = \"/opt\"").unwrap();
        assert_eq!(usual.plugins["x"].sql.clone().unwrap().config, crate::config::SqlConfig::default());
    }

    #[test]
    fn every_mistake_is_told() {
        let told = problems(
            "databases = [\"postgresql://x\", 5]\njava = \"java\"\nheap = \"1 MiB\"\nstart_time = 5\nprocesses = 0\nhost = 1\n\
             parameters = [\"a=b\"]",
        );
        for says in [
            "plugin.x.sql.drivers: it is missing",
            "plugin.x.sql.databases[0]: it does not begin with jdbc:",
            "plugin.x.sql.databases[1]: is a number",
            "plugin.x.sql.java: it is not absolute",
            "plugin.x.sql.heap: 1048576 is too little",
            "plugin.x.sql.start_time: 5 is too little",
            "plugin.x.sql.processes: 0 is out of range",
            "plugin.x.sql.host: unknown field",
            "plugin.x.sql.parameters[0]: it is not a name",
        ] {
            assert!(told.contains(says), "{says} in {told}");
        }
    }
}
