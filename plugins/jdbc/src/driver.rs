//! Drivers: what the field `driver` and the URL may name.

use std::fmt;

/// A protocol, by the driver that speaks it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    PostgreSql,
    MySql,
    MariaDb,
}

/// Names of drivers, the classes of Java among them.
const NAMES: [(&str, Driver); 7] = [
    ("postgresql", Driver::PostgreSql),
    ("mysql", Driver::MySql),
    ("mariadb", Driver::MariaDb),
    ("org.postgresql.Driver", Driver::PostgreSql),
    ("com.mysql.cj.jdbc.Driver", Driver::MySql),
    ("com.mysql.jdbc.Driver", Driver::MySql),
    ("org.mariadb.jdbc.Driver", Driver::MariaDb),
];

/// Whether it can be the name of a class of Java, as those of JDBC drivers are: parts between points.
pub(crate) fn is_class(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
            && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    name.len() <= 256 && name.contains('.') && name.split('.').all(is_part)
}

impl Driver {
    /// The driver of this name.
    pub(crate) fn named(name: &str) -> Option<Driver> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, driver)| *driver)
    }

    /// All names.
    pub(crate) fn names() -> String {
        NAMES.map(|(name, _)| name).join(", ")
    }

    /// The driver of a URL that begins with `jdbc:SCHEME:`.
    pub(crate) fn of_scheme(scheme: &str) -> Option<Driver> {
        [Driver::PostgreSql, Driver::MySql, Driver::MariaDb].into_iter().find(|it| it.scheme() == scheme)
    }

    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Driver::PostgreSql => "postgresql",
            Driver::MySql => "mysql",
            Driver::MariaDb => "mariadb",
        }
    }

    /// Whether it takes URLs of that scheme. The driver of MariaDB speaks to MySQL too.
    pub(crate) fn takes(self, scheme: Driver) -> bool {
        self == scheme || (self, scheme) == (Driver::MariaDb, Driver::MySql)
    }

    pub(crate) fn port(self) -> u16 {
        match self {
            Driver::PostgreSql => 5432,
            Driver::MySql | Driver::MariaDb => 3306,
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme())
    }
}
