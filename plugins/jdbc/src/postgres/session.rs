//! A conversation: messages out, messages in.

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::backend::{Header, Message};
use postgres_protocol::message::frontend;
use windlass_plugin::{Error, Result};

use super::refusal::refusal;
use crate::wire::{MOST_MESSAGE, Wire, broken, too_long};

/// A conversation with one server.
pub(super) struct Session {
    pub(super) wire: Wire,
}

impl Session {
    /// Sends what `write` writes.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> std::io::Result<()>) -> Result<()> {
        let mut message = BytesMut::new();
        write(&mut message)?;
        self.wire.send(&message)
    }

    /// The next message that is for us. What the server refuses is an error.
    pub(super) fn receive(&mut self) -> Result<Message> {
        loop {
            let header = Header::parse(&self.wire.incoming).map_err(broken)?;
            let length = header.map_or(0, |header| usize::try_from(header.len()).unwrap_or(usize::MAX));
            if length > MOST_MESSAGE {
                return Err(too_long(length));
            }
            match Message::parse(&mut self.wire.incoming).map_err(broken)? {
                None => self.wire.fill()?,
                Some(Message::ErrorResponse(body)) => return Err(refusal(&body)),
                Some(Message::NoticeResponse(_) | Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
                Some(message) => return Ok(message),
            }
        }
    }

    /// Runs statements of our own; the values of their rows, without those that are NULL.
    pub(super) fn command(&mut self, statements: &str) -> Result<Vec<Vec<Vec<u8>>>> {
        self.send(|message| frontend::query(statements, message))?;
        let mut rows = Vec::new();
        loop {
            match self.receive()? {
                Message::ReadyForQuery(_) => return Ok(rows),
                Message::DataRow(body) => rows.push(values(body.buffer())?),
                Message::CommandComplete(_) | Message::RowDescription(_) | Message::EmptyQueryResponse => {}
                _ => return Err(broken("another answer to a command")),
            }
        }
    }

    /// Has a statement looked at and described.
    pub(super) fn parse(&mut self, query: &str) -> Result<()> {
        self.send(|message| {
            frontend::parse("", query, std::iter::empty(), message)?;
            frontend::describe(b'S', "", message)?;
            frontend::sync(message);
            Ok(())
        })
    }

    /// Has a statement run, for one row more than are wanted.
    pub(super) fn execute(&mut self, query: &str, max_rows: u64) -> Result<()> {
        // 0 is all of them: then they are counted here only.
        let most = max_rows.checked_add(1).and_then(|most| i32::try_from(most).ok()).unwrap_or(0);
        self.send(|message| {
            frontend::parse("", query, std::iter::empty(), message)?;
            let nothing = || std::iter::empty::<i16>();
            frontend::bind("", "", nothing(), std::iter::empty::<()>(), |(), _| Ok(IsNull::Yes), nothing(), message)
                .map_err(|_| std::io::Error::other("a statement without parameters cannot be bound"))?;
            frontend::execute("", most, message)?;
            frontend::sync(message);
            Ok(())
        })
    }

    /// Says goodbye; that nobody hears it any more is fine.
    pub(super) fn end(&mut self) {
        let _ = self.send(|message| {
            frontend::terminate(message);
            Ok(())
        });
    }
}

/// The values of a row: each has its length before it, -1 for NULL.
fn values(row: &[u8]) -> Result<Vec<Vec<u8>>> {
    let short = || Error::internal("a row that is too short");
    let (mut rest, mut values) = (row, Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        rest = after;
        if let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) {
            let (value, after) = rest.split_at_checked(length).ok_or_else(short)?;
            values.push(value.to_vec());
            rest = after;
        }
    }
    Ok(values)
}
