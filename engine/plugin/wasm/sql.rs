//! The databases that a plugin may ask.

use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::WasiView;

use super::bindings::transfer::sql::windlass::plugin::sql;
use super::bindings::windlass::plugin::types;
use super::convert::to_wit_error;
use super::cut::step;
use super::guest::Guest;
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};
use crate::plugin::sql::{SqlLimits, SqlQuery, SqlRows};

/// Bytes that a guest gets at once, whatever it asks for.
const MOST_BYTES: u32 = 4 << 20;

/// The host's side of `windlass:plugin/sql.rows`.
#[expect(unreachable_pub, reason = "the generated bindings name it in public")]
pub struct Rows(SqlRows);

/// Adds the interface to what plugins may import.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> Result<()> {
    sql::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}

fn denied() -> PluginError {
    let message = "this plugin does not ask for `[sql]` in its manifest, or was not granted [plugin.NAME.sql]";
    PluginError::new(ErrorKind::Denied, Retry::Never, message)
}

impl sql::Host for Guest {
    async fn drivers(&mut self) -> Result<std::result::Result<Vec<String>, types::Error>> {
        let drivers = match self.call.sql.clone() {
            Some(jdbc) => step(self.call.cut.as_deref(), jdbc.drivers()).await,
            None => Err(denied()),
        };
        Ok(drivers.map_err(to_wit_error))
    }

    async fn query(
        &mut self,
        database: sql::Database,
        statement: String,
        limits: sql::Limits,
    ) -> Result<std::result::Result<Resource<Rows>, types::Error>> {
        let sql::Database { driver, url, username, password, properties } = database;
        let limits = SqlLimits { rows: limits.rows, bytes: limits.bytes, time_ms: limits.time };
        // What it prints and says is not to show it either.
        self.call.secrets.extend(password.clone());
        let query = SqlQuery { driver, url, username, password, properties, statement, limits };
        let asked: Answer<SqlRows> = match self.call.sql.clone() {
            Some(jdbc) => step(self.call.cut.as_deref(), jdbc.query(query)).await,
            None => Err(denied()),
        };
        Ok(match asked {
            Ok(rows) => Ok(WasiView::ctx(self).table.push(Rows(rows))?),
            Err(error) => Err(to_wit_error(error)),
        })
    }
}

impl sql::HostRows for Guest {
    async fn columns(&mut self, rows: Resource<Rows>) -> Result<Vec<sql::Column>> {
        let columns = WasiView::ctx(self).table.get(&rows)?.0.columns();
        let convert = |column: &crate::plugin::sql::SqlColumn| sql::Column {
            name: column.name.clone(),
            database_type: column.database_type.clone(),
            nullable: column.nullable,
        };
        Ok(columns.iter().map(convert).collect())
    }

    async fn next(&mut self, rows: Resource<Rows>, bytes: u32) -> Result<std::result::Result<Vec<u8>, types::Error>> {
        let most = usize::try_from(bytes.min(MOST_BYTES)).unwrap_or(usize::MAX);
        let rows = &mut WasiView::ctx(self).table.get_mut(&rows)?.0;
        Ok(rows.next(most).await.map_err(to_wit_error))
    }

    async fn drop(&mut self, rows: Resource<Rows>) -> Result<()> {
        WasiView::ctx(self).table.delete(rows)?;
        Ok(())
    }
}
