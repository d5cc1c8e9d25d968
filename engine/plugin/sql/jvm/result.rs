//! The rows of a result, as lines of JSON within their limits.

use std::collections::BTreeSet;

use jni::JNIEnv;
use jni::objects::{JObject, JValue};

use super::Tell;
use super::cells::Cells;
use super::fault::{Fault, object_of, quiet, text_in};
use crate::error::bounded;
use crate::plugin::contract::{ErrorKind, PluginError, Retry};
use crate::plugin::sql::json::push_text;
use crate::plugin::sql::kind::{Dialect, Kind, kind};
use crate::plugin::sql::order::{BATCH_BYTES, Question, Report, SqlColumn};

/// References to objects that one row may take at once; the JVM makes room for more.
const ROW_REFERENCES: i32 = 64;
/// Columns of a result.
const MOST_COLUMNS: i32 = 10_000;
/// Bytes of the label of a column.
const MOST_LABEL_BYTES: usize = 1_024;

/// A column as it is read.
pub(super) struct Column {
    /// From 1.
    number: i32,
    /// Its label as a key of JSON, with the colon.
    key: Vec<u8>,
    kind: Kind,
}

/// Tells the columns, then the rows.
pub(super) fn send_rows(
    env: &mut JNIEnv<'_>,
    results: &JObject<'_>,
    question: &Question,
    tell: Tell<'_>,
) -> Result<(), Fault> {
    let (columns, read) = columns(env, results, question)?;
    tell(Report::Columns(columns))?;
    let cells = Cells::new(env, results)?;
    let (mut lines, mut rows, mut bytes) = (Vec::new(), 0_u64, 0_u64);
    loop {
        let begin = lines.len();
        let more = env.with_local_frame(ROW_REFERENCES, |env| -> Result<bool, Fault> {
            let more = cells.next(env)?;
            if more {
                push_row(env, &cells, &read, question.row_bytes, &mut lines)?;
            }
            Ok(more)
        })?;
        if !more {
            break;
        }
        rows += 1;
        bytes = bytes.saturating_add(u64::try_from(lines.len() - begin).unwrap_or(u64::MAX));
        if rows > question.rows {
            return Err(too_much(format!("more than {} rows", question.rows)));
        }
        if bytes > question.bytes {
            return Err(too_much(format!("more than {} bytes", question.bytes)));
        }
        if lines.len() >= BATCH_BYTES {
            tell(Report::Rows(std::mem::take(&mut lines)))?;
        }
    }
    if !lines.is_empty() {
        tell(Report::Rows(lines))?;
    }
    Ok(())
}

fn too_much(what: String) -> Fault {
    Fault::Told(PluginError::new(ErrorKind::Exhausted, Retry::Never, format!("the result has {what}")))
}

fn push_row(
    env: &mut JNIEnv<'_>,
    cells: &Cells<'_>,
    columns: &[Column],
    most: u64,
    lines: &mut Vec<u8>,
) -> Result<(), Fault> {
    let begin = lines.len();
    lines.push(b'{');
    for column in columns {
        if column.number > 1 {
            lines.push(b',');
        }
        lines.extend_from_slice(&column.key);
        cells.push(env, column.number, column.kind, lines)?;
        let bytes = u64::try_from(lines.len() - begin).unwrap_or(u64::MAX);
        if bytes > most {
            return Err(too_much(format!("a row of more than {most} bytes")));
        }
    }
    lines.extend_from_slice(b"}\n");
    Ok(())
}

fn columns(
    env: &mut JNIEnv<'_>,
    results: &JObject<'_>,
    question: &Question,
) -> Result<(Vec<SqlColumn>, Vec<Column>), Fault> {
    let facts = object_of(env, results, "getMetaData", "()Ljava/sql/ResultSetMetaData;")?;
    let count = env.call_method(&facts, "getColumnCount", "()I", &[])?.i()?;
    if count > MOST_COLUMNS {
        return Err(too_much(format!("{count} columns; allowed are {MOST_COLUMNS}")));
    }
    let dialect = Dialect::of_url(&question.url);
    let (mut columns, mut read, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for number in 1..=count {
        let name = text(env, &facts, "getColumnLabel", number)?.unwrap_or_default();
        if name.len() > MOST_LABEL_BYTES {
            return Err(too_much(format!("a label of more than {MOST_LABEL_BYTES} bytes")));
        }
        if !names.insert(name.clone()) {
            let message = format!(
                "two columns are called {name:?}: give each a name of its own with AS, since rows have their values by name"
            );
            return Err(PluginError::new(ErrorKind::Invalid, Retry::Never, message).into());
        }
        let database_type = text(env, &facts, "getColumnTypeName", number)?.unwrap_or_default();
        let sql_type = number_of(env, &facts, "getColumnType", number)?.unwrap_or_default();
        let precision = number_of(env, &facts, "getPrecision", number)?.unwrap_or_default();
        let nullable = match number_of(env, &facts, "isNullable", number)? {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        };
        let mut key = Vec::new();
        push_text(&mut key, &name);
        key.push(b':');
        let kind = kind(sql_type, &database_type, precision, dialect);
        read.push(Column { number, key, kind });
        columns.push(SqlColumn { name, database_type: bounded(database_type, MOST_LABEL_BYTES), nullable });
    }
    Ok((columns, read))
}

/// A text about a column, where the driver has it.
fn text(env: &mut JNIEnv<'_>, facts: &JObject<'_>, method: &str, column: i32) -> Result<Option<String>, Fault> {
    let called = env.call_method(facts, method, "(I)Ljava/lang/String;", &[JValue::Int(column)]);
    match quiet(env, called)? {
        Some(text) => Ok(text_in(env, text.l()?)?),
        None => Ok(None),
    }
}

/// A number about a column, where the driver has it.
fn number_of(env: &mut JNIEnv<'_>, facts: &JObject<'_>, method: &str, column: i32) -> Result<Option<i32>, Fault> {
    let called = env.call_method(facts, method, "(I)I", &[JValue::Int(column)]);
    match quiet(env, called)? {
        Some(number) => Ok(Some(number.i()?)),
        None => Ok(None),
    }
}
