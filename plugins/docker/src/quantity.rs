//! Amounts of memory as people write them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Bytes: a number of them, or a text such as `512MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) i64);

const UNITS: [(&str, i64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bytes, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes, or a text as 512MiB (kB, MB, GB, KiB, MiB, GiB)")
    }

    fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Bytes, E> {
        let unexpected = || E::invalid_value(serde::de::Unexpected::Unsigned(bytes), &self);
        i64::try_from(bytes).map(Bytes).map_err(|_| unexpected())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
        parse(text).map(Bytes).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

fn parse(text: &str) -> Option<i64> {
    let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<i64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read() {
        for (json, bytes) in [("1048576", 1 << 20), ("\"64 MiB\"", 64 << 20), ("\"1GB\"", 1_000_000_000), ("\"7\"", 7)]
        {
            assert_eq!(serde_json::from_str::<Bytes>(json).unwrap(), Bytes(bytes), "{json}");
        }
        for json in ["\"\"", "\"MiB\"", "\"1.5GiB\"", "\"9000000000 GiB\"", "-1", "1.5", "18446744073709551615"] {
            let problem = serde_json::from_str::<Bytes>(json).unwrap_err().to_string();
            assert!(problem.contains("expected a number of bytes"), "{json}: {problem}");
        }
    }
}
