//! MySQL and MariaDB: protocol 10, queries and rows as text.
//!
//! Several statements in one query are not asked for when the connection begins, so the server takes one and no more.

mod columns;
mod digest;
mod login;
mod packets;
mod read;
mod refusal;
mod render;

use std::io::Write;

use windlass_plugin::{Error, Result};

use crate::fetch::Question;
use crate::lines::Lines;
use crate::wire::broken;
use columns::Column;
use packets::Packets;
use read::Reader;

#[cfg(fuzzing)]
pub(crate) use {columns::fuzz_columns, render::value as fuzz_value};

/// The command that carries a statement.
const QUERY: u8 = 0x03;
const QUIT: u8 = 0x01;
const NULL: u8 = 0xfb;
const END: u8 = 0xfe;

/// Asks, and has every row written.
pub(crate) fn ask<W: Write>(question: &Question<'_>, lines: &mut Lines<W>) -> Result<()> {
    let mut session = login::begin(question)?;
    for statement in beginning(question, session.is_mariadb) {
        session.command(&statement)?;
    }
    let Some(count) = session.query(&question.options.query)? else {
        return Err(Error::invalid("the query is none that returns rows"));
    };
    let columns = session.columns(count)?;
    lines.columns(columns.iter().map(|column| column.label.as_str()))?;
    while let Some(row) = session.row()? {
        write_row(&row, &columns, lines)?;
    }
    session.end();
    Ok(())
}

/// Times are those of UTC, and every transaction only reads: also one that a procedure begins.
fn beginning(question: &Question<'_>, is_mariadb: bool) -> Vec<String> {
    let millis = question.options.timeout().as_millis();
    let limit = if is_mariadb {
        format!("SET SESSION max_statement_time = {}.{:03}", millis / 1_000, millis % 1_000)
    } else {
        format!("SET SESSION max_execution_time = {millis}")
    };
    let others =
        ["SET SESSION time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ ONLY"];
    std::iter::once(limit).chain(others.map(str::to_owned)).collect()
}

fn write_row<W: Write>(row: &[u8], columns: &[Column], lines: &mut Lines<W>) -> Result<()> {
    let mut reader = Reader::new(row);
    for (at, column) in columns.iter().enumerate() {
        let value = if reader.peek() == Some(NULL) {
            reader.byte()?;
            None
        } else {
            Some(reader.text()?)
        };
        render::value(&column.kind, value, lines.cell(at)?)?;
    }
    if !reader.is_empty() {
        return Err(broken("a row with more values than columns"));
    }
    lines.end(columns.len())
}

/// A conversation with one server.
struct Session {
    packets: Packets,
    is_mariadb: bool,
    /// Columns tell more of their types than their numbers.
    has_more_types: bool,
}

impl Session {
    /// Sends a statement; how many columns its result has, or none where it has no result.
    fn query(&mut self, statement: &str) -> Result<Option<usize>> {
        let mut command = vec![QUERY];
        command.extend_from_slice(statement.as_bytes());
        self.packets.begin();
        self.packets.send(&command)?;
        let answer = self.packets.receive()?;
        match answer.first() {
            Some(0x00) => Ok(None),
            Some(&refusal::MARK) => Err(refusal::of(&answer)),
            // The server asks for a file of ours, which nobody has offered.
            Some(&NULL) => Err(Error::unsupported("the query wants a file of the client (LOAD DATA LOCAL)")),
            _ => {
                let count = Reader::new(&answer).number()?;
                usize::try_from(count).map(Some).map_err(|_| broken("too many columns"))
            }
        }
    }

    /// Runs a statement of our own.
    fn command(&mut self, statement: &str) -> Result<()> {
        match self.query(statement)? {
            None => Ok(()),
            Some(_) => Err(broken("a result where there is none")),
        }
    }

    fn columns(&mut self, count: usize) -> Result<Vec<Column>> {
        let mut columns = Vec::new();
        for _ in 0..count {
            let packet = self.packets.receive()?;
            columns.push(Column::read(&packet, self.has_more_types)?);
            if columns.len() > 4_096 {
                return Err(broken("too many columns"));
            }
        }
        let end = self.packets.receive()?;
        if is_end(&end) { Ok(columns) } else { Err(broken("columns without an end")) }
    }

    /// The next row; none after the last.
    fn row(&mut self) -> Result<Option<Vec<u8>>> {
        let packet = self.packets.receive()?;
        match packet.first() {
            Some(&refusal::MARK) => Err(refusal::of(&packet)),
            _ if is_end(&packet) => Ok(None),
            _ => Ok(Some(packet)),
        }
    }

    /// Says goodbye; that nobody hears it any more is fine.
    fn end(&mut self) {
        self.packets.begin();
        let _ = self.packets.send(&[QUIT]);
    }
}

/// A long value begins with the same byte, and is longer.
fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&END) && packet.len() < 9
}
