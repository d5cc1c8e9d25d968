//! PostgreSQL: protocol 3.0, the extended query with results as text.
//!
//! The extended query takes one statement and no more, so none can end the transaction before another one writes.

mod arrays;
mod kinds;
mod login;
mod refusal;
mod render;
mod session;

use std::io::Write;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, Message, RowDescriptionBody};
use windlass_plugin::{Error, Result};

use crate::fetch::Question;
use crate::lines::Lines;
use crate::wire::broken;
use kinds::Kind;
use session::Session;

#[cfg(fuzzing)]
pub(crate) use {kinds::fuzz_kinds, render::value as fuzz_value};

/// Asks, and has every row written.
pub(crate) fn ask<W: Write>(question: &Question<'_>, lines: &mut Lines<W>) -> Result<()> {
    let mut session = login::begin(question)?;
    session.command(&beginning(question))?;
    let query = &question.options.query;
    session.parse(query)?;
    let oids = described(&mut session, lines)?;
    let kinds = kinds::of(&mut session, &oids)?;
    // A look-up of types has made the server forget the statement.
    session.execute(query, lines.max_rows())?;
    read_rows(&mut session, &kinds, lines)?;
    session.end();
    Ok(())
}

/// The transaction and its settings: what times and bytes look like must not depend on those of the server.
fn beginning(question: &Question<'_>) -> String {
    let schema = question.target.schema.as_deref().map_or(String::new(), |schema| {
        let names: Vec<String> = schema.split(',').map(|name| quoted_name(name.trim())).collect();
        format!("SET LOCAL search_path = {};", names.join(", "))
    });
    // A server that can (one of version 14 or later, on Linux) then notices that we are gone, also while it computes.
    let notices = "SELECT set_config(name, '5s', true) FROM pg_catalog.pg_settings \
                   WHERE name = 'client_connection_check_interval' AND pg_catalog.version() LIKE '%linux%';";
    format!(
        "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL DateStyle = 'ISO'; \
         SET LOCAL TimeZone = 'UTC'; SET LOCAL IntervalStyle = 'iso_8601'; SET LOCAL bytea_output = 'hex'; \
         SET LOCAL extra_float_digits = 3; {schema} {notices}",
        question.options.timeout().as_millis()
    )
}

fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What the statement is going to return: the types of its columns, whose labels are noted.
fn described<W: Write>(session: &mut Session, lines: &mut Lines<W>) -> Result<Vec<u32>> {
    let mut oids = None;
    loop {
        match session.receive()? {
            Message::ParseComplete => {}
            Message::ParameterDescription(body) => {
                if body.parameters().next().map_err(broken)?.is_some() {
                    return Err(Error::invalid("the query has parameters ($1), and there is nothing to put there"));
                }
            }
            Message::RowDescription(body) => oids = Some(columns(&body, lines)?),
            Message::NoData => {}
            Message::ReadyForQuery(_) => {
                return oids.ok_or_else(|| Error::invalid("the query is none that returns rows"));
            }
            _ => return Err(broken("another answer to a statement")),
        }
    }
}

fn columns<W: Write>(body: &RowDescriptionBody, lines: &mut Lines<W>) -> Result<Vec<u32>> {
    let mut fields = body.fields();
    let (mut labels, mut oids) = (Vec::new(), Vec::new());
    while let Some(field) = fields.next().map_err(broken)? {
        labels.push(field.name());
        oids.push(field.type_oid());
    }
    lines.columns(labels.into_iter())?;
    Ok(oids)
}

fn read_rows<W: Write>(session: &mut Session, kinds: &[Kind], lines: &mut Lines<W>) -> Result<()> {
    loop {
        match session.receive()? {
            Message::DataRow(body) => write_row(&body, kinds, lines)?,
            Message::PortalSuspended => return Err(lines.too_many_rows()),
            Message::ReadyForQuery(_) => return Ok(()),
            Message::ParseComplete | Message::BindComplete | Message::CommandComplete(_) => {}
            _ => return Err(broken("another answer to a query")),
        }
    }
}

fn write_row<W: Write>(body: &DataRowBody, kinds: &[Kind], lines: &mut Lines<W>) -> Result<()> {
    let mut ranges = body.ranges();
    let mut count = 0;
    while let Some(range) = ranges.next().map_err(broken)? {
        let kind = kinds.get(count).unwrap_or(&Kind::Text);
        let value = match range {
            Some(range) => Some(body.buffer().get(range).ok_or_else(|| broken("a row that is too short"))?),
            None => None,
        };
        render::value(kind, value, lines.cell(count)?)?;
        count += 1;
    }
    lines.end(count)
}
