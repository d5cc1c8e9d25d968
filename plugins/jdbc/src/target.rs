//! Which database: the URL of JDBC, taken apart.

use std::time::Duration;

use windlass_plugin::Problem;
use windlass_plugin::net::Verify;

use crate::driver::Driver;
use crate::parameters;

const FORM: &str =
    "jdbc:postgresql://HOST[:PORT]/DATABASE[?NAME=VALUE&…], jdbc:mysql://… or jdbc:mariadb://… in the same form";
const MOST_BYTES: usize = 16 << 10;

/// A database, and how it is to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) driver: Driver,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: Option<String>,
    pub(crate) tls: Tls,
    /// In PEM, in place of those of the operator.
    pub(crate) authorities: Option<String>,
    pub(crate) connect: Option<Duration>,
    /// What the database is told who asks.
    pub(crate) application: String,
    pub(crate) schema: Option<String>,
}

/// When TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    /// Where the server offers it; its certificate shows nothing then.
    Offered,
    Always(Verify),
}

/// A mistake in the URL. No part of it holds a value, which may be a password.
pub(crate) fn mistake(problem: impl Into<String>, allowed: impl Into<String>) -> Problem {
    Problem { field: "url".to_owned(), problem: problem.into(), allowed: allowed.into() }
}

impl Target {
    /// Takes a URL apart, for the driver that was chosen or its own.
    pub(crate) fn parse(url: &str, chosen: Option<Driver>) -> Result<Target, Vec<Problem>> {
        let one = |problem: &str| vec![mistake(problem, FORM)];
        if url.len() > MOST_BYTES || url.chars().any(char::is_control) {
            return Err(one("it is too long or holds a control character"));
        }
        let rest = url.strip_prefix("jdbc:").ok_or_else(|| one("it does not begin with `jdbc:`"))?;
        let (scheme, rest) = rest.split_once(':').ok_or_else(|| one("it names no database"))?;
        let Some(scheme) = Driver::of_scheme(scheme) else {
            return Err(vec![mistake(
                "it names a kind of database that is not spoken here",
                format!("{FORM}; or any, with the class of a JDBC driver of the operator's as `driver`"),
            )]);
        };
        let driver = chosen.unwrap_or(scheme);
        if !driver.takes(scheme) {
            return Err(vec![mistake(
                format!("the driver {driver} does not take URLs of jdbc:{scheme}:"),
                "a URL and a driver that fit",
            )]);
        }
        let rest = rest.strip_prefix("//").ok_or_else(|| one("there is no `//` before the host"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let (host, port) = machine(authority, driver).map_err(one)?;
        let database = decoded(database).ok_or_else(|| one("the name of the database is badly encoded"))?;
        if database.contains('/') {
            return Err(one("there is more than a database after the host"));
        }
        let mut target = Target {
            driver,
            host,
            port,
            database: Some(database).filter(|name| !name.is_empty()),
            tls: Tls::Offered,
            authorities: None,
            connect: None,
            application: "windlass".to_owned(),
            schema: None,
        };
        let problems = parameters::read(query, &mut target);
        if problems.is_empty() { Ok(target) } else { Err(problems) }
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

fn machine(authority: &str, driver: Driver) -> Result<(String, u16), &'static str> {
    if authority.contains('@') {
        return Err("it holds a user or a password, which belong into `username` and `password`");
    }
    if authority.contains(',') || authority.starts_with('(') {
        return Err("it names several machines, and one is asked");
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or("its host is none")?;
            if rest.is_empty() { (host, None) } else { (host, Some(rest.strip_prefix(':').ok_or("its port is none")?)) }
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let fits = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_' | ':');
    if host.is_empty() || host.len() > 253 || !host.chars().all(fits) {
        return Err("its host is missing or none");
    }
    let port = match port {
        None => driver.port(),
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("its port is none")?,
    };
    Ok((host.to_owned(), port))
}

/// A text with its percent signs decoded.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url, None).unwrap_or_else(|problems| panic!("{url}: {problems:?}"))
    }

    fn told(url: &str, driver: Option<Driver>) -> String {
        let problems = Target::parse(url, driver).unwrap_err();
        problems.iter().map(|it| format!("{}: {}; {}\n", it.field, it.problem, it.allowed)).collect()
    }

    #[test]
    fn urls_are_taken_apart() {
        for (url, host, port, database) in [
            ("jdbc:postgresql://db.example.com/shop", "db.example.com", 5432, Some("shop")),
            ("jdbc:postgresql://db:6543/a%20b", "db", 6543, Some("a b")),
            ("jdbc:mysql://10.0.0.1/shop", "10.0.0.1", 3306, Some("shop")),
            ("jdbc:mariadb://[fd00::1]:3307/", "fd00::1", 3307, None),
            ("jdbc:mariadb://[::1]", "::1", 3306, None),
        ] {
            let found = target(url);
            assert_eq!((found.host.as_str(), found.port, found.database.as_deref()), (host, port, database), "{url}");
            assert_eq!((found.tls, found.connect), (Tls::Offered, None));
        }
        let mysql = Target::parse("jdbc:mysql://db/x", Some(Driver::MariaDb)).unwrap();
        assert_eq!(mysql.driver, Driver::MariaDb);
    }

    #[test]
    fn what_is_no_url_is_told_without_what_it_holds() {
        for (url, says) in [
            ("postgresql://db/x", "does not begin with `jdbc:`"),
            ("jdbc:oracle:thin:@db", "kind of database that is not spoken"),
            ("jdbc:sqlserver://db", "kind of database that is not spoken"),
            ("jdbc:postgresql:shop", "no `//`"),
            ("jdbc:postgresql:///shop", "host is missing"),
            ("jdbc:postgresql://me:hush@db/shop", "`username` and `password`"),
            ("jdbc:postgresql://a,b/shop", "several machines"),
            ("jdbc:postgresql://db:0/shop", "port is none"),
            ("jdbc:postgresql://db:99999/shop", "port is none"),
            ("jdbc:postgresql://db/shop/more", "more than a database"),
            ("jdbc:postgresql://db/%zz", "badly encoded"),
            ("jdbc:postgresql://db/x?password=hush", "password"),
            ("jdbc:postgresql://db/x?sslmode=hush", "sslmode"),
            ("jdbc:postgresql://db/x?hush=hush", "hush"),
            ("jdbc:mysql://(host=db)/x", "several machines"),
        ] {
            let told = told(url, None);
            assert!(told.starts_with("url: ") && told.contains(says), "{url}: {told}");
            assert!(url.contains("?hush") || !told.contains("hush"), "{told}");
        }
        assert!(told("jdbc:mysql://db/x", Some(Driver::PostgreSql)).contains("does not take URLs of jdbc:mysql:"));
        assert!(told("jdbc:mariadb://db/x", Some(Driver::MySql)).contains("does not take"));
    }
}
