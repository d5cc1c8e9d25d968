//! Databases, through the JDBC drivers of the operator's; for fetchers. The engine loads the driver, connects and asks.
//!
//! The manifest asks for it with a table `[sql]`, and the operator lists the databases.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use crate::bindings::sql as wire;
use crate::error::Result;

pub use crate::bindings::sql::Column;

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::sql as engine;
#[cfg(target_arch = "wasm32")]
use wasm as engine;

/// Bytes of rows that are taken at once.
const PIECE: u32 = 256 << 10;

/// A database and who asks it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Database {
    /// The class of the driver, one of [`drivers`].
    pub driver: String,
    /// A JDBC URL.
    pub url: String,
    /// Who asks.
    pub username: Option<String>,
    /// What proves it.
    pub password: Option<String>,
    /// More for the driver, by name.
    pub properties: Vec<(String, String)>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("driver", &self.driver).finish_non_exhaustive()
    }
}

/// How far a query may go; what is not said is as far as the operator allows. What has more is an error, not cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the result.
    pub rows: Option<u64>,
    /// Bytes of the result, as lines of JSON.
    pub bytes: Option<u64>,
    /// From the connection to the last row.
    pub time: Option<Duration>,
}

/// The classes of the drivers that there are.
pub fn drivers() -> Result<Vec<String>> {
    engine::drivers()
}

/// Runs one statement that reads.
pub fn query(database: &Database, statement: &str, limits: &Limits) -> Result<Rows> {
    let Database { driver, url, username, password, properties } = database.clone();
    let database = wire::Database { driver, url, username, password, properties };
    let time = limits.time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    let limits = wire::Limits { rows: limits.rows, bytes: limits.bytes, time };
    Ok(Rows(engine::query(database, statement, limits)?))
}

/// The rows of a result. Dropping them ends the query.
pub struct Rows(engine::Rows);

impl Rows {
    /// The columns, in their order.
    pub fn columns(&self) -> Vec<Column> {
        self.0.columns()
    }

    /// The next rows, each a line with one JSON object; empty after the last one.
    pub fn next_lines(&mut self) -> Result<Vec<u8>> {
        self.0.next(PIECE)
    }

    /// Writes all rows that are left, each a line with one JSON object; how many bytes that were.
    pub fn copy_to(&mut self, mut out: impl Write) -> Result<u64> {
        let mut bytes = 0_u64;
        loop {
            let lines = self.next_lines()?;
            if lines.is_empty() {
                return Ok(bytes);
            }
            out.write_all(&lines)?;
            bytes = bytes.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod wasm {
    use crate::bindings::sql;
    use crate::error::Result;

    pub(super) struct Rows(sql::Rows);

    impl Rows {
        pub(super) fn columns(&self) -> Vec<sql::Column> {
            self.0.columns()
        }

        pub(super) fn next(&mut self, bytes: u32) -> Result<Vec<u8>> {
            Ok(self.0.next(bytes)?)
        }
    }

    pub(super) fn drivers() -> Result<Vec<String>> {
        Ok(sql::drivers()?)
    }

    pub(super) fn query(database: sql::Database, statement: &str, limits: sql::Limits) -> Result<Rows> {
        Ok(Rows(sql::query(&database, statement, limits)?))
    }
}
