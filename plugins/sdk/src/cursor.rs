//! Cursors of logs: where a log goes on after a piece of it.

use std::fmt;

use crate::error::{Error, Result};

/// For platforms that count the bytes of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub u64);

impl Offset {
    /// What `Display` wrote; 0 for none.
    pub fn read(cursor: Option<&str>) -> Result<Offset> {
        match cursor {
            None => Ok(Offset(0)),
            Some(text) => text.parse().map(Offset).map_err(|_| not_ours(text)),
        }
    }

    /// Goes on by as many bytes.
    pub fn advance(&mut self, bytes: usize) -> Offset {
        self.0 = self.0.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        *self
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// For platforms that give every line a time and can only be asked for the lines since a time. Several lines may bear the
/// same time; the cursor knows how many of them were pushed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// The time of the last line that was pushed, as the platform writes it; empty before the first. What the platform is
    /// to be asked for, this time included.
    pub time: String,
    /// How many lines of that time were pushed.
    pushed: u64,
    /// How many lines of that time came by in this reading.
    seen: u64,
}

impl Since {
    /// What `Display` wrote; the beginning for none.
    pub fn read(cursor: Option<&str>) -> Result<Since> {
        let Some(text) = cursor else { return Ok(Since::default()) };
        let parts = text.split_once('/').and_then(|(pushed, time)| Some((pushed.parse().ok()?, time)));
        let (pushed, time) = parts.ok_or_else(|| not_ours(text))?;
        Ok(Since { time: time.to_owned(), pushed, seen: 0 })
    }

    /// Takes the next line that the platform sent, by its time: whether it is new. The times must not go back.
    pub fn takes(&mut self, time: &str) -> bool {
        if time != self.time {
            *self = Since { time: time.to_owned(), pushed: 1, seen: 1 };
            return true;
        }
        self.seen += 1;
        let is_new = self.seen > self.pushed;
        self.pushed = self.pushed.max(self.seen);
        is_new
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pushed, self.time)
    }
}

fn not_ours(cursor: &str) -> Error {
    Error::internal(format!("'{cursor}' is not a cursor of this plugin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_lost_or_told_twice_wherever_the_log_is_cut() {
        let lines = [("1", "a"), ("1", "b"), ("2", "c"), ("2", "d"), ("2", "e"), ("3", "f")];
        for step in 1..=6 {
            let (mut all, mut cursor) = (Vec::new(), None);
            while all.len() < 6 {
                let mut since = Since::read(cursor.as_deref()).unwrap();
                let from = since.time.clone();
                let before = all.len();
                for (time, line) in lines.into_iter().filter(|(time, _)| *time >= from.as_str()) {
                    if all.len() < before + step && since.takes(time) {
                        all.push(line);
                        cursor = Some(since.to_string());
                    }
                }
                assert!(all.len() > before);
            }
            assert_eq!(all, ["a", "b", "c", "d", "e", "f"], "in steps of {step}");
        }
        assert!(Since::read(Some("x")).is_err());
    }

    #[test]
    fn an_offset_goes_on() {
        let mut offset = Offset::read(None).unwrap();
        assert_eq!(offset.advance(10).to_string(), "10");
        assert_eq!(Offset::read(Some("10")).unwrap(), offset);
        assert!(Offset::read(Some("ten")).is_err());
    }
}
