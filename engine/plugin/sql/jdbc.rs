//! JDBC drivers as the engine has them: which there are, and a query through one of them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::folder::{self, Jar};
use super::order::{Jvm, Order, Question, Report, Task};
use super::process::Worker;
use super::rows::SqlRows;
use super::{SqlGrant, reach, statement};
use crate::error::bounded;
use crate::plugin::child::Nursery;
use crate::plugin::contract::{Answer, ErrorKind, PluginError, Retry};

/// Properties of one query.
const MOST_PROPERTIES: usize = 64;
/// Bytes of a user, a password, a property.
const MOST_VALUE_BYTES: usize = 4_096;
/// What the names of parameters have in them whose values are nobody's business.
const SECRET_NAMES: [&str; 5] = ["pass", "pwd", "secret", "token", "key"];

/// The drivers that one grant allows.
pub struct Jdbc {
    grant: SqlGrant,
    places: Arc<Semaphore>,
    nursery: Mutex<Option<Arc<Nursery>>>,
    known: Mutex<Option<Known>>,
}

/// The drivers of the jars that were in the folder.
struct Known {
    java: PathBuf,
    jars: Vec<Jar>,
    drivers: Vec<String>,
}

/// A query.
#[derive(Clone, Default)]
pub struct SqlQuery {
    /// The class of the driver.
    pub driver: String,
    /// The database, a JDBC URL.
    pub url: String,
    /// Who asks.
    pub username: Option<String>,
    /// What proves it.
    pub password: Option<String>,
    /// More that the driver is told, by name.
    pub properties: Vec<(String, String)>,
    /// One statement that reads.
    pub statement: String,
    /// How far it may go.
    pub limits: SqlLimits,
}

impl fmt::Debug for SqlQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlQuery").field("driver", &self.driver).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// How far a query may go. What is not said is what its grant allows, and never more than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqlLimits {
    /// Rows of the result.
    pub rows: Option<u64>,
    /// Bytes of the result, as lines of JSON.
    pub bytes: Option<u64>,
    /// Milliseconds from the connection to the last row.
    pub time_ms: Option<u64>,
}

fn invalid(message: impl Into<String>) -> PluginError {
    PluginError::new(ErrorKind::Invalid, Retry::Never, message)
}

impl Jdbc {
    /// The drivers and databases that a grant allows. Nothing is looked at yet.
    pub fn new(grant: SqlGrant) -> Jdbc {
        let places = grant.config.processes.clamp(1, Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        Jdbc { grant, places, nursery: Mutex::default(), known: Mutex::default() }
    }

    /// The classes of the drivers that the jars in the folder offer, by name.
    ///
    /// # Errors
    /// What keeps them from being found: no Java, no folder, no jar.
    pub async fn drivers(&self) -> Answer<Vec<String>> {
        let (java, jars) = self.machine()?;
        if let Some(drivers) = self.known(&java, &jars) {
            return Ok(drivers);
        }
        let place = self.place().await?;
        let order = Order { jvm: self.jvm(&java, &jars), task: Task::Drivers };
        let start_ms = self.grant.config.start_ms;
        let nursery = self.nursery()?;
        let mut worker = Worker::start(&nursery, &self.grant, &order, Vec::new(), start_ms, place).await?;
        match worker.report().await? {
            Report::Drivers(mut drivers) => {
                drivers.sort();
                drivers.dedup();
                let known = Known { java, jars, drivers: drivers.clone() };
                *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
                Ok(drivers)
            }
            report => Err(worker.odd(&report)),
        }
    }

    /// Asks a database, in a process of its own.
    ///
    /// # Errors
    /// A database, a parameter or a statement that is not allowed, a driver that is not there, whatever the driver and the
    /// database tell. No error shows a password.
    pub async fn query(&self, query: SqlQuery) -> Answer<SqlRows> {
        self.check(&query)?;
        let (java, jars) = self.machine()?;
        let drivers = self.drivers().await?;
        if !drivers.contains(&query.driver) {
            let (driver, there_is) = (bounded(query.driver, 128), drivers.join(", "));
            return Err(PluginError::new(
                ErrorKind::NotFound,
                Retry::Never,
                format!("there is no JDBC driver {driver:?}; there is {there_is}"),
            ));
        }
        let place = self.place().await?;
        let secrets = secrets(&query);
        let question = self.question(query);
        let time_ms = question.time_ms;
        let order = Order { jvm: self.jvm(&java, &jars), task: Task::Query(Box::new(question)) };
        let nursery = self.nursery()?;
        let mut worker = Worker::start(&nursery, &self.grant, &order, secrets, time_ms, place).await?;
        match worker.report().await? {
            Report::Columns(columns) => Ok(SqlRows::new(columns, worker)),
            report => Err(worker.odd(&report)),
        }
    }

    fn check(&self, query: &SqlQuery) -> Answer<()> {
        let SqlGrant { databases, parameters, .. } = &self.grant;
        let names: Vec<&str> = query.properties.iter().map(|(name, _)| name.as_str()).collect();
        if names.len() > MOST_PROPERTIES {
            return Err(invalid(format!("{} properties; allowed are {MOST_PROPERTIES}", names.len())));
        }
        let values = query.properties.iter().map(|(_, value)| value).chain(&query.username).chain(&query.password);
        if values.into_iter().any(|value| value.len() > MOST_VALUE_BYTES || value.contains('\0')) {
            return Err(invalid(format!(
                "a user, a password or a property has a NUL or more than {MOST_VALUE_BYTES} bytes"
            )));
        }
        reach::check(databases, parameters, &query.url, &names)
            .map_err(|why| PluginError::new(ErrorKind::Denied, Retry::Never, format!("the database: {why}")))?;
        statement::check(&query.statement).map_err(|why| invalid(format!("the statement: {why}")))
    }

    fn question(&self, query: SqlQuery) -> Question {
        let SqlQuery { driver, url, username, password, mut properties, statement, limits } = query;
        let config = &self.grant.config;
        properties.extend(username.map(|username| ("user".to_owned(), username)));
        properties.extend(password.map(|password| ("password".to_owned(), password)));
        Question {
            driver,
            url,
            properties,
            statement,
            rows: limits.rows.unwrap_or(config.rows).min(config.rows),
            bytes: limits.bytes.unwrap_or(config.bytes).min(config.bytes),
            row_bytes: config.row_bytes,
            time_ms: limits.time_ms.unwrap_or(config.query_ms).clamp(1, config.query_ms),
        }
    }

    fn machine(&self) -> Answer<(PathBuf, Vec<Jar>)> {
        let java = folder::java(self.grant.java.as_deref())?;
        Ok((java, folder::jars(&self.grant.drivers, self.grant.config.jars)?))
    }

    fn jvm(&self, java: &std::path::Path, jars: &[Jar]) -> Jvm {
        let jars = jars.iter().map(|jar| jar.path.clone()).collect();
        let folder = self.grant.drivers.clone();
        Jvm { library: java.to_owned(), jars, folder, heap_bytes: self.grant.config.heap_bytes }
    }

    fn known(&self, java: &std::path::Path, jars: &[Jar]) -> Option<Vec<String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref().filter(|known| known.java == java && known.jars == jars)?;
        Some(known.drivers.clone())
    }

    async fn place(&self) -> Answer<OwnedSemaphorePermit> {
        let start_ms = self.grant.config.start_ms;
        let place = timeout(Duration::from_millis(start_ms), self.places.clone().acquire_owned()).await;
        // Nobody closes it, so every permit comes.
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let processes = self.grant.config.processes;
            let message = format!("all {processes} processes with JDBC drivers were busy for {start_ms} ms");
            PluginError::new(ErrorKind::Exhausted, Retry::Backoff, message)
        })
    }

    fn nursery(&self) -> Answer<Arc<Nursery>> {
        let mut nursery = self.nursery.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nursery) = &*nursery {
            return Ok(nursery.clone());
        }
        let made = Nursery::new()
            .map_err(|error| PluginError::new(ErrorKind::Unavailable, Retry::Backoff, error.to_string()))?;
        Ok(nursery.insert(Arc::new(made)).clone())
    }
}

/// What no error may show: the password, and what parameters with such names have.
fn secrets(query: &SqlQuery) -> Vec<String> {
    let secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        SECRET_NAMES.iter().any(|word| name.contains(word))
    };
    let in_url = query.url.split(['?', ';', '&']).skip(1).filter_map(|parameter| parameter.split_once('='));
    let properties = query.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let named = in_url.chain(properties).filter(|(name, _)| secret(name)).map(|(_, value)| value.to_owned());
    query.password.iter().cloned().chain(named).collect()
}
