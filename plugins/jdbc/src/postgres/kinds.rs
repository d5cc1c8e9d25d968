//! Types of PostgreSQL, as far as they differ in JSON.

use std::collections::BTreeMap;

use windlass_plugin::Result;

use super::session::Session;

/// How a value of a type is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Number,
    Json,
    Bytes,
    Time,
    TimeZoned,
    Timestamp,
    TimestampZoned,
    Text,
    /// The character between its elements, and which kind of scalar those are.
    Array(u8, Scalar),
}

/// The element of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scalar(u32);

impl Scalar {
    pub(super) fn kind(self) -> Kind {
        scalar(self.0).unwrap_or(Kind::Text)
    }
}

/// The kind of a type that every server has, by its number in `pg_type.dat`; `None` when it has to be looked up.
fn scalar(oid: u32) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Bool,
        // int8, int2, int4, oid, float4, float8, numeric
        20 | 21 | 23 | 26 | 700 | 701 | 1700 => Kind::Number,
        114 | 3802 => Kind::Json,
        17 => Kind::Bytes,
        1083 => Kind::Time,
        1266 => Kind::TimeZoned,
        1114 => Kind::Timestamp,
        1184 => Kind::TimestampZoned,
        // "char", name, text, unknown, bpchar, varchar, date, interval, uuid
        18 | 19 | 25 | 705 | 1042 | 1043 | 1082 | 1186 | 2950 => Kind::Text,
        _ => return None,
    })
}

/// The kinds of columns, looked up where they are not known.
pub(super) fn of(session: &mut Session, oids: &[u32]) -> Result<Vec<Kind>> {
    let unknown: Vec<String> = oids.iter().filter(|oid| scalar(**oid).is_none()).map(u32::to_string).collect();
    let arrays = if unknown.is_empty() { BTreeMap::new() } else { arrays(session, &unknown.join(", "))? };
    let kind = |oid: &u32| scalar(*oid).or_else(|| arrays.get(oid).copied()).unwrap_or(Kind::Text);
    Ok(oids.iter().map(kind).collect())
}

/// Which of these types are arrays, and of what; the element of a domain is of the type below it.
fn arrays(session: &mut Session, oids: &str) -> Result<BTreeMap<u32, Kind>> {
    let rows = session.command(&format!(
        "SELECT a.oid, CASE e.typtype WHEN 'd' THEN e.typbasetype ELSE e.oid END, pg_catalog.ascii(e.typdelim::text) \
         FROM pg_catalog.pg_type a JOIN pg_catalog.pg_type e ON e.oid = a.typelem \
         WHERE a.typinput = 'pg_catalog.array_in'::pg_catalog.regproc AND a.oid IN ({oids})"
    ))?;
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse::<u32>().ok();
    let array = |row: Vec<Vec<u8>>| {
        let [oid, element, between] = row.as_slice() else { return None };
        let between = u8::try_from(number(between)?).ok()?;
        Some((number(oid)?, Kind::Array(between, Scalar(number(element)?))))
    };
    Ok(rows.into_iter().filter_map(array).collect())
}

/// Some of each kind.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_kinds() -> Vec<Kind> {
    let scalars = [16, 1700, 114, 17, 1083, 1266, 1114, 1184, 25];
    let kinds = scalars.into_iter().filter_map(scalar);
    kinds.chain(scalars.map(|oid| Kind::Array(b',', Scalar(oid)))).collect()
}
