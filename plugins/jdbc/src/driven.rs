//! Databases that are not spoken here: the engine asks them, through JDBC drivers that the operator has put into a folder.

use std::io::Write;

use windlass_plugin::sql::{self, Database, Limits};
use windlass_plugin::{Error, Problem, Result};

use crate::driver::Driver;
use crate::options::Options;
use crate::target::mistake;

const MOST_BYTES: usize = 4_096;
/// What drivers call a password.
const PASSWORDS: [&str; 3] = ["password", "passwd", "pwd"];

/// What is to be seen of a URL without the driver that takes it. What may be in it the operator says, and the engine checks.
pub(crate) fn check_url(url: &str) -> Result<(), Vec<Problem>> {
    let allowed = || "a JDBC URL that the operator lists, such as jdbc:oracle:thin:@//HOST:PORT/SERVICE";
    if !url.starts_with("jdbc:") {
        return Err(vec![mistake("it does not begin with `jdbc:`", allowed())]);
    }
    if url.len() > MOST_BYTES || url.chars().any(char::is_control) {
        return Err(vec![mistake("it is too long or holds a control character", allowed())]);
    }
    let names = url.split(['?', ';', '&']).filter_map(|parameter| parameter.split_once('=')).map(|(name, _)| name);
    if names.map(str::trim).any(|name| PASSWORDS.iter().any(|known| known.eq_ignore_ascii_case(name))) {
        return Err(vec![mistake("it holds a password, which belongs into `password`", allowed())]);
    }
    Ok(())
}

/// Whether there is such a driver; an unknown one is told all there are.
pub(crate) fn check(class: &str) -> Result<()> {
    let spoken = Driver::names();
    let drivers = sql::drivers().map_err(|error| {
        let message = format!("there is no driver {class:?} but through JDBC: {}; spoken are {spoken}", error.message);
        Error { message, ..error }
    })?;
    if drivers.iter().any(|driver| driver == class) {
        return Ok(());
    }
    let drivers = drivers.join(", ");
    Err(Error::not_found(format!("there is no driver {class:?}; there is {spoken}, and through JDBC {drivers}")))
}

/// Asks, and writes the rows; how many bytes they have.
pub(crate) fn ask(class: &str, options: &Options, mut out: impl Write) -> Result<u64> {
    check(class)?;
    let database = Database {
        driver: class.to_owned(),
        url: options.url.clone(),
        username: options.username.clone(),
        password: options.password.as_ref().map(|password| password.expose().to_owned()),
        properties: Vec::new(),
    };
    let limits =
        Limits { rows: Some(options.max_rows()), bytes: Some(options.max_bytes()), time: Some(options.timeout()) };
    let mut rows = sql::query(&database, &options.query, &limits)?;
    if rows.columns().is_empty() {
        return Err(Error::invalid("the result has no columns"));
    }
    let bytes = rows.copy_to(&mut out)?;
    out.flush()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_told_without_it() {
        for url in
            ["jdbc:h2:mem:x;PASSWORD=hush", "jdbc:sqlserver://db;user=me;pwd=hush", "jdbc:db2://db/x?a=1&password=hush"]
        {
            let problems = check_url(url).unwrap_err();
            let told = format!("{problems:?}");
            assert!(told.contains("belongs into `password`") && !told.contains("hush"), "{told}");
        }
        for url in ["h2:mem:", "jdbc:\n", &format!("jdbc:{}", "x".repeat(MOST_BYTES))] {
            assert!(check_url(url).is_err(), "{url}");
        }
        assert_eq!(check_url("jdbc:oracle:thin:@//db:1521/shop"), Ok(()));
    }
}
