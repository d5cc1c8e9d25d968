//! How the cells of a column are read, which its JDBC type and the database's own word for it decide.

/// `java.sql.Types`, and what some drivers add to them.
mod types {
    pub(super) const BIT: i32 = -7;
    pub(super) const BOOLEAN: i32 = 16;
    pub(super) const NUMBERS: [i32; 8] = [-6, 5, 4, -5, 6, 7, 8, 2];
    pub(super) const DECIMAL: i32 = 3;
    pub(super) const BYTES: [i32; 3] = [-2, -3, -4];
    pub(super) const BLOB: i32 = 2004;
    pub(super) const DATE: i32 = 91;
    pub(super) const TIME: i32 = 92;
    pub(super) const TIMESTAMP: i32 = 93;
    pub(super) const TIME_WITH_ZONE: i32 = 2013;
    /// Of JDBC, of Oracle (with a zone, with the local one) and of SQL Server.
    pub(super) const TIMESTAMPS_WITH_ZONE: [i32; 4] = [2014, -101, -102, -155];
    pub(super) const ARRAY: i32 = 2003;
    /// Oracle's floats.
    pub(super) const BINARY_FLOATS: [i32; 2] = [100, 101];
    pub(super) const OBJECTS: [i32; 4] = [1111, 2000, 2002, 0];
}

/// How a cell is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Truth,
    Number,
    Bytes,
    Blob,
    Json,
    Date,
    Time,
    TimeWithZone,
    Timestamp,
    TimestampWithZone,
    Array,
    /// As whatever it is.
    Object,
    Text,
}

/// What is particular about some databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Usual,
    /// It says of rows of bits that they are truth values.
    PostgreSql,
    /// Its cells have types of their own, whatever their column says.
    Sqlite,
}

impl Dialect {
    pub(super) fn of_url(url: &str) -> Dialect {
        match url.split(':').nth(1) {
            Some("postgresql") => Dialect::PostgreSql,
            Some("sqlite") => Dialect::Sqlite,
            _ => Dialect::Usual,
        }
    }
}

/// The kind of a column.
pub(super) fn kind(sql_type: i32, type_name: &str, precision: i32, dialect: Dialect) -> Kind {
    let name = type_name.to_ascii_lowercase();
    let zoned = name == "timestamptz" || name.contains("with time zone") || name.contains("with local time zone");
    match sql_type {
        _ if dialect == Dialect::Sqlite => Kind::Object,
        types::BIT if dialect == Dialect::PostgreSql && name == "bit" => Kind::Text,
        _ if matches!(name.as_str(), "json" | "jsonb") => Kind::Json,
        _ if name == "uuid" => Kind::Text,
        // Some call a row of bits so.
        types::BIT if name == "bool" || name != "varbit" && precision <= 1 => Kind::Truth,
        types::BOOLEAN => Kind::Truth,
        types::DECIMAL => Kind::Number,
        it if types::NUMBERS.contains(&it) || types::BINARY_FLOATS.contains(&it) => {
            // The texts of amounts are made for people.
            if name == "money" { Kind::Text } else { Kind::Number }
        }
        it if types::BYTES.contains(&it) => Kind::Bytes,
        types::BLOB => Kind::Blob,
        types::DATE => Kind::Date,
        types::TIME if name == "timetz" || zoned => Kind::TimeWithZone,
        types::TIME => Kind::Time,
        types::TIME_WITH_ZONE => Kind::TimeWithZone,
        it if types::TIMESTAMPS_WITH_ZONE.contains(&it) => Kind::TimestampWithZone,
        types::TIMESTAMP if zoned => Kind::TimestampWithZone,
        types::TIMESTAMP => Kind::Timestamp,
        types::ARRAY => Kind::Array,
        it if types::OBJECTS.contains(&it) => Kind::Object,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_what_its_type_and_its_name_say() {
        for (sql_type, name, precision, wanted) in [
            (-7, "bool", 1, Kind::Truth),
            (-7, "bit", 3, Kind::Text),
            (-7, "BIT", 1, Kind::Truth),
            (4, "int4", 10, Kind::Number),
            (2, "numeric", 0, Kind::Number),
            (8, "money", 0, Kind::Text),
            (-2, "bytea", 0, Kind::Bytes),
            (1111, "jsonb", 0, Kind::Json),
            (-1, "JSON", 0, Kind::Json),
            (93, "timestamp", 0, Kind::Timestamp),
            (93, "timestamptz", 0, Kind::TimestampWithZone),
            (2014, "TIMESTAMP WITH TIME ZONE", 0, Kind::TimestampWithZone),
            (92, "timetz", 0, Kind::TimeWithZone),
            (2003, "_int4", 0, Kind::Array),
            (1111, "uuid", 0, Kind::Text),
            (-2, "UUID", 16, Kind::Text),
            (1111, "inet", 0, Kind::Object),
            (12, "VARCHAR", 0, Kind::Text),
        ] {
            assert_eq!(kind(sql_type, name, precision, Dialect::Usual), wanted, "{sql_type} {name}");
        }
        assert_eq!(kind(12, "TEXT", 0, Dialect::of_url("jdbc:sqlite:/x")), Kind::Object);
        assert_eq!(kind(-7, "bit", 1, Dialect::of_url("jdbc:postgresql://x/")), Kind::Text);
    }
}
