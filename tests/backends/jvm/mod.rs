//! Real JDBC drivers, each query in a process with a JVM.

mod guest;
mod limits;
mod plugin;
mod postgresql;
mod processes;
mod refusals;
mod types;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use windlass::plugin::contract::{Answer, PluginError};
use windlass::plugin::sql::{Database, Jdbc, SqlGrant, SqlLimits, SqlQuery, SqlRows};

/// The program that has the drivers loaded: its `main` does what every embedding one does.
const PROGRAM: &str = env!("CARGO_BIN_EXE_windlass");

const H2: &str = "org.h2.Driver";
const HSQLDB: &str = "org.hsqldb.jdbc.JDBCDriver";
const POSTGRESQL: &str = "org.postgresql.Driver";
const SQLITE: &str = "org.sqlite.JDBC";
const ALL: [&str; 4] = [H2, HSQLDB, POSTGRESQL, SQLITE];

/// A database whose functions sleep, end the process and fill the heap.
const ODD: &str = "jdbc:h2:mem:odd;INIT=CREATE ALIAS NAP FOR 'java.lang.Thread.sleep(long)'\\;\
    CREATE ALIAS QUIT FOR 'java.lang.System.exit'\\;CREATE ALIAS PROPERTY FOR 'java.lang.System.getProperty(java.lang.String)'";

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("jdbc-drivers");
    windlass_backends::drivers_in(&folder).then_some(folder)
});

/// What an operator grants; nothing where these tests are left out.
fn grant(databases: &[&str]) -> Option<SqlGrant> {
    let mut grant = SqlGrant::new(FOLDER.as_ref()?);
    grant.databases = databases.iter().map(|text| Database::new(*text).unwrap()).collect();
    grant.program = Some(PROGRAM.into());
    Some(grant)
}

fn jdbc(databases: &[&str]) -> Option<Jdbc> {
    grant(databases).map(Jdbc::new)
}

fn query(driver: &str, url: &str, statement: &str) -> SqlQuery {
    SqlQuery { driver: driver.into(), url: url.into(), statement: statement.into(), ..SqlQuery::default() }
}

/// The same within limits.
fn limited(query: SqlQuery, limits: SqlLimits) -> SqlQuery {
    SqlQuery { limits, ..query }
}

/// All lines of a result.
async fn lines(rows: &mut SqlRows) -> Answer<String> {
    let mut all = Vec::new();
    loop {
        let lines = rows.next(64 << 10).await?;
        if lines.is_empty() {
            return Ok(String::from_utf8(all).unwrap());
        }
        all.extend(lines);
    }
}

/// What is asked, as text.
async fn told(jdbc: &Jdbc, query: SqlQuery) -> Answer<String> {
    lines(&mut jdbc.query(query).await?).await
}

async fn fails(jdbc: &Jdbc, query: SqlQuery) -> PluginError {
    told(jdbc, query).await.expect_err("it goes well")
}

/// What is asked, as rows.
async fn rows(jdbc: &Jdbc, query: SqlQuery) -> Vec<Value> {
    let text = told(jdbc, query).await.unwrap_or_else(|error| panic!("{:?}: {error}", error.kind));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
