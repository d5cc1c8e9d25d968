//! Databases whose answers a test has written down.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::not_scripted;
use crate::bindings::sql as wire;
use crate::error::{Error, Result};

thread_local! {
    static DRIVERS: RefCell<Vec<Driver>> = const { RefCell::new(Vec::new()) };
}

type Answer = Rc<RefCell<dyn FnMut(&AskedQuery) -> Result<Vec<Map<String, Value>>>>>;

struct Driver {
    class: String,
    answer: Answer,
}

/// What a plugin has asked a database.
pub struct AskedQuery {
    /// The JDBC URL.
    pub url: String,
    /// Who asks.
    pub username: Option<String>,
    /// What proves it.
    pub password: Option<String>,
    /// More for the driver.
    pub properties: Vec<(String, String)>,
    /// What is asked.
    pub statement: String,
    /// The most rows, where the plugin says it.
    pub rows: Option<u64>,
    /// The most bytes.
    pub bytes: Option<u64>,
    /// The most milliseconds.
    pub time_ms: Option<u64>,
}

/// A driver that there is to be, and the rows that it answers with. The columns are those of the first row.
pub fn driver(class: &str, answer: impl FnMut(&AskedQuery) -> Result<Vec<Map<String, Value>>> + 'static) {
    let driver = Driver { class: class.to_owned(), answer: Rc::new(RefCell::new(answer)) };
    DRIVERS.with_borrow_mut(|drivers| drivers.push(driver));
}

pub(super) fn reset() {
    DRIVERS.with_borrow_mut(Vec::clear);
}

pub(crate) fn drivers() -> Result<Vec<String>> {
    let classes: Vec<String> =
        DRIVERS.with_borrow(|drivers| drivers.iter().map(|driver| driver.class.clone()).collect());
    if classes.is_empty() { Err(not_scripted("which drivers there are; see `driver`")) } else { Ok(classes) }
}

pub(crate) fn query(database: wire::Database, statement: &str, limits: wire::Limits) -> Result<Rows> {
    let wire::Database { driver, url, username, password, properties } = database;
    let known = drivers()?;
    let answer = DRIVERS.with_borrow(|drivers| {
        let driver = drivers.iter().rfind(|known| known.class == driver);
        driver.map(|driver| driver.answer.clone())
    });
    let Some(answer) = answer else {
        return Err(Error::not_found(format!("there is no JDBC driver {driver:?}; there is {}", known.join(", "))));
    };
    let wire::Limits { rows, bytes, time } = limits;
    let statement = statement.to_owned();
    let asked = AskedQuery { url, username, password, properties, statement, rows, bytes, time_ms: time };
    let rows = (answer.borrow_mut())(&asked)?;
    Ok(Rows { rows, at: 0 })
}

pub(crate) struct Rows {
    rows: Vec<Map<String, Value>>,
    at: usize,
}

impl Rows {
    pub(crate) fn columns(&self) -> Vec<wire::Column> {
        let names = self.rows.first().into_iter().flat_map(Map::keys).cloned();
        names.map(|name| wire::Column { name, database_type: String::new(), nullable: None }).collect()
    }

    /// A row at a time, as a host may do it.
    pub(crate) fn next(&mut self, _bytes: u32) -> Result<Vec<u8>> {
        let Some(row) = self.rows.get(self.at) else { return Ok(Vec::new()) };
        self.at += 1;
        let mut line = serde_json::to_vec(row).map_err(|error| Error::internal(error.to_string()))?;
        line.push(b'\n');
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sql::{Database, Limits, drivers, query};
    use crate::testing;

    #[test]
    fn a_scripted_driver_answers_and_an_unknown_one_lists_what_there_is() {
        assert!(drivers().is_err());
        testing::driver("org.x.Driver", |asked| {
            assert_eq!((asked.statement.as_str(), asked.rows), ("SELECT 1", Some(2)));
            Ok(vec![json!({ "a": 1 }).as_object().cloned().unwrap(), json!({ "a": 2 }).as_object().cloned().unwrap()])
        });
        let mut database =
            Database { driver: "org.x.Driver".into(), password: Some("hush".into()), ..Database::default() };
        assert!(!format!("{database:?}").contains("hush"));
        let limits = Limits { rows: Some(2), ..Limits::default() };
        let mut rows = query(&database, "SELECT 1", &limits).unwrap();
        assert_eq!(rows.columns()[0].name, "a");
        let mut out = Vec::new();
        assert_eq!(rows.copy_to(&mut out).unwrap(), 16);
        assert_eq!(out, b"{\"a\":1}\n{\"a\":2}\n");
        database.driver = "y".into();
        let error = query(&database, "SELECT 1", &limits).err().unwrap();
        assert!(error.message.contains("there is org.x.Driver"), "{}", error.message);
    }
}
