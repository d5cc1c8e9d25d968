//! Columns of a result: their labels, and how their values are rendered.

use windlass_plugin::{Error, Result};

use super::read::Reader;

/// The number of the character set of what is no text.
const BINARY: u64 = 63;

/// A column of a result.
pub(super) struct Column {
    pub(super) label: String,
    pub(super) kind: Kind,
}

/// How a value is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    /// With so many bits.
    Bits(u64),
    Json,
    Bytes,
    DateTime,
    /// A moment, which the server tells in UTC.
    Timestamp,
    Text,
}

impl Column {
    pub(super) fn read(packet: &[u8], has_more_types: bool) -> Result<Column> {
        let mut reader = Reader::new(packet);
        // Catalogue, schema, table, the table's own name.
        for _ in 0..4 {
            reader.text()?;
        }
        let label = std::str::from_utf8(reader.text()?);
        let label = label.map_err(|_| Error::invalid("a label of the result is no UTF-8"))?.to_owned();
        reader.text()?;
        let is_json = has_more_types && is_json(reader.text()?)?;
        reader.number()?;
        let (charset, length, number) = (reader.fixed(2)?, reader.fixed(4)?, reader.byte()?);
        let kind = if is_json { Kind::Json } else { kind(number, charset, length) };
        Ok(Column { label, kind })
    }
}

/// What MariaDB adds: pairs of what it is about, of which 1 is the format, and a text.
fn is_json(pairs: &[u8]) -> Result<bool> {
    let mut reader = Reader::new(pairs);
    let mut found = false;
    while !reader.is_empty() {
        let about = reader.byte()?;
        found |= reader.text()? == b"json" && about == 1;
    }
    Ok(found)
}

/// By the numbers of `enum_field_types`.
fn kind(number: u8, charset: u64, length: u64) -> Kind {
    match number {
        // DECIMAL, TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG, INT24, YEAR, NEWDECIMAL
        0..=5 | 8 | 9 | 13 | 246 => Kind::Number,
        7 => Kind::Timestamp,
        12 => Kind::DateTime,
        16 => Kind::Bits(length),
        245 => Kind::Json,
        // VARCHAR, ENUM, SET, the BLOBs, VAR_STRING, STRING
        15 | 247..=254 if charset != BINARY => Kind::Text,
        // The same in bytes, VECTOR, GEOMETRY
        15 | 242 | 247..=255 => Kind::Bytes,
        // NULL, DATE, TIME
        _ => Kind::Text,
    }
}

/// Some of each kind.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_columns() -> Vec<Kind> {
    vec![
        Kind::Number,
        Kind::Bits(1),
        Kind::Bits(64),
        Kind::Json,
        Kind::Bytes,
        Kind::DateTime,
        Kind::Timestamp,
        Kind::Text,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_number_and_character_set() {
        for (number, charset, expected) in [
            (3, BINARY, Kind::Number),
            (246, BINARY, Kind::Number),
            (253, 45, Kind::Text),
            (253, BINARY, Kind::Bytes),
            (252, BINARY, Kind::Bytes),
            (252, 45, Kind::Text),
            (245, BINARY, Kind::Json),
            (7, BINARY, Kind::Timestamp),
            (12, BINARY, Kind::DateTime),
            (10, BINARY, Kind::Text),
            (255, BINARY, Kind::Bytes),
        ] {
            assert_eq!(kind(number, charset, 1), expected, "{number} {charset}");
        }
    }

    #[test]
    fn a_column_that_breaks_off_is_refused() {
        let whole = b"\x03def\x00\x00\x00\x01a\x00\x0c\x2d\x00\x01\x00\x00\x00\xfd\x00\x00\x00\x00\x00";
        let column = Column::read(whole, false).unwrap();
        assert_eq!((column.label.as_str(), column.kind), ("a", Kind::Text));
        for end in 0..18 {
            assert!(Column::read(&whole[..end], false).is_err(), "{end}");
        }
    }
}
