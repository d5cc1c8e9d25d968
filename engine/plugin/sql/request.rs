//! What a plugin says that wants to ask databases: the table `sql` of its manifest.

use crate::plugin::fields::{Field, Problems};

/// Bytes of a purpose.
const MOST_PURPOSE: usize = 256;

/// That a plugin asks for JDBC drivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SqlRequest {
    /// What it is for, for people.
    pub purpose: String,
}

impl SqlRequest {
    /// Reads a table `sql`.
    pub(in crate::plugin) fn read(field: &Field<'_>, problems: &mut Problems) -> Option<SqlRequest> {
        let fields = field.fields(&["purpose"], problems)?;
        let purpose = fields.get("purpose").and_then(|field| field.line(problems, MOST_PURPOSE)).unwrap_or_default();
        Some(SqlRequest { purpose: purpose.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use crate::plugin::parse_manifest;

    const BEGIN: &str = "name = \"x\"\nversion = \"0.1.0\"\nkind = \"fetcher\"\napi = \"windlass:plugin@0.1\"\n";

    #[test]
    fn a_plugin_asks_with_a_table_and_may_say_what_for() {
        let sql = |text: &str| parse_manifest(format!("{BEGIN}{text}").as_bytes()).unwrap().sql;
        assert_eq!(sql(""), None);
        assert_eq!(sql("[sql]").unwrap().purpose, "");
        assert_eq!(sql("[sql]\npurpose = \"Reports\"").unwrap().purpose, "Reports");
        let problems = parse_manifest(format!("{BEGIN}[sql]\ndatabases = []").as_bytes()).unwrap_err();
        assert!(problems[0].to_string().contains("sql.databases: unknown field"), "{problems:?}");
    }
}
